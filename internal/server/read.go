package server

import (
	"errors"
	"os"
	"sync"
	"time"
)

// reads is the part of a [conn] that ends reads by a deadline.
//
// net/http moves that deadline half a dozen times for a request, and every move
// would go through the runtime's poller, though hardly one of them is ever
// reached. So a move is noted only, and the connection is left with the one it
// has as long as that is no later: a read which that ends too soon goes on.
type reads struct {
	mu      sync.Mutex
	due     time.Time // as it was asked for; zero for never
	set     time.Time // as the connection has it; zero for never
	waiting int       // reads under way
}

// SetReadDeadline implements net.Conn. net/http sets one at the end of each
// answer: should nothing have followed what was held back, it leaves now.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.flushHeld()
	c.reads.mu.Lock()
	defer c.reads.mu.Unlock()
	c.reads.due = t
	if c.reads.waiting > 0 && c.reads.late() {
		return c.setReadDeadline()
	}
	return nil
}

// late reports whether the connection's deadline is after the one asked for.
func (r *reads) late() bool {
	return !r.due.IsZero() && (r.set.IsZero() || r.due.Before(r.set))
}

// over reports whether the deadline asked for has passed.
func (r *reads) over() bool { return !r.due.IsZero() && !time.Now().Before(r.due) }

func (c *conn) setReadDeadline() error {
	c.reads.set = c.reads.due
	return c.Conn.SetReadDeadline(c.reads.due)
}

// Read implements net.Conn.
func (c *conn) Read(p []byte) (int, error) {
	for {
		if err := c.beginRead(); err != nil {
			return 0, err
		}
		n, err := c.Conn.Read(p)
		if c.endRead(n, err) {
			return n, err
		}
	}
}

// beginRead sees to it that the read to come ends in time.
func (c *conn) beginRead() error {
	r := &c.reads
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.late() {
		if r.over() {
			return os.ErrDeadlineExceeded
		}
		if err := c.setReadDeadline(); err != nil {
			return err
		}
	}
	r.waiting++
	return nil
}

// endRead reports whether the read is over, rather than ended too soon.
func (c *conn) endRead(n int, err error) bool {
	r := &c.reads
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting--
	if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) || r.over() {
		return true
	}
	return c.setReadDeadline() != nil
}
