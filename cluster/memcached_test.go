package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/ezdfs/internal/testservice"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// withMemcached makes the clusters of settings keep rows in a memcached.
func withMemcached(s settings.Settings, m *testservice.Memcached, shared bool) settings.Settings {
	s.Events.Enabled, s.Events.Listener = true, "eZMemcachedClusterEventListener"
	s.Memcached.Servers, s.Memcached.SharedWithPHP = []string{m.Addr}, shared
	s.Memcached.TTL = time.Hour
	s.Memcached.Timeout = time.Minute // an answer that is late is one that is missing
	s.Changes.Source = "none"
	return s
}

// version of a row: stored n times it is 2n, and 2n+1 once it expired.
func version(row metadata.Row) (v int) {
	fmt.Sscanf(row.DataType, "v/%d", &v)
	if !row.Live() {
		return 2*v + 1
	}
	return 2 * v
}

// history is what became of one path, which one host alone changes.
type history struct {
	path string
	mu   sync.Mutex
	at   []time.Time // by version, when it was published
}

func (h *history) published(v int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.at) <= v {
		h.at = append(h.at, time.Now())
	}
}

// newest returns the newest version that was published before a time.
func (h *history) newest(before time.Time) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	v := len(h.at) - 1
	for v > 0 && h.at[v].After(before) {
		v--
	}
	return v
}

// load is two hosts that read everything and each change their own paths.
type load struct {
	hosts []*Cluster
	paths []*history // path i is changed by host i%2
	ttl   time.Duration

	ops  atomic.Int64
	stop atomic.Bool
	all  sync.WaitGroup
}

func (l *load) run(t *testing.T) {
	for i, h := range l.paths {
		l.all.Go(func() {
			for n := 1; !l.stop.Load(); n++ {
				if err := l.change(t.Context(), l.hosts[i%2], h, n); err != nil {
					t.Errorf("change %s: %v", h.path, err)
				}
			}
		})
	}
	for who, c := range l.hosts {
		for range 4 {
			l.all.Go(func() {
				for n := 0; !l.stop.Load(); n++ {
					i := n % len(l.paths)
					if err := l.read(t.Context(), c, l.paths[i], i%2 == who); err != nil {
						t.Errorf("host %d: read %s: %v", who, l.paths[i].path, err)
					}
				}
			})
		}
	}
}

// change stores a path and expires it, in one way or another.
func (l *load) change(ctx context.Context, c *Cluster, h *history, n int) error {
	if err := c.put(ctx, h.path, "viewcache", fmt.Sprint("v/", n)); err != nil {
		return err
	}
	h.published(2 * n)
	trunk := c.meta.Layout().Trunk(h.path, "viewcache")
	err := []func() error{
		func() error { return second64(c.Expire(ctx, h.path)) },
		func() error { return second64(c.ExpireTrunk(ctx, trunk)) },
		func() error { return second64(c.ExpirePrefix(ctx, h.path)) },
	}[n%3]()
	if err == nil {
		h.published(2*n + 1)
	}
	l.ops.Add(1)
	return err
}

// read makes sure that what is seen is not older than it may be: for who
// changes the path, nothing that was published before the question; for the
// other, what memcached may hold at most.
func (l *load) read(ctx context.Context, c *Cluster, h *history, own bool) error {
	least := h.newest(time.Now())
	if !own {
		least = h.newest(time.Now().Add(-l.ttl))
	}
	row, err := c.Stat(ctx, h.path)
	if errors.Is(err, fs.ErrNotExist) && least < 2 {
		return nil
	}
	if err == nil && version(row) < least {
		err = fmt.Errorf("own %v: version %d, but %d was published before", own, version(row), least)
	}
	l.ops.Add(1)
	return err
}

// goOn waits until the load has made so many steps.
func (l *load) goOn(steps int64) {
	for until := l.ops.Load() + steps; l.ops.Load() < until; {
		time.Sleep(time.Millisecond)
	}
}

