package main

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.com/ezdfs/cluster"
)

// purgeFlags are the flags of purge as they stand.
type purgeFlags struct {
	scopes []string
	days   int
	limit  int
	sleep  float64 // seconds
	dryRun bool
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
				if err := p.run(cmd.Context(), options, time.Duration(f.sleep*float64(time.Second))); err != nil || f.dryRun {
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
	flags.IntVar(&f.limit, "iteration-limit", 100, "`NUMBER` of files to lock and remove at a time")
	flags.Float64Var(&f.sleep, "iteration-sleep", 1, "`SECONDS` to rest after each full batch; 0 for full speed")
	flags.BoolVar(&f.dryRun, "dry-run", false, "print what would go and remove nothing")
}

// maxDays keeps the age within what a time can be.
const maxDays = 100 * 365

func (f *purgeFlags) options(now time.Time) (cluster.PurgeOptions, error) {
	options := cluster.PurgeOptions{Scopes: f.scopes, BatchSize: f.limit, DryRun: f.dryRun}
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
	return options, nil
}

// purge counts and prints what a purge removes.
type purge struct {
	a *app
	s session

	Purged int64 `json:"purged"`
	Failed int64 `json:"failed"`
	Bytes  int64 `json:"bytes"` // of the files purged
	DryRun bool  `json:"dry_run"`
}

func (p *purge) run(ctx context.Context, options cluster.PurgeOptions, rest time.Duration) error {
	next, stop := iter.Pull2(p.s.PurgeExpired(ctx, options))
	defer stop()
	for {
		batch, err, ok := next()
		if !ok {
			break
		}
		if err := p.add(batch); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return p.stopped()
		}
		if err != nil {
			return fmt.Errorf("%s purged, then: %w", plural(p.Purged, "file"), err)
		}
		if full := len(batch.Removed)+len(batch.Failed) == options.BatchSize; full && !options.DryRun && !sleep(ctx, rest) {
			return p.stopped()
		}
	}
	return p.finish()
}

func (p *purge) stopped() error {
	return &stoppedError{fmt.Sprintf("%s purged, %d failed; the same command goes on", plural(p.Purged, "file"), p.Failed)}
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

func (p *purge) finish() error {
	if p.a.json {
		if err := p.a.printJSON(map[string]*purge{"summary": p}); err != nil {
			return err
		}
	} else {
		verb := "purged"
		if p.DryRun {
			verb = "would purge"
		}
		p.a.printf("%s %s, %s\n", verb, plural(p.Purged, "file"), plural(p.Bytes, "byte"))
	}
	if p.Failed > 0 {
		return fmt.Errorf("%s could not be purged", plural(p.Failed, "file"))
	}
	return nil
}

// sleep waits, and reports false when ctx is done before.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
