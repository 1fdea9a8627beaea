package server

import (
	"net"
	"net/http"
	"sync/atomic"
)

// busy counts the connections that owe somebody an answer: those with a request,
// and new ones, whose first is on its way. net/http drops the latter when it
// is shut down.
type busy struct{ n atomic.Int64 }

// owes are the states of such a connection, as a conn keeps them: one more than
// http's.
const (
	owesFirst  = int32(http.StateNew) + 1
	owesAnswer = int32(http.StateActive) + 1
)

// note is http.Server's ConnState.
func (b *busy) note(c net.Conn, state http.ConnState) {
	accepted := acceptedConn(c)
	if accepted == nil {
		return // of no public listener
	}
	before := accepted.state.Swap(int32(state) + 1)
	was := before == owesFirst || before == owesAnswer
	is := state == http.StateNew || state == http.StateActive
	switch {
	case is && !was:
		b.n.Add(1)
	case was && !is:
		b.n.Add(-1)
	}
}

// acceptedConn returns what a gate accepted, below TLS and the PROXY protocol.
func acceptedConn(c net.Conn) *conn {
	for {
		switch wrapped := c.(type) {
		case *conn:
			return wrapped
		case *proxiedConn:
			c = wrapped.Raw()
		case interface{ NetConn() net.Conn }:
			c = wrapped.NetConn()
		default:
			return nil
		}
	}
}
