package localcache

import (
	"crypto/rand"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"example.com/ezdfs/metadata"
)

// ErrNotKept is why a body is not kept that nothing is wrong with: it is
// larger than the cache, or the cache keeps nothing.
var ErrNotKept = errors.New("local cache: no room for a copy")

// SizeError says that a body was not as long as its row says.
type SizeError struct {
	Name      string
	Size, Row int64 // bytes; Size counts what was written until it was too much
}

func (e *SizeError) Error() string {
	return fmt.Sprintf("local copy of %q: the body has %d bytes, its row says %d", e.Name, e.Size, e.Row)
}

// Writer takes in one copy. Its owner calls Commit or Discard. It is for one
// goroutine at a time.
type Writer struct {
	c    *Cache
	name string
	head header

	small []byte   // header and body of a small one
	temp  *os.File // of a large one
	n     int64    // bytes of the body so far
	err   error    // why there will be no copy
	room  bool     // is reserved on disk
	done  bool
}

var _ io.Writer = (*Writer)(nil)

// Create begins a copy of the body that belongs to row. Begun is a time by the
// clock of this host before which the body was not yet opened; it decides when
// the copy can be trusted.
//
// The writer never fails its user: see [Writer.Write].
func (c *Cache) Create(row metadata.Row, begun time.Time) *Writer {
	w := &Writer{c: c, name: row.Name, head: header{
		key: keyOf(row.Name), size: row.Size, mtime: absolute(row.MTime), begun: begun.UnixNano(),
	}}
	if begun.IsZero() {
		w.head.begun = 0 // its UnixNano is undefined
	}
	w.room = c.disk != nil && row.Size >= 0 && c.disk.reserve(row.Size)
	switch {
	case row.Size < 0 || !w.room && !c.memory.takes(row.Size):
		w.err = ErrNotKept
	case row.Size <= maxSmall:
		w.small = make([]byte, headerSize, headerSize+row.Size)
	default:
		w.create()
	}
	return w
}

// create creates the temporary file of a large body.
func (w *Writer) create() {
	var err error
	if w.temp, err = w.c.disk.createTemp(rand.Text()); err == nil {
		_, err = w.temp.Seek(headerSize, io.SeekStart)
	}
	if err != nil {
		w.failed(err)
	}
}

// failed gives the copy up because of the directory.
func (w *Writer) failed(err error) {
	w.err = err
	w.dropTemp()
	d := w.c.disk
	d.failed("a local copy cannot be written", err)
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		d.makeRoom(w.head.size)
	}
}

func (w *Writer) dropTemp() {
	if w.temp != nil {
		os.Remove(w.temp.Name())
		w.temp.Close()
		w.temp = nil
	}
}

// Write takes the next bytes of the body. It never fails, so that the writer
// can stand behind an io.MultiWriter: what is wrong is said by [Writer.Err] and
// [Writer.Commit].
func (w *Writer) Write(p []byte) (int, error) {
	if w.err != nil || w.done {
		return len(p), nil
	}
	w.n += int64(len(p))
	if w.n > w.head.size {
		w.err = &SizeError{w.name, w.n, w.head.size}
		w.dropTemp()
		return len(p), nil
	}
	w.head.sum = crc32.Update(w.head.sum, castagnoli, p)
	if w.temp == nil {
		w.small = append(w.small, p...)
	} else if _, err := w.temp.Write(p); err != nil {
		w.failed(err)
	}
	return len(p), nil
}

// Err tells why there will be no copy, if that is so already: a caller that
// reads the body for the cache alone may stop.
func (w *Writer) Err() error { return w.err }

// Commit makes the copy visible. Where one is there that was begun later, that
// one stays. An error says that nothing is kept: the body has another length
// than its row, ErrNotKept, or the directory's error, which was logged.
func (w *Writer) Commit() error {
	if w.done {
		return errors.New("local cache: the writer is done")
	}
	defer w.Discard()
	if w.err == nil && w.n != w.head.size {
		w.err = &SizeError{w.name, w.n, w.head.size}
	}
	if w.err != nil {
		return w.err
	}
	inMemory := w.commitMemory()
	if !w.room {
		return nil
	}
	if err := w.commitDisk(); err != nil {
		w.failed(err)
		if !inMemory {
			return err
		}
	}
	return nil
}

func (w *Writer) commitMemory() bool {
	if w.small == nil || !w.c.memory.takes(w.head.size) {
		return false
	}
	w.c.memory.put(w.name, &memoryCopy{
		identity: w.head.identity(), key: w.head.key, data: w.small[headerSize:],
	}, w.c.now())
	return true
}

// commitDisk completes the temporary file and publishes it. Its lock is held
// until it has its name.
func (w *Writer) commitDisk() error {
	d := w.c.disk
	w.head.boot = d.boot
	var err error
	if w.temp == nil {
		if w.temp, err = d.createTemp(rand.Text()); err != nil {
			return err
		}
		w.head.encode(w.small)
		_, err = w.temp.Write(w.small)
	} else {
		var b [headerSize]byte
		w.head.encode(b[:])
		_, err = w.temp.WriteAt(b[:], 0)
	}
	if err == nil {
		err = d.publish(w.temp.Name(), w.head)
	}
	if err != nil {
		return err
	}
	err = w.temp.Close()
	w.temp = nil
	if err != nil { // what a network file system or a quota says last
		d.remove(w.head.key)
	}
	return err
}

// Discard drops the copy. After Commit it does nothing.
func (w *Writer) Discard() {
	if w.done {
		return
	}
	w.done = true
	w.dropTemp()
	w.small = nil
	if w.room {
		w.c.disk.release(w.head.size)
	}
}
