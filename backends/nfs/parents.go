package nfs

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"
)

// vanishRetries bounds how often a directory may be removed under our hands,
// by others that clean up empty ones, before we give up.
const vanishRetries = 100

// inParent calls do with the directory of a body that is about to be, made if
// need be, and again when the directory vanished meanwhile.
func (m *mount) inParent(path string, do func(d *dir) error) error {
	for range vanishRetries {
		if err := m.inParentOnce(path, do); !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	return m.b.kind(nil, fmt.Errorf("%w: %s", errVanishing, path))
}

func (m *mount) inParentOnce(path string, do func(d *dir) error) error {
	d, err := m.openDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = m.makeDir(path); err == nil {
			d, err = m.openDir(path)
		}
	}
	if err != nil {
		return err
	}
	defer d.Close()
	return do(d)
}

// makeDir makes a directory, and its parents where they are missing. Only what
// it makes gets the configured mode and is made durable.
func (m *mount) makeDir(path string) error {
	parent, name := split(path)
	return m.inParentOnce(parent, func(d *dir) error {
		err := d.mkdir(name, m.b.dirMode)
		if errors.Is(err, fs.ErrExist) {
			return nil
		}
		if err == nil {
			if err = d.sync(); err != nil {
				d.rmdir(name) // whoever tries again must not take it for durable
			}
		}
		return err
	})
}

// prune removes path and its parents as far as they are empty directories. The
// first element of a path stays: it tells an empty tree from an unmounted one.
// Whoever is about to use a directory makes it again.
func (m *mount) prune(path string) {
	for strings.Contains(path, "/") {
		parent, name := split(path)
		d, err := m.openDir(parent)
		if err != nil {
			return
		}
		err = d.rmdir(name)
		d.Close()
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return
		}
		path = parent
	}
}
