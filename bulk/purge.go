package bulk

import (
	"context"
	"fmt"
	"math/rand/v2"
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
// the others.
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
	rows := c.ExpiredRows(ctx, p.options.PurgeOptions)
	if err := Batches(ctx, pool, p.options.BatchSize, rows, p.purge); err != nil {
		return err
	}
	return p.progress.Err("purge")
}

type purger struct {
	c        *cluster.Cluster
	options  PurgeOptions
	progress *Progress
	mu       sync.Mutex // of Report
}

func (p *purger) purge(ctx context.Context, rows []metadata.Row) error {
	batch, err := cluster.PurgeBatch{Removed: rows}, error(nil)
	start := time.Now()
	if !p.options.DryRun {
		batch, err = p.c.PurgeRows(ctx, rows, p.options.Before)
	}
	var bytes int64
	for _, row := range batch.Removed {
		bytes += row.Size
	}
	p.progress.AddMany(int64(len(batch.Removed)), bytes)
	if len(batch.Removed) > 0 {
		p.progress.Took(BatchName(batch.Removed[0].Name, len(batch.Removed)), time.Since(start))
	}
	if ctx.Err() != nil {
		batch.Failed = nil // interrupted, not failed
	}
	for path, err := range batch.Failed {
		p.progress.Fail(path, err)
	}
	if reported := p.report(batch); reported != nil {
		return reported
	}
	if err == nil && len(rows) == p.options.BatchSize && !p.options.DryRun {
		err = sleep(ctx, p.options.Pause)
	}
	return err
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
