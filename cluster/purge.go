package cluster

import (
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/metadata"
)

// PurgeOptions say what a purge removes. The zero value removes every expired
// file.
type PurgeOptions struct {
	// Prefix is what the paths begin with; a string, not a directory.
	Prefix string
	// Scopes, when not empty, are the only scopes purged.
	Scopes []string
	// Before spares files whose last change is not older. The age is that of
	// the contents, ABS(mtime): when a file was expired is written nowhere.
	Before time.Time
	// BatchSize is the number of files whose rows are locked at a time; 100 by
	// default, the legacy's iteration limit.
	BatchSize int
	// Start is the name_hash, or the beginning of one, from which ExpiredRows
	// goes round. Hosts that purge at the same time and start in different
	// places do not wait for each other's rows.
	Start string
	// DryRun tells what would go and removes nothing.
	DryRun bool
}

// PurgeBatch is what one step of a purge removed.
type PurgeBatch struct {
	// Removed are the rows that went, with their bodies.
	Removed []metadata.Row
	// Failed are the paths whose body could not be deleted; their rows stay.
	Failed map[string]error
}

// PurgeExpired removes expired files for good, a batch at a time: while the
// rows of a batch are locked and still expired their bodies are deleted, then
// the rows. A file stored anew meanwhile is never touched, and a crash leaves
// at most expired rows without a body, which the next purge removes. The
// iteration ends at the first error that is not a single path's. Package bulk
// has several batches under way.
func (c *Cluster) PurgeExpired(ctx context.Context, options PurgeOptions) iter.Seq2[PurgeBatch, error] {
	return func(yield func(PurgeBatch, error) bool) {
		purge := func(rows []metadata.Row) bool {
			batch, err := PurgeBatch{Removed: rows}, error(nil)
			if !options.DryRun {
				batch, err = c.PurgeRows(ctx, rows, options.Before)
			}
			return yield(batch, err) && err == nil
		}
		var rows []metadata.Row
		for row, err := range c.ExpiredRows(ctx, options) {
			if err != nil {
				yield(PurgeBatch{}, err)
				return
			}
			if rows = append(rows, row); len(rows) == options.batchSize() {
				if !purge(rows) {
					return
				}
				rows = nil
			}
		}
		if len(rows) > 0 {
			purge(rows)
		}
	}
}

// ExpiredRows yields the rows that a purge would remove as things stand, in
// name_hash order from options.Start on and around. First come those with the
// flag, then those that only a negative mtime makes expired.
func (c *Cluster) ExpiredRows(ctx context.Context, options PurgeOptions) iter.Seq2[metadata.Row, error] {
	return func(yield func(metadata.Row, error) bool) {
		filter, err := options.filter()
		if err != nil {
			yield(metadata.Row{}, err)
			return
		}
		flagged, unflagged := true, false
		for _, f := range []metadata.Filter{{Expired: &flagged}, {Expired: &unflagged, Negative: true}} {
			filter.Expired, filter.Negative = f.Expired, f.Negative
			parts := []metadata.Filter{filter}
			if options.Start != "" {
				parts = append(parts, filter)
				parts[0].HashFrom, parts[1].HashTo = options.Start, options.Start
			}
			for _, part := range parts {
				for row, err := range c.meta.Rows(ctx, part) {
					if !yield(row, err) || err != nil {
						return
					}
				}
			}
		}
	}
}

func (o PurgeOptions) batchSize() int {
	if o.BatchSize <= 0 {
		return 100
	}
	return o.BatchSize
}

func (o PurgeOptions) filter() (metadata.Filter, error) {
	filter := metadata.Filter{Scopes: o.Scopes, PageSize: o.batchSize()}
	if !o.Before.IsZero() {
		filter.MTimeBefore = o.Before.Unix()
	}
	var err error
	if o.Prefix != "" {
		filter.Prefix, err = cleanPrefix(o.Prefix)
	}
	return filter, err
}

// doomed reports whether a purge removes a row: it is expired and its contents
// are old enough. A negative mtime is as good as the flag, but for -1: so the
// legacy stores a file whose time is that of 1970, which nobody has deleted.
func doomed(row metadata.Row, before time.Time) bool {
	return (row.Expired || row.MTime < -1) && (before.IsZero() || row.ModTime().Before(before))
}

// Purge removes the file at path and everything below path/ for good, expired
// or not, and returns how many files went. Live files are expired first, so
// that no reader ever finds a live row without its body.
func (c *Cluster) Purge(ctx context.Context, path string) (int64, error) {
	name, err := metadata.CleanName(path)
	if err != nil {
		return 0, err
	}
	if _, err := c.Expire(ctx, name); err != nil {
		return 0, err
	}
	if _, err := c.ExpirePrefix(ctx, name+"/"); err != nil {
		return 0, err
	}
	batch, err := c.PurgeRows(ctx, []metadata.Row{{Name: name}}, time.Time{})
	total := int64(len(batch.Removed))
	err = errors.Join(err, batch.err())
	for batch, next := range c.PurgeExpired(ctx, PurgeOptions{Prefix: name + "/"}) {
		total += int64(len(batch.Removed))
		err = errors.Join(err, next, batch.err())
	}
	return total, err
}

// err joins the failures of single paths.
func (b PurgeBatch) err() error {
	if len(b.Failed) == 0 {
		return nil
	}
	return &backends.DeleteError{Backend: "purge", Failed: b.Failed}
}

