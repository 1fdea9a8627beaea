package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/metadata"
)

// Where a backend has the setting Trash, purged bodies move to
// <trash>/<day>/<path> inside it, and what their rows said into the table
// ezdfs_trash. A table, as no store keeps attributes that all others would, a
// body and a file of attributes beside it cannot move at once, and names are too
// short to hold them; and so the row goes and its entry comes in one commit.
//
// The entry is committed, as pending, before the body moves. Whatever is killed
// then, the body is where the row says or where the entry does: the next purge
// of the row, which is still there, looks at both.

// trashesOf names the backends with a trash on which a body of name may lie: the
// one that it is routed to and, while it migrates, the one that it comes from.
func (c *Cluster) trashesOf(name string) (list []string) {
	route := c.stores.Route(name)
	for _, b := range []backends.Backend{route.Backend, route.From} {
		if b != nil && c.HasTrash(b.Name()) {
			list = append(list, b.Name())
		}
	}
	return list
}

// intend records where the bodies of a batch are about to go. It returns nil
// where none of them has a trash to go to.
func (c *Cluster) intend(ctx context.Context, rows []metadata.Row, before time.Time) (*intents, error) {
	inTrash := func(name string) bool { return len(c.trashesOf(name)) > 0 }
	var bound []metadata.Row
	for _, row := range rows {
		if inTrash(row.Name) {
			bound = append(bound, row)
		}
	}
	if len(bound) == 0 {
		return nil, nil
	}
	if err := c.meta.NeedTrash(ctx); err != nil {
		return nil, err
	}
	var i *intents
	err := c.meta.Update(ctx, func(tx *metadata.Tx) error {
		i = newIntents()
		i.bound = inTrash
		locked, err := tx.Lock(bound...)
		if err != nil {
			return err
		}
		c.rightLast(locked)
		for _, row := range locked {
			if doomed(row, before) {
				c.addRow(i, row)
			}
		}
		return c.announce(tx, i)
	})
	if err == nil {
		c.step(stepIntended)
	}
	return i, err
}

// rightLast puts the rows in the tables of their paths behind those in others.
func (c *Cluster) rightLast(rows []metadata.Row) {
	wrong := func(row metadata.Row) bool { return row.Table != c.meta.Layout().Table(row.Name) }
	slices.SortStableFunc(rows, func(a, b metadata.Row) int {
		switch {
		case wrong(a) == wrong(b):
			return 0
		case wrong(a):
			return -1
		}
		return 1
	})
}

// addRow adds the entries of a row: the last one of a name is what is kept.
// Which of two stores has the body shows when it is moved.
func (c *Cluster) addRow(i *intents, row metadata.Row) {
	i.rows[row] = true
	delete(i.entries, row.Name)
	for _, backend := range c.trashesOf(row.Name) {
		i.add(c.entry(row, backend), "")
	}
}

// announce records where bodies are about to go, once the caller commits.
func (c *Cluster) announce(tx *metadata.Tx, i *intents) error {
	if err := c.stamp(tx, i); err != nil {
		return err
	}
	return tx.AddTrash(i.trashed()...)
}

// entry is what is kept of a row.
func (c *Cluster) entry(row metadata.Row, backend string) metadata.Trashed {
	now := c.now()
	return metadata.Trashed{
		Name: row.Name, Stamp: now.UTC().Format(time.DateOnly), DataType: row.DataType, Scope: row.Scope,
		Size: row.Size, ModTime: row.ModTime(), Backend: backend, Time: now, Pending: true,
	}
}

// stamp gives entries stamps that no entry of the same name has, and so places
// that are theirs alone, whatever else is under way.
func (c *Cluster) stamp(tx *metadata.Tx, i *intents) error {
	known, err := tx.TrashOf(slices.Sorted(maps.Keys(i.entries))...)
	if err != nil {
		return err
	}
	taken := make(map[[2]string]bool) // name and stamp
	silent := make(map[string]error)  // backends that cannot tell
	for _, t := range known {
		stays, err := c.resolve(tx, t, silent)
		if err != nil {
			return err
		}
		taken[[2]string{t.Name, t.Stamp}] = stays
	}
	for name, entries := range i.entries {
		for _, t := range entries {
			day := t.Stamp
			for n := 1; taken[[2]string{name, t.Stamp}]; n++ {
				t.Stamp = fmt.Sprintf("%s.%d", day, n)
			}
			taken[[2]string{name, t.Stamp}] = true
			t.Location = path.Join(c.trash.of(t.Backend), t.Stamp, name)
		}
	}
	return nil
}

// ghostAge is the age at which an entry that is pending is nobody's any more
// whose body has not got into the trash. Announcing a body and moving it are
// seconds apart, but the hosts' clocks may be wrong.
const ghostAge = 24 * time.Hour

// ghost reports whether whoever announced a body, and has not moved it, is gone.
func (c *Cluster) ghost(t metadata.Trashed) bool { return c.now().Sub(t.Time) > ghostAge }

// resolve finds out what became of an entry that is pending, and reports whether
// it stays. One whose body is not in the trash may be that of a purge under way.
// So may one whose backend cannot tell, which is noted and not asked again: that
// keeps nobody from purging the files of the others.
func (c *Cluster) resolve(tx *metadata.Tx, t metadata.Trashed, silent map[string]error) (stays bool, err error) {
	if !t.Pending || silent[t.Backend] != nil {
		return true, nil
	}
	there, err := c.inTrash(tx.Context(), t)
	switch {
	case err != nil:
		silent[t.Backend] = err
		return true, tx.Context().Err()
	case there:
		return true, tx.SettleTrash(t)
	case c.ghost(t):
		return false, tx.DropPendingTrash(t)
	}
	return true, nil
}

func (c *Cluster) inTrash(ctx context.Context, t metadata.Trashed) (bool, error) {
	b, err := c.trash.open(ctx, t.Backend)
	if err == nil {
		_, err = b.Stat(ctx, t.Location)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
