// Package nfs keeps bodies as files under the root of a mounted share, laid
// out as the legacy file handler lays them out (contract section 5), so that
// PHP frontends and this package work in one tree at the same time.
//
//	b, err := nfs.New(settings.NFS{
//		Name: "nfs", MountPointPath: "/mnt/cluster", FileMode: 0o666, DirMode: 0o777,
//	})
//
// Any filesystem will do; what the package knows about NFS is that file
// handles go stale, that a removed file that is open leaves a .nfs name, that
// a full disk may show only when the file is closed, and that the share may
// not be there at all. It is not for files outside the mount: directories are
// resolved by os.Root, the last element without following links, and a
// symbolic link that leads out of the mount is fs.ErrPermission.
//
// # A mount that is gone
//
// An unmounted share leaves an empty local directory behind, in which every
// body seems deleted. "Does not exist" is therefore only said of a tree that
// is known to be the cluster's:
//
//   - Every call checks that the mount point path still leads to the very
//     directory that was opened first. Anything else is
//     backends.ErrUnavailable, unless nothing was known of that directory: an
//     empty one, in whose place the share was mounted since.
//   - A process that starts after the unmount opens the empty directory as its
//     mount. So, as in the legacy, a missing body in a tree that holds no
//     directory at all is backends.ErrUnavailable, unless the root is a mount
//     point itself or this process has seen a directory in it. The first body
//     ever stored settles the matter: cleaning up empty directories never
//     removes the first element of a path (var), let alone the root.
//   - List and Ping only ask for the first: a listing of a new cluster is
//     empty.
package nfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/settings"
)

// Backend is one mounted tree. Make it with [New].
type Backend struct {
	name     string
	path     string // of the mount root
	fileMode fs.FileMode
	dirMode  fs.FileMode
	late     bool
	trash    string // what is hidden, "" for nothing

	mount   atomic.Pointer[mount] // nil until it could be opened, which is by New unless Late
	reopens sync.Mutex            // held while mount is replaced
	buffers sync.Pool             // of *[]byte
	faults  func(call, path string) error
}

var (
	_ backends.Backend = (*Backend)(nil)
	_ backends.Copier  = (*Backend)(nil)
	_ backends.Renamer = (*Backend)(nil)
)

// Option changes how New opens a tree.
type Option func(*options)

type options struct{ late bool }

// Late leaves opening the tree to its use: while the share is not mounted, or
// its server does not answer, that is backends.ErrUnavailable.
func Late() Option { return func(o *options) { o.late = true } }

// New opens the tree at s.MountPointPath, which must be absolute, exist and be
// writable. Zero modes mean the legacy's 0666 and 0777.
func New(s settings.NFS, opts ...Option) (*Backend, error) {
	var o options
	for _, option := range opts {
		option(&o)
	}
	b := &Backend{
		name: s.Name, path: s.MountPointPath, fileMode: s.FileMode, dirMode: s.DirMode, late: o.late,
		trash: strings.Trim(s.Trash, "/"),
	}
	if b.fileMode == 0 {
		b.fileMode = 0o666
	}
	if b.dirMode == 0 {
		b.dirMode = 0o777
	}
	b.buffers.New = func() any { buffer := make([]byte, 128<<10); return &buffer }
	if !filepath.IsAbs(b.path) {
		return nil, b.unavailable("open", fmt.Errorf("MountPointPath %q is not an absolute path", b.path))
	}
	if o.late {
		return b, nil
	}
	m, err := b.openFirst()
	if err != nil {
		return nil, b.unavailable("open", err)
	}
	b.mount.Store(m)
	return b, nil
}

// Name is the instance's name, "nfs" or "nfs:cold".
func (b *Backend) Name() string { return b.name }

// checkPath refuses a path that no body can have.
func (b *Backend) checkPath(op, path string) error {
	return backends.CheckVisible(b.name, op, path, b.trash)
}

// Ping checks that the mount is the one that was opened first, and writable;
// with Late also that it is not an empty directory in the place of a share.
func (b *Backend) Ping(ctx context.Context) error {
	return b.do(ctx, "ping", func(m *mount) error {
		err := b.writable()
		if err == nil && b.late && !m.known() {
			err = fmt.Errorf("%w (%s)", errUnsettled, b.path)
		}
		if err != nil {
			return b.unavailable("ping", err)
		}
		return nil
	})
}

// writable asks the kernel, and so the NFS server, without writing.
func (b *Backend) writable() error {
	if err := unix.Access(b.path, unix.W_OK|unix.X_OK); err != nil {
		return fmt.Errorf("mount root %s is not writable for this user: %w", b.path, err)
	}
	return nil
}

// Close releases the handle of the mount root.
func (b *Backend) Close() error {
	m := b.mount.Load()
	if m == nil {
		return nil
	}
	if err := m.close(); err != nil {
		return b.error("close", "", err)
	}
	return nil
}

// staleRetries bounds how often a call starts again after ESTALE.
const staleRetries = 3

// do runs one call on the mount after the checks that every call makes, and
// again on a reopened mount while handles are stale.
func (b *Backend) do(ctx context.Context, op string, call func(m *mount) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m, err := b.check()
	if err != nil {
		return b.unavailable(op, err)
	}
	for range staleRetries {
		if err = call(m); !errors.Is(err, unix.ESTALE) {
			return err
		}
		if m, err = b.reopen(m); err != nil {
			return b.unavailable(op, err)
		}
	}
	return call(m)
}

// split cuts a valid path into its directory ("." for none) and base name.
func split(path string) (dir, base string) {
	dir, base = filepath.Split(path)
	if dir == "" {
		return ".", base
	}
	return dir[:len(dir)-1], base
}

// join is the opposite of split.
func join(dir, base string) string {
	if dir == "." {
		return base
	}
	return dir + "/" + base
}

// fault lets a test fail a system call.
func (b *Backend) fault(call, path string) error {
	if b.faults == nil {
		return nil
	}
	if err := b.faults(call, path); err != nil {
		return &os.PathError{Op: call, Path: path, Err: err}
	}
	return nil
}