// storeGone reports whether nothing could be removed because no store answers.
func (b PurgeBatch) storeGone() bool {
	for _, err := range b.Failed {
		if !errors.Is(err, backends.ErrUnavailable) {
			return false
		}
	}
	return len(b.Failed) > 0 && len(b.Removed) == 0
}

// PurgeRows removes those of the rows that are still expired once they are
// locked, and last changed before that time unless it is zero. The error is
// not a single path's: the database's, or that of stores of which none answers,
// which would keep the next batch waiting too.
//
// Where a backend has a trash its bodies move there instead of being deleted.
func (c *Cluster) PurgeRows(ctx context.Context, rows []metadata.Row, before time.Time) (PurgeBatch, error) {
	intents, err := c.intend(ctx, rows, before)
	if err != nil {
		return PurgeBatch{}, err
	}
	batch, err := c.purge(ctx, rows, before, intents)
	if err == nil && batch.storeGone() {
		err = batch.err()
	}
	return batch, err
}

// purge is PurgeRows for stores that answer. Everything in it can be run
// again, so a deadlock after the bodies went is no harm: the rows are locked
// and looked at anew.
func (c *Cluster) purge(ctx context.Context, rows []metadata.Row, before time.Time, trash *intents) (PurgeBatch, error) {
	var batch PurgeBatch
	err := c.meta.Update(ctx, func(tx *metadata.Tx) error {
		batch = PurgeBatch{}
		locked, err := tx.Lock(rows...)
		if err != nil {
			return err
		}
		locked = slices.DeleteFunc(locked, func(row metadata.Row) bool { return !doomed(row, before) || !trash.knows(row) })
		keep, claimed, err := c.liveElsewhere(tx, locked)
		if err != nil {
			return err
		}
		c.step(stepLocked)
		// A deletion that is under way must not outlive the locks, or it would
		// hit what the next writer stores.
		if err := tx.Hold(); err != nil {
			return err
		}
		failed := c.toTrash(tx.Context(), locked, keep, trash)
		if batch, err = c.deleteBodies(tx.Context(), locked, keep, failed); err != nil {
			return err
		}
		c.step(stepDeleted)
		if err := trash.settle(tx); err != nil {
			return err
		}
		if err := tx.Unclaim(claimed...); err != nil {
			return err
		}
		return forget(tx, batch.Removed)
	})
	c.tellRows(batch.Removed...)
	if err != nil {
		return PurgeBatch{}, err
	}
	c.step(stepCommitted)
	return batch, nil
}

// forget deletes rows and journals that they went.
func forget(tx *metadata.Tx, rows []metadata.Row) error {
	if len(rows) == 0 {
		return nil
	}
	if _, err := tx.Delete(rows...); err != nil {
		return err
	}
	changes := make([]metadata.Change, len(rows))
	for i, row := range rows {
		changes[i] = metadata.Change{Kind: metadata.KindPurge, Subject: row.Name, Scope: row.Scope}
	}
	return tx.Record(changes...)
}

// liveElsewhere finds the rows that stand in the wrong table (the legacy's
// move leaves such) while the right table has a live row of the same path: the
// body belongs to that one. Where the right table has no row there is nothing
// to lock, so one is claimed, which the caller deletes: until then nobody can
// store a body that the purge would take for its own.
func (c *Cluster) liveElsewhere(tx *metadata.Tx, rows []metadata.Row) (keep map[string]bool, claimed []metadata.Row, err error) {
	var right []metadata.Row
	for _, row := range rows {
		claim := metadata.Row{Name: row.Name, Trunk: row.Name, MTime: -1, Expired: true, Table: c.meta.Layout().Table(row.Name)}
		if row.Table != claim.Table && c.meta.CheckRow(claim) == nil {
			right = append(right, claim)
		}
	}
	if len(right) == 0 {
		return nil, nil, nil
	}
	if err := tx.Claim(right...); err != nil {
		return nil, nil, err
	}
	locked, err := tx.Lock(right...)
	keep = make(map[string]bool)
	for _, row := range locked {
		keep[row.Name] = row.Live()
		if slices.Contains(right, row) {
			claimed = append(claimed, row)
		}
	}
	return keep, claimed, err
}

// deleteBodies deletes the bodies of the rows but those in keep, and those of
// which failed says that they may not go. Only an error that names no path is
// returned.
func (c *Cluster) deleteBodies(ctx context.Context, rows []metadata.Row, keep map[string]bool, failed map[string]error) (PurgeBatch, error) {
	batch := PurgeBatch{Failed: failed}
	paths := make([]string, 0, len(rows))
	for _, row := range rows {
		if !keep[row.Name] && failed[row.Name] == nil {
			paths = append(paths, row.Name)
		}
	}
	if err := c.stores.Delete(ctx, paths); err != nil {
		var perPath *backends.DeleteError
		if !errors.As(err, &perPath) {
			return batch, err
		}
		batch.Failed = make(map[string]error, len(failed)+len(perPath.Failed))
		maps.Copy(batch.Failed, failed)
		maps.Copy(batch.Failed, perPath.Failed)
	}
	for _, row := range rows {
		if batch.Failed[row.Name] == nil {
			batch.Removed = append(batch.Removed, row)
		}
	}
	return batch, ctx.Err()
}
