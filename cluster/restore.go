package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/metadata"
)

// Trash yields the purged files whose bodies are in the trash of their
// backends, in the order of the hashes of their names and, of one name, in that
// of their stamps. The iteration goes on after an *UnsureError and ends at any other.
func (c *Cluster) Trash(ctx context.Context, filter metadata.TrashFilter) iter.Seq2[metadata.Trashed, error] {
	return func(yield func(metadata.Trashed, error) bool) {
		silent := make(map[string]error) // backends that cannot tell
		for t, err := range c.meta.Trash(ctx, filter) {
			if err == nil && t.Pending {
				var there bool
				if there, err = c.sure(ctx, t, silent); err == nil && !there {
					continue // a purge has begun and not come that far
				}
			}
			var unsure *UnsureError
			if !yield(t, err) || err != nil && !errors.As(err, &unsure) {
				return
			}
		}
	}
}

// sure reports whether the body of an entry that is pending is in the trash. A
// backend that could not tell once is not asked again.
func (c *Cluster) sure(ctx context.Context, t metadata.Trashed, silent map[string]error) (there bool, err error) {
	if err = silent[t.Backend]; err == nil {
		there, err = c.inTrash(ctx, t)
	}
	switch {
	case err == nil:
		return there, nil
	case ctx.Err() != nil:
		return false, ctx.Err()
	}
	silent[t.Backend] = err
	return false, &UnsureError{Backend: t.Backend, Name: t.Name, Err: err}
}

// UnsureError says that of a purge that was killed nobody can tell whether it has
// put a body into the trash, as its backend does not.
type UnsureError struct {
	Backend, Name string
	Err           error // what the backend said
}

func (e *UnsureError) Error() string {
	return fmt.Sprintf("%s cannot tell whether %q is in its trash: %v", e.Backend, e.Name, e.Err)
}

// Unwrap makes what the backend said reachable.
func (e *UnsureError) Unwrap() error { return e.Err }

// ExistsError says that a file cannot be restored, as there is one.
type ExistsError struct{ Path string }

func (e *ExistsError) Error() string {
	return fmt.Sprintf("%q exists: remove it before you restore what was there", e.Path)
}

// Is makes the error an fs.ErrExist.
func (e *ExistsError) Is(target error) bool { return target == fs.ErrExist }

// Restore brings a file back from the trash, with the scope, type and
// modification time that it had, to the backend that its path is routed to now.
// A live file there is an *ExistsError; one that has expired is purged first where
// it goes into a trash. The body is copied, published while the row is locked, and
// taken out of the trash when that is committed.
func (c *Cluster) Restore(ctx context.Context, t metadata.Trashed) (metadata.Row, error) {
	from, err := c.trash.open(ctx, t.Backend)
	if err != nil {
		return metadata.Row{}, err
	}
	var to backends.Backend = c.stores
	if c.Backend(t.Name) == t.Backend && c.MigratesFrom(t.Name) == "" {
		to = from // the same store, which copies by itself
	}
	staged, info, err := backends.StageCopy(ctx, from, t.Location, to, t.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return metadata.Row{}, notInTrash(t, err)
	}
	if err != nil {
		return metadata.Row{}, err
	}
	defer c.discard(ctx, staged, t.Name)
	row := c.newRow(t.Name, t.Scope, t.DataType, t.ModTime)
	row.Size = info.Size
	if err := c.meta.CheckRow(row); err != nil {
		return row, err
	}
	if err := c.giveWay(ctx, t); err != nil {
		return row, err
	}
	c.step(stepStaged)
	err = c.publish(ctx, row, staged, func(tx *metadata.Tx) error { return mayRestore(tx, t) })
	if err != nil {
		return row, err
	}
	// Its place in the trash is given up later where it cannot be now. Who gives
	// up in the middle of that would leave an entry without a body.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), mendTimeout)
	defer cancel()
	batch, err := c.RemoveTrash(ctx, []metadata.Trashed{t})
	if err == nil {
		err = batch.Failed[t.Location]
	}
	if err != nil {
		err = fmt.Errorf("%q is restored, but in the trash of %s still: %w", t.Name, t.Backend, err)
	}
	return row, err
}

