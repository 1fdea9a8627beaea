package cluster

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/metadata"
)

// Orphans are bodies on one store that no row names, and what became of them.
type Orphans struct {
	Deleted []string // or, where they were only looked at, to be deleted
	// Spared have a row by now, a body no older than the limit, or none.
	Spared []string
	Failed map[string]error

	infos map[string]backends.Info // of the bodies that were chosen
}

// DeleteOrphans deletes those of the bodies on a store that no row of either
// table names and that were stored before a time. Where there is no row to
// lock, one is claimed for the time being, so that nobody can store a body that
// would be taken for the orphan. Where the store has a trash they go there.
func (c *Cluster) DeleteOrphans(ctx context.Context, store backends.Backend, paths []string, before time.Time) (Orphans, error) {
	trash, err := c.intendOrphans(ctx, store, paths, before)
	if err != nil {
		return Orphans{}, err
	}
	removed := make(map[string]bool) // by whichever attempt of the transaction
	return c.orphans(ctx, store, paths, before, func(tx *metadata.Tx, o *Orphans, claims []metadata.Row) error {
		c.step(stepLocked)
		c.toTrashOrphans(tx.Context(), o, trash)
		if err := o.delete(tx.Context(), store); err != nil {
			return err
		}
		c.step(stepDeleted)
		o.recall(removed)
		if err := trash.settle(tx); err != nil {
			return err
		}
		return tx.Unclaim(claims...)
	})
}

// intendOrphans records where orphans are about to go; nil where they have no
// trash to go to.
func (c *Cluster) intendOrphans(ctx context.Context, store backends.Backend, paths []string, before time.Time) (*intents, error) {
	trash, err := c.intentsFor(ctx, store)
	if err != nil || trash == nil {
		return nil, err
	}
	_, err = c.orphans(ctx, store, paths, before, func(tx *metadata.Tx, o *Orphans, claims []metadata.Row) error {
		trash = newIntents()
		for _, path := range o.Deleted {
			trash.add(c.entryOf(store, o.infos[path]), o.infos[path].Version)
		}
		if err := c.announce(tx, trash); err != nil {
			return err
		}
		return tx.Unclaim(claims...)
	})
	if err == nil {
		c.step(stepIntended)
	}
	return trash, err
}

// toTrashOrphans moves what was chosen into the trash, where there is one. What
// did not get there is not to be deleted.
func (c *Cluster) toTrashOrphans(ctx context.Context, o *Orphans, trash *intents) {
	if trash == nil {
		return
	}
	announced := slices.DeleteFunc(slices.Clone(o.Deleted), func(path string) bool {
		entries := trash.entries[path]
		return len(entries) == 0 || entries[0].version != o.infos[path].Version // another one, for the next check
	})
	moved, failed := c.moveUnnamed(ctx, trash, announced)
	maps.Copy(o.Failed, failed)
	for _, path := range o.Deleted {
		if !slices.Contains(moved, path) && failed[path] == nil {
			o.Spared = append(o.Spared, path)
		}
	}
	o.Deleted = moved
}

// recall adds what was deleted to what the attempts of the transaction before
// have removed, and counts these.
func (o *Orphans) recall(removed map[string]bool) {
	for _, path := range o.Deleted {
		removed[path] = true
	}
	o.Spared = slices.DeleteFunc(o.Spared, func(path string) bool {
		if removed[path] {
			o.Deleted = append(o.Deleted, path)
		}
		return removed[path]
	})
}

// FindOrphans says what DeleteOrphans would delete. It waits, as that does, for
// a writer who has published a body and not committed its row, and changes
// nothing: what it claims is rolled back.
func (c *Cluster) FindOrphans(ctx context.Context, store backends.Backend, paths []string, before time.Time) (Orphans, error) {
	var found Orphans
	_, err := c.orphans(ctx, store, paths, before, func(_ *metadata.Tx, result *Orphans, _ []metadata.Row) error {
		found = *result
		return errOnlyLooked
	})
	if errors.Is(err, errOnlyLooked) {
		err = nil
	}
	return found, err
}

