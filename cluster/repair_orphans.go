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
	Deleted []string
	// Spared have a row by now, a body no older than the limit, or none.
	Spared []string
	Failed map[string]error
}

// DeleteOrphans deletes those of the bodies on a store that no row of either
// table names and that were stored before a time. Where there is no row to
// lock, one is claimed for the time being, so that nobody can store a body that
// would be taken for the orphan.
func (c *Cluster) DeleteOrphans(ctx context.Context, store backends.Backend, paths []string, before time.Time) (Orphans, error) {
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
		doomed := result.choose(tx.Context(), store, paths, claims, before)
		var perPath *backends.DeleteError
		if err := store.Delete(tx.Context(), doomed); errors.As(err, &perPath) {
			for path, err := range perPath.Failed {
				result.Failed[path] = err
			}
		} else if err != nil {
			return err
		}
		result.Deleted = slices.DeleteFunc(doomed, func(path string) bool { return result.Failed[path] != nil })
		_, err = tx.Delete(slices.Collect(maps.Values(claims))...)
		return err
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

// choose returns the paths whose body is to go.
func (o *Orphans) choose(ctx context.Context, store backends.Backend, paths []string, claims map[string]metadata.Row, before time.Time) (doomed []string) {
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
			doomed = append(doomed, path)
		}
	}
	return doomed
}
