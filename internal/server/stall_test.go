package server

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// sparse makes a file of so many zeros.
func sparse(t *testing.T, size int64) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := errors.Join(os.WriteFile(name, nil, 0o666), os.Truncate(name, size)); err != nil {
		t.Fatal(err)
	}
	return name
}

// sender answers with a file, as a file or as a mere stream, and tells how that
// ended.
func sender(file string, size int64, stream bool) (http.HandlerFunc, chan error) {
	ended := make(chan error, 1)
	return func(w http.ResponseWriter, r *http.Request) {
		f, err := os.Open(file)
		if err != nil {
			ended <- err
			return
		}
		defer f.Close()
		w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
		var body io.Reader = &io.LimitedReader{R: f, N: size}
		if stream {
			body = struct{ io.Reader }{f}
		}
		_, err = io.Copy(w, body)
		ended <- err
	}, ended
}

// TestStalledReader: who takes nothing of what they asked for is cut.
func TestStalledReader(t *testing.T) {
	const size = 1 << 30 // more than any buffer on the way
	file := sparse(t, size)
	for name, stream := range map[string]bool{"file": false, "stream": true} {
		t.Run(name, func(t *testing.T) {
			handler, ended := sender(file, size, stream)
			s := start(t, Options{StallTimeout: 100 * time.Millisecond}, handler)
			dial(t, s.address(), "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			select {
			case err := <-ended:
				if !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("the body ended with %v", err)
				}
			case <-time.After(patience):
				t.Error("the body is still being sent")
			}
		})
	}
}

// TestSteadyReader: who takes little, steadily, gets everything, though a
// socket takes the next bytes only after a megabyte or so has gone.
func TestSteadyReader(t *testing.T) {
	const size = 4 << 20
	file := sparse(t, size)
	for name, stream := range map[string]bool{"file": false, "stream": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			handler, ended := sender(file, size, stream)
			stall := 400 * time.Millisecond
			s := start(t, Options{StallTimeout: stall, DrainTimeout: patience}, handler)
			c := dial(t, s.address(), "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
			c.(*net.TCPConn).SetReadBuffer(16 << 10)
			pace := time.NewTicker(stall / 40)
			defer pace.Stop()
			buffer := make([]byte, 16<<10)
			total := 0
			for {
				<-pace.C
				n, err := c.Read(buffer)
				total += n
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatalf("cut after %d bytes: %v", total, err)
				}
			}
			if err := <-ended; err != nil || total < size {
				t.Errorf("%d bytes of %d, %v", total, size, err)
			}
		})
	}
}

// TestStalledStream: on HTTP/2 a stream that nobody reads is cut, the
// connection and its other streams go on.
func TestStalledStream(t *testing.T) {
	const size = 1 << 30
	send, ended := sender(sparse(t, size), size, false)
	files := writePair(t, t.TempDir(), 1)
	s := start(t, Options{StallTimeout: 100 * time.Millisecond, TLSCertificate: files.cert, TLSKey: files.key},
		func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/file" {
				send(w, r)
				return
			}
			io.WriteString(w, r.Proto)
		})
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	stalled, err := client.Get("https://" + s.address() + "/file")
	if err != nil {
		t.Fatal(err)
	}
	defer stalled.Body.Close()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("the body went through")
		}
	case <-time.After(patience):
		t.Fatal("the body is still being sent")
	}
	other, err := client.Get("https://" + s.address() + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Body.Close()
	if body, err := io.ReadAll(other.Body); string(body) != "HTTP/2.0" || err != nil {
		t.Errorf("read %q, %v", body, err)
	}
	if n := s.Stats().Accepted; n != 1 {
		t.Errorf("%d connections", n)
	}
}

// scriptedConn takes as much of each write as its script says.
type scriptedConn struct {
	net.Conn
	script    []int // bytes taken before the deadline; the last goes on for ever
	got       bytes.Buffer
	deadlines int
}

func (c *scriptedConn) take() int {
	n := c.script[0]
	if len(c.script) > 1 {
		c.script = c.script[1:]
	}
	return n
}

