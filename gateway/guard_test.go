package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/gateway"
	"example.com/ezdfs/metadata"
)

// stores is a cluster whose stores do what a test says, by the path's first
// directory.
type stores struct {
	*fake
	open map[string]func(ctx context.Context) (*cluster.File, error)
}

func (s *stores) Backend(path string) string {
	name, _, _ := strings.Cut(path, "/storage/")
	return name
}

func (s *stores) Stat(_ context.Context, path string) (metadata.Row, error) {
	row := s.row
	row.Name = path
	return row, nil
}

func (s *stores) OpenRow(ctx context.Context, row metadata.Row, options ...cluster.ReadOption) (*cluster.File, error) {
	if open := s.open[s.Backend(row.Name)]; open != nil {
		return open(ctx)
	}
	return fileOf(row, bytes.NewReader(s.body), "1"), nil
}

// guarded returns stores of which "dead" is one, and a handler.
func guarded(dead func(ctx context.Context) (*cluster.File, error)) *gateway.Handler {
	s := &stores{fake: fakeFile("0123456789"), open: map[string]func(context.Context) (*cluster.File, error){"dead": dead}}
	return gateway.New(s, gateway.Options{StoreTimeout: time.Second, StoreRequests: 4, RetryAfter: 5 * time.Second})
}

func status(h http.Handler, path string) int {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w.Code
}

// TestStoreThatHangs takes nobody along: its files are 503 after StoreTimeout,
// then at once, the other stores' are served, and after a while one request
// finds out that it is back.
func TestStoreThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hanging atomic.Int64
		var back atomic.Bool
		release := make(chan struct{})
		var closed atomic.Int64
		f := fakeFile("0123456789")
		h := guarded(func(context.Context) (*cluster.File, error) { // as a mount whose server is gone
			if !back.Load() {
				hanging.Add(1)
				<-release
			}
			return &cluster.File{Row: f.row, Reader: &closeCounter{fileOf(f.row, bytes.NewReader(f.body), "1").Reader, &closed}}, nil
		})
		begin := time.Now()
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				if got := status(h, "/dead/storage/a"); got != 503 {
					t.Errorf("dead: %d", got)
				}
			})
		}
		synctest.Wait()
		if got := status(h, "/good/storage/a"); got != 200 || time.Since(begin) > 0 {
			t.Errorf("good: %d after %v", got, time.Since(begin))
		}
		all.Wait()
		if waited := time.Since(begin); waited != time.Second || hanging.Load() != 4 {
			t.Errorf("100 requests took %v, %d of them hang", waited, hanging.Load())
		}
		begin = time.Now()
		for range 100 {
			if got := status(h, "/dead/storage/a"); got != 503 {
				t.Errorf("dead: %d", got)
			}
		}
		if waited := time.Since(begin); waited > 0 {
			t.Errorf("a store that is known to be dead cost %v", waited)
		}
		if s := h.Stats().Services; len(s) != 3 || s[1].Name != "dead" || !s[1].Down || s[2].Down || s[0].Down {
			t.Errorf("%+v", s)
		}
		back.Store(true)
		close(release)
		synctest.Wait()
		if closed.Load() != 4 {
			t.Errorf("of 4 files that came too late %d were closed", closed.Load())
		}
		time.Sleep(5 * time.Second) // RetryAfter, on the test's clock
		for range 3 {
			if got := status(h, "/dead/storage/a"); got != 200 {
				t.Errorf("back: %d", got)
			}
		}
		if s := h.Stats().Services; s[1].Down {
			t.Errorf("%+v", s)
		}
	})
}

// closeCounter counts what is closed.
type closeCounter struct {
	backends.Reader
	closed *atomic.Int64
}

func (c *closeCounter) Close() error {
	c.closed.Add(1)
	return c.Reader.Close()
}

// TestStoreThatStalls: one that answers and then hangs is found out before the
// first byte of the answer if it sent none, and else breaks it off.
func TestStoreThatStalls(t *testing.T) {
	for name, first := range map[string]string{"before the first byte": "", "in the middle": "01234"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := fakeFile("0123456789")
				h := guarded(func(ctx context.Context) (*cluster.File, error) {
					return fileOf(f.row, &stalling{ctx, strings.NewReader(first)}, "1"), nil
				})
				begin, w := time.Now(), httptest.NewRecorder()
				broken := func() (p any) {
					defer func() { p = recover() }()
					h.ServeHTTP(w, httptest.NewRequest("GET", "/dead/storage/a", nil))
					return nil
				}()
				if (broken == http.ErrAbortHandler) != (first != "") || first == "" && w.Code != 503 {
					t.Errorf("%d %q, panicked with %v", w.Code, w.Body, broken)
				}
				if waited := time.Since(begin); waited != time.Second {
					t.Errorf("took %v", waited)
				}
			})
		})
	}
}

