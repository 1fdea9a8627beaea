package main

import (
	"context"
	"errors"
	"fmt"
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
A store that does not answer is waited for; then its files are left, and those of
the others removed.

With --json one document for each file, at the end one with "error" for each that
stays, and {"summary": {...}}.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			options, err := f.options(time.Now())
			if err != nil {
				return err
			}
			options.Prefix = strings.Join(args, "")
			return a.withCluster(cmd.Context(), func(s session) error {
				return f.run(cmd.Context(), newPurgeRun(a, s, &f), options)
			})
		},
	}
	f.add(c)
	return c
}

// run purges, and prunes the journal: whoever follows the feed does so too, but
// nobody may. Files that stay are no reason not to.
func (f *purgeFlags) run(ctx context.Context, p *purge, options bulk.PurgeOptions) error {
	err := p.run(ctx, options)
	if failed := (*bulk.FailedError)(nil); f.dryRun || err != nil && !errors.As(err, &failed) || ctx.Err() != nil {
		return err
	}
	_, pruned := p.s.Metadata().PruneJournal(ctx, time.Now().Add(-p.s.settings.Changes.JournalRetention))
	return errors.Join(err, pruned)
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
	f.bulk.addPatience(c)
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

// purge tells what a purge removes.
type purge struct {
	bulkRun
	s       session
	dryRun  bool
	waiting bulk.Waiting
}

// purgeSummary is what a purge did, as JSON shows it.
type purgeSummary struct {
	Purged int64 `json:"purged"`
	summary
	DryRun bool `json:"dry_run"`
}

func newPurgeRun(a *app, s session, f *purgeFlags) *purge {
	p := &purge{bulkRun{a: a, verb: "purged", mode: f.bulk.progress, progress: new(bulk.Progress)}, s, f.dryRun, f.bulk.waiting(a)}
	p.bulkRun.tell = p.print
	return p
}

func (p *purge) run(ctx context.Context, options bulk.PurgeOptions) error {
	options.Progress, options.Report, options.Waiting = p.progress, p.name, p.waiting
	return p.bulkRun.run(ctx, func(ctx context.Context) error { return bulk.Purge(ctx, p.s.Cluster, options) })
}

// name prints the files of a batch for those who want to know each.
func (p *purge) name(batch cluster.PurgeBatch) error {
	for _, row := range batch.Removed {
		switch {
		case p.a.json:
			if err := p.a.printJSON(p.s.row(row)); err != nil {
				return err
			}
		case p.dryRun:
			p.a.printf("%s\n", row.Name)
		}
	}
	return p.a.stdout.Flush()
}

func (p *purge) print(s summary, _ error) error {
	if p.a.json {
		return p.a.printJSON(map[string]purgeSummary{"summary": {s.Done, s, p.dryRun}})
	}
	verb := "purged"
	if p.dryRun {
		verb = "would purge"
	}
	failed, pace := "", ""
	if s.Failed > 0 {
		failed = fmt.Sprintf("; %d failed", s.Failed)
	}
	if s.Seconds >= 1 {
		pace = "; " + s.pace()
	}
	p.a.printf("%s %s, %s%s%s\n", verb, plural(s.Done, "file"), plural(s.Bytes, "byte"), failed, pace)
	return nil
}
