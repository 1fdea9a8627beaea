package nfs

import (
	"context"
	"errors"
	"maps"
	"slices"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"example.com/ezdfs/backends"
)

// How many files one of the goroutines of a Delete removes at least, and how
// many of them there are at most. Each call on a share waits for its server.
const (
	deleteRun     = 32
	deleteWorkers = 16
)

// Delete removes files, several at a time, and the directories that became
// empty except the first element of a path. A directory at a path is not a
// body and stays.
func (b *Backend) Delete(ctx context.Context, paths []string) error {
	// In order, so that each directory is opened once.
	sorted := slices.Sorted(slices.Values(paths))
	run := max(deleteRun, (len(sorted)+deleteWorkers-1)/deleteWorkers)
	var runs []*deletion
	var group errgroup.Group
	for paths := range slices.Chunk(sorted, run) {
		d := &deletion{b: b, failed: map[string]error{}, dirs: map[string]bool{}}
		runs = append(runs, d)
		group.Go(func() error { d.all(ctx, paths); return nil })
	}
	group.Wait()
	failed := map[string]error{}
	for _, d := range runs {
		maps.Copy(failed, d.failed)
	}
	if len(failed) > 0 {
		return &backends.DeleteError{Backend: b.name, Failed: failed}
	}
	return nil
}

// deletion is a run of paths of one call of Delete.
type deletion struct {
	b      *Backend
	failed map[string]error
	dirs   map[string]bool // that lost a file
	open   *dir            // where the last file was
}

func (d *deletion) all(ctx context.Context, paths []string) {
	for _, path := range paths {
		if err := d.delete(ctx, path); err != nil {
			d.failed[path] = d.b.error("delete", path, err)
		}
	}
	d.closeDir()
	d.prune()
}

func (d *deletion) delete(ctx context.Context, path string) error {
	if err := d.b.checkPath("delete", path); err != nil {
		return err
	}
	name, base := split(path)
	return d.b.do(ctx, "delete", func(m *mount) error {
		err := d.unlink(m, name, base)
		switch {
		case err == nil:
			d.dirs[name] = true
			return nil
		case isDirectory(err):
			return nil
		case isMissing(err):
			d.dirs[name] = true
			return m.missing(nil)
		}
		return err
	})
}

// unlink removes a file from the directory that is open, or opens another. A
// handle whose directory was removed or went stale is not kept.
func (d *deletion) unlink(m *mount, name, base string) error {
	if d.open == nil || d.open.path != name {
		d.closeDir()
		var err error
		if d.open, err = m.openDir(name); err != nil {
			d.open = nil
			return err
		}
	}
	err := d.open.unlink(base)
	if err != nil && !isDirectory(err) {
		d.closeDir()
	}
	return err
}

// isDirectory reports whether an unlink failed because it met a directory.
func isDirectory(err error) bool { return errors.Is(err, unix.EISDIR) }

func (d *deletion) closeDir() {
	if d.open != nil {
		d.open.Close()
		d.open = nil
	}
}

// prune removes empty directories, the deepest first.
func (d *deletion) prune() {
	m := d.b.mount.Load()
	if m == nil {
		return // nothing was deleted
	}
	dirs := slices.Sorted(maps.Keys(d.dirs))
	for _, dir := range slices.Backward(dirs) {
		m.prune(dir)
	}
}
