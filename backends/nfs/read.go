package nfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"example.com/ezdfs/backends"
)

// Stat describes the body at path. A directory is not a body.
func (b *Backend) Stat(ctx context.Context, path string) (backends.Info, error) {
	if err := b.checkPath("stat", path); err != nil {
		return backends.Info{}, err
	}
	var info backends.Info
	err := b.do(ctx, "stat", func(m *mount) error {
		st, err := m.stat(path)
		if err == nil {
			info = newInfo(path, &st)
		}
		return err
	})
	if err != nil {
		return backends.Info{}, b.error("stat", path, err)
	}
	return info, nil
}

// stat describes the regular file at path. A link in the last place is
// followed as far as it stays inside the mount.
func (m *mount) stat(path string) (unix.Stat_t, error) {
	name, base := split(path)
	d, err := m.openDir(name)
	if err != nil {
		return unix.Stat_t{}, m.readError(err)
	}
	defer d.Close()
	st, err := d.stat(base)
	if err == nil && st.Mode&unix.S_IFMT == unix.S_IFLNK {
		f, st, err := m.open(path)
		if err == nil {
			f.Close()
		}
		return st, err
	}
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
		err = fmt.Errorf("not a regular file: %w", unix.ENOENT)
	}
	return st, m.readError(err)
}

// open opens the regular file at path for reading.
func (m *mount) open(path string) (*handle, unix.Stat_t, error) {
	var st unix.Stat_t
	h, err := m.openHandle(path)
	if err != nil {
		return nil, st, m.readError(err)
	}
	err = eintr(func() error { return unix.Fstat(h.fd, &st) })
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
		err = fmt.Errorf("not a regular file: %w", unix.ENOENT)
	}
	if err != nil {
		h.Close()
		return nil, st, m.readError(err)
	}
	return h, st, nil
}

// openHandle opens whatever is at path without waiting: a named pipe would wait
// for its writer. In most cases that is one system call.
func (m *mount) openHandle(path string) (*handle, error) {
	if m.b.faults == nil {
		fd := -1
		err := m.withTop(func(top int) (err error) {
			fd, err = openFileBeneath(top, path)
			return err
		})
		switch {
		case err == nil:
			return &handle{fd: fd, name: path}, nil
		case errors.Is(err, unix.ENOENT):
			return nil, &os.PathError{Op: "openat2", Path: path, Err: unix.ENOENT}
		}
	}
	f, err := m.openFile(path)
	if err != nil {
		return nil, err
	}
	return &handle{fd: int(f.Fd()), name: path, f: f}, nil
}

// openFile is openHandle where the kernel cannot do it in one call, or finds
// anything odd, such as a link.
func (m *mount) openFile(path string) (*os.File, error) {
	name, base := split(path)
	d, err := m.openDir(name)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	f, err := d.open(base)
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.EMLINK) { // a link, on Linux or elsewhere
		return m.root.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	}
	return f, err
}

// handle is an open file. An os.File would ask the kernel more about it than
// reading a small one takes, so it becomes one only where it has to be.
type handle struct {
	fd   int
	name string
	f    *os.File // owns fd; nil before it is needed
}

// file returns the handle as a file.
func (h *handle) file() *os.File {
	if h.f == nil {
		h.f = os.NewFile(uintptr(h.fd), h.name)
	}
	return h.f
}