// stalling reads some bytes and then hangs until its context is done.
type stalling struct {
	ctx   context.Context
	first io.Reader
}

func (s *stalling) Read(p []byte) (int, error) {
	if n, _ := s.first.Read(p); n > 0 {
		return n, nil
	}
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

// TestDatabaseThatHangs: rows that are known are served after DBTimeout, and
// then at once.
func TestDatabaseThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fakeFile("0123456789")
		rows := &remembered{row: f.row, exists: true, age: time.Minute, limit: time.Hour}
		h := gateway.New(&hangingDatabase{f}, gateway.Options{Rows: rows, DBTimeout: time.Second})
		begin := time.Now()
		for range 5 {
			if got := status(h, target); got != 200 {
				t.Errorf("status %d", got)
			}
		}
		if waited := time.Since(begin); waited != 5*time.Second {
			t.Errorf("took %v", waited)
		}
		begin = time.Now()
		for range 100 {
			if got := status(h, target); got != 200 {
				t.Errorf("status %d", got)
			}
		}
		if waited := time.Since(begin); waited > 0 || !h.Stats().Services[0].Down {
			t.Errorf("took %v, %+v", waited, h.Stats().Services)
		}
	})
}

type hangingDatabase struct{ *fake }

func (h *hangingDatabase) Stat(ctx context.Context, _ string) (metadata.Row, error) {
	<-ctx.Done()
	return metadata.Row{}, ctx.Err()
}

// TestWhatIsNoFailureOfTheStore: files that are not there, and clients that go
// away, make nobody leave a store alone.
func TestWhatIsNoFailureOfTheStore(t *testing.T) {
	for name, err := range map[string]error{"damaged": bodyMissing, "odd": errors.New("odd")} {
		h := guarded(func(context.Context) (*cluster.File, error) { return nil, err })
		for range 20 {
			if got := status(h, "/dead/storage/a"); got != 500 {
				t.Errorf("%s: %d", name, got)
			}
		}
		if s := h.Stats().Services; s[1].Down || s[1].Failures > 0 || s[1].Calls != 20 {
			t.Errorf("%s: %+v", name, s)
		}
	}
	h := guarded(func(ctx context.Context) (*cluster.File, error) { <-ctx.Done(); return nil, ctx.Err() })
	for range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		aborted(t, h, ctx)
	}
	if s := h.Stats().Services; s[1].Down || s[1].Failures > 0 {
		t.Errorf("clients that went away: %+v", s)
	}
}

// TestAbortedLook: while a store is left alone, a client that goes away before
// its one look has an answer makes it neither better nor worse. The next one
// looks, at once.
func TestAbortedLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var back atomic.Bool
		f := fakeFile("0123456789")
		h := guarded(func(ctx context.Context) (*cluster.File, error) {
			if !back.Load() {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return fileOf(f.row, bytes.NewReader(f.body), "1"), nil
		})
		for range 5 {
			status(h, "/dead/storage/a")
		}
		time.Sleep(5 * time.Second) // RetryAfter, on the test's clock
		for range 3 {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Millisecond, cancel)
			aborted(t, h, ctx)
			if s := h.Stats().Services[1]; !s.Down || s.Failures != 5 {
				t.Errorf("after a look that was aborted: %+v", s)
			}
		}
		back.Store(true)
		if got := status(h, "/dead/storage/a"); got != 200 {
			t.Errorf("the next look: %d", got)
		}
		if s := h.Stats().Services[1]; s.Down || s.Failures != 5 || s.Calls != 9 {
			t.Errorf("%+v", s)
		}
	})
}

// aborted sends a request whose client goes away.
func aborted(t *testing.T, h http.Handler, ctx context.Context) {
	t.Helper()
	defer func() {
		if p := recover(); p != http.ErrAbortHandler {
			t.Errorf("recovered %v", p)
		}
	}()
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/dead/storage/a", nil))
}

// TestStoreThatPanics ends no process.
func TestStoreThatPanics(t *testing.T) {
	h := guarded(func(context.Context) (*cluster.File, error) { panic("at the store") })
	if got := status(h, "/dead/storage/a"); got != 500 {
		t.Errorf("status %d", got)
	}
}
