package cluster

import (
	"context"
	"os"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/metadata"
)

// batchBodyLimit is the size in bytes up to which a file is stored together
// with others: beyond it the bytes cost more than the commit.
const batchBodyLimit = 1 << 20

// Item is a local file to be stored.
type Item struct {
	Path    string // of the row
	File    string // local
	Options StoreOptions
}

// Result is what became of an Item.
type Result struct {
	Row metadata.Row
	Err error
}

// StoreFiles stores local files as StoreFile does, and tells of each what
// became of it, in the order of the items. Small files on a backend that can
// make many bodies durable at once share one transaction: none of them is
// visible before all of them are durable. That is several times as fast as
// storing them one by one; a batch of about a hundred is enough. When a batch
// fails its files are stored one by one, so that a bad one costs only itself.
func (c *Cluster) StoreFiles(ctx context.Context, items []Item) []Result {
	results := make([]Result, len(items))
	b := &batch{c: c, ctx: ctx, seen: make(map[string]bool)}
	defer b.discard()
	for i, item := range items {
		if !b.add(i, item) {
			results[i].Row, results[i].Err = c.StoreFile(ctx, item.Path, item.File, item.Options)
		}
	}
	if len(b.entries) == 0 {
		return results
	}
	err := b.commit()
	for _, e := range b.entries {
		i := e.index
		if results[i].Row = e.row; err != nil {
			results[i].Row, results[i].Err = c.StoreFile(ctx, items[i].Path, items[i].File, items[i].Options)
		}
	}
	return results
}

// batch is a set of staged bodies that become visible in one transaction.
type batch struct {
	c       *Cluster
	ctx     context.Context
	entries []batchEntry
	seen    map[string]bool // one path twice would need two commits
}

type batchEntry struct {
	index  int // of the item
	row    metadata.Row
	staged backends.Staged
}

// add stages an item, or reports false when it has to be stored by itself:
// because it is large, because its backend makes every body durable at once
// anyway, or because something is wrong with it, which StoreFile will say.
func (b *batch) add(index int, item Item) bool {
	name, err := metadata.CleanName(item.Path)
	if err != nil || b.seen[name] {
		return false
	}
	if _, ok := b.c.stores.Route(name).Backend.(backends.Syncer); !ok {
		return false
	}
	f, info, err := openRegular(item.File)
	if err != nil {
		return false
	}
	defer f.Close()
	if info.Size() > batchBodyLimit {
		return false
	}
	row, staged, err := b.stage(name, f, info, item.Options)
	if err != nil {
		return false
	}
	b.seen[name] = true
	b.entries = append(b.entries, batchEntry{index, row, staged})
	return true
}

func (b *batch) stage(name string, f *os.File, info os.FileInfo, options StoreOptions) (metadata.Row, backends.Staged, error) {
	if options.ModTime.IsZero() {
		options.ModTime = info.ModTime()
	}
	body, row, attrs, err := b.c.describe(name, f, options)
	if err != nil {
		return row, nil, err
	}
	attrs.Deferred = true
	staged, err := b.c.stores.Stage(b.ctx, name, body, attrs)
	if err != nil {
		return row, nil, err
	}
	row.Size = staged.Size()
	return row, staged, nil
}

// commit makes the bodies durable, then visible, then their visibility
// durable, and only then their rows.
func (b *batch) commit() error {
	if err := b.c.stores.Sync(b.ctx); err != nil {
		return err
	}
	b.c.step(stepStaged)
	published := 0
	err := b.c.meta.Update(b.ctx, func(tx *metadata.Tx) error {
		if err := b.lock(tx); err != nil {
			return err
		}
		b.c.step(stepLocked)
		if err := tx.Pin(); err != nil {
			return err
		}
		for _, e := range b.entries {
			published++
			if err := e.staged.Publish(tx.Context()); err != nil {
				return err
			}
		}
		if err := b.c.stores.Sync(tx.Context()); err != nil {
			return err
		}
		b.c.step(stepPublished)
		return nil
	})
	if err != nil {
		for _, e := range b.entries[:published] {
			b.c.finish(b.ctx, err, e.row)
		}
		return err
	}
	b.c.step(stepCommitted)
	return nil
}

func (b *batch) lock(tx *metadata.Tx) error {
	rows := make([]metadata.Row, len(b.entries))
	changes := make([]metadata.Change, len(b.entries))
	for i, e := range b.entries {
		rows[i] = e.row
		changes[i] = metadata.Change{Kind: metadata.KindStore, Subject: e.row.Name, Scope: e.row.Scope}
	}
	if err := tx.Upsert(rows...); err != nil {
		return err
	}
	return tx.Record(changes...)
}

func (b *batch) discard() {
	for _, e := range b.entries {
		b.c.discard(b.ctx, e.staged, e.row.Name)
	}
}
