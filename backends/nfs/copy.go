package nfs

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"example.com/ezdfs/backends"
)

// copyChunk is how many bytes the kernel copies between two looks at the
// context.
const copyChunk = 64 << 20

// StageCopy copies the file at src to a temporary file beside dst inside the
// kernel, on the NFS server where that can.
func (b *Backend) StageCopy(ctx context.Context, src, dst string) (backends.Staged, backends.Info, error) {
	if err := errors.Join(b.checkPath("copy", src), b.checkPath("copy", dst)); err != nil {
		return nil, backends.Info{}, err
	}
	opened, err := b.Open(ctx, src, 0, -1)
	if err != nil {
		return nil, backends.Info{}, b.error("copy", src, err)
	}
	defer opened.Close()
	r := opened.(*reader)
	attrs := backends.Attributes{Size: r.info.Size, ModTime: r.info.ModTime}
	s, f, err := b.create(ctx, dst, "copy", attrs)
	if err != nil {
		return nil, backends.Info{}, b.error("copy", dst, err)
	}
	s.size = r.info.Size
	if err := s.finish(f, attrs, b.copy(ctx, f, r)); err != nil {
		return nil, backends.Info{}, b.error("copy", dst, err)
	}
	return s, r.info, nil
}

// copy writes what r reads to f.
func (b *Backend) copy(ctx context.Context, f *os.File, r *reader) error {
	for r.left > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := b.fault("write", f.Name()); err != nil {
			return err
		}
		n, err := io.Copy(f, &io.LimitedReader{R: r.file, N: min(r.left, copyChunk)})
		r.left -= n
		if err != nil {
			return err
		}
		if n == 0 {
			break // cut short: end says so
		}
	}
	return r.end(nil)
}

// Rename renames the file at src and removes the directories that became
// empty.
func (b *Backend) Rename(ctx context.Context, src, dst string) error {
	if err := b.checkPath("rename", src); err != nil {
		return err
	}
	if err := b.checkTarget("rename", dst); err != nil {
		return b.error("rename", dst, err)
	}
	var ino uint64 // of src, once it is known
	err := b.do(ctx, "rename", func(m *mount) error { return m.rename(src, dst, &ino) })
	if err != nil {
		return b.error("rename", src, err)
	}
	return nil
}

// rename moves the file at src, and notes in ino which file that is: when it
// is called again after a stale handle, the file may be at dst already.
func (m *mount) rename(src, dst string, ino *uint64) error {
	st, err := m.stat(src)
	if errors.Is(err, fs.ErrNotExist) && *ino != 0 {
		if moved, dstErr := m.stat(dst); dstErr == nil && moved.Ino == *ino {
			return nil
		}
	}
	if err != nil || src == dst {
		return err
	}
	*ino = st.Ino
	fromDir, fromBase := split(src)
	toDir, toBase := split(dst)
	from, err := m.openDir(fromDir)
	if err != nil {
		return m.readError(err)
	}
	defer from.Close()
	err = m.inParent(toDir, func(to *dir) error {
		if err := to.checkFree(toBase); err != nil {
			return err
		}
		if err := from.move(fromBase, to, toBase, st.Ino); err != nil {
			return err
		}
		return to.sync()
	})
	m.prune(fromDir)
	if err != nil {
		m.prune(toDir)
	}
	if errors.Is(err, errSourceGone) {
		return m.readError(unix.ENOENT)
	}
	return targetError(err)
}

var errSourceGone = errors.New("the source is gone")

// move renames an element. Where the source is gone, an answer may have been
// lost and the call sent again: if the target is the file it should become,
// that happened; else the error is errSourceGone.
func (d *dir) move(from string, to *dir, name string, ino uint64) error {
	err := d.rename(from, to, name)
	if !errors.Is(err, unix.ENOENT) {
		return err
	}
	if st, statErr := to.stat(name); statErr == nil && st.Ino == ino {
		return nil
	}
	if _, statErr := d.stat(from); errors.Is(statErr, unix.ENOENT) {
		return errSourceGone
	}
	return err
}
