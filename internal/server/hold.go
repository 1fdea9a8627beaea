package server

import (
	"bytes"
	"context"
	"errors"
	"net"
)

// held is the part of a [conn] that joins writes. The goroutine that
// serves the connection alone uses it.
type held struct {
	next  bool     // hold the next write back
	lines [][]byte // to be put behind the first line of the next write
	data  *[]byte  // what was held back, from the pool; nil for nothing
	parts [2][]byte
	rest  net.Buffers // of parts
}

// heldSize is that of net/http's buffer, linesSize what is mostly added.
const (
	heldSize  = 4 << 10
	linesSize = 1 << 10
)

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

// AddHeader puts header lines into the answer to a request, in front of those
// that net/http writes, and reports whether it does. Each line ends with CRLF;
// nothing is done to them, and they must stay as they are until the answer has
// begun. A handler calls it right before WriteHeader. On HTTP/2 and TLS it does
// nothing.
//
// What never changes can so be written once for many answers: of a header that
// is set, net/http makes a copy, sorts it and looks at every character.
func AddHeader(ctx context.Context, lines ...[]byte) bool {
	c, ok := ctx.Value(connKey{}).(*conn)
	if ok {
		c.held.lines = append(c.held.lines[:0], lines...)
	}
	return ok
}

// errNoHeader breaks off an answer that had begun before lines were added.
var errNoHeader = errors.New("header lines were added to an answer that had begun")

// begin writes the beginning of an answer, with the lines that were added, or
// holds it back, if that was asked for.
func (c *conn) begin(p []byte) (int, error) {
	hold, lines := c.held.next, c.held.lines
	c.held.next, c.held.lines = false, lines[:0]
	if len(lines) == 0 && (c.held.data != nil || len(p) > heldSize) {
		return c.Write(p)
	}
	status := 0
	if len(lines) > 0 {
		status = bytes.IndexByte(p, '\n') + 1
		if c.held.data != nil || status == 0 || !bytes.HasPrefix(p, []byte("HTTP/")) {
			return 0, errNoHeader
		}
	}
	c.held.data = c.heldPool.Get().(*[]byte)
	data := append((*c.held.data)[:0], p[:status]...)
	for _, line := range lines {
		data = append(data, line...)
	}
	*c.held.data = append(data, p[status:]...)
	if hold {
		return len(p), nil
	}
	if _, err := c.writeHeld(nil); err != nil {
		return 0, err
	}
	return len(p), nil
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
	c.held.next, c.held.lines = false, c.held.lines[:0]
}
