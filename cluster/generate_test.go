package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/ezdfs/backends/backendtest"
	"example.com/ezdfs/metadata"
)

// page is a cache file of the kind most sites have most of.
const (
	page      = "var/site/cache/content/site/2-abc.cache"
	pageTrunk = "var/site/cache/content/site/2-"
)

// testClock is a clock that tests set.
type testClock struct{ offset atomic.Int64 }

func (c *testClock) now() time.Time          { return time.Now().Add(time.Duration(c.offset.Load())) }
func (c *testClock) advance(d time.Duration) { c.offset.Add(int64(d)) }

// writes returns a generator of these contents, which counts its calls.
func writes(text string, calls *atomic.Int32) GenerateFunc {
	return func(_ context.Context, w io.Writer) error {
		calls.Add(1)
		_, err := io.WriteString(w, text)
		return err
	}
}

// get returns contents and origin of what GetOrGenerate answers.
func (c *Cluster) get(t testing.TB, generate GenerateFunc, options GenerateOptions) (string, Origin) {
	t.Helper()
	entry, err := c.GetOrGenerate(t.Context(), page, generate, options)
	if err != nil {
		t.Fatal(err)
	}
	data, err := entry.Bytes()
	if err != nil || int64(len(data)) != entry.Row.Size {
		t.Fatalf("%d bytes of %d, %v", len(data), entry.Row.Size, err)
	}
	return string(data), entry.Origin
}

func (c *Cluster) expect(t testing.TB, generate GenerateFunc, options GenerateOptions, text string, origin Origin) {
	t.Helper()
	if gotText, gotOrigin := c.get(t, generate, options); gotText != text || gotOrigin != origin {
		t.Errorf("%s %q, want %s %q", gotOrigin, gotText, origin, text)
	}
}

// noLock makes sure that a generation has ended, without leaving anything.
func (c *Cluster) noLock(t testing.TB) {
	t.Helper()
	if row, err := c.meta.Get(t.Context(), page+metadata.GeneratingSuffix); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the lock is still there: %+v, %v", row, err)
	}
	if body := c.body(t, page+metadata.GeneratingSuffix); body != "<none>" {
		t.Errorf("under the name of the lock lies %q", body)
	}
}

var viewCache = GenerateOptions{Scope: "viewcache", DataType: "misc"}

// otherLock makes another process generate the page.
func otherLock(t testing.TB, c *Cluster) metadata.GenerationLock {
	t.Helper()
	lock, err := c.meta.LockGeneration(t.Context(), metadata.Row{Name: page, Trunk: page + ".generating"}, c.now(), c.generationTimeout)
	if err != nil {
		t.Fatal(err)
	}
	return lock
}

func TestGenerateOnceThenHit(t *testing.T) {
	eachCluster(t, func(t *testing.T, c *Cluster) {
		var calls atomic.Int32
		c.expect(t, writes("one", &calls), viewCache, "one", Generated)
		c.expect(t, writes("two", &calls), viewCache, "one", Hit)
		row, err := c.Stat(t.Context(), page)
		if err != nil || row.Trunk != pageTrunk || row.Scope != "viewcache" || row.DataType != "misc" || row.Size != 3 || !row.Live() {
			t.Errorf("%+v, %v", row, err)
		}
		if _, err := c.ExpireTrunk(t.Context(), pageTrunk); err != nil {
			t.Fatal(err)
		}
		c.expect(t, writes("three", &calls), viewCache, "three", Generated)
		c.expect(t, writes("four", &calls), viewCache, "three", Hit)
		c.noLock(t)
		if n := calls.Load(); n != 2 {
			t.Errorf("%d generations", n)
		}
	})
}

