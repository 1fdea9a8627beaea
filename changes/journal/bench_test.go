package journal_test

import (
	"fmt"
	"testing"

	"example.com/ezdfs/changes"
	"example.com/ezdfs/changes/journal"
	"example.com/ezdfs/metadata"
)

// fill makes a journal of so many entries.
func fill(b *testing.B, store *metadata.Store, n int) {
	list := make([]metadata.Change, n)
	for i := range list {
		list[i] = metadata.Change{Kind: metadata.KindStore, Subject: fmt.Sprint("var/site/storage/images/", i, ".png"), Scope: "image"}
	}
	record(b, store, list...)
}

// BenchmarkChanges reads a journal of 20,000 entries.
func BenchmarkChanges(b *testing.B) {
	for name, config := range map[string]func(testing.TB) metadata.Config{"mysql": mysqlConfig, "sqlite": sqliteConfig} {
		b.Run(name, func(b *testing.B) {
			store := createStore(b, config(b))
			const entries = 20_000
			fill(b, store, entries)
			source := open(b, store, journal.Options{})
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				for _, err := range source.Changes(b.Context(), changes.Oldest, false) {
					if err != nil {
						b.Fatal(err)
					}
					n++
				}
			}
			if n != entries*b.N {
				b.Fatalf("%d changes in %d rounds", n, b.N)
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "changes/s")
		})
	}
}

// BenchmarkIdlePoll is one look at a journal in which nothing is new: a
// follower costs this five times a second.
func BenchmarkIdlePoll(b *testing.B) {
	for name, config := range map[string]func(testing.TB) metadata.Config{"mysql": mysqlConfig, "sqlite": sqliteConfig} {
		b.Run(name, func(b *testing.B) {
			store := createStore(b, config(b))
			fill(b, store, 20_000)
			head, err := store.JournalHead(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			reader, err := store.ReadJournal(b.Context(), head)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if entries, _, err := reader.Next(b.Context()); err != nil || len(entries) > 0 {
					b.Fatal(entries, err)
				}
			}
		})
	}
}
