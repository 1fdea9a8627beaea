package server

import (
	"context"
	"net"
)

// held is the part of a [conn] that joins two writes. The goroutine that
// serves the connection alone uses it.
type held struct {
	next  bool    // hold the next write back
	data  *[]byte // what was held back, from the pool; nil for nothing
	parts [2][]byte
	rest  net.Buffers // of parts
}

// heldSize is that of net/http's buffer.
const heldSize = 4 << 10

// connKey finds the connection in a request's context.
type connKey struct{}

func withConn(ctx context.Context, c net.Conn) context.Context {
	if c, ok := c.(*conn); ok {
		return context.WithValue(ctx, connKey{}, c)
	}
	return ctx
}

// HoldNext makes the next write to a request's connection wait for the one
// after it, so that both leave by one system call. Of an answer of more than 4
// KB net/http writes the header with the beginning of the body first, and then
// the rest. A handler calls it right before it writes the whole of such a body
// at once. On HTTP/2 and TLS it does nothing.
func HoldNext(ctx context.Context) {
	if c, ok := ctx.Value(connKey{}).(*conn); ok {
		c.held.next = true
	}
}

// holdBack keeps p for the next write, if that was asked for.
func (c *conn) holdBack(p []byte) bool {
	if !c.held.next {
		return false
	}
	c.held.next = false
	if c.held.data != nil || len(p) > heldSize {
		return false
	}
	c.held.data = c.heldPool.Get().(*[]byte)
	*c.held.data = append((*c.held.data)[:0], p...)
	return true
}

// writeHeld writes what was held back, and then p.
func (c *conn) writeHeld(p []byte) (int, error) {
	data := c.held.data
	c.held.data = nil
	defer c.heldPool.Put(data)
	c.held.parts = [...][]byte{*data, p}
	c.held.rest = c.held.parts[:]
	if len(p) == 0 {
		c.held.rest = c.held.parts[:1]
	}
	n, err := c.write(func() (int64, error) { return c.held.rest.WriteTo(c.Conn) })
	c.held.parts = [2][]byte{} // the body's owner may want it back
	return int(max(n-int64(len(*data)), 0)), err
}

// flushHeld lets what was held back leave, should nothing have followed it.
func (c *conn) flushHeld() {
	if c.held.data != nil {
		c.writeHeld(nil) // an error shows in what follows
	}
	c.held.next = false
}