func TestFresh(t *testing.T) {
	now := time.Unix(1000, 500)
	for _, c := range []struct {
		name   string
		o      GenerateOptions
		row    metadata.Row
		exists bool
		want   bool
	}{
		{"no row", GenerateOptions{}, metadata.Row{MTime: 1000}, false, false},
		{"live", GenerateOptions{}, metadata.Row{MTime: 1}, true, true},
		{"mtime 0", GenerateOptions{}, metadata.Row{}, true, false},
		{"expired", GenerateOptions{}, metadata.Row{MTime: -1000, Expired: true}, true, false},
		{"flag alone", GenerateOptions{}, metadata.Row{MTime: 1000, Expired: true}, true, false},
		{"within the TTL", GenerateOptions{TTL: 10 * time.Second}, metadata.Row{MTime: 990}, true, true},
		{"past the TTL", GenerateOptions{TTL: 10 * time.Second}, metadata.Row{MTime: 989}, true, false},
		{"of the expiry", GenerateOptions{Expiry: time.Unix(990, 0)}, metadata.Row{MTime: 990}, true, true},
		{"before the expiry", GenerateOptions{Expiry: time.Unix(990, 0)}, metadata.Row{MTime: 989}, true, false},
	} {
		if got := c.o.fresh(c.row, c.exists, now); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// While one generates, all others get the stale copy without waiting for it;
// who wants none of that, and who comes when there is none, gets what the one
// made.
func TestOneGeneratesOthersAreServed(t *testing.T) {
	for _, stale := range []bool{true, false} {
		t.Run(fmt.Sprintf("stale=%v", stale), func(t *testing.T) {
			c := newCluster(t)
			var calls atomic.Int32
			if stale {
				c.expect(t, writes("old", &calls), viewCache, "old", Generated)
				c.Expire(t.Context(), page)
			}
			started, finish := make(chan struct{}), make(chan struct{})
			var all sync.WaitGroup
			all.Go(func() {
				c.expect(t, func(_ context.Context, w io.Writer) error {
					close(started)
					<-finish
					_, err := io.WriteString(w, "new")
					return err
				}, viewCache, "new", Generated)
			})
			<-started
			if stale {
				for range 50 {
					c.expect(t, writes("no", &calls), viewCache, "old", Stale)
				}
			}
			waiting := viewCache
			waiting.NoStale = true
			for range 50 {
				all.Go(func() {
					if text, origin := c.get(t, writes("no", &calls), waiting); text != "new" || origin != Generated && origin != Hit {
						t.Errorf("%s %q", origin, text)
					}
				})
			}
			close(finish)
			all.Wait()
			if n := calls.Load(); stale && n != 1 || !stale && n != 0 {
				t.Errorf("%d other generations", n)
			}
			c.noLock(t)
		})
	}
}

// Somebody else generates, PHP perhaps.
func TestAnotherProcessGenerates(t *testing.T) {
	var calls atomic.Int32
	t.Run("stale", func(t *testing.T) {
		c := newCluster(t)
		c.expect(t, writes("old", &calls), viewCache, "old", Generated)
		c.Expire(t.Context(), page)
		otherLock(t, c)
		for range 3 {
			c.expect(t, writes("own", &calls), viewCache, "old", Stale)
		}
	})
	t.Run("generate own", func(t *testing.T) {
		c := newCluster(t)
		otherLock(t, c)
		options := viewCache
		options.Handling = GenerateOwn
		for range 2 {
			c.expect(t, writes("own", &calls), options, "own", Unstored)
		}
		if c.contents(t, page) != "<none>" {
			t.Error("it was stored")
		}
	})
	t.Run("handling of the settings", func(t *testing.T) {
		c := newCluster(t)
		c.staleHandling = map[string]string{"viewcache": "generate", "cacheblock": "wait"}
		for path, want := range map[string]Handling{
			page: GenerateOwn, "var/s/cache/template-block/x": Wait, "var/s/cache/x": Wait,
		} {
			if got := c.handling(path); got != want {
				t.Errorf("%s: %s", path, got)
			}
		}
	})
	t.Run("wait", func(t *testing.T) {
		c := newCluster(t)
		lock := otherLock(t, c)
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.expect(t, writes("own", &calls), viewCache, "theirs", Hit)
		}()
		// What the end of a generation by PHP comes to.
		row := c.mustStore(t, page, "theirs")
		if err := end(t.Context(), c, lock); err != nil {
			t.Error(err)
		}
		<-done
		if now, err := c.Stat(t.Context(), page); now.MTime != row.MTime || err != nil {
			t.Errorf("%+v, %v", now, err)
		}
	})
	t.Run("gives up", func(t *testing.T) {
		c := newCluster(t)
		lock := otherLock(t, c)
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.expect(t, writes("ours", &calls), viewCache, "ours", Generated)
		}()
		if err := end(t.Context(), c, lock); err != nil {
			t.Error(err)
		}
		<-done
	})
	t.Run("dies", func(t *testing.T) {
		clock := &testClock{}
		c := newCluster(t, WithClock(clock.now))
		otherLock(t, c)
		c.writeBody(t, page+metadata.GeneratingSuffix, "half of it")
		clock.advance(c.generationTimeout + 2*time.Second)
		c.expect(t, writes("ours", &calls), viewCache, "ours", Generated)
		c.noLock(t)
	})
}

