package server

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pires/go-proxyproto"

	"example.com/ezdfs/internal/trusted"
)

// gate admits connections of all public listeners: while it is full, the next
// ones wait in the kernel's queue.
type gate struct {
	slots    chan struct{} // nil for no limit
	stall    time.Duration
	open     atomic.Int64
	accepted atomic.Uint64
	buffers  sync.Pool
	held     sync.Pool
}

// copyBuffer is how much of a body that is no file is held at once.
const copyBuffer = 32 << 10

func newGate(limit int, stall time.Duration) *gate {
	g := &gate{stall: stall, buffers: sync.Pool{New: func() any {
		buffer := make([]byte, copyBuffer)
		return &buffer
	}}}
	g.held.New = func() any {
		data := make([]byte, 0, heldSize+linesSize)
		return &data
	}
	if limit > 0 {
		g.slots = make(chan struct{}, limit)
	}
	return g
}

// gatedListener is a listener behind a gate.
type gatedListener struct {
	net.Listener
	gate   *gate
	closed chan struct{}
	close  func() error
}

func (g *gate) guard(l net.Listener) net.Listener {
	guarded := &gatedListener{Listener: l, gate: g, closed: make(chan struct{})}
	guarded.close = sync.OnceValue(func() error {
		close(guarded.closed)
		return l.Close()
	})
	return guarded
}

// Accept waits until there is room, then for a connection.
func (l *gatedListener) Accept() (net.Conn, error) {
	if l.gate.slots != nil {
		select {
		case l.gate.slots <- struct{}{}:
		case <-l.closed:
			return nil, net.ErrClosed
		}
	}
	c, err := l.Listener.Accept()
	if err != nil {
		l.gate.leave()
		return nil, err
	}
	l.gate.open.Add(1)
	l.gate.accepted.Add(1)
	return &conn{
		Conn: c, stall: l.gate.stall, buffers: &l.gate.buffers, heldPool: &l.gate.held,
		release: sync.OnceFunc(func() {
			l.gate.open.Add(-1)
			l.gate.leave()
		}),
	}, nil
}

// Close stops waiting for room too.
func (l *gatedListener) Close() error { return l.close() }

func (g *gate) leave() {
	if g.slots != nil {
		<-g.slots
	}
}

// proxyListener takes the client's address from the PROXY protocol, version 1
// or 2, that trusted peers must speak. With all others a header is part of the
// request, and so a bad one.
type proxyListener struct {
	net.Listener
	proxies trusted.Proxies
	timeout time.Duration
}

func (l *proxyListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil || !l.proxies.ContainsPeer(c.RemoteAddr()) {
		return c, err
	}
	return &proxiedConn{proxyproto.NewConn(c, proxyproto.WithPolicy(proxyproto.REQUIRE),
		proxyproto.SetReadHeaderTimeout(l.timeout))}, nil
}

// proxiedConn is a connection that begins with a PROXY header.
type proxiedConn struct{ *proxyproto.Conn }

// CloseWrite is that of the connection itself.
func (c *proxiedConn) CloseWrite() error { return closeWrite(c.Raw()) }
