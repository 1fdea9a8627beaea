package server

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// deadlineConn counts how often its deadline of reads is set.
type deadlineConn struct {
	net.Conn
	moves int
}

func (c *deadlineConn) SetReadDeadline(t time.Time) error {
	c.moves++
	return c.Conn.SetReadDeadline(t)
}

// TestReadDeadline: a read ends when it is to end, whatever deadlines there
// were before, and however they are moved while it waits.
func TestReadDeadline(t *testing.T) {
	const never = time.Duration(-1)
	for name, test := range map[string]struct {
		before []time.Duration // set one after the other
		during []time.Duration // and one a second, while the read waits
		want   time.Duration
		moves  int // of the connection's own deadline
	}{
		"one":                        {before: []time.Duration{time.Minute}, want: time.Minute, moves: 1},
		"passed":                     {before: []time.Duration{time.Minute, -time.Hour}, want: 0, moves: 0},
		"taken back":                 {before: []time.Duration{time.Minute, never}, want: never, moves: 0},
		"later":                      {before: []time.Duration{time.Minute, time.Hour}, want: time.Hour, moves: 1},
		"sooner":                     {before: []time.Duration{time.Hour, time.Minute}, want: time.Minute, moves: 1},
		"broken off":                 {before: []time.Duration{time.Minute}, during: []time.Duration{-time.Hour}, want: time.Second, moves: 2},
		"prolonged":                  {before: []time.Duration{time.Minute}, during: []time.Duration{time.Hour, 2 * time.Hour}, want: 2*time.Hour + 2*time.Second, moves: 2},
		"shortened":                  {before: []time.Duration{time.Hour}, during: []time.Duration{time.Minute}, want: time.Minute + time.Second, moves: 2},
		"taken back in time":         {before: []time.Duration{time.Minute}, during: []time.Duration{never}, want: never, moves: 2},
		"taken back, then again one": {during: []time.Duration{never, time.Minute}, want: time.Minute + 2*time.Second, moves: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				defer far.Close()
				inner := &deadlineConn{Conn: near}
				c := &conn{Conn: inner, release: func() {}}
				defer c.Close()
				set := func(after time.Duration) {
					if after == never {
						c.SetReadDeadline(time.Time{})
						return
					}
					c.SetReadDeadline(time.Now().Add(after))
				}
				for _, after := range test.before {
					set(after)
				}
				begun, ended := time.Now(), make(chan error, 1)
				go func() {
					_, err := c.Read(make([]byte, 1))
					ended <- err
				}()
				for _, after := range test.during {
					time.Sleep(time.Second)
					set(after)
				}
				select {
				case err := <-ended:
					var timeout net.Error
					if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() {
						t.Errorf("the read ended with %v", err)
					}
					if took := time.Since(begun); took != test.want {
						t.Errorf("the read ended after %v, want %v", took, test.want)
					}
				case <-time.After(24 * time.Hour):
					if test.want != never {
						t.Errorf("the read still waits, want an end after %v", test.want)
					}
					far.Write([]byte("x"))
					if err := <-ended; err != nil {
						t.Error(err)
					}
				}
				if inner.moves != test.moves {
					t.Errorf("the connection's deadline was moved %d times, want %d", inner.moves, test.moves)
				}
			})
		})
	}
}

// TestReadsAreNotTimedOneByOne: what net/http does to a deadline for a request
// that follows another reaches the connection hardly ever.
func TestReadsAreNotTimedOneByOne(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	inner := &deadlineConn{Conn: near}
	c := &conn{Conn: inner, release: func() {}}
	defer c.Close()
	go io.Copy(far, far)
	byOne := make([]byte, 1)
	for range 100 {
		for _, after := range []time.Duration{time.Minute, 10 * time.Second, -1} {
			if after > 0 {
				c.SetReadDeadline(time.Now().Add(after))
			} else {
				c.SetReadDeadline(time.Time{})
			}
		}
		if _, err := c.Write(byOne); err != nil {
			t.Fatal(err)
		}
		c.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := io.ReadFull(c, byOne); err != nil {
			t.Fatal(err)
		}
	}
	if inner.moves != 1 {
		t.Errorf("%d moves for 100 requests", inner.moves)
	}
}

// TestBusyBelowTLS: a connection is found under what wraps it.
func TestBusyBelowTLS(t *testing.T) {
	files := writePair(t, t.TempDir(), 1)
	for name, o := range map[string]Options{"plain": {}, "TLS": {TLSCertificate: files.cert, TLSKey: files.key}} {
		t.Run(name, func(t *testing.T) {
			var s *running
			s = start(t, o, func(w http.ResponseWriter, r *http.Request) {
				if n := s.Stats().Busy; n != 1 {
					t.Errorf("%d connections are busy during a request", n)
				}
				hello(w, r)
			})
			transport := http.DefaultTransport.(*http.Transport).Clone()
			transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
			transport.ForceAttemptHTTP2 = false
			defer transport.CloseIdleConnections()
			scheme := "http://"
			if s.Secure() {
				scheme = "https://"
			}
			for range 2 {
				r, err := (&http.Client{Transport: transport}).Get(scheme + s.address())
				if err != nil {
					t.Fatal(err)
				}
				io.Copy(io.Discard, r.Body)
				r.Body.Close()
			}
			for deadline := time.Now().Add(patience); s.Stats().Busy != 0; {
				if time.Now().After(deadline) {
					t.Fatalf("%d connections are still busy", s.Stats().Busy)
				}
				runtime.Gosched()
			}
		})
	}
}
