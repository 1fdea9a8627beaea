package cluster

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"slices"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/metadata"
)

// Bodies that no row names, or that lie where no reader looks, go into the trash
// as well when a check removes them, and by the same steps as those of a purge:
// what they are called and where they go is committed before they move.

// HasTrash reports whether what is removed from a backend goes into a trash.
func (c *Cluster) HasTrash(backend string) bool { return c.trash.of(backend) != "" }

// intentsFor returns intents of bodies of one store, nil where it has no trash.
func (c *Cluster) intentsFor(ctx context.Context, store backends.Backend) (*intents, error) {
	if !c.HasTrash(store.Name()) {
		return nil, nil
	}
	return newIntents(), c.meta.NeedTrash(ctx)
}

// entryOf is what is kept of a body without a row: what its store knows, and
// what its name tells.
func (c *Cluster) entryOf(store backends.Backend, info backends.Info) metadata.Trashed {
	now := c.now()
	row := c.newRow(info.Path, "", cmp.Or(kept(info.ContentType), typeByName(info.Path)), c.modTime(info.ModTime))
	if c.meta.CheckRow(row) != nil {
		row.DataType = typeByName(info.Path) // what others keep with an object is of any length
	}
	return metadata.Trashed{
		Name: info.Path, Stamp: now.UTC().Format(time.DateOnly), DataType: row.DataType, Scope: row.Scope,
		Size: info.Size, ModTime: row.ModTime(), Backend: store.Name(), Time: now, Pending: true,
	}
}

// moveUnnamed moves bodies that are not those of their rows into the trash and
// returns those that got there, and those of which it is not sure. The rest was
// not announced, or is gone.
func (c *Cluster) moveUnnamed(ctx context.Context, i *intents, names []string) (moved []string, failed map[string]error) {
	failed = i.move(names, func(entries []*intent) error {
		err := c.moveInto(ctx, entries[0], nil)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	c.step(stepTrashed)
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !i.moved(name) || failed[name] != nil }), failed
}
