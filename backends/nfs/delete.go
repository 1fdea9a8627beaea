package nfs

import (
	"context"
	"errors"
	"maps"
	"slices"

	"golang.org/x/sys/unix"

	"example.com/ezdfs/backends"
)

// Delete removes files, and the directories that became empty except the
// first element of a path. A directory at a path is not a body and stays.
func (b *Backend) Delete(ctx context.Context, paths []string) error {
	d := &deletion{b: b, failed: map[string]error{}, dirs: map[string]bool{}}
	// In order, so that each directory is opened once.
	for _, path := range slices.Sorted(slices.Values(paths)) {
		if err := d.delete(ctx, path); err != nil {
			d.failed[path] = b.error("delete", path, err)
		}
	}
	d.closeDir()
	d.prune()
	if len(d.failed) > 0 {
		return &backends.DeleteError{Backend: b.name, Failed: d.failed}
	}
	return nil
}

// deletion is one call of Delete.
type deletion struct {
	b      *Backend
	failed map[string]error
	dirs   map[string]bool // that lost a file
	open   *dir            // where the last file was
}

func (d *deletion) delete(ctx context.Context, path string) error {
	if err := backends.CheckPath(d.b.name, "delete", path); err != nil {
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
	dirs := slices.Sorted(maps.Keys(d.dirs))
	for _, dir := range slices.Backward(dirs) {
		m.prune(dir)
	}
}
