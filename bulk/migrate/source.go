package migrate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"sync"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/bulk"
	"example.com/ezdfs/metadata"
)

// sourceGrace is how old a body without a row must be before it is deleted:
// somebody may have written it and be about to make its row.
const sourceGrace = time.Hour

// deleteFiles is how many files are deleted together at most.
const deleteFiles = 500

// SourceCounts is what became of the bodies of the source.
type SourceCounts struct {
	Deleted int64 `json:"deleted"`
	Bytes   int64 `json:"bytes"` // of those deleted
	Kept    int64 `json:"kept"`  // the only body of a live file, or too young to tell
	Failed  int64 `json:"failed"`
}

// DeleteSource deletes from the source what is below the prefix: under the lock
// of the row the body of a file that the target has, or that has expired, and
// without a lock one that has no row and is older than an hour. Call it after
// Verify. Where one of the two stores has a trash, files that have expired are
// purged, which puts their bodies there, and bodies without a row go into that of
// the source.
func (m *Migration) DeleteSource(ctx context.Context) (SourceCounts, error) {
	var counts SourceCounts
	if m.ahead {
		return counts, ErrAhead
	}
	if err := m.reach(ctx); err != nil {
		return counts, err
	}
	var mu sync.Mutex
	files := func(b *sourceBatch) int { return len(b.bodies) }
	err := bulk.Weighted(ctx, m.pool, m.sourceBatches(ctx), files, func(ctx context.Context, b *sourceBatch) error {
		start := time.Now()
		err := m.persist(ctx, func(ctx context.Context) error { return m.deleteBatch(ctx, b) })
		if err == nil {
			m.options.Progress.Took(bulk.BatchName(b.bodies[0].Path, len(b.bodies)), time.Since(start))
			mu.Lock()
			defer mu.Unlock()
			b.report(&counts, m.options.Progress)
		}
		return err
	})
	return counts, err
}

// sourceBatch is some bodies of the source.
type sourceBatch struct {
	bodies  []backends.Info
	deleted map[string]bool
	failed  map[string]error
	trashed map[string]bool // of those deleted, by whichever attempt
}

// sourceBatches lists the source, in order, from where it was after an outage.
func (m *Migration) sourceBatches(ctx context.Context) iter.Seq2[*sourceBatch, error] {
	return func(yield func(*sourceBatch, error) bool) {
		after, most := "", m.pool.BatchSize(deleteFiles)
		for {
			b, next := new(sourceBatch), after
			err := m.persist(ctx, func(ctx context.Context) error {
				b.bodies, next = nil, after
				for info, err := range m.from.List(ctx, m.prefix, after) {
					if err != nil {
						return err
					}
					if next = info.Path; m.covers(info.Path) {
						b.bodies = append(b.bodies, info)
					}
					if len(b.bodies) == most {
						break
					}
				}
				return nil
			})
			if err != nil {
				yield(nil, err)
				return
			}
			if len(b.bodies) == 0 || !yield(b, nil) {
				return
			}
			after = next
		}
	}
}

// deleteBatch deletes those of the bodies that nobody needs. It can be called
// again.
func (m *Migration) deleteBatch(ctx context.Context, b *sourceBatch) error {
	rows := make([]metadata.Row, len(b.bodies))
	for i, body := range b.bodies {
		rows[i] = metadata.Row{Name: body.Path}
	}
	stay, err := m.discard(ctx, b, rows)
	if err != nil {
		return err
	}
	return m.meta.Update(ctx, func(tx *metadata.Tx) error {
		locked, err := tx.Lock(rows...)
		if err != nil {
			return err
		}
		if err := tx.Hold(); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(tx.Context(), publishTimeout)
		defer cancel()
		b.failed = make(map[string]error)
		maps.Copy(b.failed, stay)
		doomed, err := m.doomed(ctx, b, locked)
		if err != nil {
			return err
		}
		return b.delete(ctx, m.from, doomed)
	})
}

// trashes reports whether what a purge removes from one of the stores goes into a
// trash.
func (m *Migration) trashes() bool {
	return m.c.HasTrash(m.from.Name()) || m.c.HasTrash(m.to.Name())
}

