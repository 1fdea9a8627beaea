package cluster

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/backends/backendtest"
	"example.com/ezdfs/dispatcher"
)

// stalling is a store that opens nothing until it is let go, or asked no more.
type stalling struct {
	*backendtest.Memory
	release chan struct{}
	closed  atomic.Int32 // bodies
}

func (s *stalling) Open(ctx context.Context, path string, offset, length int64) (backends.Reader, error) {
	select {
	case <-s.release:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	r, err := s.Memory.Open(context.WithoutCancel(ctx), path, offset, length)
	if err != nil {
		return nil, err
	}
	return countedBody{r, &s.closed}, nil
}

type countedBody struct {
	backends.Reader
	closed *atomic.Int32
}

func (c countedBody) Close() error {
	c.closed.Add(1)
	return c.Reader.Close()
}

// migrates returns a cluster of which all paths below m/ migrate from the second
// store to the first.
func migrates(t *testing.T, first, second backends.Backend) *Cluster {
	t.Helper()
	s := nfsSettings(t, "sqlite")
	createSchema(t, s)
	router, err := dispatcher.NewRouter([]dispatcher.Rule{{Key: "m/", Backend: "first"}}, dispatcher.Prefix)
	if err != nil {
		t.Fatal(err)
	}
	stores, err := dispatcher.New(router, "second", map[string]backends.Backend{"first": first, "second": second},
		dispatcher.WithMigrations(dispatcher.Migration{Prefix: "m/", From: "second"}))
	if err != nil {
		t.Fatal(err)
	}
	return New(open(t, s).meta, stores, s)
}

// TestReadsWhileTheNewStoreIsDown: what the store that a path migrates from
// still has of it is read meanwhile, unless it is out of date.
func TestReadsWhileTheNewStoreIsDown(t *testing.T) {
	const path = "m/a"
	stored := time.Unix(1_700_000_000, 0)
	for name, test := range map[string]struct {
		second string // body there
		age    time.Duration
		want   string
	}{
		"the row's body":         {"body", 0, "body"},
		"another program's time": {"body", -time.Minute, "body"},
		"an older one":           {"body", time.Second, ""},
		"another size":           {"older", 0, ""},
		"none":                   {"", 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			first, second := backendtest.NewMemory("first"), backendtest.NewMemory("second")
			c := migrates(t, first, second)
			row, err := c.Store(t.Context(), path, strings.NewReader("body"), StoreOptions{ModTime: stored})
			if err != nil {
				t.Fatal(err)
			}
			if test.second != "" {
				putAged(t, second, path, test.second, stored.Add(-test.age))
			}
			first.SetDown(true)
			for reads, open := range map[string]func() (*File, error){
				"Open":    func() (*File, error) { return c.Open(t.Context(), path, Range(1, 2)) },
				"OpenRow": func() (*File, error) { return c.OpenRow(t.Context(), row, Range(1, 2)) },
			} {
				f, err := open()
				if test.want == "" {
					if !errors.Is(err, backends.ErrUnavailable) || !strings.Contains(err.Error(), "first") {
						t.Errorf("%s: %v", reads, err)
					}
					continue
				}
				if err != nil {
					t.Errorf("%s: %v", reads, err)
					continue
				}
				part, err := io.ReadAll(f)
				if err := errors.Join(err, f.Close()); err != nil || string(part) != test.want[1:3] {
					t.Errorf("%s reads %q, %v", reads, part, err)
				}
			}
		})
	}
}

// TestReadsWhileTheNewStoreHangs: as when it is down, after a moment; and what it
// opens after all is closed.
func TestReadsWhileTheNewStoreHangs(t *testing.T) {
	first, second := &stalling{Memory: backendtest.NewMemory("first"), release: make(chan struct{})}, backendtest.NewMemory("second")
	c := migrates(t, first, second)
	for _, path := range []string{"m/a", "m/new"} {
		c.mustStore(t, path, "body")
	}
	putAged(t, second, "m/a", "body", time.Now())
	for range 3 {
		if data, err := c.ReadFile(t.Context(), "m/a"); err != nil || string(data) != "body" {
			t.Errorf("reads %q, %v", data, err)
		}
	}
	if c.slow.patience("first") != 0 {
		t.Error("the next reader waits as long for a store that is known to hang")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := c.ReadFile(ctx, "m/new"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("what the other store does not have: %v", err)
	}
	close(first.release)
	if data, err := c.ReadFile(t.Context(), "m/new"); err != nil || string(data) != "body" || first.closed.Load() != 1 {
		t.Errorf("when it answers again: %q, %v, %d closed", data, err, first.closed.Load())
	}
}

// TestReadsWhileTheOldStoreHangs: it delays nobody.
func TestReadsWhileTheOldStoreHangs(t *testing.T) {
	first, second := backendtest.NewMemory("first"), &stalling{Memory: backendtest.NewMemory("second"), release: make(chan struct{})}
	late := &stalling{Memory: first, release: make(chan struct{})}
	c := migrates(t, late, second)
	c.mustStore(t, "m/a", "body")
	c.slow.note("first") // both are asked at once
	time.AfterFunc(10*time.Millisecond, func() { close(late.release) })
	if data, err := c.ReadFile(t.Context(), "m/a"); err != nil || string(data) != "body" {
		t.Errorf("reads %q, %v", data, err)
	}
}

// putAged puts a body past the cluster.
func putAged(t *testing.T, store backends.Backend, path, body string, at time.Time) {
	t.Helper()
	staged, err := store.Stage(t.Context(), path, strings.NewReader(body), backends.Attributes{Size: int64(len(body)), ModTime: at})
	if err == nil {
		err = staged.Publish(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
}