// Read implements io.Reader.
func (h *handle) Read(p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	err = eintr(func() error { n, err = unix.Read(h.fd, p); return err })
	if err != nil {
		return 0, &os.PathError{Op: "read", Path: h.name, Err: err}
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Close releases the handle.
func (h *handle) Close() error {
	fd := h.fd
	h.fd = -1
	switch {
	case h.f != nil:
		return h.f.Close()
	case fd < 0:
		return os.ErrClosed
	}
	return unix.Close(fd)
}

// readError settles what a missing path means.
func (m *mount) readError(err error) error {
	if err == nil || !isMissing(err) {
		return err
	}
	return m.missing(m.b.kind(fs.ErrNotExist, err))
}

func newInfo(path string, st *unix.Stat_t) backends.Info {
	return backends.Info{
		Path:    path,
		Size:    st.Size,
		ModTime: time.Unix(st.Mtim.Unix()).Truncate(time.Second),
		Kept:    kept(int64(st.Mtim.Nsec), int64(st.Ctim.Nsec)),
		Stored:  time.Unix(st.Ctim.Unix()),
		Version: version(st),
	}
}

// kept tells, by the fractions of both times, a modification time that was set
// from the one of the last write, as PHP leaves it, which has nothing to do with
// the row's (contract section 2). Whoever sets a time sets whole seconds, as this
// package and PHP's touch do. Nobody sets a change time: where that is whole too
// the file system has no fractions, and nothing can be told.
func kept(mtimeNano, ctimeNano int64) bool { return mtimeNano == 0 && ctimeNano != 0 }

// version tells bodies apart by inode, change time and size: two bodies that
// follow each other have different inodes, since the old one still exists
// while the new one is written, and one rewritten in place has another time.
func version(st *unix.Stat_t) string {
	v := make([]byte, 0, 48)
	v = strconv.AppendUint(v, st.Ino, 36)
	v = strconv.AppendInt(append(v, '-'), st.Ctim.Nano(), 36)
	return string(strconv.AppendInt(append(v, '-'), st.Size, 36))
}

// Open reads the body at path from its file: a body that replaces it is
// another file. Copying the reader to a network connection or to a file lets
// the kernel move the bytes.
func (b *Backend) Open(ctx context.Context, path string, offset, length int64) (backends.Reader, error) {
	if err := b.checkPath("open", path); err != nil {
		return nil, err
	}
	if offset < 0 {
		return nil, b.error("open", path, b.kind(fs.ErrInvalid, errors.New("negative offset")))
	}
	var r *reader
	err := b.do(ctx, "open", func(m *mount) error {
		f, st, err := m.open(path)
		if err == nil {
			r = &reader{b: b, file: f, info: newInfo(path, &st), opened: st}
		}
		return err
	})
	if err != nil {
		return nil, b.error("open", path, err)
	}
	r.left = max(r.info.Size-offset, 0)
	if length >= 0 {
		r.left = min(r.left, length)
	}
	if offset > 0 && r.left > 0 {
		if _, err := unix.Seek(r.file.fd, offset, io.SeekStart); err != nil {
			r.file.Close()
			return nil, b.error("open", path, err)
		}
	}
	return r, nil
}

// reader reads a range of a file.
type reader struct {
	b      *Backend
	file   *handle
	info   backends.Info
	opened unix.Stat_t
	left   int64 // bytes of the range that are still to be read
}

var _ io.WriterTo = (*reader)(nil)

func (r *reader) Info() backends.Info { return r.info }

func (r *reader) Close() error {
	if err := r.file.Close(); err != nil {
		return r.b.error("close", r.info.Path, err)
	}
	return nil
}

// Read reads from the file itself. The legacy writes some files in place: what
// changed while it was read ends in ErrChanged.
func (r *reader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, r.end(io.EOF)
	}
	n, err := r.file.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	if err == io.EOF {
		return n, r.end(err)
	}
	if err != nil {
		err = r.b.error("read", r.info.Path, err)
	}
	return n, err
}

// WriteTo lets io.Copy hand the file itself to w.
func (r *reader) WriteTo(w io.Writer) (int64, error) {
	limited := &io.LimitedReader{R: r.file.file(), N: r.left}
	n, err := io.Copy(w, limited)
	r.left -= n
	if err == nil {
		err = r.end(nil)
	}
	return n, err
}

// end checks, where the file or the range ends, that the file is still what it
// was; if so the error is ok. The change time does not count: it moves when
// the path is given to another file.
func (r *reader) end(ok error) error {
	var st unix.Stat_t
	if err := eintr(func() error { return unix.Fstat(r.file.fd, &st) }); err != nil {
		return r.b.error("read", r.info.Path, err)
	}
	if r.left > 0 || st.Size != r.opened.Size || st.Mtim != r.opened.Mtim {
		return &backends.Error{Backend: r.b.name, Op: "read", Path: r.info.Path, Kind: backends.ErrChanged,
			Err: errors.New("the file was written in place"), Retry: true}
	}
	return ok
}