func (c *scriptedConn) Write(p []byte) (int, error) {
	n := c.take()
	if n >= len(p) {
		return c.got.Write(p)
	}
	c.got.Write(p[:n])
	return n, os.ErrDeadlineExceeded
}

func (c *scriptedConn) ReadFrom(r io.Reader) (int64, error) {
	n, err := io.CopyN(&c.got, r, int64(c.take()))
	if err == io.EOF {
		return n, nil
	}
	return n, os.ErrDeadlineExceeded
}

func (c *scriptedConn) SetWriteDeadline(time.Time) error { c.deadlines++; return nil }
func (c *scriptedConn) SetDeadline(time.Time) error      { return nil }

// TestRollingDeadline follows writes through deadlines that end them.
func TestRollingDeadline(t *testing.T) {
	const text = "0123456789"
	for name, test := range map[string]struct {
		script []int
		want   string
		cut    bool
	}{
		"at once":                   {[]int{10}, text, false},
		"bit by bit":                {[]int{1}, text, false},
		"one silence":               {[]int{3, 0, 10}, text, false},
		"silences between":          {[]int{3, 0, 3, 0, 3, 0, 10}, text, false},
		"silence":                   {[]int{0}, "", true},
		"silence after a part":      {[]int{3, 0, 0, 10}, "012", true},
		"silence almost at the end": {[]int{9, 0}, "012345678", true},
	} {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		for how, send := range map[string]func(*conn) (int64, error){
			"Write": func(c *conn) (int64, error) {
				n, err := c.Write([]byte(text))
				return int64(n), err
			},
			"ReadFrom a file": func(c *conn) (int64, error) {
				f, err := os.Open(file)
				if err != nil {
					return 0, err
				}
				defer f.Close()
				return c.ReadFrom(f)
			},
			"ReadFrom a stream": func(c *conn) (int64, error) {
				return c.ReadFrom(struct{ io.Reader }{strings.NewReader(text)})
			},
		} {
			t.Run(name+"/"+how, func(t *testing.T) {
				inner := &scriptedConn{script: append([]int(nil), test.script...)}
				c := &conn{Conn: inner, stall: time.Hour, buffers: &newGate(0, 0).buffers}
				n, err := send(c)
				if got := inner.got.String(); got != test.want || int(n) != len(test.want) || errors.Is(err, os.ErrDeadlineExceeded) != test.cut {
					t.Errorf("sent %q, %d, %v", got, n, err)
				}
			})
		}
	}
}

// TestForeignDeadline: a deadline that somebody else set ends a write at once,
// until it is taken back.
func TestForeignDeadline(t *testing.T) {
	inner := &scriptedConn{script: []int{1}}
	c := &conn{Conn: inner, stall: time.Hour}
	c.SetWriteDeadline(time.Now().Add(time.Hour))
	if n, err := c.Write([]byte("ab")); n != 1 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%d, %v", n, err)
	}
	if inner.deadlines != 1 {
		t.Errorf("the deadline was set %d times", inner.deadlines)
	}
	c.SetDeadline(time.Time{})
	if n, err := c.Write([]byte("ab")); n != 2 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

// TestDeadlineIsNotSetForEveryWrite: that would cost more than the write.
func TestDeadlineIsNotSetForEveryWrite(t *testing.T) {
	inner := &scriptedConn{script: []int{10}}
	c := &conn{Conn: inner, stall: time.Hour}
	for range 100 {
		c.Write([]byte("a"))
	}
	if inner.deadlines != 1 {
		t.Errorf("the deadline was set %d times for 100 writes", inner.deadlines)
	}
}

// TestCloseOnce: a connection that is closed twice makes room once.
func TestCloseOnce(t *testing.T) {
	g := newGate(1, 0)
	a, b := net.Pipe()
	defer b.Close()
	g.slots <- struct{}{}
	c := &conn{Conn: a, release: sync.OnceFunc(g.leave)}
	c.Close()
	c.Close()
	if len(g.slots) != 0 {
		t.Errorf("%d slots are taken", len(g.slots))
	}
}
