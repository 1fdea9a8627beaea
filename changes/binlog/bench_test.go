package binlog

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// BenchmarkRows reads a log of one row a transaction, and of many.
func BenchmarkRows(b *testing.B) {
	for _, size := range []int{1, 1000} {
		b.Run(fmt.Sprintf("rows=%d", size), func(b *testing.B) {
			s := newSite(b, db)
			source := s.open(b)
			start := head(b, source)
			const rows = 20_000
			for first := 1; first <= rows; first += size {
				s.run(b, fmt.Sprintf("INSERT INTO ezdfsfile_cache (name, name_trunk, name_hash, mtime) SELECT CONCAT('var/s/cache/content/', seq),"+
					" 'x', MD5(CONCAT('var/s/cache/content/', seq)), 5 FROM seq_%d_to_%d", first, first+size-1))
			}
			for b.Loop() {
				if n := len(drain(b, source, start)); n != rows {
					b.Fatal(n)
				}
			}
			b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "changes/s")
		})
	}
}

// TestLatency measures the time from a commit to its change.
func TestLatency(t *testing.T) {
	s := newSite(t, db)
	source := s.open(t)
	f := follow(t, source, head(t, source))
	s.put(t, "b", "", 1)
	f.want(t, "store b")
	var took []time.Duration
	for i := range 500 {
		s.put(t, "b", "", i+2)
		committed := time.Now()
		f.want(t, "store b")
		took = append(took, time.Since(committed))
	}
	f.end(t)
	slices.Sort(took)
	t.Logf("from commit to change: p50 %v, p99 %v, max %v", took[len(took)/2], took[len(took)*99/100], took[len(took)-1])
}
