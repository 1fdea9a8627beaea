package metadata

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
)

// onBothEnginesBench runs a benchmark on each engine with 1 and 16 workers.
func onBothEnginesBench(b *testing.B, work func(b *testing.B, s *Store, i int) error) {
	for _, config := range []func(testing.TB) Config{mysqlTestConfig, sqliteTestConfig} {
		c := config(b)
		s := createTest(b, c)
		fill(b, s, "var/s/storage/%d", 2000)
		for _, workers := range []int{1, 16} {
			b.Run(fmt.Sprintf("%s/workers=%d", c.Engine, workers), func(b *testing.B) {
				var next atomic.Int64
				b.SetParallelism(max(1, workers/runtime.GOMAXPROCS(0)))
				b.ReportAllocs()
				if workers == 1 {
					for i := 0; b.Loop(); i++ {
						if err := work(b, s, i); err != nil {
							b.Fatal(err)
						}
					}
					return
				}
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if err := work(b, s, int(next.Add(1))); err != nil {
							b.Error(err)
						}
					}
				})
			})
		}
	}
}

func BenchmarkGet(b *testing.B) {
	onBothEnginesBench(b, func(b *testing.B, s *Store, i int) error {
		_, err := s.Get(b.Context(), fmt.Sprintf("var/s/storage/%d", i%2000))
		return err
	})
}

// BenchmarkUpsert is one durable transaction a row, as a store has it, with
// and without its journal entry.
func BenchmarkUpsert(b *testing.B) {
	for _, journal := range []bool{false, true} {
		b.Run(fmt.Sprintf("journal=%v", journal), func(b *testing.B) {
			onBothEnginesBench(b, func(b *testing.B, s *Store, i int) error {
				row := complete(s, Row{Name: fmt.Sprintf("var/s/storage/%d", i%2000)})
				return s.Update(b.Context(), func(tx *Tx) error {
					if !journal {
						return tx.Upsert(row)
					}
					return tx.Write([]Row{row}, Change{Kind: KindStore, Subject: row.Name})
				})
			})
		})
	}
}

// BenchmarkUpsertBatch is 100 rows a transaction, as a bulk import has it.
func BenchmarkUpsertBatch(b *testing.B) {
	onBothEnginesBench(b, func(b *testing.B, s *Store, i int) error {
		rows := make([]Row, 100)
		for j := range rows {
			rows[j] = complete(s, Row{Name: fmt.Sprintf("var/s/storage/%d/%d", i%20, j)})
		}
		return s.Update(b.Context(), func(tx *Tx) error { return tx.Upsert(rows...) })
	})
}
