package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

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

// intents are the entries of bodies that are about to go into the trash. Nil is
// those of what is deleted.
type intents struct {
	trash   func(name string) bool // a name whose backend has a trash
	entries map[string]metadata.Trashed

	mu     sync.Mutex
	moved  map[string]bool
	unsure map[string]bool // moving it failed, wherever that left the body
}

// newIntents returns intents of names of which trash says whether they have one
// to go to.
func newIntents(trash func(name string) bool) *intents {
	return &intents{trash: trash, moved: make(map[string]bool), unsure: make(map[string]bool)}
}

// knows reports whether a row may be purged: one that belongs into the trash
// must have an entry. It lacks one if it was not expired a moment ago.
func (i *intents) knows(name string) bool {
	if i == nil || !i.trash(name) {
		return true
	}
	_, ok := i.entries[name]
	return ok
}

// settle records which bodies got into the trash, and forgets those that did
// not. Where that is unsure the entry stays pending, for the next who looks.
func (i *intents) settle(tx *metadata.Tx) error {
	if i == nil {
		return nil
	}
	var moved, left []metadata.Trashed
	for name, t := range i.entries {
		switch {
		case i.moved[name]:
			moved = append(moved, t)
		case !i.unsure[name]:
			left = append(left, t)
		}
	}
	return errors.Join(tx.SettleTrash(moved...), tx.DropPendingTrash(left...))
}

// intend records where the bodies of a batch are about to go. It returns nil
// where none of them has a trash to go to.
func (c *Cluster) intend(ctx context.Context, rows []metadata.Row, before time.Time) (*intents, error) {
	inTrash := func(name string) bool { return c.trash.of(c.Backend(name)) != "" }
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
	i := newIntents(inTrash)
	err := c.meta.Update(ctx, func(tx *metadata.Tx) error {
		locked, err := tx.Lock(bound...)
		if err != nil {
			return err
		}
		var entries []metadata.Trashed
		for _, row := range locked {
			if doomed(row, before) {
				entries = append(entries, c.entry(row))
			}
		}
		return c.announce(tx, i, entries)
	})
	if err == nil {
		c.step(stepIntended)
	}
	return i, err
}

// announce records where bodies are about to go, once the caller commits.
func (c *Cluster) announce(tx *metadata.Tx, i *intents, entries []metadata.Trashed) error {
	i.entries = make(map[string]metadata.Trashed, len(entries))
	for _, t := range entries {
		i.entries[t.Name] = t
	}
	if err := c.stamp(tx, i.entries); err != nil {
		return err
	}
	return tx.AddTrash(slices.Collect(maps.Values(i.entries))...)
}

// entry is what is kept of a row.
func (c *Cluster) entry(row metadata.Row) metadata.Trashed {
	now := c.now()
	return metadata.Trashed{
		Name: row.Name, Stamp: now.UTC().Format(time.DateOnly), DataType: row.DataType, Scope: row.Scope,
		Size: row.Size, ModTime: row.ModTime(), Backend: c.Backend(row.Name), Time: now, Pending: true,
	}
}

// stamp gives entries stamps that no entry of the same name has, and so places
// that are theirs alone, whatever else is under way.
func (c *Cluster) stamp(tx *metadata.Tx, entries map[string]metadata.Trashed) error {
	known, err := tx.TrashOf(slices.Sorted(maps.Keys(entries))...)
	if err != nil {
		return err
	}
	taken := make(map[string]map[string]bool)
	silent := make(map[string]error) // backends that cannot tell
	for _, t := range known {
		stays, err := c.resolve(tx, t, silent)
		if err != nil {
			return err
		}
		if stays && taken[t.Name] == nil {
			taken[t.Name] = make(map[string]bool)
		}
		if stays {
			taken[t.Name][t.Stamp] = true
		}
	}
	for name, t := range entries {
		day := t.Stamp
		for n := 1; taken[name][t.Stamp]; n++ {
			t.Stamp = fmt.Sprintf("%s.%d", day, n)
		}
		t.Location = path.Join(c.trash.of(t.Backend), t.Stamp, name)
		entries[name] = t
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

// toTrash puts the bodies of rows into the trash where they have one, and
// returns those that it could not, and that must not be deleted therefore.
func (c *Cluster) toTrash(ctx context.Context, rows []metadata.Row, keep map[string]bool, trash *intents) map[string]error {
	if trash == nil {
		return nil
	}
	var names []string
	for _, row := range rows {
		if !keep[row.Name] {
			names = append(names, row.Name)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names) // of two rows in two tables there is one body
	failed := trash.move(names, func(t metadata.Trashed) (bool, error) { return c.moveToTrash(ctx, t) })
	c.step(stepTrashed)
	return failed
}

// move moves those of the names that have an entry, several at a time, and
// returns those that it could not.
func (i *intents) move(names []string, move func(metadata.Trashed) (moved bool, err error)) map[string]error {
	failed := make(map[string]error)
	var group errgroup.Group
	group.SetLimit(batchParallel)
	for _, name := range names {
		t, ok := i.entries[name]
		if !ok {
			continue
		}
		group.Go(func() error {
			moved, err := move(t)
			i.mu.Lock()
			defer i.mu.Unlock()
			i.moved[name], i.unsure[name] = moved, err != nil
			if err != nil {
				failed[name] = err
			}
			return nil
		})
	}
	_ = group.Wait() // its functions return no errors
	return failed
}

// moveInto moves a body into the trash of its store, or where that cannot,
// copies it.
func (c *Cluster) moveInto(ctx context.Context, t metadata.Trashed) error {
	b, err := c.trash.open(ctx, t.Backend)
	if err != nil {
		return err
	}
	if renamer, ok := backends.As[backends.Renamer](b); ok {
		return renamer.Rename(ctx, t.Name, t.Location)
	}
	return backends.Copy(ctx, b, t.Name, t.Location)
}

// moveToTrash moves the body of a row. It reports false of a file that has
// none.
func (c *Cluster) moveToTrash(ctx context.Context, t metadata.Trashed) (moved bool, err error) {
	if err = c.moveInto(ctx, t); !errors.Is(err, fs.ErrNotExist) {
		return err == nil, err
	}
	// A migration may have it elsewhere still.
	if from := c.stores.Route(t.Name).From; from != nil {
		b, err := c.trash.open(ctx, t.Backend)
		if err != nil {
			return false, err
		}
		err = copyBetween(ctx, from, t.Name, b, t.Location)
		if !errors.Is(err, fs.ErrNotExist) {
			return err == nil, err
		}
	}
	// An attempt of this transaction before a deadlock may have moved it.
	return c.inTrash(ctx, t)
}

func copyBetween(ctx context.Context, from backends.Backend, src string, to backends.Backend, dst string) error {
	staged, _, err := backends.StageCopy(ctx, from, src, to, dst)
	if err != nil {
		return err
	}
	defer staged.Discard(ctx)
	return staged.Publish(ctx)
}
