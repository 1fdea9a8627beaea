package cluster

import (
	"bytes"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.com/ezdfs/settings"
)

// benchCluster opens a cluster over all stores for a benchmark.
func benchCluster(b *testing.B, engine string) *Cluster {
	b.Helper()
	s := fullSettings(b, engine)
	createSchema(b, s)
	return open(b, s)
}

// withWorkers measures do, given a number of its own each time, in so many
// goroutines and reports how many calls a second they made together.
func withWorkers(b *testing.B, workers int, do func(i int64) error) {
	b.Helper()
	b.SetParallelism(max(workers/runtime.GOMAXPROCS(0), 1))
	var next atomic.Int64
	loop := func(more func() bool) {
		for more() {
			if err := do(next.Add(1)); err != nil {
				b.Error(err)
				return
			}
		}
	}
	b.ResetTimer()
	if workers == 1 {
		n := 0
		loop(func() bool { n++; return n <= b.N })
	} else {
		b.RunParallel(func(pb *testing.PB) { loop(pb.Next) })
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "files/s")
}

// BenchmarkStat reads rows, from the database or from memory.
func BenchmarkStat(b *testing.B) {
	for _, rows := range []string{"sqlite", "mariadb", "mariadb+rowcache"} {
		engine, _, cached := strings.Cut(rows, "+")
		for _, workers := range []int{1, 16} {
			b.Run(fmt.Sprintf("%s/workers=%d", rows, workers), func(b *testing.B) {
				s := nfsSettings(b, engine)
				if cached {
					s = cachingRows(s, "auto")
				}
				createSchema(b, s)
				c := open(b, s)
				names := make([]string, 1000)
				for i := range names {
					names[i] = fmt.Sprint("var/", i)
					c.mustStore(b, names[i], "body")
				}
				withWorkers(b, workers, func(i int64) error {
					_, err := c.Stat(b.Context(), names[i%int64(len(names))])
					return err
				})
			})
		}
	}
}

// BenchmarkHit is GetOrGenerate of fresh pages of 10 KB, by where the body
// comes from and where the row does.
func BenchmarkHit(b *testing.B) {
	for _, body := range []string{"memory", "disk", "nfs", "s3"} {
		for _, rows := range []string{"mariadb", "mariadb+rowcache"} {
			for _, workers := range []int{1, 16} {
				b.Run(fmt.Sprintf("%s/%s/workers=%d", body, rows, workers), func(b *testing.B) {
					benchHit(b, hitSettings(b, body, rows != "mariadb"), workers)
				})
			}
		}
	}
}

func hitSettings(b *testing.B, body string, cached bool) settings.Settings {
	s := nfsSettings(b, "mariadb")
	if body == "s3" {
		s = fullSettings(b, "mariadb")
		s.Dispatch.PathBackends = []settings.Rule{{Prefix: "var/site/cache/", Backend: "eZDFSFileHandlerDFSAmazon"}}
	}
	if cached {
		s = cachingRows(s, "auto")
	}
	s.LocalCache = settings.LocalCache{}
	switch body {
	case "memory":
		s.LocalCache.MemorySize = 32 << 20
	case "disk":
		s.LocalCache.Directory, s.LocalCache.MaxSize = filepath.Join(s.Root, "copies"), 1<<30
	}
	return s
}

func benchHit(b *testing.B, s settings.Settings, workers int) {
	createSchema(b, s)
	c := open(b, s)
	pages := make([]string, 200)
	options := StoreOptions{Scope: "viewcache", DataType: "misc", ModTime: time.Now().Add(-time.Hour)}
	for i := range pages {
		pages[i] = fmt.Sprintf("var/site/cache/content/site/%d-abc.cache", i)
		if _, err := c.Store(b.Context(), pages[i], bytes.NewReader(noise(1, 10_000)), options); err != nil {
			b.Fatal(err)
		}
	}
	read := func(i int64) error {
		entry, err := c.GetOrGenerate(b.Context(), pages[i%int64(len(pages))], nil, viewCache)
		if err != nil {
			return err
		}
		defer entry.Close()
		_, err = entry.WriteTo(io.Discard)
		return err
	}
	for i := range pages { // copies are made
		if err := read(int64(i)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	withWorkers(b, workers, read)
}

func BenchmarkStore10K(b *testing.B) {
	body := noise(1, 10_000)
	for _, engine := range []string{"sqlite", "mariadb"} {
		for _, prefix := range []string{onNFS, onS3, onGCS} {
			name := path.Base(prefix)
			for _, workers := range []int{1, 16} {
				b.Run(fmt.Sprintf("%s/%s/workers=%d", engine, name, workers), func(b *testing.B) {
					c := benchCluster(b, engine)
					withWorkers(b, workers, func(i int64) error {
						_, err := c.Store(b.Context(), fmt.Sprintf("%s%d/%d", prefix, i%100, i), bytes.NewReader(body), StoreOptions{DataType: "x/y"})
						return err
					})
				})
			}
		}
	}
}
