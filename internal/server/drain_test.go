package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/ezdfs/internal/testservice"
)

// TestDrain: what came before the end is finished.
func TestDrain(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	s := start(t, Options{DrainTimeout: patience, ReadHeaderTimeout: patience}, func(w http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		<-leave
		if r.Context().Err() != nil {
			t.Error("the request was cancelled")
		}
		hello(w, r)
	})
	silent := dial(t, s.address(), "")
	c := dial(t, s.address(), "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	<-entered
	ended := make(chan error)
	go func() { ended <- s.stop() }()
	// Whether the port refuses is no sign: others may have it by then.
	for s.sockets[0].(*net.TCPListener).SetDeadline(time.Time{}) == nil {
		runtime.Gosched()
	}
	silent.Close()
	if !s.Draining() {
		t.Error("it does not say that it is about to end")
	}
	close(leave)
	if response, body := answer(t, c); body != "hello" || !response.Close {
		t.Errorf("got %q, connection to be closed: %v", body, response.Close)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func refused(address string) bool {
	c, err := net.Dial("tcp", address)
	if err == nil {
		c.Close()
	}
	return err != nil
}

func TestDrainTimeout(t *testing.T) {
	entered := make(chan struct{})
	s := start(t, Options{DrainTimeout: time.Millisecond}, func(w http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
	})
	dial(t, s.address(), "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	<-entered
	if err := s.stop(); err == nil || !strings.Contains(err.Error(), "cut: 1") {
		t.Errorf("ended with %v", err)
	}
}

// TestHandOver replaces a server under load by another at the same address,
// again and again, with clients that open a connection for each request and
// forgive nothing.
func TestHandOver(t *testing.T) {
	for name, address := range map[string]string{
		"tcp":  fmt.Sprintf("127.0.0.1:%d", testservice.FreePort(t)),
		"unix": "unix:" + filepath.Join(t.TempDir(), "s"),
	} {
		t.Run(name, func(t *testing.T) {
			if name == "tcp" && runtime.GOOS != "linux" {
				t.Skip("only Linux hands the queue over")
			}
			serve := func(answer string) (end func()) {
				s, err := Listen(t.Context(), Options{Listen: []string{address}, DrainTimeout: patience, Settle: 50 * time.Millisecond, ReusePort: answer != "0"})
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(context.Background())
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					err := s.Serve(ctx, s.Protect(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
						io.WriteString(w, answer)
					})), nil)
					if err != nil {
						t.Error(err)
					}
				}()
				return func() {
					cancel()
					<-ended
				}
			}
			end := serve("0")
			seen := load(t, address)
			for i := range 5 {
				seen.wait(fmt.Sprint(i))
				next := serve(fmt.Sprint(i + 1))
				seen.wait(fmt.Sprint(i + 1))
				end()
				end = next
			}
			if n := seen.stop(); n < 50 {
				t.Errorf("only %d requests", n)
			}
			end()
		})
	}
}

// TestInUse: an address that another server has is not shared by mistake, also
// where one of the two has all addresses of the host; the other one goes on.
func TestInUse(t *testing.T) {
	port := testservice.FreePort(t)
	path := "unix:" + filepath.Join(t.TempDir(), "s")
	for _, test := range []struct{ first, second string }{
		{fmt.Sprintf("127.0.0.1:%d", port), fmt.Sprintf("127.0.0.1:%d", port)},
		{fmt.Sprintf("127.0.0.1:%d", port), fmt.Sprintf(":%d", port)},
		{fmt.Sprintf(":%d", port), fmt.Sprintf("127.0.0.1:%d", port)},
		{path, path},
	} {
		s := start(t, Options{Listen: []string{test.first}, DrainTimeout: patience}, hello)
		second, err := Listen(t.Context(), Options{Listen: []string{"127.0.0.1:0"}, AdminListen: test.second})
		var inUse *InUseError
		if err == nil {
			second.Close()
		}
		if !errors.As(err, &inUse) || inUse.Address != test.second || !strings.Contains(err.Error(), "--reuse-port") {
			t.Errorf("%s, then %s: %v", test.first, test.second, err)
		}
		address := test.first
		if strings.HasPrefix(address, ":") {
			address = "127.0.0.1" + address
		}
		if body, err := ask(address); body != "hello" || err != nil {
			t.Errorf("%s: %q, %v", test.first, body, err)
		}
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	}
}

// TestStaleSocket: the file of a Unix socket whose process is gone is in
// nobody's way.
func TestStaleSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	start(t, Options{Listen: []string{"unix:" + path}}, hello)
	if body, err := ask("unix:" + path); body != "hello" || err != nil {
		t.Errorf("%q, %v", body, err)
	}
}

