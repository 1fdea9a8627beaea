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
	first, second := d.pair(path)
	staged, err := first.Stage(ctx, path, body, attrs)
	return d.staged(path, second, staged, err)
}

// StageCopy copies inside one backend on the store's side where it can; across
// two backends the body is streamed, and staged only when it arrived whole.
func (d *Dispatcher) StageCopy(ctx context.Context, src, dst string) (backends.Staged, backends.Info, error) {
	if err := d.checkPaths("copy", src, dst); err != nil {
		return nil, backends.Info{}, err
	}
	to, second := d.pair(dst)
	var info backends.Info
	staged, err := find(d, src, func(from backends.Backend) (staged backends.Staged, err error) {
		staged, info, err = backends.StageCopy(ctx, from, src, to, dst)
		return staged, err
	})
	staged, err = d.staged(dst, second, staged, err)
	return staged, info, err
}

// Rename is as atomic as the one backend of both paths makes it. Across two
// backends the copy is complete and verified before the source goes.
func (d *Dispatcher) Rename(ctx context.Context, src, dst string) error {
	if err := d.checkPaths("rename", src, dst); err != nil {
		return err
	}
	from, fromSecond := d.pair(src)
	to, toSecond := d.pair(dst)
	if from == to && fromSecond == nil && toSecond == nil {
		return backends.Rename(ctx, from, src, dst)
	}
	if src == dst {
		_, err := d.Stat(ctx, src)
		return err
	}
	staged, _, err := d.StageCopy(ctx, src, dst)
	if err != nil {
		return err
	}
	defer staged.Discard(ctx)
	if err := staged.Publish(ctx); err != nil {
		return err
	}
	return d.Delete(ctx, []string{src})
}

// checkPaths refuses a path that cannot name a body before the other one's
// store is touched.
func (d *Dispatcher) checkPaths(op, src, dst string) error {
	if err := backends.CheckPath(d.Name(), op, src); err != nil {
		return err
	}
	return backends.CheckPath(d.Name(), op, dst)
}

// Delete gives each backend its paths, all backends at once. Of a path that
// migrates, what the second backend holds goes first: if that fails the rest
// stays, for it would come back.
func (d *Dispatcher) Delete(ctx context.Context, paths []string) error {
	failed := d.deleteSecond(ctx, paths)
	groups := make(map[backends.Backend][]string)
	for _, path := range paths {
		if failed[path] == nil {
			b := d.backend(path)
			groups[b] = append(groups[b], path)
		}
	}
	maps.Copy(failed, d.deleteGroups(ctx, groups))
	if len(failed) > 0 {
		return &backends.DeleteError{Backend: d.Name(), Failed: failed}
	}
	return nil
}

// deleteGroups deletes from all backends at once and returns the paths of which
// that failed.
func (d *Dispatcher) deleteGroups(ctx context.Context, groups map[backends.Backend][]string) map[string]error {
	failed := make(map[string]error)
	err := d.each(func(b backends.Backend) error {
		if len(groups[b]) == 0 {
			return nil
		}
		return deleteError(b.Delete(ctx, groups[b]), groups[b])
	})
	if err != nil {
		for _, err := range err.(interface{ Unwrap() []error }).Unwrap() {
			maps.Copy(failed, err.(*backends.DeleteError).Failed)
		}
	}
	return failed
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
