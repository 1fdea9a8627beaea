package cluster

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/backends/backendtest"
	"example.com/ezdfs/localcache"
	"example.com/ezdfs/settings"
)

// counted is a store that counts how often a body is opened.
type counted struct {
	*backendtest.Memory
	opens atomic.Int32
	hang  atomic.Bool // an Open ends with its context
}

func (s *counted) Open(ctx context.Context, path string, offset, length int64) (backends.Reader, error) {
	s.opens.Add(1)
	if s.hang.Load() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return s.Memory.Open(ctx, path, offset, length)
}

// host is a cluster with local copies, over a store of its own counting.
type host struct {
	*Cluster
	store *counted
	dir   string
}

// site is what the hosts of these tests share.
type site struct {
	settings settings.Settings
	store    *backendtest.Memory
	clock    testClock
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := nfsSettings(t, "sqlite")
	createSchema(t, s)
	return &site{settings: s, store: backendtest.NewMemory("shared")}
}

// host opens another host, whose clock is the site's.
func (s *site) host(t *testing.T, local localcache.Options) *host {
	t.Helper()
	h := &host{store: &counted{Memory: s.store}, dir: local.Dir}
	h.Cluster = newOver(t, s.settings, h.store)
	h.now, local.Now = s.clock.now, s.clock.now
	local.Skew = -1
	var err error
	if h.local, err = localcache.Open(local); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.local.Close() })
	return h
}

func onDisk(t *testing.T) localcache.Options {
	return localcache.Options{Dir: filepath.Join(t.TempDir(), "copies"), MaxSize: 1 << 30}
}

// opened expects that the store was asked so many times since the last call.
func (h *host) opened(t *testing.T, want int32) {
	t.Helper()
	if got := h.store.opens.Swap(0); got != want {
		t.Errorf("the store was asked %d times for a body, want %d", got, want)
	}
}

// generate makes the page say something else.
func (h *host) generate(t *testing.T, text string) {
	t.Helper()
	if _, err := h.Expire(t.Context(), page); err != nil {
		t.Fatal(err)
	}
	h.expect(t, writes(text, new(atomic.Int32)), viewCache, text, Generated)
}

// A body is fetched once, whoever asks at the same time, and by the processes
// that come later not at all.
func TestLocalCopyIsFetchedOnce(t *testing.T) {
	disk := onDisk(t)
	both := onDisk(t)
	both.MemorySize = 32 << 20
	for name, local := range map[string]localcache.Options{
		"memory": {MemorySize: 32 << 20}, "disk": disk, "both": both,
	} {
		t.Run(name, func(t *testing.T) {
			site := newSite(t)
			a, b := site.host(t, local), site.host(t, localcache.Options{})
			b.generate(t, "one")
			site.clock.advance(10 * time.Second)
			var all sync.WaitGroup
			for range 16 {
				all.Go(func() {
					for range 5 {
						a.expect(t, nil, viewCache, "one", Hit)
					}
				})
			}
			all.Wait()
			a.opened(t, 1)
			b.expect(t, nil, viewCache, "one", Hit)
			b.expect(t, nil, viewCache, "one", Hit)
			b.opened(t, 2)
			if local.Dir != "" {
				a.local.Close()
				later := site.host(t, local)
				later.expect(t, nil, viewCache, "one", Hit)
				later.opened(t, 0)
			}
		})
	}
}

// A copy of what another process has replaced is not shown, even when the two
// are equally long and of the same second.
func TestLocalCopyOfWhatAnotherChanged(t *testing.T) {
	site := newSite(t)
	a, b := site.host(t, onDisk(t)), site.host(t, localcache.Options{})
	b.generate(t, "one")
	site.clock.advance(10 * time.Second)
	a.expect(t, nil, viewCache, "one", Hit)
	a.opened(t, 1)

	b.generate(t, "two")
	a.expect(t, nil, viewCache, "two", Hit)
	second := time.Now().Add(time.Duration(site.clock.offset.Load())).Truncate(time.Second)
	if _, err := b.Store(t.Context(), page, strings.NewReader("222"), StoreOptions{Scope: "viewcache", ModTime: second}); err != nil {
		t.Fatal(err)
	}
	a.expect(t, nil, viewCache, "222", Hit)
	// Its row does not show this change.
	if _, err := b.Store(t.Context(), page, strings.NewReader("333"), StoreOptions{Scope: "viewcache", ModTime: second}); err != nil {
		t.Fatal(err)
	}
	a.expect(t, nil, viewCache, "333", Hit)
	a.opened(t, 3) // none could be kept
	site.clock.advance(10 * time.Second)
	for range 3 {
		a.expect(t, nil, viewCache, "333", Hit)
	}
	a.opened(t, 1)
}

