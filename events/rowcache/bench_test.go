package rowcache_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"example.com/ezdfs/events"
	"example.com/ezdfs/events/rowcache"
	"example.com/ezdfs/metadata"
)

const benchRows = 100_000

func benchName(i int) string {
	return fmt.Sprintf("var/site/cache/content/site/%d-full-%d.cache", i/10, i)
}

// benchCache returns a full cache behind a hub, with the names it knows.
func benchCache(b *testing.B) (*rowcache.Cache, *events.Hub, []string) {
	cache := rowcache.New(rowcache.Options{TTL: time.Hour, NegativeTTL: time.Hour, MaxEntries: 2 * benchRows})
	names := make([]string, benchRows)
	for i := range names {
		names[i] = benchName(i)
		row := testRow(names[i], fmt.Sprintf("var/site/cache/content/site/%d-", i/10), "viewcache")
		read(cache, time.Now(), 0, row)
	}
	hub := events.New([]events.Listener{cache}, events.Options{})
	b.Cleanup(func() { hub.Close(context.WithoutCancel(b.Context())) })
	return cache, hub, names
}

// query answers as a database would that costs nothing.
func query(name string) events.Query {
	row := testRow(name, name, "viewcache")
	return func(context.Context) (metadata.Row, error) { return row, nil }
}

// BenchmarkStat reads rows: from SQLite, and through a cache that knows them
// all, knows none, or loses a family between any two reads.
func BenchmarkStat(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) {
		store, names := benchStore(b)
		parallel(b, func(i int) error {
			_, err := store.Get(b.Context(), names[i%len(names)])
			return err
		})
	})
	b.Run("hit", func(b *testing.B) {
		_, hub, names := benchCache(b)
		none := query("none")
		parallel(b, func(i int) error {
			_, err := hub.Load(b.Context(), names[i%len(names)], none)
			return err
		})
	})
	b.Run("miss", func(b *testing.B) {
		_, hub, _ := benchCache(b)
		parallel(b, func(i int) error {
			name := fmt.Sprint("var/new/", i)
			_, err := hub.Load(b.Context(), name, query(name))
			return err
		})
	})
	b.Run("hit-and-families", func(b *testing.B) {
		cache, hub, names := benchCache(b)
		parallel(b, func(i int) error {
			if i%10 == 0 {
				hub.Invalidate(events.Event{Kind: events.DeleteByLike, Subject: fmt.Sprintf("var/other/%d/", i)})
			}
			name := names[i%len(names)]
			_, err := hub.Load(b.Context(), name, query(name))
			return err
		})
		s := cache.Stats()
		b.ReportMetric(100*float64(s.Hits)/float64(s.Hits+s.Misses), "%hit")
	})
}

// parallel calls work with growing numbers from many goroutines.
func parallel(b *testing.B, work func(i int) error) {
	var next atomic.Int64
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := work(int(next.Add(1))); err != nil {
				b.Error(err)
			}
		}
	})
}

// benchStore returns an SQLite store with 2000 rows.
func benchStore(b *testing.B) (*metadata.Store, []string) {
	store, err := metadata.Open(b.Context(), metadata.Config{
		Engine: metadata.SQLite, Name: filepath.Join(b.TempDir(), "bench.sqlite"), Create: true, ExecuteRetries: 20,
		Layout: metadata.Layout{VarDir: "var/site", CacheDir: "cache", StorageDir: "storage", CacheTable: "ezdfsfile_cache"},
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { store.Close() })
	if err := store.CreateSchema(b.Context()); err != nil {
		b.Fatal(err)
	}
	var rows []metadata.Row
	var names []string
	for i := range 2000 {
		names = append(names, benchName(i))
		rows = append(rows, testRow(names[i], names[i], "viewcache"))
	}
	if err := store.Update(b.Context(), func(tx *metadata.Tx) error { return tx.Upsert(rows...) }); err != nil {
		b.Fatal(err)
	}
	return store, names
}

// BenchmarkFamily is one event about a family, in a cache of 100,000 rows.
func BenchmarkFamily(b *testing.B) {
	for _, e := range []events.Event{
		{Kind: events.DeleteFile, Subject: benchName(0)},
		{Kind: events.DeleteByNametrunk, Subject: "var/site/cache/content/site/7-"},
		{Kind: events.DeleteByLike, Subject: "var/site/cache/content/site/7"},
		{Kind: events.DeleteByScope, Subject: "viewcache"},
		{Kind: events.Lost, Count: 1},
	} {
		b.Run(string(e.Kind), func(b *testing.B) {
			_, hub, _ := benchCache(b)
			for b.Loop() {
				hub.Invalidate(e)
			}
		})
	}
	b.Run("scan", func(b *testing.B) { // what a search for the members would cost
		_, _, names := benchCache(b)
		known := make(map[string]*metadata.Row, len(names))
		for _, name := range names {
			known[name] = &metadata.Row{Name: name, Trunk: name[:len(name)/2]}
		}
		for b.Loop() {
			for name, row := range known {
				if row.Trunk == "var/none" {
					delete(known, name)
				}
			}
		}
	})
}
