package frontends

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// answer is what came back for a request.
type answer struct {
	*http.Response
	body string
}

// Requests of the tests come from visitor; the front ends are at trusted, whom
// the gateway believes and who may invalidate.
const (
	visitor = "127.0.0.9"
	trusted = "127.0.0.1"
)

// ask sends a visitor's request on a new connection, with header lines
// "Key: value".
func ask(t *testing.T, method, url string, lines ...string) answer {
	t.Helper()
	return askFrom(t, visitor, method, url, lines...)
}

// askFrom is ask from another address.
func askFrom(t *testing.T, addr, method, url string, lines ...string) answer {
	t.Helper()
	a, err := send(t.Context(), addr, method, url, lines...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// send is askFrom for any goroutine.
func send(ctx context.Context, addr, method, url string, lines ...string) (answer, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return answer{}, err
	}
	for _, line := range lines {
		key, value, _ := strings.Cut(line, ": ")
		r.Header.Set(key, value)
	}
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(addr)}}
	transport := &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true, DisableCompression: true}
	response, err := transport.RoundTrip(r)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, fmt.Errorf("%s %s: %d, then %w", method, url, response.StatusCode, err)
	}
	return answer{response, string(body)}, nil
}

// eventually waits until something holds that another process brings about.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// hammer sends a visitor's requests from several goroutines until it is
// stopped. check looks at each answer.
type hammer struct {
	asked   atomic.Int64
	end     chan struct{}
	clients sync.WaitGroup
}

func newHammer(t *testing.T, url func(n int64) string, check func(answer) bool) *hammer {
	h := &hammer{end: make(chan struct{})}
	for range 4 {
		h.clients.Go(func() {
			for {
				select {
				case <-h.end:
					return
				default:
				}
				n := h.asked.Add(1)
				if a, err := send(t.Context(), visitor, "GET", url(n)); err != nil {
					t.Errorf("request %d: %v", n, err)
				} else if !check(a) {
					t.Errorf("request %d: %d %q %v", n, a.StatusCode, a.body, a.Header)
				}
			}
		})
	}
	return h
}

// more waits until more requests have been sent.
func (h *hammer) more(t *testing.T) {
	t.Helper()
	before := h.asked.Load()
	eventually(t, "requests go on", func() bool { return h.asked.Load() > before+50 })
}

// stop returns how many requests there were.
func (h *hammer) stop() int {
	close(h.end)
	h.clients.Wait()
	return int(h.asked.Load())
}
