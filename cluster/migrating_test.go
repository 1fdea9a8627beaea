package cluster

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
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
				"Open":       func() (*File, error) { return c.Open(t.Context(), path, Range(1, 2)) },
				"OpenRow":    func() (*File, error) { return c.OpenRow(t.Context(), row, Range(1, 2)) },
				"OpenSecond": func() (*File, error) { return c.OpenSecond(t.Context(), row, Range(1, 2)) },
			} {
				f, err := open()
				if test.want == "" && reads == "OpenSecond" {
					if !errors.Is(err, fs.ErrNotExist) {
						t.Errorf("%s: %v", reads, err)
					}
					continue
				}
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
				if reads != "OpenSecond" && f.Instead() == nil {
					t.Errorf("%s: is from the right store", reads)
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
	if alone, _ := c.slow.of("first").headStart(); alone != 0 {
		t.Error("the next reader waits as long for a store that is known to hang")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := c.ReadFile(ctx, "m/new"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("what the other store does not have: %v", err)
	}
	c.waitForLeft("first") // or one of those opens the body after all, and closes it
	close(first.release)
	if data, err := c.ReadFile(t.Context(), "m/new"); err != nil || string(data) != "body" || first.closed.Load() != 1 {
		t.Errorf("when it answers again: %q, %v, %d closed", data, err, first.closed.Load())
	}
}

// TestReadsOfAHealthyStoreAreNotInstead of anything.
func TestReadsOfAHealthyStoreAreNotInstead(t *testing.T) {
	first, second := backendtest.NewMemory("first"), backendtest.NewMemory("second")
	c := migrates(t, first, second)
	rows := map[string]bool{"m/a": true, "m/old": true, "b": false}
	for path, migrating := range rows {
		row := c.mustStore(t, path, "body")
		if path == "m/old" {
			putAged(t, second, path, "body", time.Now())
			if err := first.Delete(t.Context(), []string{path}); err != nil {
				t.Fatal(err)
			}
		}
		f, err := c.Open(t.Context(), path)
		if err != nil || f.Instead() != nil {
			t.Fatalf("%s: %v, %v", path, err, f.Instead())
		}
		f.Close()
		if from := c.MigratesFrom(path); (from == "second") != migrating || (from == "") == migrating {
			t.Errorf("%s migrates from %q", path, from)
		}
		if f, err := c.OpenSecond(t.Context(), row); path == "m/old" {
			if err != nil {
				t.Errorf("%s of the old store: %v", path, err)
			} else {
				f.Close()
			}
		} else if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s of the old store: %v", path, err)
		}
	}
}

// TestReadsWhileTheOldStoreHangs: it delays nobody.
func TestReadsWhileTheOldStoreHangs(t *testing.T) {
	first, second := backendtest.NewMemory("first"), &stalling{Memory: backendtest.NewMemory("second"), release: make(chan struct{})}
	late := &stalling{Memory: first, release: make(chan struct{})}
	c := migrates(t, late, second)
	c.mustStore(t, "m/a", "body")
	c.slow.of("first").judge(secondAfter, false) // both are asked at once
	time.AfterFunc(10*time.Millisecond, func() { close(late.release) })
	if data, err := c.ReadFile(t.Context(), "m/a"); err != nil || string(data) != "body" {
		t.Errorf("reads %q, %v", data, err)
	}
}

// stubborn is a store that opens nothing until it is let go, whoever has given up
// by then, as a mount whose server is gone.
type stubborn struct {
	*backendtest.Memory
	release chan struct{}
	hanging atomic.Int32
}

func (s *stubborn) Open(ctx context.Context, path string, offset, length int64) (backends.Reader, error) {
	s.hanging.Add(1)
	defer s.hanging.Add(-1)
	<-s.release
	return s.Memory.Open(context.WithoutCancel(ctx), path, offset, length)
}

// waitForLeft waits until nothing of a store is being opened that nobody waits for.
func (c *Cluster) waitForLeft(store string) {
	for c.slow.of(store).left.Load() > 0 {
		time.Sleep(time.Millisecond)
	}
}

// TestReadsWhileAStoreHeedsNobody: readers who give up are let go, and what they
// leave behind does not grow without bound.
func TestReadsWhileAStoreHeedsNobody(t *testing.T) {
	first, second := &stubborn{Memory: backendtest.NewMemory("first"), release: make(chan struct{})}, backendtest.NewMemory("second")
	c := migrates(t, first, second)
	for _, path := range []string{"m/a", "m/new"} {
		c.mustStore(t, path, "body")
	}
	putAged(t, second, "m/a", "body", time.Now())
	t.Cleanup(func() {
		close(first.release)
		c.waitForLeft("first")
	})
	c.slow.of("first").judge(secondAfter, false)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := c.ReadFile(ctx, "m/new"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("what the other store does not have: %v", err)
	}
	for i := range 2 * maxLeft {
		if data, err := c.ReadFile(t.Context(), "m/a"); err != nil || string(data) != "body" {
			t.Fatalf("reads %q, %v after %d", data, err, i)
		}
	}
	if n := first.hanging.Load(); n > maxLeft+1 {
		t.Errorf("%d openings hang", n)
	}
	if _, err := c.ReadFile(t.Context(), "m/new"); !errors.Is(err, backends.ErrUnavailable) || !strings.Contains(err.Error(), "first") {
		t.Errorf("then: %v", err)
	}
}

// TestReadsWhileTheOldStoreHeedsNobody: readers of what has yet to migrate keep
// nobody from what has.
func TestReadsWhileTheOldStoreHeedsNobody(t *testing.T) {
	first, second := backendtest.NewMemory("first"), &stubborn{Memory: backendtest.NewMemory("second"), release: make(chan struct{})}
	c := migrates(t, first, second)
	for _, path := range []string{"m/a", "m/old"} {
		c.mustStore(t, path, "body")
	}
	putAged(t, second, "m/old", "body", time.Now())
	if err := first.Delete(t.Context(), []string{"m/old"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		close(second.release)
		c.waitForLeft("second")
	})
	for i := range maxLeft + 10 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		_, err := c.ReadFile(ctx, "m/old")
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, backends.ErrUnavailable) {
			t.Fatalf("after %d: %v", i, err)
		}
	}
	if n := second.hanging.Load(); n > maxLeft {
		t.Errorf("%d openings hang", n)
	}
	if data, err := c.ReadFile(t.Context(), "m/a"); err != nil || string(data) != "body" {
		t.Errorf("what has migrated reads %q, %v", data, err)
	}
}

// TestPatience: that the other store was faster does not make one slow, and one
// reader at a time finds out whether it still is.
func TestHeadStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(slowStore)
		wants := func(when string, want time.Duration) {
			t.Helper()
			if got, _ := s.headStart(); got != want {
				t.Errorf("%s: waits for %v, want %v", when, got, want)
			}
		}
		wants("at first", secondAfter)
		s.judge(secondAfter, false)
		for range 10 {
			wants("while it is slow", 0)
			time.Sleep(slowFor / 10)
			s.judge(0, false)
		}
		wants("after that", secondAfter)
		wants("the others", 0)
		s.judge(secondAfter, true)
		wants("when it has answered", secondAfter)
		wants("everybody", secondAfter)
	})
}

// TestPanicOfAStore ends nothing but the read.
func TestPanicOfAStore(t *testing.T) {
	got := new(slow).start(t.Context(), opener{
		backendtest.NewMemory("first"), func(context.Context) (backends.Reader, error) { panic("a bug") },
	}).wait(t.Context())
	if body, err := got.source(); body.Reader != nil || err == nil || !strings.Contains(err.Error(), "a bug") {
		t.Errorf("%v, %v", body, err)
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
