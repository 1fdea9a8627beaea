package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.com/ezdfs/bulk"
	"example.com/ezdfs/bulk/check"
	"example.com/ezdfs/cluster"
)

// checkFlags are the flags of check as they stand.
type checkFlags struct {
	options check.Options
	bulk    bulkFlags
}

func newCheck(a *app) *cobra.Command {
	var f checkFlags
	c := &cobra.Command{
		Use: "check [PREFIX]", Short: "Hold rows and bodies against each other", Args: arguments(0, 1),
		Long: checkHelp(),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.options.Prefix = strings.Join(args, "")
			if err := f.check(); err != nil {
				return err
			}
			// A store that is down is told, and the others are checked.
			return a.withCluster(cmd.Context(), func(s session) error { return f.run(cmd.Context(), a, s) }, cluster.WithLateStores())
		},
	}
	f.add(c)
	return c
}

const checkIntroduction = `Find what a crash, a bug or a hand left behind: hold all rows of both tables
against all bodies on all backends that the settings describe, those included
that no rule names, or only those whose path begins with PREFIX. Nothing is
changed without --repair or --delete. Everything is looked at again, under the
lock of its row, before it is told: writers may go on.

`

const checkNotes = `
--contents reads the body of every live row to its end. Rows have no checksum:
what is compared is the length, and on Amazon S3 and Google Cloud Storage the
checksum that the store keeps; on NFS and other S3 services, which are not asked
for theirs, that every byte can be read. It also compares the times that S3 does
not tell in a listing.

A backend that cannot be listed, or that falls silent later, is named once, and
nothing is said about its paths. So is one that has none of the bodies of its
rows, by name and size, however few these are, which is what a share that is not
mounted, another's share or a wrong bucket looks like: these rows are counted
and left alone, nothing on it is deleted, and no row of another backend is
expired, since its body may lie on the right one. --accept-loss says that the
bodies are lost indeed. Bodies that lie elsewhere are moved to a backend that is
empty, as one is that the rules have just named, but not to one that holds what
is another's.

Where a backend has a Trash among its settings, what --delete takes from it moves
there, which is told as trashed: dfsctl trash ls, restore and empty know it.

--rate bounds the bodies that are listed in a second, and then the rows.

Exit code 4 if something was found and not mended, 1 if something could not be
checked. With --json one document for each finding, with kind, name, table,
backend, detail, fix (what mends it: repair, delete or "") and action (what was
done: repaired, deleted, trashed or ""), and at the end {"summary": {...}}.`

// checkHelp lists the kinds of findings.
func checkHelp() string {
	var b strings.Builder
	b.WriteString(checkIntroduction)
	for _, kind := range check.Kinds() {
		fmt.Fprintf(&b, "  %s: %s", kind.Kind, kind.What)
		if kind.Fix != check.Nothing {
			fmt.Fprintf(&b, "; --%s %s", kind.Fix, kind.How)
		}
		b.WriteString("\n")
	}
	return b.String() + checkNotes
}

func (f *checkFlags) add(c *cobra.Command) {
	flags, o := c.Flags(), &f.options
	flags.BoolVar(&o.Storage, "storage", false, "look for what is wrong with bodies (both by default)")
	flags.BoolVar(&o.Database, "database", false, "look for what is wrong with rows (both by default)")
	flags.BoolVar(&o.Contents, "contents", false, "read every body to its end")
	flags.BoolVar(&o.Repair, "repair", false, "mend what has one right answer")
	flags.BoolVar(&o.Delete, "delete", false, "remove what belongs to nobody")
	flags.DurationVar(&o.Grace, "grace", time.Hour, "`AGE` up to which bodies without a row are spared: whoever writes them may go on")
	flags.BoolVar(&o.AcceptLoss, "accept-loss", false, "believe a backend that has no body of any of its rows: they are lost")
	flags.StringVar(&o.From, "from", "", "begin at this `HASH`, a name_hash or the beginning of one")
	flags.StringVar(&o.To, "to", "", "end before this `HASH`, so that several hosts can share a check")
	f.bulk.add(c, "directories, listings or paths")
	flags.StringVar(&o.TempDir, "temp", "", "`DIR` for temporary files, about 100 bytes for each body (default that of the system)")
}

