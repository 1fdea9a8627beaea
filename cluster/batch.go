package cluster

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/metadata"
)

// What a batch may hold: a file beyond batchBodyLimit bytes is stored by
// itself, its bytes cost more than its commit; and some stores keep small
// staged bodies in memory.
const (
	batchFiles     = 100
	batchBytes     = 8 << 20
	batchBodyLimit = 1 << 20
	// batchParallel is how many bodies of a batch are staged or published at a
	// time. A file system makes concurrent fsyncs durable together, so this is
	// what makes many small files fast.
	batchParallel = 32
)

// Result is what became of an Item.
type Result struct {
	Row  metadata.Row
	Err  error
	Took time.Duration // to stage the body, or where a file was stored by itself, all of it
}

// StoreFiles stores local files as StoreFile does, and tells of each what
// became of it, in the order of the items. About a hundred small files at a
// time are staged together and share one transaction, which is several times
// as fast as storing them one by one. When a batch fails its files are stored
// one by one, so that a bad one costs only itself; those of a store that does not
// answer then are not tried, and have the error of the first that was.
func (c *Cluster) StoreFiles(ctx context.Context, items []Item) []Result {
	results := make([]Result, len(items))
	b := newBatch(c)
	for i, item := range items {
		if !b.takes(item) {
			b.store(ctx, items, results)
			b = newBatch(c)
		}
		b.add(i, item)
	}
	b.store(ctx, items, results)
	return results
}

// batch is a set of files that become visible in one transaction.
type batch struct {
	c       *Cluster
	entries []*batchEntry
	single  []int // items to be stored one by one
	bytes   int64
	seen    map[string]bool
}

type batchEntry struct {
	index  int // of the item
	name   string
	row    metadata.Row
	staged backends.Staged
	took   time.Duration
}

func newBatch(c *Cluster) *batch { return &batch{c: c, seen: make(map[string]bool)} }

// takes reports whether the batch has room for an item. One path twice needs
// two commits.
func (b *batch) takes(item Item) bool {
	name, _ := metadata.CleanName(item.Path)
	return len(b.entries) < batchFiles && b.bytes < batchBytes && !b.seen[name]
}

// add puts an item into the batch. What is large, or wrong in a way that
// StoreFile will tell, is stored by itself.
func (b *batch) add(index int, item Item) {
	name, err := metadata.CleanName(item.Path)
	b.seen[name] = true // alone or not: of one path, the last item wins
	size, sizeErr := item.size()
	if err != nil || sizeErr != nil || size > batchBodyLimit {
		b.single = append(b.single, index)
		return
	}
	b.bytes += size
	b.entries = append(b.entries, &batchEntry{index: index, name: name})
}

// store stores all of the batch.
func (b *batch) store(ctx context.Context, items []Item, results []Result) {
	defer b.discard(ctx)
	err := b.stage(ctx, items)
	if err == nil && len(b.entries) > 0 {
		err = b.commit(ctx)
	}
	for _, e := range b.entries {
		results[e.index].Took = e.took
		if results[e.index].Row = e.row; err != nil {
			b.single = append(b.single, e.index)
		}
	}
	silent := make(map[backends.Backend]error)
	for _, i := range b.single {
		start, store := time.Now(), b.c.stores.Route(items[i].Path).Backend
		if results[i].Err = silent[store]; results[i].Err == nil {
			results[i].Row, results[i].Err = b.c.storeItem(ctx, items[i])
		}
		if errors.Is(results[i].Err, backends.ErrUnavailable) || errors.Is(results[i].Err, metadata.ErrUnavailable) {
			silent[store] = results[i].Err
		}
		results[i].Took = time.Since(start)
	}
}

// each calls do for every entry, many at a time, whatever becomes of the
// others, and returns the first error.
func (b *batch) each(do func(*batchEntry) error) error {
	var group errgroup.Group
	group.SetLimit(batchParallel)
	for _, e := range b.entries {
		group.Go(func() error { return do(e) })
	}
	return group.Wait()
}

func (b *batch) stage(ctx context.Context, items []Item) error {
	err := b.each(func(e *batchEntry) error {
		defer func(start time.Time) { e.took = time.Since(start) }(time.Now())
		body, options, err := items[e.index].open(ctx)
		if err != nil {
			return err
		}
		defer body.Close()
		e.row, e.staged, err = b.c.stage(ctx, e.name, body, options)
		return err
	})
	if err == nil {
		b.c.step(stepStaged)
	}
	return err
}

// commit publishes the staged bodies while all their rows are locked.
func (b *batch) commit(ctx context.Context) error {
	published := false
	err := b.c.meta.Update(ctx, func(tx *metadata.Tx) error {
		if err := b.lock(tx); err != nil {
			return err
		}
		b.c.step(stepLocked)
		if err := tx.Pin(); err != nil {
			return err
		}
		published = true
		if err := b.each(func(e *batchEntry) error { return e.staged.Publish(tx.Context()) }); err != nil {
			return err
		}
		b.c.step(stepPublished)
		return nil
	})
	if err != nil && published {
		b.c.finish(ctx, err, b.rows()...)
	}
	if published {
		b.c.tellRows(b.rows()...)
	}
	if err == nil {
		b.c.step(stepCommitted)
	}
	return err
}

func (b *batch) rows() []metadata.Row {
	rows := make([]metadata.Row, len(b.entries))
	for i, e := range b.entries {
		rows[i] = e.row
	}
	return rows
}

func (b *batch) lock(tx *metadata.Tx) error {
	rows := b.rows()
	changes := make([]metadata.Change, len(rows))
	for i, row := range rows {
		changes[i] = metadata.Change{Kind: metadata.KindStore, Subject: row.Name, Scope: row.Scope}
	}
	return tx.Write(rows, changes...)
}

func (b *batch) discard(ctx context.Context) {
	for _, e := range b.entries {
		if e.staged != nil {
			b.c.discard(ctx, e.staged, e.name)
		}
	}
}
