package check

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"example.com/ezdfs/metadata"
)

// inspector looks again at what the join suspects, several things at a time.
type inspector struct {
	r     *run
	ctx   context.Context
	group *errgroup.Group
}

func newInspector(r *run, ctx context.Context) *inspector {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.Workers)
	return &inspector{r, ctx, group}
}

// do runs a look, once there is a worker for it. What it cannot look at is
// noted; only what ends the whole check is an error.
func (i *inspector) do(what string, look func(ctx context.Context) error) error {
	if err := i.r.stopped(i.ctx); err != nil {
		return err
	}
	i.group.Go(func() error {
		err := look(i.ctx)
		if stop := i.r.stopped(i.ctx); stop != nil {
			return stop
		}
		if errors.Is(err, metadata.ErrUnavailable) {
			return err
		}
		if err != nil {
			i.r.unchecked(what, err)
		}
		return nil
	})
	return nil
}

func (i *inspector) wait() error { return i.group.Wait() }

// name has everything of a name looked at.
func (i *inspector) name(name string) error {
	return i.do(name, func(ctx context.Context) error { return i.r.inspect(ctx, name) })
}

// lost has a row looked at that no operation finds.
func (i *inspector) lost(row metadata.Stored, kind Kind) error {
	return i.do(row.Name, func(ctx context.Context) error { return i.r.inspectLost(ctx, row, kind) })
}

// contents has a body read.
func (i *inspector) contents(name string) error {
	return i.do(name, func(ctx context.Context) error { return i.r.readBody(ctx, name) })
}

// orphans has bodies without a row looked at.
func (i *inspector) orphans(s *store, paths []string) error {
	return i.do(paths[0], func(ctx context.Context) error { return i.r.inspectOrphans(ctx, s, paths) })
}

// twins has rows looked at whose names differ in case only.
func (i *inspector) twins(group []twin) error {
	return i.do("case twins", func(ctx context.Context) error { return i.r.inspectTwins(ctx, group) })
}
