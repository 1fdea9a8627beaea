package cluster

import (
	"context"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/metadata"
)

// Relocate moves the body of a live row from a store that no rule names to the
// one that the rules name, which has none. The body is copied before the row
// is locked; from goes once the copy is published. Where row or body changed
// meanwhile the error is backends.ErrChanged.
func (c *Cluster) Relocate(ctx context.Context, row metadata.Row, from Place) error {
	to := c.stores.Route(row.Name).Backend
	if row.Table == "" {
		row.Table = c.meta.Layout().Table(row.Name)
	}
	staged, info, err := backends.StageCopy(ctx, from.Store, row.Name, to, row.Name)
	if err != nil {
		return err
	}
	defer c.discard(ctx, staged, row.Name)
	changed := &backends.Error{Backend: from.Store.Name(), Op: "move", Path: row.Name, Kind: backends.ErrChanged, Retry: true}
	if staged.Size() != row.Size {
		return changed
	}
	err = c.meta.Update(ctx, func(tx *metadata.Tx) error {
		locked, err := tx.Lock(row)
		if err != nil {
			return err
		}
		if len(locked) == 0 || locked[0] != row {
			return changed
		}
		now := Subject{Name: row.Name}
		if err := now.place(tx.Context(), []backends.Backend{to, from.Store}); err != nil {
			return err
		}
		for _, err := range now.Failed {
			return err
		}
		if len(now.Bodies) != 1 || now.Bodies[0].Store != from.Store || now.Bodies[0].Version != info.Version {
			return changed
		}
		if err := tx.Pin(); err != nil {
			return err
		}
		if err := staged.Publish(tx.Context()); err != nil {
			return err
		}
		return from.Store.Delete(tx.Context(), []string{row.Name})
	})
	return err
}

// Rehome gives a row that no operation finds, since it stands in the wrong
// table, under a name_hash that is not its name's or with a name that is not
// clean, the place of its name; where that place has a row already, this one
// goes. A name that cannot be made clean is an error of metadata.CleanName.
// Without that very row nothing is done and ok is false.
func (c *Cluster) Rehome(ctx context.Context, lost metadata.Stored) (name string, ok bool, err error) {
	if name, err = metadata.CleanName(lost.Name); err != nil {
		return "", false, err
	}
	var told []metadata.Row
	err = c.meta.Update(ctx, func(tx *metadata.Tx) error {
		told = nil
		row, found, err := tx.LockStored(lost.Table, lost.NameHash)
		if ok = found && row.Name == lost.Name; err != nil || !ok {
			return err
		}
		// First of all, since a collation may take the two hashes for one.
		if err := tx.DeleteStored(row); err != nil {
			return err
		}
		home := row.Row
		home.Name, home.Table = name, c.meta.Layout().Table(name)
		if name != row.Name {
			home.Trunk = c.meta.Layout().Trunk(name, home.Scope)
		}
		there, err := tx.Lock(home)
		if err != nil || len(there) > 0 {
			return err
		}
		told = append(told, home)
		return c.setRow(tx, home, metadata.KindRepair)
	})
	c.tellRows(told...)
	return name, ok && err == nil, err
}

// Discard deletes a row that no operation can find or mend, if it is still what
// it was.
func (c *Cluster) Discard(ctx context.Context, lost metadata.Stored) (ok bool, err error) {
	err = c.meta.Update(ctx, func(tx *metadata.Tx) error {
		row, found, err := tx.LockStored(lost.Table, lost.NameHash)
		if ok = found && row.Name == lost.Name; err != nil || !ok {
			return err
		}
		return tx.DeleteStored(row)
	})
	return ok && err == nil, err
}

// Stands reports whether a row still is where it was found, after waiting for
// whoever is about to change it.
func (c *Cluster) Stands(ctx context.Context, lost metadata.Stored) (ok bool, err error) {
	err = c.meta.Update(ctx, func(tx *metadata.Tx) error {
		row, found, err := tx.LockStored(lost.Table, lost.NameHash)
		ok = found && row.Name == lost.Name
		return err
	})
	return ok && err == nil, err
}
