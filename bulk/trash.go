package bulk

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/metadata"
)

// TrashOptions say how hard to work on what is in the trash, and who is told.
// The zero value works at full speed.
type TrashOptions struct {
	// Limits are for files that are restored, and for batches of a thousand that
	// are removed.
	Limits Limits
	// Progress, when set, counts along.
	Progress *Progress
}

func (o *TrashOptions) pool() *Pool {
	if o.Progress == nil {
		o.Progress = new(Progress)
	}
	return NewPool(o.Limits, o.Progress)
}

// Restore brings files back from the trash, several at a time, and tells report
// of each, of one at a time. A file that cannot be restored, as there is one of
// its name, is counted and named in Progress and does not stop the others; nor does
// one that the source cannot tell of (*cluster.UnsureError). A store or a database
// that does not answer does.
func Restore(ctx context.Context, c *cluster.Cluster, files iter.Seq2[metadata.Trashed, error], o TrashOptions, report func(metadata.Row) error) error {
	var mu sync.Mutex // of report
	pool := o.pool()
	err := Each(ctx, pool, sure(files, o.Progress), func(ctx context.Context, t metadata.Trashed) error {
		if err := pool.Wait(ctx, t.Size); err != nil {
			return err
		}
		start := time.Now()
		row, err := c.Restore(ctx, t)
		switch {
		case ctx.Err() != nil && err != nil:
			return ctx.Err()
		case errors.Is(err, metadata.ErrUnavailable), errors.Is(err, backends.ErrUnavailable):
			return err
		case err != nil:
			o.Progress.Fail(t.Name, err)
			return nil
		}
		o.Progress.Add(row.Name, row.Size, time.Since(start))
		mu.Lock()
		defer mu.Unlock()
		return report(row)
	})
	if err != nil {
		return err
	}
	return o.Progress.Err("restore")
}

// sure leaves out files of which nobody can tell whether they are in the trash, and
// counts them as failed.
func sure(files iter.Seq2[metadata.Trashed, error], progress *Progress) iter.Seq2[metadata.Trashed, error] {
	return func(yield func(metadata.Trashed, error) bool) {
		for t, err := range files {
			if unsure := (*cluster.UnsureError)(nil); errors.As(err, &unsure) {
				progress.Fail(t.Name, unsure)
				continue
			}
			if !yield(t, err) {
				return
			}
		}
	}
}

// trashBatch is how many files are removed from the trash together.
const trashBatch = 1000

// EmptyTrash removes files from the trash for good, several batches at a time,
// and tells report of those of each, of one at a time. What was removed stays
// removed: the same call goes on after an interruption. A file that cannot be
// removed is counted and named in Progress and does not stop the others.
func EmptyTrash(ctx context.Context, c *cluster.Cluster, files iter.Seq2[metadata.Trashed, error], o TrashOptions, report func([]metadata.Trashed) error) error {
	var mu sync.Mutex // of report
	err := Batches(ctx, o.pool(), trashBatch, files, func(ctx context.Context, files []metadata.Trashed) error {
		start := time.Now()
		batch, err := c.RemoveTrash(ctx, files)
		if err == nil && len(batch.Removed) > 0 {
			var bytes int64
			for _, t := range batch.Removed {
				bytes += t.Size
			}
			o.Progress.AddMany(int64(len(batch.Removed)), bytes)
			o.Progress.Took(BatchName(batch.Removed[0].Name, len(batch.Removed)), time.Since(start))
		}
		if ctx.Err() != nil && err != nil {
			return ctx.Err() // interrupted, not failed
		}
		for _, t := range files {
			if why := batch.Failed[t.Location]; why != nil && ctx.Err() == nil {
				o.Progress.Fail(t.Name, why)
			}
		}
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		return report(batch.Removed)
	})
	if err != nil {
		return err
	}
	return o.Progress.Err("empty the trash")
}
