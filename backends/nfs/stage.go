package nfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"example.com/ezdfs/backends"
)

// Stage writes body to a temporary file beside its path, with the configured
// mode whatever the umask and with attrs.ModTime, and makes it durable. A full
// disk or quota is backends.ErrNoSpace.
func (b *Backend) Stage(ctx context.Context, path string, body io.Reader, attrs backends.Attributes) (backends.Staged, error) {
	if err := backends.CheckStage(b.name, path, attrs); err != nil {
		return nil, err
	}
	s, f, err := b.create(ctx, path, "stage", attrs)
	if err != nil {
		return nil, b.error("stage", path, err)
	}
	s.size, err = b.fill(ctx, f, body, attrs.Size)
	if err = s.finish(f, attrs, err); err != nil {
		return nil, b.error("stage", path, err)
	}
	return s, nil
}

// create makes the temporary file of a body for path.
func (b *Backend) create(ctx context.Context, path, op string, attrs backends.Attributes) (*staged, *os.File, error) {
	if err := b.checkTarget(op, path); err != nil {
		return nil, nil, err
	}
	s := &staged{b: b, path: path, name: backends.NewStagedName()}
	s.dir, s.base = split(path)
	var f *os.File
	err := b.do(ctx, op, func(m *mount) error {
		err := m.inParent(s.dir, func(d *dir) error {
			if err := d.checkFree(s.base); err != nil {
				return err
			}
			var err error
			f, err = d.create(s.name, b.fileMode)
			return err
		})
		if err != nil {
			m.prune(s.dir)
			return targetError(err)
		}
		m.settled.Store(true)
		return nil
	})
	return s, f, err
}

// checkTarget checks a path at which a body is to be.
func (b *Backend) checkTarget(op, path string) error {
	if err := b.checkPath(op, path); err != nil {
		return err
	}
	if _, base := split(path); isSillyName(base) {
		return b.kind(fs.ErrInvalid, errReserved)
	}
	return nil
}

// isSillyName reports whether the NFS client may have made a file of this
// name, in place of a removed one that somebody has open.
func isSillyName(name string) bool { return strings.HasPrefix(name, ".nfs") }

// checkFree reports a directory that stands where a body is to be, before
// anybody writes a row about that body.
func (d *dir) checkFree(name string) error {
	st, err := d.stat(name)
	switch {
	case errors.Is(err, unix.ENOENT):
		return nil
	case err != nil:
		return err
	case st.Mode&unix.S_IFMT == unix.S_IFDIR:
		return d.b.kind(nil, fmt.Errorf("%w: %s", errDirectory, join(d.path, name)))
	}
	return nil
}

// targetError says more clearly what an element of the wrong type means.
func targetError(err error) error {
	switch {
	case errors.Is(err, unix.ENOTDIR):
		return fmt.Errorf("%w: %w", errFile, err)
	case errors.Is(err, unix.EISDIR):
		return fmt.Errorf("%w: %w", errDirectory, err)
	}
	return err
}

// fill writes body to f and returns its length.
func (b *Backend) fill(ctx context.Context, f *os.File, body io.Reader, size int64) (int64, error) {
	buffer := b.buffers.Get().(*[]byte)
	defer b.buffers.Put(buffer)
	var written int64
	for {
		if err := ctx.Err(); err != nil {
			return written, err
		}
		n, readErr := readFull(body, *buffer)
		if err := b.write(f, (*buffer)[:n]); err != nil {
			return written, err
		}
		written += int64(n)
		switch {
		case size >= 0 && written > size:
			return written, b.sizeError(written, size)
		case readErr == io.EOF:
			if size >= 0 && written < size {
				return written, b.sizeError(written, size)
			}
			return written, nil
		case readErr != nil:
			return written, b.kind(nil, readErr) // the sender's, not the store's
		}
	}
}

// readFull is io.ReadFull, but tells the end of a body from a body that broke
// off: that is io.ErrUnexpectedEOF to whoever receives it.
func readFull(r io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var more int
		more, err = r.Read(p[n:])
		n += more
	}
	return n, err
}

func (b *Backend) write(f *os.File, p []byte) error {
	if len(p) == 0 {
		return nil
	}
	if err := b.fault("write", f.Name()); err != nil {
		return err
	}
	_, err := f.Write(p)
	return err
}

func (b *Backend) sizeError(got, want int64) error {
	than := "only %d bytes of %d"
	if got > want {
		than = "at least %d bytes, not %d"
	}
	return b.kind(backends.ErrSize, fmt.Errorf(than, got, want))
}

// staged is a temporary file that holds a complete body.
type staged struct {
	b       *Backend
	path    string
	dir     string // of path and of the temporary file
	base    string
	name    string // base name of the temporary file
	size    int64
	ino     uint64
	moved   bool // the temporary file has become path
	dropped bool
}

// finish completes the temporary file f, or removes it where err or another
// error says so. It closes f.
func (s *staged) finish(f *os.File, attrs backends.Attributes, err error) error {
	if err == nil {
		err = s.complete(f, attrs)
	}
	// On NFS a full disk may show only here.
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = s.b.fault("close", f.Name())
	}
	if err != nil {
		s.drop()
	}
	return err
}

// complete gives f its mode and time and makes it durable.
func (s *staged) complete(f *os.File, attrs backends.Attributes) error {
	fd := int(f.Fd())
	var st unix.Stat_t
	if err := eintr(func() error { return unix.Fstat(fd, &st) }); err != nil {
		return err
	}
	s.ino = st.Ino
	if fs.FileMode(st.Mode).Perm() != s.b.fileMode.Perm() {
		if err := f.Chmod(s.b.fileMode.Perm()); err != nil {
			return err
		}
	}
	if !attrs.ModTime.IsZero() {
		if err := setTimes(f, attrs.ModTime.Truncate(time.Second)); err != nil {
			return err
		}
	}
	if err := s.b.fault("fsync", f.Name()); err != nil {
		return err
	}
	return f.Sync()
}

func (s *staged) Size() int64 { return s.size }

// Publish renames the temporary file.
func (s *staged) Publish(ctx context.Context) error {
	b := s.b
	if s.dropped {
		return b.error("publish", s.path, fs.ErrClosed)
	}
	err := b.do(ctx, "publish", func(m *mount) error {
		d, err := m.openDir(s.dir)
		if err == nil {
			defer d.Close()
			err = d.move(s.name, d, s.base, s.ino)
		}
		if errors.Is(err, unix.ENOENT) || errors.Is(err, errSourceGone) {
			return b.kind(nil, fmt.Errorf("%w: %s", errGone, join(s.dir, s.name)))
		}
		s.moved = s.moved || err == nil
		if err == nil {
			err = d.sync()
		}
		return targetError(err)
	})
	if err != nil {
		return b.error("publish", s.path, err)
	}
	return nil
}

// Discard removes the temporary file and the directories made for it.
func (s *staged) Discard(context.Context) error {
	if s.moved || s.dropped {
		return nil
	}
	if err := s.drop(); err != nil {
		return s.b.error("discard", s.path, err)
	}
	return nil
}

func (s *staged) drop() error {
	m := s.b.mount.Load()
	d, err := m.openDir(s.dir)
	if err == nil {
		err = d.unlink(s.name)
		d.Close()
	}
	if err != nil && !isMissing(err) {
		return err
	}
	s.dropped = true
	m.prune(s.dir)
	return nil
}
