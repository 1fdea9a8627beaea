package bulk

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"example.com/ezdfs/cluster"
	"example.com/ezdfs/metadata"
)

// PurgeOptions say what is purged and how. The zero value purges every expired
// file at full speed, a hundred at a time.
type PurgeOptions struct {
	cluster.PurgeOptions
	// Limits are for batches of BatchSize files.
	Limits Limits
	// Pause follows each full batch, as in the legacy's script; batches then go
	// one after the other.
	Pause time.Duration
	// Waiting is for stores and databases that do not answer.
	Waiting Waiting
	// Progress, when set, counts along.
	Progress *Progress
	// Report, when set, is told of each batch, of one at a time. Its error
	// ends the purge.
	Report func(cluster.PurgeBatch) error
}

// Purge removes expired files for good, several batches at a time, each of a
// range of name_hash of its own. What was removed stays removed: the same call
// goes on after an interruption, and several hosts may purge at once. A file
// that cannot be removed is counted and named in Progress and does not stop
// the others; those of a store that does not answer are left, which an
// *OutageError tells.
func Purge(ctx context.Context, c *cluster.Cluster, options PurgeOptions) error {
	p := &purger{c: c, options: options, progress: options.Progress}
	if p.progress == nil {
		p.progress = new(Progress)
	}
	if options.BatchSize <= 0 {
		p.options.BatchSize = 100
	}
	if options.Pause > 0 || options.DryRun {
		p.options.Limits.Workers = 1
	}
	if !options.DryRun && options.Start == "" {
		p.options.Start = fmt.Sprintf("%04x", rand.IntN(1<<16))
	}
	pool := NewPool(p.options.Limits, p.progress)
	p.options.BatchSize = pool.BatchSize(p.options.BatchSize)
	p.outages = NewOutages(c, options.Waiting, p.progress)
	rows := Present(p.outages, c.ExpiredRows(ctx, p.options.PurgeOptions), func(row metadata.Row) string { return row.Name })
	return p.outages.Result(ctx, "purge", Batches(ctx, pool, p.options.BatchSize, rows, p.purge))
}

type purger struct {
	c        *cluster.Cluster
	options  PurgeOptions
	progress *Progress
	outages  *Outages
	mu       sync.Mutex // of Report
}

// purge removes a batch, and what a store failed at once more when it answers
// again.
func (p *purger) purge(ctx context.Context, rows []metadata.Row) error {
	full := len(rows) == p.options.BatchSize
	for tries := 0; len(rows) > 0; tries++ {
		rows = slices.DeleteFunc(rows, func(row metadata.Row) bool { return p.outages.Leaves(row.Name) })
		var err error
		if rows, err = p.remove(ctx, rows, tries); err != nil {
			return err
		}
	}
	if full && !p.options.DryRun {
		return sleep(ctx, p.options.Pause)
	}
	return nil
}

// remove removes files and returns those to try again.
func (p *purger) remove(ctx context.Context, rows []metadata.Row, tries int) (again []metadata.Row, err error) {
	batch, start := cluster.PurgeBatch{Removed: rows}, time.Now()
	if !p.options.DryRun && len(rows) > 0 {
		err = p.outages.Persist(ctx, func() (err error) {
			batch, err = p.c.PurgeRows(ctx, rows, p.options.Before)
			return err
		})
	}
	var bytes int64
	for _, row := range batch.Removed {
		bytes += row.Size
		p.outages.Worked(row.Name)
	}
	p.progress.AddMany(int64(len(batch.Removed)), bytes)
	if len(batch.Removed) > 0 {
		p.progress.Took(BatchName(batch.Removed[0].Name, len(batch.Removed)), time.Since(start))
	}
	if ctx.Err() != nil {
		batch.Failed = nil // interrupted, not failed
	} else if len(batch.Failed) > 0 {
		err = nil // which was that no store answers; each file is told
	}
	for _, row := range rows {
		if failed := batch.Failed[row.Name]; failed != nil && p.outages.Again(ctx, row.Name, failed, start, tries) {
			again = append(again, row)
		}
	}
	if reported := p.report(batch); reported != nil {
		return nil, reported
	}
	return again, cmp.Or(err, ctx.Err())
}

func (p *purger) report(batch cluster.PurgeBatch) error {
	if p.options.Report == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.options.Report(batch)
}

// sleep waits for d or until ctx is done.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