var errOnlyLooked = errors.New("only looked")

// orphans chooses the orphans among paths while nobody can store them, and
// calls act with them and with the rows that were claimed.
func (c *Cluster) orphans(ctx context.Context, store backends.Backend, paths []string, before time.Time,
	act func(*metadata.Tx, *Orphans, []metadata.Row) error) (Orphans, error) {
	var result Orphans
	err := c.meta.Update(ctx, func(tx *metadata.Tx) error {
		result = Orphans{Failed: map[string]error{}}
		claims, unfit, err := c.claimOrphans(tx, paths)
		if err != nil {
			return err
		}
		if err := tx.Hold(); err != nil {
			return err
		}
		maps.Copy(result.Failed, unfit)
		result.choose(tx.Context(), store, paths, claims, before)
		return act(tx, &result, slices.Collect(maps.Values(claims)))
	})
	if err != nil {
		return Orphans{}, err
	}
	return result, nil
}

// claimOrphans claims rows for those of the paths that have none in either
// table, and returns them by path. A name that no row can have can be
// anybody's, and is unfit.
func (c *Cluster) claimOrphans(tx *metadata.Tx, paths []string) (free map[string]metadata.Row, unfit map[string]error, err error) {
	var claims, both []metadata.Row
	unfit = make(map[string]error)
	for _, path := range paths {
		right := c.meta.Layout().Table(path)
		claim := metadata.Row{Name: path, Trunk: path, MTime: -1, Expired: true, Table: right}
		if err := c.meta.CheckRow(claim); err != nil {
			unfit[path] = err
			continue
		}
		claims = append(claims, claim)
		for _, table := range c.meta.Layout().Tables() {
			both = append(both, metadata.Row{Name: path, Table: table})
		}
	}
	if err := tx.Claim(claims...); err != nil {
		return nil, nil, err
	}
	locked, err := tx.Lock(both...)
	if err != nil {
		return nil, nil, err
	}
	rows := make(map[string][]metadata.Row, len(claims))
	for _, row := range locked {
		rows[row.Name] = append(rows[row.Name], row)
	}
	free = make(map[string]metadata.Row, len(claims))
	for _, claim := range claims {
		if found := rows[claim.Name]; len(found) == 1 && found[0] == claim {
			free[claim.Name] = claim
		}
	}
	return free, unfit, nil
}

// choose parts the paths whose body is to go from the others.
func (o *Orphans) choose(ctx context.Context, store backends.Backend, paths []string, claims map[string]metadata.Row, before time.Time) {
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(batchParallel)
	o.infos = make(map[string]backends.Info, len(claims))
	for _, path := range paths {
		if _, ok := claims[path]; !ok && o.Failed[path] == nil {
			o.Spared = append(o.Spared, path)
		}
	}
	for path := range claims {
		group.Go(func() error {
			info, err := store.Stat(ctx, path)
			mu.Lock()
			defer mu.Unlock()
			o.judge(path, info, err, before)
			return nil
		})
	}
	_ = group.Wait() // its functions return no errors
	slices.Sort(o.Deleted)
}

// judge says what is to become of one of them.
func (o *Orphans) judge(path string, info backends.Info, err error, before time.Time) {
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && !info.Stored.Before(before):
		o.Spared = append(o.Spared, path)
	case err != nil:
		o.Failed[path] = err
	default:
		o.Deleted = append(o.Deleted, path)
		o.infos[path] = info
	}
}

// delete deletes what was chosen. Only an error that names no path is returned.
func (o *Orphans) delete(ctx context.Context, store backends.Backend) error {
	var perPath *backends.DeleteError
	if err := store.Delete(ctx, o.Deleted); errors.As(err, &perPath) {
		maps.Copy(o.Failed, perPath.Failed)
	} else if err != nil {
		return err
	}
	o.Deleted = slices.DeleteFunc(o.Deleted, func(path string) bool { return o.Failed[path] != nil })
	return nil
}
