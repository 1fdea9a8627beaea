package delivery

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"example.com/ezdfs/cdn"
	"example.com/ezdfs/changes/journal"
	"example.com/ezdfs/metadata"
)

// counting is a target that takes everything and notes how long that took since
// the change: the time is told by the size of the row, in microseconds.
type counting struct {
	fake
	mu    sync.Mutex
	lags  []time.Duration
	calls int
}

func (c *counting) Deliver(_ context.Context, batch []cdn.Item) []error {
	now := time.Now().UnixMicro()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	for _, i := range batch {
		c.lags = append(c.lags, time.Duration(now-i.Row.Size)*time.Microsecond)
	}
	return make([]error, len(batch))
}

// BenchmarkChanges has changes come at 1,000 a second, each of another path in
// a transaction of ten, for 3 seconds, or a minute with DFS_TEST_LONG=1, to 3
// targets, and reports how late they hear of it.
func BenchmarkChanges(b *testing.B) {
	const rate, each = 1000, 10
	seconds := 3
	if os.Getenv("DFS_TEST_LONG") != "" {
		seconds = 60
	}
	for b.Loop() {
		store := openStore(b, mysqlConfig(b))
		source, err := journal.Open(b.Context(), store, journal.Options{PollInterval: 20 * time.Millisecond, Retention: time.Hour})
		if err != nil {
			b.Fatal(err)
		}
		var targets []cdn.Target
		var all []*counting
		for i := range 3 {
			c := &counting{fake: *cache(fmt.Sprint("t:", i)), lags: make([]time.Duration, 0, 2*rate*seconds)}
			all, targets = append(all, c), append(targets, c)
		}
		stop := run(b, pipeline(b, store, Options{}, []Rule{{Targets: "t:0,t:1,t:2"}}, targets...), source)
		var before, after runtime.MemStats
		began := time.Now()
		for n := 0; n < rate*seconds; n += each {
			store1(b, store, n, each)
			if n == rate {
				runtime.GC()
				runtime.ReadMemStats(&before)
			}
			if ahead := time.Duration(n+each)*time.Second/rate - time.Since(began); ahead > 0 {
				time.Sleep(ahead)
			}
		}
		written := time.Since(began)
		until(b, "all is delivered", func() bool {
			return !slices.ContainsFunc(all, func(c *counting) bool { c.mu.Lock(); defer c.mu.Unlock(); return len(c.lags) < rate*seconds })
		})
		delivered := time.Since(began)
		runtime.GC()
		runtime.ReadMemStats(&after)
		stop()
		source.Close()
		var lags []time.Duration
		calls := 0
		for _, c := range all {
			lags = append(lags, c.lags...)
			calls += c.calls
		}
		slices.Sort(lags)
		at := func(q float64) float64 { return lags[int(q*float64(len(lags)-1))].Seconds() * 1000 }
		b.ReportMetric(float64(rate*seconds)/written.Seconds(), "written/s")
		b.ReportMetric(float64(rate*seconds)/delivered.Seconds(), "changes/s")
		b.ReportMetric(at(.5), "p50-ms")
		b.ReportMetric(at(.99), "p99-ms")
		b.ReportMetric(float64(calls)/3, "calls/target")
		b.ReportMetric((float64(after.HeapAlloc)-float64(before.HeapAlloc))/1e6, "heap-growth-MB")
	}
}

// store1 stores paths anew in one transaction; their sizes are the time.
func store1(b *testing.B, store *metadata.Store, first, n int) {
	err := store.Update(b.Context(), func(tx *metadata.Tx) error {
		var rows []metadata.Row
		var list []metadata.Change
		for i := range n {
			path := fmt.Sprint("var/s/storage/images/", first+i)
			rows = append(rows, metadata.Row{Name: path, Trunk: path, Scope: "image", DataType: "image/png", Size: time.Now().UnixMicro(), MTime: 1_700_000_000})
			list = append(list, metadata.Change{Kind: metadata.KindStore, Subject: path, Scope: "image"})
		}
		if err := tx.Upsert(rows...); err != nil {
			return err
		}
		return tx.Record(list...)
	})
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkBacklog drains what has gathered for one target.
func BenchmarkBacklog(b *testing.B) {
	const n = 20_000
	for b.Loop() {
		store := openStore(b, mysqlConfig(b))
		target := &counting{fake: *cache("t:a")}
		p := pipeline(b, store, Options{}, []Rule{{Targets: "t:a"}}, target)
		var names []string
		for i := range n {
			names = append(names, fmt.Sprint("var/s/storage/images/", i))
		}
		began := time.Now()
		if _, err := p.Enqueue(b.Context(), "", cdn.Invalidate, cdn.Path, names...); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(n/time.Since(began).Seconds(), "enqueued/s")
		began = time.Now()
		stop := run(b, p, nil)
		until(b, "all is delivered", func() bool { target.mu.Lock(); defer target.mu.Unlock(); return len(target.lags) >= n })
		b.ReportMetric(n/time.Since(began).Seconds(), "delivered/s")
		stop()
	}
}
