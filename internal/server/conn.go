package server

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// conn is an accepted connection that is cut once its peer takes nothing any
// more for the stall timeout. A peer that takes little, steadily, is served
// however long that lasts.
//
// Each wait for the peer has a deadline of half that time. A wait that ends by
// it goes on if any byte was taken or acknowledged meanwhile, and is given up
// the second time in a row that nothing was. To look at what is acknowledged
// matters: a socket takes the next bytes only after a good part of its buffer
// is empty, which may take a slow peer minutes.
//
// A deadline that net/http or TLS sets is respected instead.
type conn struct {
	net.Conn
	stall   time.Duration // 0 for none
	buffers *sync.Pool    // of *[]byte, for bodies that are no files
	release func()

	deadline atomic.Int64 // of writes as set here, Unix nanoseconds; 0 for unknown
	foreign  atomic.Bool  // somebody else set it
	acked    uint64       // at the last look
	silent   int          // looks in a row that saw nothing move

	reads    reads
	state    atomic.Int32 // see busy
	held     held
	heldPool *sync.Pool // of *[]byte
}

var (
	_ io.ReaderFrom = (*conn)(nil)
	_ closeWriter   = (*conn)(nil)
)

// Write writes all of p unless the peer stalls.
func (c *conn) Write(p []byte) (int, error) {
	if c.held.next || len(c.held.lines) > 0 {
		return c.begin(p)
	}
	if c.held.data != nil {
		return c.writeHeld(p)
	}
	written := 0
	_, err := c.write(func() (int64, error) {
		n, err := c.Conn.Write(p[written:])
		written += n
		return int64(n), err
	})
	return written, err
}

// write calls step, which goes on where it ended, until all is written or the
// peer stalls.
func (c *conn) write(step func() (int64, error)) (written int64, err error) {
	for {
		c.extend()
		n, err := step()
		written += n
		if !c.goesOn(err, n) {
			return written, err
		}
	}
}

// ReadFrom sends all of r. What is in a file the kernel sends by itself: the
// wrapped connection must be given r as it is. It tells how much it sent even
// when the deadline ended it, and leaves r behind that.
func (c *conn) ReadFrom(r io.Reader) (int64, error) {
	if c.held.data != nil {
		if _, err := c.writeHeld(nil); err != nil {
			return 0, err
		}
	}
	to, ok := c.Conn.(io.ReaderFrom)
	if !ok || !isFile(r) {
		return c.copyFrom(r)
	}
	return c.write(func() (int64, error) { return to.ReadFrom(r) })
}

// copyFrom sends r by Write.
func (c *conn) copyFrom(r io.Reader) (int64, error) {
	buffer := c.buffers.Get().(*[]byte)
	defer c.buffers.Put(buffer)
	return io.CopyBuffer(struct{ io.Writer }{c}, r, *buffer)
}

// isFile reports whether r is a file or a part of one.
func isFile(r io.Reader) bool {
	if limited, ok := r.(*io.LimitedReader); ok {
		r = limited.R
	}
	_, ok := r.(syscall.Conn)
	return ok
}

// extend moves the deadline on. To set it costs something, so it is set anew
// only when an eighth of it has passed.
func (c *conn) extend() {
	if c.stall <= 0 || c.foreign.Load() {
		return
	}
	wait := c.stall / 2
	now := time.Now()
	if c.deadline.Load()-now.UnixNano() > int64(wait-wait/8) {
		return
	}
	end := now.Add(wait)
	c.deadline.Store(end.UnixNano())
	c.Conn.SetWriteDeadline(end) // a closed connection fails at the write
}

// goesOn reports whether a write that wrote n bytes and ended with err is to
// be continued.
func (c *conn) goesOn(err error, n int64) bool {
	if err == nil {
		return false
	}
	if c.stall <= 0 || c.foreign.Load() || !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	c.deadline.Store(0)
	acked := bytesAcked(c.Conn)
	if n > 0 || acked != c.acked {
		c.acked, c.silent = acked, 0
		return true
	}
	c.silent++
	return c.silent < 2
}

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetWriteDeadline implements net.Conn. net/http takes back at the end of each
// answer what it has not set: then the rolling one stays.
func (c *conn) SetWriteDeadline(t time.Time) error {
	if t.IsZero() && c.stall > 0 && !c.foreign.Load() {
		return nil
	}
	c.foreign.Store(!t.IsZero())
	c.deadline.Store(0)
	return c.Conn.SetWriteDeadline(t)
}

type closeWriter interface{ CloseWrite() error }

// CloseWrite lets net/http end a connection without losing what the peer has
// not read yet.
func (c *conn) CloseWrite() error { return closeWrite(c.Conn) }

func closeWrite(c net.Conn) error {
	if w, ok := c.(closeWriter); ok {
		return w.CloseWrite()
	}
	return errors.ErrUnsupported
}

// Close closes the connection and makes room for another one.
func (c *conn) Close() error {
	err := c.Conn.Close()
	c.release()
	return err
}