// giveWay purges an expired file in whose place another one is about to be
// restored, if it goes into a trash: to be replaced would be the end of it.
func (c *Cluster) giveWay(ctx context.Context, t metadata.Trashed) error {
	if len(c.trashesOf(t.Name)) == 0 {
		return nil
	}
	row, err := c.meta.Get(ctx, t.Name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && row.Live() {
		return nil
	}
	if err != nil {
		return err
	}
	for now, err := range c.meta.Trash(ctx, metadata.TrashFilter{Name: t.Name}) {
		switch {
		case err != nil:
			return err
		case now.Name == t.Name && now.Stamp == t.Stamp && now.Time.Equal(t.Time):
			batch, err := c.PurgeRows(ctx, []metadata.Row{row}, time.Time{})
			return cmp.Or(err, batch.err())
		}
	}
	return notInTrash(t, fs.ErrNotExist)
}

// mayRestore makes sure that there is no such file, and that what was staged is
// what is in the trash: somebody else may have restored it, and a purge put
// another body there since. Where there is no row there is nothing to lock, so
// one is claimed: else a file stored at this moment would be replaced.
func mayRestore(tx *metadata.Tx, t metadata.Trashed) error {
	claim := metadata.Row{Name: t.Name, Trunk: t.Name, MTime: -1, Expired: true}
	if err := tx.Claim(claim); err != nil {
		return err
	}
	locked, err := tx.Lock(claim)
	if err != nil {
		return err
	}
	if len(locked) > 0 && locked[0].Live() {
		return &ExistsError{t.Name}
	}
	known, err := tx.TrashOf(t.Name)
	if err != nil || slices.ContainsFunc(known, func(now metadata.Trashed) bool {
		return now.Stamp == t.Stamp && now.Time.Equal(t.Time)
	}) {
		return err
	}
	return notInTrash(t, fs.ErrNotExist)
}

func notInTrash(t metadata.Trashed, err error) error {
	return fmt.Errorf("%q is not in the trash of %s any more: %w", t.Name, t.Backend, err)
}

// TrashBatch is what one step of emptying the trash removed.
type TrashBatch struct {
	Removed []metadata.Trashed
	Failed  map[string]error // by the location
}

// trashBatch is how many bodies are removed from the trash together.
const trashBatch = 1000

// EmptyTrash removes what the filter selects for good, a batch at a time.
// The iteration ends at the first error that is not a single body's. Package
// bulk has several batches under way.
func (c *Cluster) EmptyTrash(ctx context.Context, filter metadata.TrashFilter) iter.Seq2[TrashBatch, error] {
	return func(yield func(TrashBatch, error) bool) {
		var entries []metadata.Trashed
		remove := func() bool {
			batch, err := c.RemoveTrash(ctx, entries)
			entries = nil
			return yield(batch, err) && err == nil
		}
		for t, err := range c.meta.Trash(ctx, filter) {
			if err != nil {
				yield(TrashBatch{}, err)
				return
			}
			if entries = append(entries, t); len(entries) == trashBatch && !remove() {
				return
			}
		}
		if len(entries) > 0 {
			remove()
		}
	}
}

// RemoveTrash deletes bodies from the trash, and then what is recorded of them,
// while that is locked: who is told that an entry is gone may give its place to
// another body. The error is the database's, or that of stores of which none
// answers. Entries that are not what they were any more are left.
//
// Of the entries that are pending, those whose body is not there are what a
// purge has announced and not moved. They are not told, and dropped once it must
// have been killed.
func (c *Cluster) RemoveTrash(ctx context.Context, entries []metadata.Trashed) (TrashBatch, error) {
	var batch TrashBatch
	err := c.meta.Update(ctx, func(tx *metadata.Tx) error {
		batch = TrashBatch{Failed: make(map[string]error)}
		locked, err := tx.LockTrash(entries...)
		if err != nil {
			return err
		}
		// A deletion that is under way must not outlive the locks.
		if err := tx.Hold(); err != nil {
			return err
		}
		byBackend, ghosts, err := c.removable(tx.Context(), locked, batch.Failed)
		if err != nil {
			return err
		}
		for backend, entries := range byBackend {
			failed := c.deleteTrash(tx.Context(), backend, entries)
			maps.Copy(batch.Failed, failed)
			for _, t := range entries {
				if failed[t.Location] == nil {
					batch.Removed = append(batch.Removed, t)
				}
			}
		}
		return errors.Join(tx.DropTrash(batch.Removed...), tx.DropPendingTrash(ghosts...))
	})
	if err == nil && len(batch.Removed) == 0 {
		err = unavailable(batch.Failed)
	}
	return batch, err
}

// removable sorts entries by their backends, but those whose body is not in the
// trash, and those of which that cannot be told, which it adds to failed.
func (c *Cluster) removable(ctx context.Context, entries []metadata.Trashed, failed map[string]error) (byBackend map[string][]metadata.Trashed, ghosts []metadata.Trashed, err error) {
	byBackend = make(map[string][]metadata.Trashed)
	silent := make(map[string]error) // backends that cannot tell
	for _, t := range entries {
		there, err := !t.Pending, error(nil)
		if t.Pending {
			there, err = c.sure(ctx, t, silent)
		}
		var unsure *UnsureError
		switch {
		case errors.As(err, &unsure):
			failed[t.Location] = unsure.Err
		case err != nil:
			return nil, nil, err
		case there:
			byBackend[t.Backend] = append(byBackend[t.Backend], t)
		case c.ghost(t):
			ghosts = append(ghosts, t)
		}
	}
	return byBackend, ghosts, nil
}

// deleteTrash deletes bodies from the trash of one backend, which may be among
// the settings no more, and returns those that it could not.
func (c *Cluster) deleteTrash(ctx context.Context, backend string, entries []metadata.Trashed) map[string]error {
	locations := make([]string, len(entries))
	for i, t := range entries {
		locations[i] = t.Location
	}
	b, err := c.trash.open(ctx, backend)
	if err == nil {
		err = b.Delete(ctx, locations)
	}
	if err == nil {
		return nil
	}
	var perPath *backends.DeleteError
	if errors.As(err, &perPath) {
		return perPath.Failed
	}
	failed := make(map[string]error, len(locations))
	for _, location := range locations {
		failed[location] = err
	}
	return failed
}

// unavailable returns one of the failures if all of them say that a store does
// not answer.
func unavailable(failed map[string]error) (last error) {
	for _, err := range failed {
		if !errors.Is(err, backends.ErrUnavailable) {
			return nil
		}
		last = err
	}
	return last
}