// While another process generates, what is shown comes from the copy: of an
// expired row, and when row and body were purged.
func TestLocalCopyIsServedStale(t *testing.T) {
	for name, end := range map[string]func(h *host) error{
		"expired": func(h *host) error { return second64(h.Expire(context.Background(), page)) },
		"trunk":   func(h *host) error { return second64(h.ExpireTrunk(context.Background(), pageTrunk)) },
		"purged":  func(h *host) error { return second64(h.Purge(context.Background(), page)) },
	} {
		t.Run(name, func(t *testing.T) {
			site := newSite(t)
			a, b := site.host(t, onDisk(t)), site.host(t, localcache.Options{})
			b.generate(t, "one")
			site.clock.advance(10 * time.Second)
			a.expect(t, nil, viewCache, "one", Hit)
			a.opened(t, 1)
			if err := end(b); err != nil {
				t.Fatal(err)
			}
			lock := otherLock(t, b.Cluster)
			for range 3 {
				entry, err := a.GetOrGenerate(t.Context(), page, nil, viewCache)
				if err != nil {
					t.Fatal(err)
				}
				if entry.Row.Live() || entry.Row.Name != page {
					t.Errorf("%+v", entry.Row)
				}
				if data, err := entry.Bytes(); string(data) != "one" || entry.Origin != Stale || err != nil {
					t.Errorf("%s %q, %v", entry.Origin, data, err)
				}
			}
			a.opened(t, 0)
			if err := b.meta.UnlockGeneration(t.Context(), lock); err != nil {
				t.Fatal(err)
			}
			site.clock.advance(10 * time.Second)
			b.generate(t, "two")
			a.expect(t, nil, viewCache, "two", Hit)
			a.opened(t, 1)
		})
	}
}

// An expired body that was not copied yet is, once: it may be shown for long.
func TestLocalCopyOfAnExpiredBody(t *testing.T) {
	site := newSite(t)
	a, b := site.host(t, onDisk(t)), site.host(t, localcache.Options{})
	b.generate(t, "one")
	site.clock.advance(10 * time.Second)
	if _, err := b.Expire(t.Context(), page); err != nil {
		t.Fatal(err)
	}
	otherLock(t, b.Cluster)
	for range 5 {
		a.expect(t, nil, viewCache, "one", Stale)
	}
	a.opened(t, 1)
}

// What may be shown meanwhile is not worth waiting for a store that is down.
func TestOldLocalCopyIsServedWithoutWaiting(t *testing.T) {
	site := newSite(t)
	a, b := site.host(t, onDisk(t)), site.host(t, localcache.Options{})
	a.patience = time.Hour
	b.generate(t, "one")
	site.clock.advance(10 * time.Second)
	a.expect(t, nil, viewCache, "one", Hit)
	b.generate(t, "two")
	site.clock.advance(10 * time.Second)
	if _, err := b.Expire(t.Context(), page); err != nil {
		t.Fatal(err)
	}
	otherLock(t, b.Cluster)
	site.store.SetDown(true)
	a.expect(t, nil, viewCache, "one", Stale)
}

// Where there can be no copy a body is read once for each who asks, not twice.
func TestLocalDirectoryBroken(t *testing.T) {
	site := newSite(t)
	local := onDisk(t)
	a, b := site.host(t, local), site.host(t, localcache.Options{})
	large := strings.Repeat("large", 100_000)
	b.generate(t, large)
	site.clock.advance(10 * time.Second)
	temp := filepath.Join(local.Dir, "tmp")
	if err := errors.Join(os.RemoveAll(local.Dir), os.WriteFile(local.Dir, nil, 0o666)); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		a.expect(t, nil, viewCache, large, Hit)
	}
	a.opened(t, 3)
	// It is used again once it can be.
	if err := errors.Join(os.Remove(local.Dir), os.Mkdir(local.Dir, 0o777)); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		a.expect(t, nil, viewCache, large, Hit)
	}
	a.opened(t, 1)
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left in tmp: %v, %v", left, err)
	}
}

// A transfer goes on without the one who asked first, and ends with the
// cluster.
func TestCloseEndsTransfers(t *testing.T) {
	site := newSite(t)
	a, b := site.host(t, onDisk(t)), site.host(t, localcache.Options{})
	b.generate(t, "one")
	site.clock.advance(10 * time.Second)
	a.store.hang.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	var reader sync.WaitGroup
	reader.Go(func() {
		if _, err := a.GetOrGenerate(ctx, page, nil, viewCache); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	for a.store.opens.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	reader.Wait()
	if err := a.Close(); err != nil { // waits for the transfer, which only Close ends
		t.Error(err)
	}
}

// Who joins a generation after a deletion that broke it, and wants nothing
// stale, does not get what is of before the deletion.
func TestJoinAfterADeletion(t *testing.T) {
	c := newCluster(t)
	started, finish := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		c.expect(t, func(_ context.Context, w io.Writer) error {
			close(started)
			<-finish
			_, err := io.WriteString(w, "of before")
			return err
		}, viewCache, "of before", Unstored)
	})
	<-started
	if _, err := c.ExpireTrunk(t.Context(), pageTrunk); err != nil {
		t.Fatal(err)
	}
	late := viewCache
	late.NoStale = true
	var calls atomic.Int32
	for range 10 {
		all.Go(func() {
			if text, _ := c.get(t, writes("new", &calls), late); text != "new" {
				t.Errorf("%q", text)
			}
		})
	}
	for c.flights.callers(page) < 11 {
		time.Sleep(time.Millisecond)
	}
	close(finish)
	all.Wait()
	if n := calls.Load(); n != 1 {
		t.Errorf("%d generations after the deletion", n)
	}
	c.noLock(t)
}

func (f *flights) callers(name string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if one := f.open[name]; one != nil {
		return one.callers
	}
	return 0
}
