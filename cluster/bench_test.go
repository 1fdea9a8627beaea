package cluster

import (
	"bytes"
	"fmt"
	"path"
	"runtime"
	"sync/atomic"
	"testing"
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

func BenchmarkStat(b *testing.B) {
	for _, engine := range []string{"sqlite", "mariadb"} {
		for _, workers := range []int{1, 16} {
			b.Run(fmt.Sprintf("%s/workers=%d", engine, workers), func(b *testing.B) {
				s := nfsSettings(b, engine)
				createSchema(b, s)
				c := open(b, s)
				for i := range 1000 {
					c.mustStore(b, fmt.Sprint("var/", i), "body")
				}
				withWorkers(b, workers, func(i int64) error {
					_, err := c.Stat(b.Context(), fmt.Sprint("var/", i%1000))
					return err
				})
			})
		}
	}
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