func (f *checkFlags) check() error {
	if f.options.Grace < 0 {
		return usagef("--grace %v is negative", f.options.Grace)
	}
	if err := f.options.Validate(); err != nil {
		return &usageError{err}
	}
	return f.bulk.check()
}

func (f *checkFlags) run(ctx context.Context, a *app, s session) (err error) {
	r := &bulkRun{a: a, verb: "checked", mode: f.bulk.progress, progress: new(bulk.Progress)}
	o := f.options
	o.Limits, o.Progress = f.bulk.limits, r.progress
	o.GenerationTimeout = s.settings.Content.GenerationTimeout
	o.Found = a.printFinding
	stores, closeStores := check.Stores(ctx, s.Cluster, s.settings, a.logger())
	defer func() {
		if closing := closeStores(); err == nil { // or else its kind tells what to look at
			err = closing
		}
	}()
	o.Stores = stores
	start := time.Now()
	stop := r.show(ctx)
	summary, err := check.Run(ctx, s.Cluster, o)
	stop()
	return r.finishCheck(ctx, summary, time.Since(start), err)
}

// printFinding prints a finding as soon as it is known.
func (a *app) printFinding(f check.Finding) error {
	if a.json {
		if err := a.printJSON(f); err != nil {
			return err
		}
		return a.stdout.Flush()
	}
	where := f.Backend
	if where == "" {
		where = f.Table
	}
	line := fmt.Sprintf("%s %q on %s: %s", f.Kind, f.Name, where, f.Detail)
	switch {
	case f.Action != "":
		line += "; " + f.Action
	case f.Error != "":
		line += "; not mended: " + f.Error
	}
	a.printf("%s\n", line)
	return a.stdout.Flush()
}

// checkSummary is how a check went, as JSON shows it.
type checkSummary struct {
	check.Summary
	Seconds   float64    `json:"seconds"`
	Rate      float64    `json:"files_per_second"`
	Throttled int64      `json:"throttled,omitempty"` // requests that a store refused as too many
	Slowest   []slowItem `json:"slowest,omitempty"`   // of what was looked at again, or read
}

// finishCheck prints the summary and says whether all is well.
func (r *bulkRun) finishCheck(ctx context.Context, s check.Summary, took time.Duration, err error) error {
	a, of := r.a, r.summarize(took)
	full := checkSummary{Summary: s, Seconds: of.Seconds, Throttled: of.Throttled, Slowest: of.Slowest}
	full.Rate = float64(max(s.Rows, s.Bodies)) / max(full.Seconds, 1e-9)
	for _, failure := range s.Failures {
		a.note("%s could not be checked: %s", failure.What, failure.Error)
	}
	for _, note := range s.Notes {
		a.note("%s", note)
	}
	if a.json {
		if err := a.printJSON(map[string]checkSummary{"summary": full}); err != nil {
			return err
		}
	} else {
		a.printf("%s, %d bodies in %.1f s, %.0f files/s; %s, %d mended; %d within the grace, %d not checked, %d left out\n",
			plural(s.Rows, "row"), s.Bodies, full.Seconds, full.Rate, plural(s.Found, "finding"), s.Mended, s.Young, s.Unchecked, s.Skipped)
		a.printf("%s", of.tail())
	}
	if err != nil && ctx.Err() == nil {
		a.note("%s", howFar(s))
	}
	return checkError(ctx, s, err)
}

// howFar says how far a check got that did not come to its end.
func howFar(s check.Summary) string {
	switch {
	case s.Next != "" && strings.Trim(s.Next, "0") == "":
		return "no part is checked to its end; begin again"
	case s.Next != "":
		return fmt.Sprintf("checked up to name_hash %s; --from %s goes on there", s.Next, s.Next)
	case s.Rows > 0:
		return "all is checked but for case twins"
	}
	return "the backends were being listed and nothing is checked"
}

func checkError(ctx context.Context, s check.Summary, err error) error {
	switch {
	case err != nil && ctx.Err() != nil:
		return &stoppedError{howFar(s)}
	case err != nil:
		return err
	case s.Unchecked > 0:
		return fmt.Errorf("not everything could be checked: %s", plural(s.Unchecked, "failure"))
	case s.Found > s.Mended:
		return &foundError{fmt.Sprintf("%s not mended", plural(s.Found-s.Mended, "finding"))}
	}
	return nil
}
