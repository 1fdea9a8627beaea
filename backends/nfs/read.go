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
	if err := backends.CheckPath(b.name, "stat", path); err != nil {
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
func (m *mount) open(path string) (*os.File, unix.Stat_t, error) {
	var st unix.Stat_t
	f, err := m.openFile(path)
	if err != nil {
		return nil, st, m.readError(err)
	}
	err = eintr(func() error { return unix.Fstat(int(f.Fd()), &st) })
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
		err = fmt.Errorf("not a regular file: %w", unix.ENOENT)
	}
	if err != nil {
		f.Close()
		return nil, st, m.readError(err)
	}
	return f, st, nil
}

// openFile opens whatever is at path without waiting: a named pipe would wait
// for its writer.
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
		Stored:  time.Unix(st.Ctim.Unix()),
		Version: version(st),
	}
}

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
	if err := backends.CheckPath(b.name, "open", path); err != nil {
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
		if _, err := r.file.Seek(offset, io.SeekStart); err != nil {
			r.file.Close()
			return nil, b.error("open", path, err)
		}
	}
	return r, nil
}

// reader reads a range of a file.
type reader struct {
	b      *Backend
	file   *os.File
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
	limited := &io.LimitedReader{R: r.file, N: r.left}
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
	if err := eintr(func() error { return unix.Fstat(int(r.file.Fd()), &st) }); err != nil {
		return r.b.error("read", r.info.Path, err)
	}
	if r.left > 0 || st.Size != r.opened.Size || st.Mtim != r.opened.Mtim {
		return &backends.Error{Backend: r.b.name, Op: "read", Path: r.info.Path, Kind: backends.ErrChanged,
			Err: errors.New("the file was written in place"), Retry: true}
	}
	return ok
}
