package cluster

import (
	"context"
	"slices"

	"example.com/ezdfs/backends"
)

// DeleteStray removes a body from a store where no reader looks for it: its row
// has expired, or its file has another body where readers do look. Where the
// store has a trash it goes there. Where that is not so any more, or the body is
// another by now, nothing is removed and the error is backends.ErrChanged.
func (c *Cluster) DeleteStray(ctx context.Context, name string, p Place) error {
	trash, err := c.intentsFor(ctx, p.Store)
	if err != nil {
		return err
	}
	if trash != nil {
		if err := c.intendStray(ctx, name, p, trash); err != nil {
			return err
		}
	}
	var removed bool // by whichever attempt of the transaction
	var failed error
	err = c.ExamineLocked(ctx, name, c.strayStores(name, p), func(l *Locked) error {
		if failed = nil; l.stray(p) {
			c.step(stepLocked)
			// What is under way must not outlive the locks.
			if err := l.tx.Hold(); err != nil {
				return err
			}
			var gone bool
			gone, failed = l.remove(p, trash)
			removed = removed || gone
			c.step(stepDeleted)
		}
		return trash.settle(l.tx)
	})
	switch {
	case err != nil:
		return err
	case failed == nil && !removed:
		return strayChanged(name, p)
	}
	return failed
}

func strayChanged(name string, p Place) error {
	return &backends.Error{Backend: p.Store.Name(), Op: "delete", Path: name, Kind: backends.ErrChanged, Retry: true}
}

// strayStores are where the body is and where readers look.
func (c *Cluster) strayStores(name string, p Place) []backends.Backend {
	route := c.stores.Route(name)
	stores := []backends.Backend{p.Store, route.Backend}
	if route.From != nil {
		stores = append(stores, route.From)
	}
	return stores
}

// intendStray records where a body is about to go.
func (c *Cluster) intendStray(ctx context.Context, name string, p Place, trash *intents) error {
	err := c.ExamineLocked(ctx, name, c.strayStores(name, p), func(l *Locked) error {
		if !l.stray(p) {
			return strayChanged(name, p)
		}
		t := c.entryOf(p.Store, p.Info)
		if row, ok := l.Row(c.meta.Layout()); ok {
			t.Scope, t.DataType = row.Scope, row.DataType
		}
		*trash = *newIntents()
		trash.add(t, p.Version)
		return c.announce(l.tx, trash)
	})
	if err == nil {
		c.step(stepIntended)
	}
	return err
}

// stray reports whether a body is still there and one that nobody reads. Without
// a row there is no lock, and it may become one that somebody does.
func (l *Locked) stray(p Place) bool {
	row, ok := l.Row(l.c.meta.Layout())
	there := slices.ContainsFunc(l.Bodies, func(b Place) bool {
		return b.Store == p.Store && b.Version == p.Version && b.Size == p.Size
	})
	route := l.c.stores.Route(l.Name)
	read := func(b backends.Backend) bool { return b == route.Backend || b == route.From }
	if !ok || !there || len(l.Failed) > 0 || read(p.Store) {
		return false
	}
	return !row.Live() || slices.ContainsFunc(l.Bodies, func(other Place) bool {
		return read(other.Store) && !SameBody(other, p)
	})
}

// remove removes a body, into the trash where there is one. It reports false of
// one that stays; the error may be why.
func (l *Locked) remove(p Place, trash *intents) (bool, error) {
	if trash != nil {
		moved, failed := l.c.moveUnnamed(l.tx.Context(), trash, []string{l.Name})
		if len(moved) == 0 {
			return false, failed[l.Name]
		}
	}
	err := p.Store.Delete(l.tx.Context(), []string{l.Name})
	return err == nil, err
}
