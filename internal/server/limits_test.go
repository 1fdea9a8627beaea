package server

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestSlowSenders: who does not get a request together is cut.
func TestSlowSenders(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":           "",
		"a part of a line":  "GET / HT",
		"a part of headers": "GET / HTTP/1.1\r\nHost: a\r\nX-A: b",
		"no body":           "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n",
		"a part of a body":  "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, Options{ReadHeaderTimeout: 50 * time.Millisecond}, hello)
			if _, err := io.ReadAll(dial(t, s.address(), text)); isTimeout(err) {
				t.Error("the connection is still there")
			}
		})
	}
}

// TestIdle: a connection without a request ends, and makes room.
func TestIdle(t *testing.T) {
	s := start(t, Options{IdleTimeout: 50 * time.Millisecond, MaxConnections: 1}, hello)
	for range 2 {
		c := dial(t, s.address(), "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		if got, err := io.ReadAll(c); err != nil || !strings.HasSuffix(string(got), "hello") {
			t.Errorf("read %q, %v", got, err)
		}
	}
}

func TestTooLong(t *testing.T) {
	s := start(t, Options{}, hello)
	for name, test := range map[string]struct {
		url, header string
		want        int
	}{ // net/http itself refuses a header, in text
		"fits":   {strings.Repeat("a", 8000), strings.Repeat("a", 7000), http.StatusOK},
		"URL":    {strings.Repeat("a", 9000), "", http.StatusRequestURITooLong},
		"header": {"", strings.Repeat("a", 30000), http.StatusRequestHeaderFieldsTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, s.address(), "GET /"+test.url+" HTTP/1.1\r\nHost: a\r\nX-A: "+test.header+"\r\nAccept: application/json\r\n\r\n")
			response, body := answer(t, c)
			if response.StatusCode != test.want {
				t.Errorf("status %d, want %d", response.StatusCode, test.want)
			}
			if name == "URL" && (body != "{\"status\":414,\"error\":\"Request URI Too Long\"}\n" || response.Header.Get("Retry-After") != "") {
				t.Errorf("%q %v", body, response.Header)
			}
		})
	}
}

// TestMaxConnections: more clients than connections are all served, but never
// more than that at once.
func TestMaxConnections(t *testing.T) {
	const limit = 2
	var most atomic.Int64
	var s *running
	ready := make(chan struct{})
	s = start(t, Options{MaxConnections: limit}, func(w http.ResponseWriter, r *http.Request) {
		<-ready
		if now := s.Stats().Connections; now > most.Load() {
			most.Store(now)
		}
		hello(w, r)
	})
	close(ready)
	var clients sync.WaitGroup
	for range 20 {
		clients.Go(func() {
			c := dial(t, s.address(), "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
			if got, err := io.ReadAll(c); err != nil || !strings.HasSuffix(string(got), "hello") {
				t.Errorf("read %q, %v", got, err)
			}
		})
	}
	clients.Wait()
	if n := most.Load(); n < 1 || n > limit {
		t.Errorf("%d connections at once, want up to %d", n, limit)
	}
	if n := s.Stats().Accepted; n != 20 {
		t.Errorf("%d connections accepted, want 20", n)
	}
}

// TestMaxConnectionsClose: a server that waits for room can end.
func TestMaxConnectionsClose(t *testing.T) {
	s := start(t, Options{MaxConnections: 1, DrainTimeout: patience}, hello)
	answer(t, dial(t, s.address(), "GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
	if err := s.stop(); err != nil {
		t.Error(err)
	}
}

func TestMaxRequests(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	s := start(t, Options{MaxRequests: 1}, func(w http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		<-leave
		hello(w, r)
	})
	first := dial(t, s.address(), "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	<-entered
	response, body := answer(t, dial(t, s.address(), "GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
	if response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" || !strings.Contains(body, "<h1>503 ") {
		t.Errorf("got %s %v %q", response.Status, response.Header, body)
	}
	if n := s.Stats().Refused; n != 1 {
		t.Errorf("%d requests were refused, want 1", n)
	}
	leave <- struct{}{}
	if response, body := answer(t, first); response.StatusCode != http.StatusOK || body != "hello" {
		t.Errorf("the first got %s, %q", response.Status, body)
	}
	go func() { <-entered; leave <- struct{}{} }()
	if response, _ := answer(t, dial(t, s.address(), "GET / HTTP/1.1\r\nHost: a\r\n\r\n")); response.StatusCode != http.StatusOK {
		t.Errorf("the next got %s", response.Status)
	}
}

// TestAdminIsNotPublic: two listeners of one process can share an address, and
// the kernel would send every other client to the wrong one.
func TestAdminIsNotPublic(t *testing.T) {
	s, err := Listen(t.Context(), Options{Listen: []string{"127.0.0.1:1", "127.0.0.1:65000"}, AdminListen: "127.0.0.1:65000"})
	if err == nil {
		s.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "AdminListen") {
		t.Errorf("%v", err)
	}
}
