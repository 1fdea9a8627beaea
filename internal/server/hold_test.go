package server

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// countingConn counts what writes to it.
type countingConn struct {
	net.Conn
	writes *atomic.Int64
}

func (c *countingConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// TestHoldNext: header and body leave together, complete and in order, however
// long the body is, and nothing stays behind where nothing follows.
func TestHoldNext(t *testing.T) {
	for _, size := range []int{1, 100, 3900, 4000, 4095, 4096, 4097, 8192, 10 << 10, 256 << 10} {
		body := strings.Repeat("0123456789abcdef", size/16+1)[:size]
		handlers := map[string]http.HandlerFunc{
			"at once": func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Length", strconv.Itoa(size))
				HoldNext(r.Context())
				io.WriteString(w, body)
			},
			"in pieces": func(w http.ResponseWriter, r *http.Request) {
				for rest := body; rest != ""; {
					n := min(1000, len(rest))
					HoldNext(r.Context())
					io.WriteString(w, rest[:n])
					rest = rest[n:]
				}
			},
			"flushed": func(w http.ResponseWriter, r *http.Request) {
				HoldNext(r.Context())
				w.(http.Flusher).Flush() // the header waits for the body
				io.WriteString(w, body)
			},
			"nothing follows": func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Length", strconv.Itoa(size))
				io.WriteString(w, body)
				w.(http.Flusher).Flush()
				HoldNext(r.Context())
			},
		}
		for name, handler := range handlers {
			conn := serveOne(t, handler)
			reader := bufio.NewReader(conn)
			for range 3 { // over one connection
				if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
					t.Fatal(err)
				}
				r, err := http.ReadResponse(reader, nil)
				if err != nil {
					t.Fatal(err)
				}
				if got, err := io.ReadAll(r.Body); err != nil || string(got) != body {
					t.Fatalf("%d bytes %s: got %d, %v", size, name, len(got), err)
				}
			}
		}
	}
}

// serveOne serves a handler and returns a connection to it.
func serveOne(t *testing.T, handler http.HandlerFunc) net.Conn {
	t.Helper()
	s, err := Listen(t.Context(), Options{Listen: []string{"127.0.0.1:0"}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, handler, http.NotFoundHandler()) }()
	conn, err := net.Dial("tcp", s.Addresses()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		cancel()
		<-done
	})
	conn.SetDeadline(time.Now().Add(time.Minute)) // fails instead of hanging
	return conn
}

// TestHeldWritesAreJoined looks at the calls themselves.
func TestHeldWritesAreJoined(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	go io.Copy(io.Discard, far)
	var writes atomic.Int64
	c := &conn{Conn: &countingConn{near, &writes}, heldPool: &newGate(0, 0).held}
	ctx := withConn(t.Context(), c)
	expect := func(step string, want int64) {
		t.Helper()
		if got := writes.Load(); got != want {
			t.Errorf("%s: %d writes, want %d", step, got, want)
		}
	}
	HoldNext(ctx)
	if n, err := c.Write([]byte("header")); n != 6 || err != nil {
		t.Fatal(n, err)
	}
	expect("held back", 0)
	if n, err := c.Write([]byte("body")); n != 4 || err != nil {
		t.Fatal(n, err)
	}
	expect("followed", 2) // a pipe knows no writev; on TCP it is one
	c.Write([]byte("more"))
	expect("not asked for", 3)
	HoldNext(ctx)
	c.Write(make([]byte, heldSize+1))
	expect("too long", 4)
	HoldNext(ctx)
	c.Write([]byte("alone"))
	c.SetReadDeadline(time.Time{})
	expect("the end of the answer", 5)
	HoldNext(ctx)
	c.SetReadDeadline(time.Time{})
	c.Write([]byte("the next answer"))
	expect("not for the next answer", 6)
	HoldNext(t.Context()) // no connection: nothing
}