func end(ctx context.Context, c *Cluster, lock metadata.GenerationLock) error {
	return c.meta.Update(ctx, func(tx *metadata.Tx) error {
		_, _, err := tx.EndGeneration(lock)
		return err
	})
}

// What was generated is of before the deletion and is shown, but not stored.
func TestDeletedWhileGenerated(t *testing.T) {
	for name, change := range map[string]func(ctx context.Context, c *Cluster) error{
		"path":   func(ctx context.Context, c *Cluster) error { return second64(c.Expire(ctx, page)) },
		"trunk":  func(ctx context.Context, c *Cluster) error { return second64(c.ExpireTrunk(ctx, pageTrunk)) },
		"prefix": func(ctx context.Context, c *Cluster) error { return second64(c.ExpirePrefix(ctx, "var/site/cache/")) },
		"scope":  func(ctx context.Context, c *Cluster) error { return second64(c.ExpireScope(ctx, "viewcache", "")) },
		"purge":  func(ctx context.Context, c *Cluster) error { return second64(c.Purge(ctx, page)) },
		"taken over": func(ctx context.Context, c *Cluster) error {
			_, err := c.meta.LockGeneration(ctx, metadata.Row{Name: page}, c.now().Add(time.Hour), c.generationTimeout)
			return err
		},
		"stored anew": func(ctx context.Context, c *Cluster) error {
			_, err := c.Store(ctx, page, strings.NewReader("another's"), StoreOptions{ModTime: c.now().Add(-time.Minute)})
			return err
		},
	} {
		for _, before := range []string{"missing", "expired", "live"} {
			if name == "path" && before == "expired" {
				// The row does not change; our own deletions still break the lock.
				t.Log("covered by the lock")
			}
			t.Run(name+" "+before, func(t *testing.T) {
				c := newCluster(t)
				options := viewCache
				if before != "missing" {
					if _, err := c.Store(t.Context(), page, strings.NewReader("old"), StoreOptions{Scope: "viewcache", ModTime: c.now().Add(-time.Hour)}); err != nil {
						t.Fatal(err)
					}
					options.TTL = time.Minute
				}
				if before == "expired" {
					c.Expire(t.Context(), page)
				}
				c.expect(t, func(ctx context.Context, w io.Writer) error {
					if err := change(ctx, c); err != nil {
						t.Error(err)
					}
					_, err := io.WriteString(w, "of before")
					return err
				}, options, "of before", Unstored)
				if text := c.contents(t, page); text == "of before" {
					t.Error("it was stored")
				}
			})
		}
	}
}

func second64(_ int64, err error) error { return err }

// A generator that fails, in whatever way, leaves neither file nor lock, and
// those who waited learn of it or try themselves.
func TestGeneratorFails(t *testing.T) {
	broken := errors.New("no template")
	var calls atomic.Int32
	for name, fail := range map[string]func(cancel context.CancelFunc) error{
		"error":     func(context.CancelFunc) error { return broken },
		"panic":     func(context.CancelFunc) error { panic(broken) },
		"cancelled": func(cancel context.CancelFunc) error { cancel(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t)
			c.mustStore(t, "var/site/storage/other", "so that the mount is not empty")
			started, joined := make(chan struct{}), make(chan struct{})
			var leader sync.WaitGroup
			leader.Go(func() {
				defer func() {
					if p := recover(); (p != nil) != (name == "panic") {
						t.Errorf("recovered %v", p)
					}
				}()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				_, err := c.GetOrGenerate(ctx, page, func(_ context.Context, w io.Writer) error {
					io.WriteString(w, "half of it")
					close(started)
					<-joined
					return fail(cancel)
				}, viewCache)
				if name == "error" && !errors.Is(err, broken) || name == "cancelled" && !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			})
			<-started
			var waiter sync.WaitGroup
			waiter.Go(func() {
				entry, err := c.GetOrGenerate(t.Context(), page, writes("second", &calls), viewCache)
				if name == "error" && errors.Is(err, broken) {
					return // it waited for the first
				}
				if err != nil {
					t.Error(err)
					return
				}
				if data, _ := entry.Bytes(); string(data) != "second" {
					t.Errorf("%q", data)
				}
			})
			close(joined)
			leader.Wait()
			waiter.Wait()
			c.noLock(t)
			if text := c.contents(t, page); text == "half of it" {
				t.Errorf("stored: %q", text)
			}
		})
	}
}

