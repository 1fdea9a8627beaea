package cluster

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/metadata"
)

// Orphans are bodies on one store that no row names, and what became of them.
type Orphans struct {
	Deleted []string // or, where they were only looked at, to be deleted
	// Spared have a row by now, a body no older than the limit, or none.
	Spared []string
	Failed map[string]error
}

// DeleteOrphans deletes those of the bodies on a store that no row of either
// table names and that were stored before a time. Where there is no row to
// lock, one is claimed for the time being, so that nobody can store a body that
// would be taken for the orphan.
func (c *Cluster) DeleteOrphans(ctx context.Context, store backends.Backend, paths []string, before time.Time) (Orphans, error) {
	return c.orphans(ctx, store, paths, before, func(tx *metadata.Tx, result *Orphans, claims []metadata.Row) error {
		if err := result.delete(tx.Context(), store); err != nil {
			return err
		}
		_, err := tx.Delete(claims...)
		return err
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
		claims, err := c.claimOrphans(tx, paths)
		if err != nil {
			return err
		}
		if err := tx.Hold(); err != nil {
			return err
		}
		result.choose(tx.Context(), store, paths, claims, before)
		return act(tx, &result, slices.Collect(maps.Values(claims)))
	})
	if err != nil {
		return Orphans{}, err
	}
	return result, nil
}

// claimOrphans claims rows for those of the paths that have none in either
// table, and returns them by path.
func (c *Cluster) claimOrphans(tx *metadata.Tx, paths []string) (map[string]metadata.Row, error) {
	var claims, both []metadata.Row
	for _, path := range paths {
		right := c.meta.Layout().Table(path)
		claim := metadata.Row{Name: path, Trunk: path, MTime: -1, Expired: true, Table: right}
		if c.meta.CheckRow(claim) != nil {
			continue // a name that no row can have can be anybody's
		}
		claims = append(claims, claim)
		for _, table := range c.meta.Layout().Tables() {
			both = append(both, metadata.Row{Name: path, Table: table})
		}
	}
	if err := tx.Claim(claims...); err != nil {
		return nil, err
	}
	locked, err := tx.Lock(both...)
	if err != nil {
		return nil, err
	}
	rows := make(map[string][]metadata.Row, len(claims))
	for _, row := range locked {
		rows[row.Name] = append(rows[row.Name], row)
	}
	free := make(map[string]metadata.Row, len(claims))
	for _, claim := range claims {
		if found := rows[claim.Name]; len(found) == 1 && found[0] == claim {
			free[claim.Name] = claim
		}
	}
	return free, nil
}

// choose parts the paths whose body is to go from the others.
func (o *Orphans) choose(ctx context.Context, store backends.Backend, paths []string, claims map[string]metadata.Row, before time.Time) {
	for _, path := range paths {
		if _, ok := claims[path]; !ok {
			o.Spared = append(o.Spared, path)
			continue
		}
		info, err := store.Stat(ctx, path)
		switch {
		case errors.Is(err, fs.ErrNotExist) || err == nil && !info.Stored.Before(before):
			o.Spared = append(o.Spared, path)
		case err != nil:
			o.Failed[path] = err
		default:
			o.Deleted = append(o.Deleted, path)
		}
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
