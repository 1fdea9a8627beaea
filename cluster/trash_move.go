package cluster

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"slices"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/dispatcher"
	"example.com/ezdfs/metadata"
)

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
	failed := trash.move(names, func(entries []*intent) error { return c.moveToTrash(ctx, entries) })
	c.step(stepTrashed)
	return failed
}

// moveToTrash moves the body of a row, if it has one. While its path migrates,
// what the first store holds goes into that one's trash. What the second holds
// goes into its own, unless the first has kept the same or a newer one; without
// a trash of its own it goes into the first's, if that has no other.
func (c *Cluster) moveToTrash(ctx context.Context, entries []*intent) error {
	route := c.stores.Route(entries[0].Name)
	first, second := entryOn(entries, route.Backend), entryOn(entries, route.From)
	keeps := false
	if second != nil {
		var err error
		if keeps, err = keepsSecond(ctx, route, first, second); err != nil {
			return err
		}
	}
	if first != nil {
		err := c.moveInto(ctx, first, nil)
		if errors.Is(err, fs.ErrNotExist) && second == nil && route.From != nil {
			err = c.moveInto(ctx, first, route.From)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if keeps {
		if err := c.moveInto(ctx, second, nil); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// entryOn returns the entry of a store, nil for none.
func entryOn(entries []*intent, store backends.Backend) *intent {
	for _, t := range entries {
		if store != nil && t.Backend == store.Name() {
			return t
		}
	}
	return nil
}

// keepsSecond reports whether the body on the store that a path migrates from goes
// into the trash there: if it is all there is, or if what the first store holds is
// neither newer nor, being the same, kept itself. The first's entry is nil where
// that store has no trash.
func keepsSecond(ctx context.Context, route dispatcher.Route, first, second *intent) (bool, error) {
	if second.moved || second.unsure {
		return true, nil // what an attempt of the transaction before has begun
	}
	there, err := route.From.Stat(ctx, second.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	here, err := route.Backend.Stat(ctx, second.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return first == nil || !first.moved, nil
	}
	age := cmp.Compare(there.ModTime.Unix(), here.ModTime.Unix())
	return age > 0 || age == 0 && (first == nil || there.Size != here.Size), err
}

// moveInto moves the body of an entry into the trash of its store, or where that
// cannot, copies it; from, where it is not nil, is another store that has it.
func (c *Cluster) moveInto(ctx context.Context, t *intent, from backends.Backend) error {
	err := c.tryMove(ctx, t, from)
	t.moved = t.moved || err == nil
	t.unsure = err != nil && !errors.Is(err, fs.ErrNotExist)
	return err
}

func (c *Cluster) tryMove(ctx context.Context, t *intent, from backends.Backend) error {
	b, err := c.trash.open(ctx, t.Backend)
	if err != nil {
		return err
	}
	if from == nil {
		from = b
	}
	if t.moved || t.unsure {
		// By an attempt of this transaction before, which a deadlock ended.
		there, err := c.inTrash(ctx, t.Trashed)
		if there && err == nil {
			err = t.unreplaced(ctx, from)
		}
		if there || err != nil {
			return err
		}
	}
	if renamer, ok := backends.As[backends.Renamer](b); ok && from == b {
		return renamer.Rename(ctx, t.Name, t.Location)
	}
	staged, info, err := backends.StageCopy(ctx, from, t.Name, b, t.Location)
	if err != nil {
		return err
	}
	defer staged.Discard(ctx)
	t.version = info.Version
	return staged.Publish(ctx)
}

// unreplaced makes sure that in the place of a body that is in the trash there is
// none, or still the one that was copied: another one would be deleted, or take
// the place of the first in the trash.
func (t *intent) unreplaced(ctx context.Context, store backends.Backend) error {
	info, err := store.Stat(ctx, t.Name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err == nil && (t.version == "" || info.Version != t.version):
		return &backends.Error{Backend: store.Name(), Op: "delete", Path: t.Name, Kind: backends.ErrChanged, Retry: true}
	}
	return err
}
