package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/bulk"
	"example.com/ezdfs/metadata"
)

// inspector looks again at what the join suspects, several things at a time.
type inspector struct {
	r     *run
	ctx   context.Context
	group *errgroup.Group
	looks chan look

	mu   sync.Mutex
	open map[uint64]int // looks that are not over, by where they were met
}

// look is one thing to look at, named for the case that this fails.
type look struct {
	what  string
	paths int
	at    uint64 // where a check has to begin that is to meet it again
	do    func(ctx context.Context) error
}

func newInspector(r *run, ctx context.Context) *inspector {
	group, ctx := errgroup.WithContext(ctx)
	i := &inspector{r: r, ctx: ctx, group: group, looks: make(chan look), open: make(map[uint64]int)}
	group.Go(func() error { return bulk.Each(ctx, r.pool, i.all(), i.look) })
	return i
}

// all yields what is to be looked at, until wait.
func (i *inspector) all() iter.Seq2[look, error] {
	return func(yield func(look, error) bool) {
		for l := range i.looks {
			if !yield(l, nil) {
				return
			}
		}
	}
}

// look looks at one thing. What it cannot look at is noted; only what ends the
// whole check is an error.
func (i *inspector) look(ctx context.Context, l look) error {
	start := time.Now()
	err := l.do(ctx)
	i.r.Progress.Took(l.what, time.Since(start))
	if stop := i.r.stopped(ctx); stop != nil {
		return stop
	}
	if errors.Is(err, metadata.ErrUnavailable) {
		return err
	}
	switch {
	case err == nil:
	case errors.Is(err, errLeftOut) || i.r.silent(ctx, err):
		i.r.skip(l.paths)
	default:
		i.r.unchecked(l.what, err)
	}
	i.count(l.at, -1)
	return nil
}

// count keeps the number of looks that are not over.
func (i *inspector) count(at uint64, n int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.open[at] += n; i.open[at] == 0 {
		delete(i.open, at)
	}
}

// next is where the first look was met that is not over.
func (i *inspector) next() uint64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	first := uint64(1 << 32)
	for at := range i.open {
		first = min(first, at)
	}
	return first
}

// send hands something to the workers, once one of them is free.
func (i *inspector) send(what string, paths int, at uint64, do func(ctx context.Context) error) error {
	i.count(at, 1)
	select {
	case i.looks <- look{what, paths, at, do}:
		return i.r.stopped(i.ctx)
	case <-i.ctx.Done():
		return i.ctx.Err()
	}
}

// wait returns when all was looked at. Nothing can be sent any more.
func (i *inspector) wait() error {
	close(i.looks)
	return i.group.Wait()
}

// name has everything of a name looked at, and what its live row has for a
// body read where contents are asked for.
func (i *inspector) name(at uint64, name string, read bool) error {
	return i.send(name, 1, at, func(ctx context.Context) error {
		err := i.r.inspect(ctx, name)
		if !read || !i.r.Contents || errors.Is(err, metadata.ErrUnavailable) || errors.Is(err, backends.ErrUnavailable) {
			return err
		}
		// One that could not be mended may be damaged, which is why.
		return cmp.Or(err, i.r.readFaulty(ctx, name))
	})
}

// lost has a row looked at that no operation finds.
func (i *inspector) lost(at uint64, row metadata.Stored, kind Kind) error {
	return i.send(row.Name, 1, at, func(ctx context.Context) error {
		if err := i.r.inspectLost(ctx, row, kind); err != nil || !i.r.Contents || !row.Live() {
			return err
		}
		return i.r.readLost(ctx, row)
	})
}

// contents has a body read.
func (i *inspector) contents(at uint64, name string) error {
	return i.send(name, 1, at, func(ctx context.Context) error { return i.r.readBody(ctx, name) })
}

// orphans has bodies without a row looked at.
func (i *inspector) orphans(at uint64, s *store, paths []string) error {
	what := paths[0]
	if more := len(paths) - 1; more > 0 {
		what = fmt.Sprintf("%s and %d more", what, more)
	}
	return i.send(what, len(paths), at, func(ctx context.Context) error { return i.r.inspectOrphans(ctx, s, paths) })
}

// twins has rows looked at whose names differ in case only.
func (i *inspector) twins(group []twin) error {
	return i.send("case twins", len(group), 1<<32, func(ctx context.Context) error { return i.r.inspectTwins(ctx, group) })
}