// A live row whose body is gone is a reason to generate, not an error.
func TestGenerateWhatLostItsBody(t *testing.T) {
	c := newCluster(t)
	c.mustStore(t, page, "gone")
	if err := c.stores.Delete(t.Context(), []string{page}); err != nil {
		t.Fatal(err)
	}
	var calls atomic.Int32
	c.expect(t, writes("new", &calls), viewCache, "new", Generated)
	c.expect(t, writes("newer", &calls), viewCache, "new", Hit)
}

// Contents beyond what the memory of a spool takes stream through a file.
func TestGenerateLarge(t *testing.T) {
	c := newCluster(t)
	body := string(noise(1, 3<<20))
	var calls atomic.Int32
	c.expect(t, func(ctx context.Context, w io.Writer) error {
		for chunk := range strings.SplitSeq(body, body[:1]) {
			if _, err := io.WriteString(w, chunk); err != nil {
				return err
			}
		}
		return nil
	}, viewCache, strings.ReplaceAll(body, body[:1], ""), Generated)
	c.expect(t, writes("no", &calls), viewCache, strings.ReplaceAll(body, body[:1], ""), Hit)
}

// What cannot be stored can be shown.
func TestGenerateWithoutAStore(t *testing.T) {
	s := nfsSettings(t, "sqlite")
	createSchema(t, s)
	store := backendtest.NewMemory("broken")
	store.SetDown(true)
	c := newOver(t, s, store)
	var calls atomic.Int32
	c.expect(t, writes("shown", &calls), viewCache, "shown", Unstored)
	store.SetDown(false)
	c.noLock(t)
}

// Waiting ends with its context.
func TestWaitingHeedsItsContext(t *testing.T) {
	c := newCluster(t)
	otherLock(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	var calls atomic.Int32
	if _, err := c.GetOrGenerate(ctx, page, writes("", &calls), viewCache); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestGenerateRefusesBadPaths(t *testing.T) {
	c := newCluster(t)
	for _, path := range []string{"", "/etc/passwd", "var/../x"} {
		if _, err := c.GetOrGenerate(t.Context(), path, nil, viewCache); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%q: %v", path, err)
		}
	}
	long := viewCache
	long.Scope = strings.Repeat("x", 300)
	if _, err := c.GetOrGenerate(t.Context(), page, nil, long); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("a scope that does not fit: %v", err)
	}
}

// The low-level calls, as a program uses them that does its own waiting.
func TestGenerationByHand(t *testing.T) {
	c := newCluster(t)
	g, err := c.StartGeneration(t.Context(), page, StoreOptions{Scope: "viewcache"})
	if err != nil {
		t.Fatal(err)
	}
	if _, exists := g.Current(); exists {
		t.Error("there was no file")
	}
	busy, ok := errors.AsType[*GeneratingError](second2(c.StartGeneration(t.Context(), page, StoreOptions{})))
	if !ok || busy.Remaining <= 0 || busy.Remaining > c.generationTimeout || busy.Name != page {
		t.Errorf("%+v", busy)
	}
	if err := g.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := g.End(t.Context(), strings.NewReader("done")); err != nil || c.contents(t, page) != "done" {
		t.Errorf("%v, %q", err, c.contents(t, page))
	}
	if err := g.Check(t.Context()); !errors.Is(err, ErrGenerationLost) {
		t.Errorf("after its end: %v", err)
	}
	g, err = c.StartGeneration(t.Context(), page, StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(g.Abort(t.Context()), g.Abort(t.Context())); err != nil {
		t.Error(err)
	}
	c.noLock(t)
}

func second2(_ *Generation, err error) error { return err }

// Notes of what others generate stay bounded.
func TestAwayIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f flights
		for i := range maxAway + 10 {
			f.setAway(fmt.Sprint(i), time.Now().Add(time.Second), time.Now())
		}
		if len(f.away) != maxAway || !f.isAway("1", time.Now()) {
			t.Errorf("%d notes", len(f.away))
		}
		time.Sleep(2 * time.Second)
		if f.isAway("1", time.Now()) {
			t.Error("an old note counts")
		}
		for i := range 2 {
			f.setAway(fmt.Sprint("new", i), time.Now().Add(time.Second), time.Now())
		}
		if len(f.away) != 2 {
			t.Errorf("%d notes are left", len(f.away))
		}
	})
}