// clients ask without a pause.
type clients struct {
	t       *testing.T
	last    sync.Map // answers seen
	n       atomic.Int64
	done    chan struct{}
	running sync.WaitGroup
}

func load(t *testing.T, address string) *clients {
	l := &clients{t: t, done: make(chan struct{})}
	for range 8 {
		l.running.Go(func() {
			for {
				select {
				case <-l.done:
					return
				default:
				}
				body, err := ask(address)
				if err != nil {
					t.Errorf("a request was lost: %v", err)
				}
				l.last.Store(body, true)
				l.n.Add(1)
			}
		})
	}
	return l
}

// wait waits until somebody was given an answer.
func (l *clients) wait(answer string) {
	deadline := time.Now().Add(patience)
	for {
		if _, ok := l.last.Load(answer); ok {
			return
		}
		if time.Now().After(deadline) {
			l.t.Fatalf("nobody was answered %q", answer)
		}
		runtime.Gosched()
	}
}

func (l *clients) stop() int64 {
	close(l.done)
	l.running.Wait()
	return l.n.Load()
}

// ask sends one request over a connection of its own.
func ask(address string) (string, error) {
	network := "tcp"
	if path, ok := strings.CutPrefix(address, unixPrefix); ok {
		network, address = "unix", path
	}
	c, err := net.Dial(network, address)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET / HTTP/1.0\r\n\r\n"); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(c)
	_, body, ok := strings.Cut(string(answer), "\r\n\r\n")
	if err == nil && !ok {
		err = io.ErrUnexpectedEOF
	}
	return body, err
}

// TestUnixSocket: the socket has its mode, and is gone with the server.
func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	s := start(t, Options{Listen: []string{"unix:" + path}, SocketMode: 0o600, DrainTimeout: patience}, hello)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if got := FormatAddress(s.Addresses()[0]); got != "unix:"+path {
		t.Errorf("address %q", got)
	}
	if body, err := ask("unix:" + path); body != "hello" || err != nil {
		t.Errorf("%q, %v", body, err)
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the socket is still there")
	}
}

func TestBadAddress(t *testing.T) {
	file := sparse(t, 1)
	for _, address := range []string{"", "localhost", "127.0.0.1:http", "127.0.0.1:70000", "127.0.0.1:-1", "1:2:3", "unix:relative", "unix:" + file} {
		s, err := Listen(t.Context(), Options{Listen: []string{address}})
		if err == nil {
			s.Close()
			t.Errorf("%q was taken", address)
			continue
		}
		if address != "" && !strings.Contains(err.Error(), address) {
			t.Errorf("%q: %v", address, err)
		}
	}
	if _, err := os.Stat(file); err != nil {
		t.Error("a file that was no socket is gone")
	}
}

// TestListenAll: when one address cannot be had none is kept.
func TestListenAll(t *testing.T) {
	address := fmt.Sprintf("127.0.0.1:%d", testservice.FreePort(t))
	if _, err := Listen(t.Context(), Options{Listen: []string{address, "nonsense"}}); err == nil {
		t.Fatal("nonsense was taken")
	}
	if !refused(address) {
		t.Error("the other address is still bound")
	}
}
