package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.com/ezdfs/bulk"
	"example.com/ezdfs/cluster"
)

// purgeFlags are the flags of purge as they stand.
type purgeFlags struct {
	scopes []string
	days   int
	limit  int
	sleep  float64 // seconds
	dryRun bool
	bulk   bulkFlags
}

func newPurge(a *app) *cobra.Command {
	var f purgeFlags
	c := &cobra.Command{
		Use: "purge [PREFIX]", Short: "Remove expired files for good", Args: arguments(0, 1),
		Long: `Remove files for good, with their contents, that are expired, whose path begins
with PREFIX, whose scope is in the list and whose last change is old enough. The
age is that of the contents: when a file was expired is written nowhere, so one
that was stored a year ago and removed a minute ago is a year old.

  dfsctl purge --scopes all --expiry 0    everything that is expired, at once

Where a backend has a Trash among its settings, contents move there: see dfsctl
trash.

The journal of changes loses what is older than [ChangeFeed] JournalRetention.

What was removed stays removed: the same command goes on after an interruption.
With --json one document for each file, with "error" for one that stays, and at
the end {"summary": {...}}.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			options, err := f.options(time.Now())
			if err != nil {
				return err
			}
			options.Prefix = strings.Join(args, "")
			return a.withCluster(cmd.Context(), func(s session) error {
				p := &purge{a: a, s: s, DryRun: f.dryRun}
				if err := p.run(cmd.Context(), options, f.bulk.progress); err != nil || f.dryRun {
					return err
				}
				// Whoever follows the feed prunes it too, but nobody may.
				_, err := s.Metadata().PruneJournal(cmd.Context(), time.Now().Add(-s.settings.Changes.JournalRetention))
				return err
			})
		},
	}
	f.add(c)
	return c
}

func (f *purgeFlags) add(c *cobra.Command) {
	flags := c.Flags()
	// The default scopes are those of the legacy's cron job, contract section 9.
	flags.StringSliceVar(&f.scopes, "scopes", []string{
		"classattridentifiers", "classidentifiers", "content", "expirycache", "statelimitations", "template-block",
		"user-info-cache", "viewcache", "wildcard-cache-index", "image", "media", "binaryfile",
	}, "`SCOPES` to purge, separated by commas, or all")
	flags.IntVar(&f.days, "expiry", 30, "purge what last changed at least this many `DAYS` ago; 0 for any age")
	flags.IntVar(&f.limit, "iteration-limit", 1000, "`NUMBER` of files in a batch, which are locked and removed together")
	flags.Float64Var(&f.sleep, "iteration-sleep", 0, "`SECONDS` to rest after each full batch; batches then go one after the other")
	f.bulk.addUnpaced(c, "batches")
	flags.BoolVar(&f.dryRun, "dry-run", false, "print what would go and remove nothing")
}

// maxDays keeps the age within what a time can be.
const maxDays = 100 * 365

func (f *purgeFlags) options(now time.Time) (bulk.PurgeOptions, error) {
	options := bulk.PurgeOptions{
		PurgeOptions: cluster.PurgeOptions{Scopes: f.scopes, BatchSize: f.limit, DryRun: f.dryRun},
		Limits:       f.bulk.limits,
		Pause:        time.Duration(f.sleep * float64(time.Second)),
	}
	switch {
	case f.days < 0 || f.days > maxDays:
		return options, usagef("--expiry %d is not a number of days from 0 to %d", f.days, maxDays)
	case f.limit < 1:
		return options, usagef("--iteration-limit %d is less than 1", f.limit)
	case !(f.sleep >= 0 && f.sleep <= 3600):
		return options, usagef("--iteration-sleep %v is not a number of seconds from 0 to 3600", f.sleep)
	case len(f.scopes) == 0:
		return options, usagef("--scopes names none; all is every scope")
	}
	if slices.Equal(f.scopes, []string{"all"}) || slices.Equal(f.scopes, []string{"*"}) {
		options.Scopes = nil
	}
	if f.days > 0 {
		options.Before = now.AddDate(0, 0, -f.days)
	}
	return options, f.bulk.check()
}

// purge counts and prints what a purge removes.
type purge struct {
	a *app
	s session

	Purged int64 `json:"purged"`
	Failed int64 `json:"failed"`
	Bytes  int64 `json:"bytes"` // of the files purged
	DryRun bool  `json:"dry_run"`

	Seconds float64    `json:"seconds"`
	Rate    float64    `json:"files_per_second"`
	Slowest []slowItem `json:"slowest,omitempty"`

	summary summary
}

func (p *purge) run(ctx context.Context, options bulk.PurgeOptions, mode progressMode) error {
	r := &bulkRun{a: p.a, verb: "purged", mode: mode, progress: new(bulk.Progress)}
	options.Progress, options.Report = r.progress, p.add
	start := time.Now()
	stop := r.show(ctx)
	err := bulk.Purge(ctx, p.s.Cluster, options)
	stop()
	p.summary = r.summarize(time.Since(start))
	switch {
	case err != nil && ctx.Err() != nil:
		return &stoppedError{fmt.Sprintf("%s purged, %d failed; the same command goes on", plural(p.Purged, "file"), p.Failed)}
	case err != nil && p.Failed == 0:
		return fmt.Errorf("%s purged, then: %w", plural(p.Purged, "file"), err)
	}
	return p.finish(err)
}

// add counts and prints one batch.
func (p *purge) add(batch cluster.PurgeBatch) error {
	for _, row := range batch.Removed {
		p.Purged++
		p.Bytes += row.Size
		switch {
		case p.a.json:
			if err := p.a.printJSON(p.s.row(row)); err != nil {
				return err
			}
		case p.DryRun:
			p.a.printf("%s\n", row.Name)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(batch.Failed)) {
		p.Failed++
		p.a.note("%q stays: %v", path, batch.Failed[path])
		if p.a.json {
			if err := p.a.printJSON(map[string]string{"name": path, "error": batch.Failed[path].Error()}); err != nil {
				return err
			}
		}
	}
	return p.a.stdout.Flush()
}

func (p *purge) finish(err error) error {
	if p.a.json {
		p.Seconds, p.Rate, p.Slowest = p.summary.Seconds, p.summary.Rate, p.summary.Slowest
		if err := p.a.printJSON(map[string]*purge{"summary": p}); err != nil {
			return err
		}
	} else {
		verb := "purged"
		if p.DryRun {
			verb = "would purge"
		}
		pace := ""
		if p.summary.Seconds >= 1 {
			pace = "; " + p.summary.pace()
		}
		p.a.printf("%s %s, %s%s\n", verb, plural(p.Purged, "file"), plural(p.Bytes, "byte"), pace)
		p.a.printf("%s", p.summary.tail())
	}
	if p.Failed > 0 {
		return fmt.Errorf("%s could not be purged", plural(p.Failed, "file"))
	}
	return err
}