// memcached is killed, restarted empty, and stopped for a while, under load:
// nothing fails, and nobody reads what is older than it may be.
func TestMemcachedComesAndGoes(t *testing.T) {
	for _, shared := range []bool{true, false} {
		t.Run(fmt.Sprintf("shared with PHP=%v", shared), func(t *testing.T) {
			m := testservice.StartMemcached(t)
			s := withMemcached(nfsSettings(t, "mariadb"), m, shared)
			s.Memcached.TTL = time.Second
			s.Memcached.Timeout = 500 * time.Millisecond // each time that it hangs
			createSchema(t, s)
			// memcached counts in seconds, and by a clock that ticks.
			l := &load{hosts: []*Cluster{open(t, s), open(t, s)}, ttl: s.Memcached.TTL + 2*time.Second}
			for i := range 6 {
				l.paths = append(l.paths, &history{path: fmt.Sprintf("var/site/cache/content/site/%d-a.cache", i), at: make([]time.Time, 1)})
			}
			l.run(t)
			l.goOn(500)
			for range 2 {
				m.Kill()
				l.goOn(500)
				m.Start(t)
				l.goOn(500)
				m.Pause(t)
				l.goOn(200)
				m.Resume(t)
				l.goOn(500)
			}
			l.stop.Store(true)
			l.all.Wait()
			for _, c := range l.hosts {
				if stats := c.Listeners(); stats[0].Listener != "memcached" || stats[0].Dropped > 0 {
					t.Errorf("%+v", stats)
				}
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			}
			t.Logf("%d steps", l.ops.Load())
		})
	}
}

// held returns two hosts of which the first has put the row of a path into
// memcached, and the database another row that nobody was told of.
func held(t *testing.T, shared bool) (s settings.Settings, a, b *Cluster) {
	t.Helper()
	s = withMemcached(nfsSettings(t, "mariadb"), testservice.StartMemcached(t), shared)
	// The feed brings every change back to its own host as well, which drops the
	// row once more. Here memcached alone has to carry what changes.
	s.Changes.Source = "none"
	createSchema(t, s)
	a, b = open(t, s), open(t, s)
	frontend := connect(t, s)
	// A row that is read before memcached has heard of the change is not kept, and one
	// read after that is kept a moment later: until then the database answers.
	began := time.Now()
	for moment := time.Millisecond; time.Since(began) < waitLimit; moment *= 2 {
		if err := a.put(t.Context(), image, "image", "known"); err != nil {
			t.Fatal(err)
		}
		for a.Listeners()[0].Pending > 0 {
			time.Sleep(time.Millisecond)
		}
		sees(t, a, image, "known")
		time.Sleep(moment)
		if _, err := frontend.ExecContext(t.Context(), "UPDATE ezdfsfile SET datatype = 'unheard'"); err != nil {
			t.Fatal(err)
		}
		row, err := b.Stat(t.Context(), image)
		if err != nil {
			t.Fatal(err)
		}
		if row.DataType == "known" {
			return s, a, b
		}
	}
	t.Fatal("memcached is not asked")
	return s, a, b
}

// Hosts serve each other's rows, and drop them when one of them changes the
// file; a command asks nobody, and what it changes they drop too.
func TestHostsShareMemcached(t *testing.T) {
	for _, shared := range []bool{true, false} {
		for name, change := range map[string]func(t *testing.T, s settings.Settings, b *Cluster){
			"host": func(t *testing.T, _ settings.Settings, b *Cluster) {
				if err := b.put(t.Context(), image, "image", "changed"); err != nil {
					t.Fatal(err)
				}
				sees(t, b, image, "changed")
			},
			"command": func(t *testing.T, s settings.Settings, _ *Cluster) {
				c := open(t, s, ForOneCommand())
				if row, err := c.Stat(t.Context(), image); err != nil || row.DataType != "unheard" {
					t.Errorf("a command believes memcached: %+v, %v", row, err)
				}
				if _, err := c.Store(t.Context(), image, strings.NewReader("!"), StoreOptions{DataType: "changed"}); err != nil {
					t.Error(err)
				}
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			},
		} {
			t.Run(fmt.Sprintf("shared with PHP=%v/%s", shared, name), func(t *testing.T) {
				s, a, b := held(t, shared)
				change(t, s, b)
				t.Logf("seen after %v", sees(t, a, image, "changed"))
			})
		}
	}
}
