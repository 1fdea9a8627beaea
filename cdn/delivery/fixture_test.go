package delivery

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"testing"
	"time"

	"example.com/ezdfs/cdn"
	"example.com/ezdfs/changes"
	"example.com/ezdfs/metadata"
)

// patience is how long a test waits for what must come; it only ends a test
// that has failed.
const patience = time.Minute

var testLayout = metadata.Layout{VarDir: "var/s", CacheDir: "cache", StorageDir: "storage", CacheTable: "ezdfsfile_cache"}

// newStore opens a fresh SQLite store with its tables.
func newStore(tb testing.TB) *metadata.Store {
	tb.Helper()
	return openStore(tb, metadata.Config{Engine: metadata.SQLite, Name: tb.TempDir() + "/cluster.db", Create: true})
}

// mysqlConfig names a fresh database.
func mysqlConfig(tb testing.TB) metadata.Config {
	return metadata.Config{Engine: metadata.MySQL, Name: maria.Database(tb), Socket: maria.Socket(), User: "root"}
}

func openStore(tb testing.TB, c metadata.Config) *metadata.Store {
	tb.Helper()
	c.ConnectRetries, c.ExecuteRetries, c.Hostname, c.Layout = 3, 20, "host1", testLayout
	store, err := metadata.Open(tb.Context(), c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { store.Close() })
	if err := store.CreateSchema(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	return store
}

// fake is a target that fails on demand and remembers what it was told.
type fake struct {
	name   string
	limits cdn.Limits

	mu    sync.Mutex
	fail  func(cdn.Item) error // nil for nothing
	calls [][]cdn.Item         // that were made, failed ones included
	took  []cdn.Item
	hook  func(ctx context.Context)
}

var _ cdn.Target = (*fake)(nil)

// cache is a target that forgets; it takes families of the extents given.
func cache(name string, extents ...cdn.Extent) *fake {
	return &fake{name: name, limits: cdn.Limits{Actions: []cdn.Action{cdn.Invalidate}, Extents: extents}}
}

// origin is a target that takes bodies.
func origin(name string) *fake {
	return &fake{name: name, limits: cdn.Limits{Actions: []cdn.Action{cdn.Push, cdn.Invalidate}}}
}

func (f *fake) Name() string                         { return f.name }
func (f *fake) Limits() cdn.Limits                   { return f.limits }
func (f *fake) Test(context.Context) (string, error) { return "fine", nil }
func (f *fake) Close() error                         { return nil }

func (f *fake) Deliver(ctx context.Context, batch []cdn.Item) []error {
	f.mu.Lock()
	hook := f.hook
	f.mu.Unlock()
	if hook != nil {
		hook(ctx)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, slices.Clone(batch))
	errs := make([]error, len(batch))
	for i, item := range batch {
		if f.fail != nil {
			errs[i] = f.fail(item)
		}
		if errs[i] == nil {
			f.took = append(f.took, item)
		}
	}
	return errs
}

// failing makes it fail from now on; nil ends that.
func (f *fake) failing(fail func(cdn.Item) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = fail
}

// unavailable is what a target says that is down.
func (f *fake) unavailable(cdn.Item) error {
	return &cdn.Error{Target: f.name, Kind: cdn.ErrUnavailable, Reason: "down"}
}

// told lists what it took, as text.
func (f *fake) told() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []string
	for _, i := range f.took {
		list = append(list, fmt.Sprintf("%s %s %s", i.Action, i.Extent, i.Subject))
	}
	return list
}

func (f *fake) callCount() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.calls)
}

// script is a change feed that a test writes.
type script struct {
	mu      sync.Mutex
	entries []changes.Change
	news    chan struct{} // closed when there is more
	lost    bool          // the next stream is
}

var _ changes.Source = (*script)(nil)

func newScript() *script { return &script{news: make(chan struct{})} }

func (s *script) Name() string { return "script" }
func (s *script) Close() error { return nil }

func (s *script) Head(context.Context) (changes.Position, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return changes.Position(fmt.Sprint("script:", len(s.entries))), nil
}

// add makes changes.
func (s *script) add(list ...changes.Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range list {
		c.Position = changes.Position(fmt.Sprint("script:", len(s.entries)+1))
		if c.Time.IsZero() {
			c.Time = time.Now()
		}
		if c.Hash == "" && !c.Kind.Family() {
			c.Hash = metadata.Hash(c.Subject)
		}
		s.entries = append(s.entries, c)
	}
	close(s.news)
	s.news = make(chan struct{})
}

