package gcs

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"cloud.google.com/go/storage"
	"golang.org/x/sync/errgroup"

	"example.com/ezdfs/backends"
)

// deleteWorkers is how many objects are deleted at a time; the client has no
// request for several.
const deleteWorkers = 16

// Delete deletes object by object, several at a time. The first failure of the
// store itself ends it: what is left of the paths fails for the same reason.
func (b *Backend) Delete(ctx context.Context, paths []string) error {
	d := deletion{backend: b, failed: map[string]error{}}
	run, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var group errgroup.Group
	group.SetLimit(deleteWorkers)
	for _, path := range paths {
		group.Go(func() error {
			if err := d.one(run, path); err != nil {
				d.fail(path, err)
				if errors.Is(err, backends.ErrUnavailable) {
					stop(err)
				}
			}
			return nil
		})
	}
	_ = group.Wait() // its functions return no errors
	d.checkBucket(ctx, paths)
	if len(d.failed) == 0 {
		return nil
	}
	return &backends.DeleteError{Backend: b.cfg.Name, Failed: d.failed}
}

// deletion is one call of Delete.
type deletion struct {
	backend *Backend
	missing atomic.Bool // an object was not there, or the bucket
	mu      sync.Mutex
	failed  map[string]error
}

func (d *deletion) fail(path string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failed[path] = err
}

func (d *deletion) one(ctx context.Context, path string) error {
	if err := d.backend.check("delete", path); err != nil {
		return err
	}
	err := ctx.Err()
	if err == nil {
		err = d.backend.object(path).Delete(ctx)
	}
	if errors.Is(err, storage.ErrObjectNotExist) {
		d.missing.Store(true)
		return nil
	}
	if cause := context.Cause(ctx); err != nil && cause != nil {
		var e *backends.Error
		if errors.As(cause, &e) { // another path met it
			return &backends.Error{Backend: e.Backend, Op: e.Op, Path: path, Kind: e.Kind, Err: e.Err, Retry: e.Retry, Throttled: e.Throttled}
		}
	}
	return d.backend.wrap(ctx, "delete", path, err)
}

// checkBucket asks once whether the bucket is there when objects were not:
// if not, nothing is known about any path.
func (d *deletion) checkBucket(ctx context.Context, paths []string) {
	if !d.missing.Load() {
		return
	}
	_, err := d.backend.first(ctx, d.backend.cfg.Prefix)
	if err == nil {
		return
	}
	for _, path := range paths {
		if d.failed[path] == nil {
			d.failed[path] = d.backend.unavailable(ctx, "delete", path, err)
		}
	}
}
