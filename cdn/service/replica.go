package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"

	"example.com/ezdfs/cdn"
	"example.com/ezdfs/cdn/replicate"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// replica opens its stores when it first needs them, and again as long as that
// fails: a share that is not mounted yet delays no other target.
type replica struct {
	s      settings.Settings
	cfg    settings.Replicate
	source Source
	logger *slog.Logger

	mu     sync.Mutex
	target *replicate.Target // nil while the stores are not open
	close  []io.Closer
}

var _ cdn.Target = (*replica)(nil)

// newReplica checks what would lose files: a replica that is a store of the
// cluster has everything deleted that is not live.
func newReplica(s settings.Settings, cfg settings.Replicate, source Source, logger *slog.Logger) (*replica, error) {
	name, ok := settings.BackendName(cfg.Backend)
	switch {
	case cfg.Backend == "":
		return nil, errors.New(cfg.Name + ": Backend is not set: name the store to keep equal, such as s3:origin")
	case !ok:
		return nil, fmt.Errorf("%s: Backend names no store: %q", cfg.Name, cfg.Backend)
	case s.InTheWay(name) != "":
		return nil, fmt.Errorf("%s: Backend %s has the files of %s, a store of the cluster itself; name a store of its own", cfg.Name, name, s.InTheWay(name))
	}
	if source.Rows == nil {
		source.Rows = noRows{}
	}
	cfg.Backend = name
	return &replica{s: s, cfg: cfg, source: source, logger: logger}, nil
}

// noRows keeps a replica as it is: it can be tested, and told nothing.
type noRows struct{}

func (noRows) Get(context.Context, string) (metadata.Row, error) {
	return metadata.Row{}, errors.New("there is no database to compare with")
}

// Name is the instance's.
func (r *replica) Name() string { return r.cfg.Name }

// Limits are those of every replica.
func (r *replica) Limits() cdn.Limits { return replicate.Limits() }

// Deliver makes paths of the replica what they are in the cluster.
func (r *replica) Deliver(ctx context.Context, batch []cdn.Item) []error {
	t, err := r.open(ctx)
	if err != nil {
		errs := make([]error, len(batch))
		for i := range errs {
			errs[i] = err
		}
		return errs
	}
	return t.Deliver(ctx, batch)
}

// Test writes a small file to the replica, reads it and deletes it.
func (r *replica) Test(ctx context.Context) (string, error) {
	t, err := r.open(ctx)
	if err != nil {
		return "", err
	}
	return t.Test(ctx)
}

// Close closes the stores that were opened.
func (r *replica) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	for _, c := range r.close {
		errs = append(errs, c.Close())
	}
	r.target, r.close = nil, nil
	return errors.Join(errs...)
}

// open opens the stores that are not open. They outlive ctx.
func (r *replica) open(ctx context.Context) (*replicate.Target, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.target != nil {
		return r.target, nil
	}
	unavailable := func(err error) error {
		return &cdn.Error{Target: r.cfg.Name, Kind: cdn.ErrUnavailable, Reason: "a store cannot be opened", Err: err}
	}
	ctx = context.WithoutCancel(ctx)
	to, err := cluster.OpenBackend(ctx, r.s, r.cfg.Backend, r.logger)
	if err != nil {
		return nil, unavailable(err)
	}
	opened := []io.Closer{to}
	bodies := r.source.Bodies
	if bodies == nil {
		stores, err := cluster.OpenStores(ctx, r.s, r.logger)
		if err != nil {
			return nil, unavailable(errors.Join(err, to.Close()))
		}
		bodies, opened = stores, append(opened, stores)
	}
	target, err := replicate.New(r.cfg, replicate.Source{Rows: r.source.Rows, Bodies: bodies}, to)
	if err != nil {
		for _, c := range opened {
			c.Close()
		}
		return nil, unavailable(err)
	}
	r.target, r.close = target, opened
	return target, nil
}