// TestAddHeader: lines stand once in the header of their own answer, whatever
// follows it.
func TestAddHeader(t *testing.T) {
	for name, test := range map[string]struct {
		method, proto string
		status, size  int
		hold          bool
	}{
		"small":             {"GET", "HTTP/1.1", 200, 10, false},
		"empty":             {"GET", "HTTP/1.1", 200, 0, false},
		"large":             {"GET", "HTTP/1.1", 200, 10 << 10, false},
		"large, held":       {"GET", "HTTP/1.1", 200, 10 << 10, true},
		"full buffer":       {"GET", "HTTP/1.1", 200, heldSize, true},
		"held for nothing":  {"GET", "HTTP/1.1", 200, 10, true},
		"HEAD":              {"HEAD", "HTTP/1.1", 200, 10, false},
		"not modified":      {"GET", "HTTP/1.1", 304, 0, false},
		"the old protocol":  {"GET", "HTTP/1.0", 200, 10 << 10, true},
		"a header of 10 KB": {"GET", "HTTP/1.1", 200, 10 << 10, true},
	} {
		t.Run(name, func(t *testing.T) {
			body := strings.Repeat("\r\nX-A: body\r\n", test.size/10+1)[:test.size]
			n := 0
			conn := serveOne(t, func(w http.ResponseWriter, r *http.Request) {
				n++
				if n%2 == 1 && !AddHeader(r.Context(), []byte("X-A: "+strconv.Itoa(n)+"\r\n"), []byte("X-B: b\r\nX-C: c\r\n")) {
					t.Error("the lines were not taken")
				}
				if strings.HasPrefix(name, "a header") {
					w.Header().Set("X-Long", strings.Repeat("x", 10<<10))
				}
				w.Header().Set("Connection", "keep-alive")
				if test.status == 200 {
					w.Header().Set("Content-Length", strconv.Itoa(test.size))
				}
				w.WriteHeader(test.status)
				if test.hold {
					HoldNext(r.Context())
				}
				if test.status == 200 && r.Method != "HEAD" {
					io.WriteString(w, body)
				}
			})
			reader := bufio.NewReader(conn)
			for i := range 4 {
				io.WriteString(conn, test.method+" / "+test.proto+"\r\nHost: x\r\nConnection: keep-alive\r\n\r\n")
				r, err := http.ReadResponse(reader, &http.Request{Method: test.method})
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(r.Body)
				if want := test.method == "GET"; err != nil || want && string(got) != body {
					t.Fatalf("got %d bytes, %v", len(got), err)
				}
				want := ""
				if i%2 == 0 {
					want = strconv.Itoa(i+1) + "bc"
				}
				if got := strings.Join(r.Header["X-A"], ",") + r.Header.Get("X-B") + r.Header.Get("X-C"); got != want || r.StatusCode != test.status {
					t.Errorf("answer %d: %s with lines %q, want %q", i+1, r.Status, got, want)
				}
			}
		})
	}
}

// TestAddHeaderTooLate: lines never end up in a body.
func TestAddHeaderTooLate(t *testing.T) {
	conn := serveOne(t, func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		AddHeader(r.Context(), []byte("X-A: a\r\n"))
		io.WriteString(w, "body\r\n")
	})
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if answer, err := io.ReadAll(conn); err != nil || strings.Contains(string(answer), "X-A") || strings.Contains(string(answer), "body") {
		t.Errorf("%q, %v", answer, err)
	}
}

// TestAddHeaderElsewhere: without a connection of its own, or on one that is
// encrypted, nothing is promised.
func TestAddHeaderElsewhere(t *testing.T) {
	if AddHeader(t.Context(), []byte("X-A: a\r\n")) {
		t.Error("lines were taken without a connection")
	}
	files := writePair(t, t.TempDir(), 1)
	s := start(t, Options{TLSCertificate: files.cert, TLSKey: files.key}, func(w http.ResponseWriter, r *http.Request) {
		if AddHeader(r.Context(), []byte("X-A: a\r\n")) {
			t.Error("lines were taken on TLS")
		}
	})
	for _, http2 := range []bool{false, true} {
		transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: http2}
		r, err := (&http.Client{Transport: transport}).Get("https://" + s.address())
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if (r.ProtoMajor == 2) != http2 {
			t.Errorf("it is %s", r.Proto)
		}
		transport.CloseIdleConnections()
	}
}
