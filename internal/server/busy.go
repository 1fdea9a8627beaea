package server

import (
	"net"
	"net/http"
	"sync"
	"sync/atomic"
)

// busy knows which connections owe somebody an answer: those with a request,
// and new ones, whose first is on its way. net/http drops the latter when it
// is shut down.
type busy struct {
	states sync.Map // net.Conn → http.ConnState
	n      atomic.Int64
}

// note is http.Server's ConnState.
func (b *busy) note(c net.Conn, state http.ConnState) {
	var before any
	if state == http.StateClosed || state == http.StateHijacked {
		before, _ = b.states.LoadAndDelete(c)
	} else {
		before, _ = b.states.Swap(c, state)
	}
	was := before == http.StateNew || before == http.StateActive
	is := state == http.StateNew || state == http.StateActive
	switch {
	case is && !was:
		b.n.Add(1)
	case was && !is:
		b.n.Add(-1)
	}
}
