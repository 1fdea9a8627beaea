// Package server runs a handler on the network: listeners, TLS, limits, and an
// end that loses no request.
//
//	s, err := server.Listen(ctx, server.Options{Listen: []string{":8080"}, AdminListen: "127.0.0.1:8081"})
//	...
//	err = s.Serve(ctx, s.Protect(handler), admin) // until ctx is done
//
// A client that is slow is served; one that sends its header too slowly, or
// takes nothing of what it asked for, is cut. Connections beyond the limit
// wait, requests beyond theirs are told to come again.
//
// For a restart without a gap the new process binds the same address, with
// Options.ReusePort, before the old one is told to end: from then on the new one
// gets all connections, and the old one finishes what it has. Sockets of a
// service manager do as well.
//
// It knows nothing of files; package gateway does.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Server has its listeners bound. Its methods may be called concurrently.
type Server struct {
	o       Options
	gate    *gate
	shares  *shares
	cert    *certificate // nil without TLS
	sockets []net.Listener
	admin   []net.Listener

	busy     busy // public connections
	inFlight atomic.Int64
	refused  atomic.Uint64
	draining atomic.Bool
}

// Stats tell how busy a server is.
type Stats struct {
	Connections int64  // open
	Busy        int64  // of those, not waiting for another request
	Accepted    uint64 // connections so far
	Requests    int64  // in flight
	Refused     uint64 // requests beyond MaxRequests or ClientShare so far
}

// Listen reads the certificate and binds all addresses; what is wrong with any
// of them is an error. An address that is none is an [*AddressError]. Who does
// not call Serve calls Close.
func Listen(ctx context.Context, o Options) (*Server, error) {
	o = o.withDefaults()
	if err := o.check(); err != nil {
		return nil, err
	}
	s := &Server{o: o, gate: newGate(o.MaxConnections, o.StallTimeout),
		shares: newShares(o.MaxRequests, o.ClientShare, o.Proxies), sockets: o.Sockets, admin: o.AdminSockets}
	var errs []error
	if o.TLSCertificate != "" {
		var err error
		if s.cert, err = newCertificate(o.TLSCertificate, o.TLSKey, o.Logger); err != nil {
			errs = append(errs, err)
		}
	}
	bind := func(to *[]net.Listener, addresses ...string) {
		for _, address := range addresses {
			l, err := listen(ctx, address, o)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			*to = append(*to, l)
		}
	}
	if len(s.sockets) == 0 {
		bind(&s.sockets, o.Listen...)
	}
	if len(s.admin) == 0 && o.AdminListen != "" {
		bind(&s.admin, o.AdminListen)
	}
	if len(errs) > 0 {
		return nil, errors.Join(append(errs, s.Close())...)
	}
	return s, nil
}

// Close closes the listeners of a server that does not serve.
func (s *Server) Close() error {
	var errs []error
	for _, list := range [][]net.Listener{s.sockets, s.admin} {
		for _, l := range list {
			errs = append(errs, l.Close())
		}
	}
	return errors.Join(errs...)
}

// Addresses returns where the server listens, AdminAddresses where its admin
// listener does.
func (s *Server) Addresses() []net.Addr { return addresses(s.sockets) }

// AdminAddresses returns the addresses of the admin listener.
func (s *Server) AdminAddresses() []net.Addr { return addresses(s.admin) }

func addresses(list []net.Listener) []net.Addr {
	addrs := make([]net.Addr, len(list))
	for i, l := range list {
		addrs[i] = l.Addr()
	}
	return addrs
}

// Secure reports whether the public listeners speak TLS.
func (s *Server) Secure() bool { return s.cert != nil }

// Draining reports whether the server is about to end.
func (s *Server) Draining() bool { return s.draining.Load() }

// Stats returns the counters.
func (s *Server) Stats() Stats {
	return Stats{
		Connections: s.gate.open.Load(), Busy: s.busy.n.Load(), Accepted: s.gate.accepted.Load(),
		Requests: s.inFlight.Load(), Refused: s.refused.Load(),
	}
}

// Reload reads the certificate again. After an error the old one stays.
func (s *Server) Reload() error {
	if s.cert == nil {
		return nil
	}
	return s.cert.reload()
}

// Serve answers requests until ctx is done, then finishes those that came
// before and returns nil, or an error if that took longer than DrainTimeout.
// The admin handler answers until the end. It also ends when a listener fails.
func (s *Server) Serve(ctx context.Context, public, admin http.Handler) error {
	front, back := s.httpServer(ctx, public), s.httpServer(ctx, admin)
	front.MaxHeaderBytes, front.ConnState = s.o.MaxHeaderBytes, s.busy.note
	serve := front.Serve
	if s.cert != nil {
		front.TLSConfig = s.cert.config()
		serve = func(l net.Listener) error { return front.ServeTLS(l, "", "") }
	}
	failed := make(chan error, len(s.sockets)+len(s.admin))
	var gates, backs sync.WaitGroup
	var guarded []net.Listener
	for _, l := range s.sockets {
		l = s.gate.guard(l)
		guarded = append(guarded, l)
		if s.o.ProxyProtocol {
			l = &proxyListener{l, s.o.Proxies, s.o.ReadHeaderTimeout}
		}
		gates.Go(func() { failed <- serve(l) })
	}
	for _, l := range s.admin {
		backs.Go(func() { failed <- back.Serve(l) })
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	ctx = context.WithoutCancel(ctx)
	s.settle(ctx)
	front.SetKeepAlivesEnabled(false) // closes those that wait for another request
	for _, l := range guarded {
		l.Close() // what it accepted goes on
	}
	gates.Wait()
	err = errors.Join(err, s.drain(ctx, front), back.Close())
	backs.Wait()
	return err
}

// httpServer has the limits of all listeners. Requests outlive ctx, which only
// says when to stop.
func (s *Server) httpServer(ctx context.Context, handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: s.o.ReadHeaderTimeout,
		IdleTimeout:       s.o.IdleTimeout,
		ConnContext:       withConn,
		BaseContext:       func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
		ErrorLog:          slog.NewLogLogger(s.o.Logger.Handler(), slog.LevelDebug),
	}
}

// settle lets a newer process, if there is one, have the connections to come,
// and accepts those that are on their way.
func (s *Server) settle(ctx context.Context) {
	s.draining.Store(true)
	late := false
	for _, l := range s.sockets {
		late = leave(l) || late
	}
	if late {
		wait(ctx, min(s.o.Settle, s.o.DrainTimeout), func() bool { return false })
	}
}

// drain waits until every connection has got its answers, and closes them.
func (s *Server) drain(ctx context.Context, front *http.Server) error {
	if wait(ctx, s.o.DrainTimeout, func() bool { return s.busy.n.Load() == 0 }) {
		return front.Shutdown(ctx) // has nothing to wait for
	}
	return errors.Join(fmt.Errorf("connections that still waited for an answer after %v were cut: %d", s.o.DrainTimeout, s.busy.n.Load()), front.Close())
}

// leave has the connections to come go to a newer process, and reports whether
// some on their way may still arrive here.
func leave(l net.Listener) bool {
	switch l := l.(type) {
	case *net.TCPListener:
		return steer(l) == nil
	case *unixListener:
		return l.replaced()
	}
	return false
}

// wait waits until done, looking now and then, and reports whether that came
// within a time.
func wait(ctx context.Context, longest time.Duration, done func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return false
		case <-look.C:
		}
	}
	return true
}