// discard puts into a trash, where there is one, what would be the only body of a
// file that has expired, or of none. It returns those that it could not.
func (m *Migration) discard(ctx context.Context, b *sourceBatch, rows []metadata.Row) (failed map[string]error, err error) {
	if !m.trashes() {
		return nil, nil
	}
	if b.trashed == nil {
		b.trashed = make(map[string]bool)
	}
	purged, err := m.c.PurgeRows(ctx, rows, time.Time{})
	if err != nil {
		return nil, err
	}
	for _, row := range purged.Removed {
		b.trashed[row.Name] = true
	}
	failed = make(map[string]error)
	maps.Copy(failed, purged.Failed)
	if !m.c.HasTrash(m.from.Name()) {
		return failed, nil
	}
	paths := make([]string, 0, len(rows))
	for _, row := range rows {
		if !b.trashed[row.Name] {
			paths = append(paths, row.Name)
		}
	}
	orphans, err := m.c.DeleteOrphans(ctx, m.from, paths, time.Now().Add(-m.grace))
	for _, path := range orphans.Deleted {
		b.trashed[path] = true
	}
	maps.Copy(failed, orphans.Failed)
	return failed, err
}

// doomed are the paths of bodies that may go, while the rows that there are of
// them are locked. Those that may not for a reason that somebody has to look at
// are noted as failed.
func (m *Migration) doomed(ctx context.Context, b *sourceBatch, locked []metadata.Row) ([]string, error) {
	rows := make(map[string]metadata.Row, len(locked))
	for _, row := range locked {
		rows[row.Name] = row
	}
	check := &batch{}
	var doomed []string
	for _, body := range b.bodies {
		row, exists := rows[body.Path]
		switch {
		case b.failed[body.Path] != nil:
		case exists && row.Live():
			check.files = append(check.files, &file{row: row, source: body})
		case m.trashes() && exists:
			// It has expired since; that is the next purge's.
		case exists, !m.c.HasTrash(m.from.Name()) && time.Since(body.Stored) > m.grace:
			doomed = append(doomed, body.Path)
		}
	}
	err := check.each(ctx, m, pending, m.replaced)
	for _, f := range check.files {
		switch {
		case f.outcome == present:
			doomed = append(doomed, f.row.Name)
		case f.outcome == failed:
			b.failed[f.row.Name] = f.err
		}
	}
	return doomed, err
}

// replaced settles whether the target has what makes a file's body on the source
// dispensable. Where it has none, that is the file's only one, and it is left.
func (m *Migration) replaced(ctx context.Context, f *file) error {
	target, err := m.to.Stat(ctx, f.row.Name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case target.Size != f.row.Size:
		return fmt.Errorf("%s holds %d bytes, the row says %d", m.to.Name(), target.Size, f.row.Size)
	case m.overtaken(f.row, f.source, target): // as the listing has it, which some stores' times are not in
		err = m.notOvertaken(ctx, f.row, target)
	}
	if err == nil {
		f.outcome = present
	}
	return err
}

// delete deletes bodies and notes which of them failed.
func (b *sourceBatch) delete(ctx context.Context, from backends.Backend, paths []string) error {
	b.deleted = make(map[string]bool, len(paths))
	err := from.Delete(ctx, paths)
	var perPath *backends.DeleteError
	if errors.As(err, &perPath) {
		if maps.Copy(b.failed, perPath.Failed); len(perPath.Failed) < len(paths) || !errors.Is(err, backends.ErrUnavailable) {
			err = nil
		}
	}
	for _, path := range paths {
		b.deleted[path] = b.failed[path] == nil
	}
	return err
}

// report counts what became of the bodies.
func (b *sourceBatch) report(counts *SourceCounts, progress *bulk.Progress) {
	for _, body := range b.bodies {
		switch {
		case b.failed[body.Path] != nil:
			counts.Failed++
			progress.Fail(body.Path, b.failed[body.Path])
		case b.deleted[body.Path], b.trashed[body.Path]:
			counts.Deleted++
			counts.Bytes += body.Size
			progress.Add(body.Path, body.Size, 0)
		default:
			counts.Kept++
			progress.Skip(1)
		}
	}
}
