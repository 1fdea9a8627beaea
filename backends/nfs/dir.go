package nfs

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// dir is an open directory of the tree. Its methods take one path element and
// never follow a link in it. Whoever opens it closes it.
type dir struct {
	b    *Backend
	path string
	fd   int
	f    *os.File // owns fd once the entries were read; nil before
}

// openDir resolves a directory inside the root.
func (m *mount) openDir(path string) (*dir, error) {
	if err := m.b.fault("opendir", path); err != nil {
		return nil, err
	}
	fd := -1
	err := m.withTop(func(top int) (err error) {
		fd, err = openBeneath(top, path)
		return err
	})
	switch {
	case err == nil:
		return &dir{b: m.b, path: path, fd: fd}, nil
	case errors.Is(err, unix.ENOENT):
		return nil, &os.PathError{Op: "openat2", Path: path, Err: unix.ENOENT}
	}
	// Where the kernel cannot do it in one call, or finds anything odd.
	f, err := m.root.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	return &dir{b: m.b, path: path, fd: int(f.Fd()), f: f}, nil
}

// file returns d as a file, for what needs more than a descriptor.
func (d *dir) file() *os.File {
	if d.f == nil {
		d.f = os.NewFile(uintptr(d.fd), d.path)
	}
	return d.f
}

// Close releases the handle.
func (d *dir) Close() error {
	if d.f != nil {
		return d.f.Close()
	}
	return unix.Close(d.fd)
}

// call runs one system call on an element of d.
func (d *dir) call(name, element string, do func() error) error {
	if d.b.faults != nil {
		if err := d.b.fault(name, join(d.path, element)); err != nil {
			return err
		}
	}
	if err := eintr(do); err != nil {
		return &os.PathError{Op: name, Path: join(d.path, element), Err: err}
	}
	return nil
}

func (d *dir) openSub(name string) (*dir, error) {
	fd := -1
	err := d.call("opendir", name, func() (err error) {
		fd, err = unix.Openat(d.fd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &dir{b: d.b, path: join(d.path, name), fd: fd}, nil
}

// open opens a file for reading.
func (d *dir) open(name string) (*os.File, error) {
	fd := -1
	err := d.call("open", name, func() (err error) {
		fd, err = unix.Openat(d.fd, name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), join(d.path, name)), nil
}

// create makes a new file for writing.
func (d *dir) create(name string, mode fs.FileMode) (*os.File, error) {
	fd := -1
	err := d.call("create", name, func() (err error) {
		fd, err = unix.Openat(d.fd, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, uint32(mode.Perm()))
		return err
	})
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), join(d.path, name)), nil
}

// stat describes an element, a link itself included.
func (d *dir) stat(name string) (st unix.Stat_t, err error) {
	err = d.call("stat", name, func() error {
		return unix.Fstatat(d.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	})
	return st, err
}

func (d *dir) rename(from string, to *dir, name string) error {
	return to.call("rename", name, func() error {
		return unix.Renameat(d.fd, from, to.fd, name)
	})
}

// unlink removes an element that is not a directory. For a directory it is
// EISDIR, also where the system follows POSIX and says EPERM.
func (d *dir) unlink(name string) error {
	err := d.call("unlink", name, func() error { return unix.Unlinkat(d.fd, name, 0) })
	if errors.Is(err, unix.EPERM) {
		if st, statErr := d.stat(name); statErr == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
			return unix.EISDIR
		}
	}
	return err
}

// rmdir removes an empty directory and nothing else.
func (d *dir) rmdir(name string) error {
	return d.call("rmdir", name, func() error { return unix.Unlinkat(d.fd, name, unix.AT_REMOVEDIR) })
}

// mkdir makes a directory of this mode whatever the umask; bits that the
// filesystem adds, such as an inherited set-group-ID, stay.
func (d *dir) mkdir(name string, mode fs.FileMode) error {
	err := d.call("mkdir", name, func() error { return unix.Mkdirat(d.fd, name, uint32(mode.Perm())) })
	if err != nil {
		return err
	}
	st, err := d.stat(name)
	if err != nil || fs.FileMode(st.Mode).Perm() == mode.Perm() {
		return err
	}
	return d.call("chmod", name, func() error {
		return unix.Fchmodat(d.fd, name, uint32(st.Mode)&0o7000|uint32(mode.Perm()), 0)
	})
}

// sync makes the entries of d durable.
func (d *dir) sync() error {
	return d.call("sync", ".", func() error { return unix.Fsync(d.fd) })
}

// eintr repeats a system call that a signal interrupted.
func eintr(do func() error) error {
	for {
		if err := do(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
