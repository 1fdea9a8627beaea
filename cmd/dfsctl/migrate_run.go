package main

import (
	"context"
	"fmt"

	"example.com/ezdfs/bulk/migrate"
	"example.com/ezdfs/metadata"
)

// migrationRun is a step of a migration as its command shows it.
type migrationRun struct {
	bulkRun
	s session
	m *migrate.Migration

	kind             metadata.MigrationKind
	prefix, from, to string
}

// migrationJSON is the result of a pass as JSON shows it.
type migrationJSON struct {
	Kind   metadata.MigrationKind `json:"kind"`
	Prefix string                 `json:"prefix"`
	From   string                 `json:"from"`
	To     string                 `json:"to"`
	metadata.MigrationCounts
}

// paceJSON is how fast this run was. The counts beside it are those of all runs
// of the pass, on all hosts.
type paceJSON struct {
	Unfinished bool       `json:"unfinished,omitempty"`
	Throttled  int64      `json:"throttled,omitempty"`
	Seconds    float64    `json:"seconds"`
	Rate       float64    `json:"files_per_second"`
	Slowest    []slowItem `json:"slowest,omitempty"`
}

func paceOf(s summary, err error) paceJSON {
	return paceJSON{err != nil, s.Throttled, s.Seconds, s.Rate, s.Slowest}
}

// copyOrVerify works on a pass.
func (w *migrationRun) copyOrVerify(ctx context.Context) (counts metadata.MigrationCounts, err error) {
	work := w.m.Copy
	if w.kind == metadata.MigrationVerify {
		work = w.m.Verify
	}
	w.count = w.files
	w.tell = func(s summary, err error) error { return w.print(counts, s, err) }
	err = w.run(ctx, func(ctx context.Context) (err error) {
		counts, err = work(ctx)
		return err
	})
	return counts, err
}

// files counts what there is to do, for the ETA.
func (w *migrationRun) files(ctx context.Context) (n int64, err error) {
	live := false
	for _, err := range w.s.Metadata().Rows(ctx, metadata.Filter{Prefix: w.prefix, Expired: &live}) {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// print tells what became of the files of the pass.
func (w *migrationRun) print(c metadata.MigrationCounts, s summary, err error) error {
	if more := c.Failed - s.Failed; more > 0 && err == nil {
		w.a.note("%s failed in earlier runs of this pass, or on other hosts, which named them", plural(more, "file"))
	}
	if w.a.json {
		return w.a.printJSON(map[string]any{"migration": struct {
			migrationJSON
			paceJSON
		}{migrationJSON{w.kind, w.prefix, w.from, w.to, c}, paceOf(s, err)}})
	}
	if w.kind == metadata.MigrationVerify {
		w.a.printf("verified %s on %s, %d failed; %s\n", plural(c.Present, "file"), w.to, c.Failed, s.pace())
		return nil
	}
	w.a.printf("copied %s, %s, from %s to %s; %d were there, %d have gone since, %d failed; %s\n",
		plural(c.Copied, "file"), plural(c.Bytes, "byte"), w.from, w.to, c.Present, c.Gone, c.Failed, s.pace())
	return nil
}

// deleteSource deletes what the old store holds.
func (w *migrationRun) deleteSource(ctx context.Context) error {
	var counts migrate.SourceCounts
	w.verb, w.looksOnly = "deleted", false
	w.tell = func(s summary, err error) error { return w.printSource(counts, s, err) }
	err := w.run(ctx, func(ctx context.Context) (err error) {
		counts, err = w.m.DeleteSource(ctx)
		return err
	})
	if err == nil && counts.Failed > 0 {
		err = fmt.Errorf("%s of %s could not be deleted; the same command tries again", plural(counts.Failed, "file"), w.from)
	}
	return err
}

func (w *migrationRun) printSource(c migrate.SourceCounts, s summary, err error) error {
	if w.a.json {
		return w.a.printJSON(map[string]any{"source": struct {
			migrate.SourceCounts
			paceJSON
		}{c, paceOf(s, err)}})
	}
	w.a.printf("deleted %s, %s, of %s; %d kept, %d failed; %s\n",
		plural(c.Deleted, "file"), plural(c.Bytes, "byte"), w.from, c.Kept, c.Failed, s.pace())
	return nil
}