func (s *script) Changes(ctx context.Context, after changes.Position, _ bool) iter.Seq2[changes.Change, error] {
	return func(yield func(changes.Change, error) bool) {
		var next int
		fmt.Sscanf(string(after), "script:%d", &next)
		for ; ; next++ {
			s.mu.Lock()
			news, lost, entries := s.news, s.lost, s.entries
			s.lost = false
			s.mu.Unlock()
			if lost {
				yield(changes.Change{}, &changes.LostError{Source: "script", Position: after, Reason: "forgotten"})
				return
			}
			if next < len(entries) {
				if !yield(entries[next], nil) {
					return
				}
				continue
			}
			next--
			select {
			case <-ctx.Done():
				return
			case <-news:
			}
		}
	}
}

// stored is a change of a path.
func stored(path string) changes.Change {
	return changes.Change{Kind: metadata.KindStore, Subject: path, Scope: "image"}
}

func kind(k metadata.Kind, subject string) changes.Change {
	return changes.Change{Kind: k, Subject: subject}
}

// quick are options with which a test need not wait. Only who died loses the
// lease.
func quick() Options {
	return Options{Lease: 30 * time.Second, Poll: 10 * time.Millisecond, Linger: time.Millisecond, MinBackoff: time.Millisecond,
		MaxBackoff: 20 * time.Millisecond, BreakerDelay: 10 * time.Millisecond, Grace: time.Second}
}

// pipeline makes a pipeline of targets.
func pipeline(tb testing.TB, store *metadata.Store, o Options, rules []Rule, targets ...cdn.Target) *Pipeline {
	tb.Helper()
	r, err := NewRules(rules)
	if err != nil {
		tb.Fatal(err)
	}
	p, err := New(store, targets, r, o)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// run runs a pipeline until the test, or the function that it returns, ends
// it. It has a position when run returns.
func run(tb testing.TB, p *Pipeline, source changes.Source) (stop func()) {
	tb.Helper()
	ctx, cancel := context.WithCancel(tb.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx, source) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			tb.Error(err)
		}
	})
	tb.Cleanup(stop)
	if source != nil {
		until(tb, "the feed has a position", func() bool {
			owner, position, err := p.store.DeliveryFeed(ctx)
			return err == nil && owner != "" && position != ""
		})
	}
	return stop
}

// until waits for a condition.
func until(tb testing.TB, what string, met func() bool) {
	tb.Helper()
	for end := time.Now().Add(patience); !met(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatalf("it never came about that %s", what)
		}
	}
}

// drained waits until nothing is pending.
func drained(tb testing.TB, store *metadata.Store) {
	tb.Helper()
	until(tb, "nothing is pending", func() bool {
		stats, err := store.DeliveryStats(context.WithoutCancel(tb.Context()))
		return err == nil && !slices.ContainsFunc(stats, func(s metadata.DeliveryStats) bool { return s.Pending > 0 })
	})
}

// states counts the ledger's rows by state.
func states(tb testing.TB, store *metadata.Store, target string) map[metadata.DeliveryState]int {
	tb.Helper()
	counts := make(map[metadata.DeliveryState]int)
	for d, err := range store.Deliveries(tb.Context(), metadata.DeliveryFilter{Target: target}) {
		if err != nil {
			tb.Fatal(err)
		}
		counts[d.State]++
	}
	return counts
}

// put stores rows.
func put(tb testing.TB, store *metadata.Store, names ...string) {
	tb.Helper()
	var rows []metadata.Row
	for _, name := range names {
		rows = append(rows, metadata.Row{Name: name, Trunk: store.Layout().Trunk(name, "image"), Scope: "image", DataType: "image/png", Size: 7, MTime: 1_700_000_000})
	}
	if err := store.Update(tb.Context(), func(tx *metadata.Tx) error { return tx.Upsert(rows...) }); err != nil {
		tb.Fatal(err)
	}
}

// want compares lists regardless of order.
func want(tb testing.TB, got []string, expected ...string) {
	tb.Helper()
	slices.Sort(got)
	slices.Sort(expected)
	if !slices.Equal(got, expected) {
		tb.Errorf("got  %q\nwant %q", got, expected)
	}
}
