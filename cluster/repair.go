package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/metadata"
)

// Subject is all that there is of one name: its rows, in whichever table, and
// its bodies, on whichever store. It is what a check looks at (package
// bulk/check).
type Subject struct {
	Name string
	// Rows are those that stand under the name's hash, that of the right table
	// first.
	Rows []metadata.Row
	// Bodies are those of the stores that were asked, in their order.
	Bodies []Place
	// Failed are the stores that could not tell, and why.
	Failed map[backends.Backend]error
}

// Place is a body and the store it lies on.
type Place struct {
	Store backends.Backend
	backends.Info
}

// Row returns the row that operations on the name find, the one of the right
// table.
func (s Subject) Row(l metadata.Layout) (metadata.Row, bool) {
	if len(s.Rows) > 0 && s.Rows[0].Table == l.Table(s.Name) {
		return s.Rows[0], true
	}
	return metadata.Row{}, false
}

// Examine looks at a name without locking anything, so that writers may change
// it meanwhile.
func (c *Cluster) Examine(ctx context.Context, name string, stores []backends.Backend) (Subject, error) {
	s := Subject{Name: name}
	hash := metadata.Hash(name)
	for row, err := range c.meta.Scan(ctx, metadata.Filter{HashFrom: hash, HashTo: hash + "0", PageSize: 2}) {
		if err != nil {
			return s, err
		}
		if row.Name == name {
			s.Rows = append(s.Rows, row.Row)
		}
	}
	c.rightFirst(s.Rows)
	return s, s.place(ctx, stores)
}

// rightFirst puts the row of the right table before that of the other.
func (c *Cluster) rightFirst(rows []metadata.Row) {
	if len(rows) == 2 && rows[0].Table != c.meta.Layout().Table(rows[0].Name) {
		slices.Reverse(rows)
	}
}

// place asks each store for its body of the name. What cannot name a body has
// none. The error is that of the context.
func (s *Subject) place(ctx context.Context, stores []backends.Backend) error {
	if !backends.ValidPath(s.Name) {
		return nil
	}
	for _, store := range stores {
		info, err := store.Stat(ctx, s.Name)
		switch {
		case err == nil:
			s.Bodies = append(s.Bodies, Place{store, info})
		case ctx.Err() != nil:
			return ctx.Err()
		case !errors.Is(err, fs.ErrNotExist):
			if s.Failed == nil {
				s.Failed = make(map[backends.Backend]error)
			}
			s.Failed[store] = err
		}
	}
	return nil
}

// Locked is a subject whose rows are locked, where it has any, and what may be
// done to it meanwhile.
type Locked struct {
	Subject
	c      *Cluster
	tx     *metadata.Tx
	stores []backends.Backend
	told   []metadata.Row
}

// ExamineLocked looks at a name while its rows are locked, so that no writer is
// between a body and its row, and calls do with what there is. What do returns
// ends the transaction, which may run it again. Where there is no row nothing
// is locked.
func (c *Cluster) ExamineLocked(ctx context.Context, name string, stores []backends.Backend, do func(*Locked) error) error {
	var told []metadata.Row
	err := c.meta.Update(ctx, func(tx *metadata.Tx) error {
		l := &Locked{c: c, tx: tx, stores: stores}
		defer func() { told = l.told }()
		if err := l.look(name); err != nil {
			return err
		}
		return do(l)
	})
	c.tellRows(told...)
	return err
}

// look locks the rows and asks for the bodies.
func (l *Locked) look(name string) (err error) {
	l.Subject = Subject{Name: name}
	var rows []metadata.Row
	for _, table := range l.c.meta.Layout().Tables() {
		rows = append(rows, metadata.Row{Name: name, Table: table})
	}
	if l.Rows, err = l.tx.Lock(rows...); err != nil {
		return err
	}
	l.c.rightFirst(l.Rows)
	return l.place(l.tx.Context(), l.stores)
}

// Again looks at the name again, after something was done to it.
func (l *Locked) Again() error { return l.look(l.Name) }

// SetRow writes the row, in the table that it names.
func (l *Locked) SetRow(row metadata.Row) error {
	l.told = append(l.told, row)
	return l.c.setRow(l.tx, row, metadata.KindRepair)
}

// ExpireRow marks a row as expired, whichever half of that it says already.
func (l *Locked) ExpireRow(row metadata.Row) error {
	row.MTime, row.Expired = -max(row.MTime, -row.MTime, 1), true
	l.told = append(l.told, row)
	return l.c.setRow(l.tx, row, metadata.KindExpire)
}

// DeleteRow deletes a row and with it the claim that there is such a file.
func (l *Locked) DeleteRow(row metadata.Row) error {
	l.told = append(l.told, row)
	return forget(l.tx, []metadata.Row{row})
}

// DropGeneration deletes the row of a generation's lock, and what a PHP process
// may have left under its name.
func (l *Locked) DropGeneration(row metadata.Row) error {
	if !metadata.IsGenerating(row.Name) {
		return fmt.Errorf("%q is not the lock of a generation", row.Name)
	}
	if err := l.tx.Hold(); err != nil {
		return err
	}
	if backends.ValidPath(row.Name) {
		if err := l.c.stores.Delete(l.tx.Context(), []string{row.Name}); err != nil {
			return err
		}
	}
	_, err := l.tx.Delete(row)
	return err
}

// SameBody reports whether two places may be the same file of the same store,
// under two names of it. Of stores that know fractions of seconds that is sure.
// Of others it may be a twin of the same second, which is better left than the
// only body deleted.
func SameBody(a, b Place) bool {
	return a.Version != "" && a.Version == b.Version && a.Size == b.Size && a.Stored.Equal(b.Stored)
}
