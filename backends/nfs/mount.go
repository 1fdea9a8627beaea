package nfs

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// mount is the opened root of the tree and what is known about it.
type mount struct {
	b    *Backend
	root *os.Root
	top  *os.File        // the root directory itself
	raw  syscall.RawConn // of top
	id   identity
	// settled: the tree is known to be the cluster's, so what is missing in
	// it does not exist. See the package comment.
	settled atomic.Bool
}

// identity tells one directory from another that comes to stand in its place.
type identity struct{ dev, ino uint64 }

func statPath(path string) (identity, error) {
	var st unix.Stat_t
	if err := eintr(func() error { return unix.Stat(path, &st) }); err != nil {
		return identity{}, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return identity{uint64(st.Dev), st.Ino}, nil
}

// openMount opens the mount point path as it is now.
func (b *Backend) openMount() (*mount, error) {
	root, err := os.OpenRoot(b.path)
	if err != nil {
		return nil, err
	}
	top, err := root.Open(".")
	if err != nil {
		root.Close()
		return nil, err
	}
	m := &mount{b: b, root: root, top: top}
	var st unix.Stat_t
	m.raw, err = top.SyscallConn()
	if err == nil {
		err = m.withTop(func(fd int) error { return unix.Fstat(fd, &st) })
	}
	if err != nil {
		m.close()
		return nil, err
	}
	m.id = identity{uint64(st.Dev), st.Ino}
	return m, nil
}

// withTop calls do with the descriptor of the root directory, which stays open
// that long whoever closes the mount meanwhile.
func (m *mount) withTop(do func(fd int) error) error {
	var err error
	controlErr := m.raw.Control(func(fd uintptr) {
		err = eintr(func() error { return do(int(fd)) })
	})
	return errors.Join(controlErr, err)
}

func (m *mount) close() error { return errors.Join(m.root.Close(), m.top.Close()) }

// openFirst opens a mount of which nothing is known.
func (b *Backend) openFirst() (*mount, error) {
	m, err := b.openMount()
	if err != nil {
		return nil, fmt.Errorf("MountPointPath: %w; mount the share or correct the setting", err)
	}
	if err := b.writable(); err != nil {
		m.close()
		return nil, err
	}
	m.settled.Store(m.isMountPoint() || m.hasDirectory())
	return m, nil
}

// check returns the mount if its path still leads to it. A process whose share
// was unmounted, or mounted over, would otherwise go on in a tree that nobody
// else sees.
func (b *Backend) check() (*mount, error) {
	m := b.mount.Load()
	if err := b.fault("check", "."); err != nil {
		return nil, err
	}
	id, err := statPath(b.path)
	if errors.Is(err, unix.ESTALE) {
		return b.reopen(m)
	}
	if err != nil {
		return nil, fmt.Errorf("mount root not found: %w", err)
	}
	if m == nil || id != m.id {
		return b.reopen(m)
	}
	return m, nil
}

// reopen replaces a mount whose handle went stale or whose share was mounted
// anew. It accepts the same directory, or one with the same inode number on a
// filesystem of the same type under another device number, which is what a
// share looks like after it was unmounted and mounted again. Where nothing is
// known of the old one, or there is none, it accepts any.
func (b *Backend) reopen(old *mount) (*mount, error) {
	b.reopens.Lock()
	defer b.reopens.Unlock()
	if m := b.mount.Load(); m != old {
		return m, nil // another goroutine was here first
	}
	if old == nil || !old.known() {
		m, err := b.openFirst()
		if err == nil {
			b.replace(old, m)
		}
		return m, err
	}
	m, err := b.openMount()
	if err != nil {
		return nil, fmt.Errorf("mount root not found: %w", err)
	}
	if m.id != old.id && (m.id.ino != old.id.ino || m.fsType() != old.fsType()) {
		m.close()
		return nil, fmt.Errorf("mount root %s is not the directory it was at the start: "+
			"is the share mounted? (restart after changing the mount)", b.path)
	}
	m.settled.Store(m.id == old.id && old.settled.Load())
	b.replace(old, m)
	return m, nil
}

// replace puts a mount in the place of an old one, if there is any. The caller
// holds reopens.
func (b *Backend) replace(old, m *mount) {
	b.mount.Store(m)
	if old != nil {
		old.close()
	}
}

// fsType is the type of the filesystem, or -1 where the handle no longer says.
func (m *mount) fsType() int64 {
	var st unix.Statfs_t
	if err := m.withTop(func(fd int) error { return unix.Fstatfs(fd, &st) }); err != nil {
		return -1
	}
	return int64(st.Type)
}

// isMountPoint reports whether the root is the root of its filesystem.
func (m *mount) isMountPoint() bool {
	parent, err := statPath(m.b.path + "/..")
	return err == nil && parent.dev != m.id.dev
}

// hasDirectory reports whether the root holds any directory.
func (m *mount) hasDirectory() bool {
	d, err := m.openDir(".")
	if err != nil {
		return false
	}
	defer d.Close()
	for {
		entries, err := d.file().ReadDir(64)
		for _, entry := range entries {
			if entry.IsDir() {
				return true
			}
		}
		if err != nil {
			return false
		}
	}
}

// known reports whether the tree is known to be the cluster's.
func (m *mount) known() bool {
	if !m.settled.Load() && m.hasDirectory() {
		m.settled.Store(true)
	}
	return m.settled.Load()
}

// errUnsettled is why nothing is said about a path of an empty tree.
var errUnsettled = errors.New("mount root not found: the tree is empty and not a mount point: is the share mounted?")

// missing returns the error for a body that is not there: err itself, or why
// that cannot be known.
func (m *mount) missing(err error) error {
	current, checkErr := m.b.check()
	switch {
	case checkErr != nil:
		return m.b.unavailable("", checkErr)
	case current.known():
		return err
	}
	return m.b.unavailable("", fmt.Errorf("%w (%s)", errUnsettled, m.b.path))
}
