package localcache

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"syscall"
	"time"
)

// File is an open copy. It stays readable and the same whatever becomes of the
// copy in the cache. Whoever got it closes it. Apart from ReadAt it is for one
// goroutine at a time.
//
// Copying it to a network connection lets the kernel move the bytes, by WriteTo,
// by io.Copy and by [http.ServeContent] alike.
type File struct {
	data []byte       // where disk is nil
	mem  bytes.Reader // of data
	disk *os.File     // its offset is past the header
	id   identity
}

var (
	_ io.ReadSeekCloser = (*File)(nil)
	_ io.ReaderAt       = (*File)(nil)
	_ io.WriterTo       = (*File)(nil)
	_ syscall.Conn      = (*File)(nil)
	_                   = http.ServeContent // for the comment above
)

// Size is the length of the body in bytes.
func (f *File) Size() int64 { return f.id.size }

// Bytes returns the whole body where it is in memory. Nobody may change it.
func (f *File) Bytes() (data []byte, ok bool) { return f.data, f.disk == nil }

// ModTime is the time of the row that the copy was made for.
func (f *File) ModTime() time.Time { return time.Unix(f.id.mtime, 0) }

// Begun is when the body that was copied began to be read.
func (f *File) Begun() time.Time { return time.Unix(0, f.id.begun) }

// Close releases the file.
func (f *File) Close() error {
	if f.disk == nil {
		return nil
	}
	return f.disk.Close()
}

// Read is that of io.Reader.
func (f *File) Read(p []byte) (int, error) {
	if f.disk == nil {
		return f.mem.Read(p)
	}
	return f.disk.Read(p)
}

// ReadAt is that of io.ReaderAt.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	if f.disk == nil {
		return f.mem.ReadAt(p, off)
	}
	if off < 0 {
		return 0, errNegative
	}
	return f.disk.ReadAt(p, off+headerSize)
}

// Seek is that of io.Seeker.
func (f *File) Seek(offset int64, whence int) (int64, error) {
	if f.disk == nil {
		return f.mem.Seek(offset, whence)
	}
	switch whence {
	case io.SeekCurrent:
		at, err := f.disk.Seek(0, io.SeekCurrent)
		if err != nil {
			return 0, err
		}
		offset += at - headerSize
	case io.SeekEnd:
		offset += f.id.size
	}
	if offset < 0 {
		return 0, errNegative
	}
	at, err := f.disk.Seek(offset+headerSize, io.SeekStart)
	return at - headerSize, err
}

var errNegative = errors.New("negative offset")

// WriteTo hands what was not yet read to w: the bytes at once, or the file
// itself.
func (f *File) WriteTo(w io.Writer) (int64, error) {
	if f.disk == nil {
		return f.mem.WriteTo(w)
	}
	at, err := f.disk.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, err
	}
	rest := &io.LimitedReader{R: f.disk, N: f.id.size + headerSize - at}
	if rest.N <= 0 {
		return 0, nil
	}
	n, err := io.Copy(w, rest)
	if err == nil && rest.N > 0 {
		err = io.ErrUnexpectedEOF // somebody cut the file
	}
	return n, err
}

// SyscallConn is that of the file, whose offset is where Read goes on. A copy
// in memory has none.
func (f *File) SyscallConn() (syscall.RawConn, error) {
	if f.disk == nil {
		return nil, errors.ErrUnsupported
	}
	return f.disk.SyscallConn()
}
