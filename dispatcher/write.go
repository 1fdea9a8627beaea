package dispatcher

import (
	"context"
	"errors"
	"io"
	"maps"

	"example.com/ezdfs/backends"
)

// Stage implements backends.Backend.
func (d *Dispatcher) Stage(ctx context.Context, path string, body io.Reader, attrs backends.Attributes) (backends.Staged, error) {
	return d.backend(path).Stage(ctx, path, body, attrs)
}

// StageCopy copies inside one backend on the store's side where it can; across
// two backends the body is streamed, and staged only when it arrived whole.
func (d *Dispatcher) StageCopy(ctx context.Context, src, dst string) (backends.Staged, backends.Info, error) {
	if err := d.checkPaths("copy", src, dst); err != nil {
		return nil, backends.Info{}, err
	}
	return backends.StageCopy(ctx, d.backend(src), src, d.backend(dst), dst)
}

// Rename is as atomic as the one backend of both paths makes it. Across two
// backends the copy is complete and verified before the source goes.
func (d *Dispatcher) Rename(ctx context.Context, src, dst string) error {
	if err := d.checkPaths("rename", src, dst); err != nil {
		return err
	}
	from, to := d.backend(src), d.backend(dst)
	if from == to {
		return backends.Rename(ctx, from, src, dst)
	}
	staged, _, err := backends.StageCopy(ctx, from, src, to, dst)
	if err != nil {
		return err
	}
	defer staged.Discard(ctx)
	if err := staged.Publish(ctx); err != nil {
		return err
	}
	return from.Delete(ctx, []string{src})
}

// checkPaths refuses a path that cannot name a body before the other one's
// store is touched.
func (d *Dispatcher) checkPaths(op, src, dst string) error {
	if err := backends.CheckPath(d.Name(), op, src); err != nil {
		return err
	}
	return backends.CheckPath(d.Name(), op, dst)
}

// Delete gives each backend its paths, all backends at once.
func (d *Dispatcher) Delete(ctx context.Context, paths []string) error {
	groups := make(map[backends.Backend][]string)
	for _, path := range paths {
		b := d.backend(path)
		groups[b] = append(groups[b], path)
	}
	err := d.each(func(b backends.Backend) error {
		if len(groups[b]) == 0 {
			return nil
		}
		return deleteError(b.Delete(ctx, groups[b]), groups[b])
	})
	if err == nil {
		return nil
	}
	failed := make(map[string]error)
	for _, err := range err.(interface{ Unwrap() []error }).Unwrap() {
		maps.Copy(failed, err.(*backends.DeleteError).Failed)
	}
	return &backends.DeleteError{Backend: d.Name(), Failed: failed}
}

// deleteError makes any error of a Delete one that names paths: where the
// backend could not tell, all of them.
func deleteError(err error, paths []string) error {
	var perPath *backends.DeleteError
	if err == nil || errors.As(err, &perPath) {
		if perPath != nil {
			return perPath
		}
		return nil
	}
	failed := make(map[string]error, len(paths))
	for _, path := range paths {
		failed[path] = err
	}
	return &backends.DeleteError{Failed: failed}
}
