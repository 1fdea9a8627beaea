package metadata

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// ledger is what was committed, in order for each subject.
type ledger struct {
	mu sync.Mutex
	of map[string][]string // subject to scopes, which number its changes
}

// TestJournalProperty: many writers store and roll back, some hold their
// transaction open after the record, while readers stop anywhere and resume
// from the last position that they emitted. Nothing is missed or read twice,
// and each subject is in order.
func TestJournalProperty(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		const writers = 8
		rounds := 60
		if s.config.Engine == SQLite { // one writer at a time
			rounds = 10
		}
		s.gapAge = time.Second // so that gaps are probed while others write
		l := &ledger{of: map[string][]string{}}
		var writing sync.WaitGroup
		var left atomic.Int64
		left.Store(writers)
		for w := range writers {
			writing.Go(func() {
				defer left.Add(-1)
				writeRandomly(t, s, l, uint64(w), rounds)
			})
		}
		var reading sync.WaitGroup
		results := make([][]JournalEntry, 3)
		for i := range results {
			reading.Go(func() {
				results[i] = readRandomly(t, s, uint64(i), func() bool { return left.Load() > 0 })
			})
		}
		writing.Wait()
		reading.Wait()
		for i, entries := range results {
			got := map[string][]string{}
			for _, e := range entries {
				got[e.Subject] = append(got[e.Subject], e.Scope)
			}
			for subject, want := range l.of {
				if !slices.Equal(got[subject], want) {
					t.Errorf("reader %d: %s is %v, not %v", i, subject, got[subject], want)
				}
			}
			if len(got) != len(l.of) {
				t.Errorf("reader %d: %d subjects, not %d", i, len(got), len(l.of))
			}
		}
	})
}

// writeRandomly is one writer: it locks the rows of a few subjects, records,
// waits for a moment and commits or not.
func writeRandomly(t *testing.T, s *Store, l *ledger, seed uint64, rounds int) {
	random := rand.New(rand.NewPCG(3, seed))
	broken := errors.New("broken")
	for round := range rounds {
		var rows []Row
		for _, i := range random.Perm(10)[:1+random.IntN(3)] {
			rows = append(rows, complete(s, Row{Name: fmt.Sprintf("var/s/storage/%d", i)}))
		}
		scope := fmt.Sprint(seed, ".", round)
		fails, pause := random.IntN(4) == 0, time.Duration(random.IntN(20))*time.Millisecond
		err := s.Update(t.Context(), func(tx *Tx) error {
			if err := tx.Upsert(rows...); err != nil {
				return err
			}
			var changes []Change
			for _, r := range rows {
				changes = append(changes, Change{Kind: KindStore, Subject: r.Name, Scope: scope})
			}
			if err := tx.Record(changes...); err != nil {
				return err
			}
			time.Sleep(pause) // as the publication of a body takes time
			if fails {
				return broken
			}
			// The rows are locked until the commit, so nobody comes between.
			if err := tx.Pin(); err != nil {
				return err
			}
			l.mu.Lock()
			defer l.mu.Unlock()
			for _, r := range rows {
				l.of[r.Name] = append(l.of[r.Name], scope)
			}
			return nil
		})
		if err != nil && !errors.Is(err, broken) {
			t.Error(err)
		}
	}
}

// readRandomly is one reader, which forgets everything but the position of an
// entry now and then.
func readRandomly(t *testing.T, s *Store, seed uint64, writing func() bool) (all []JournalEntry) {
	random := rand.New(rand.NewPCG(4, seed))
	r := openReader(t, s, "")
	for last := false; !last; {
		over := !writing()
		page, more, err := r.Next(t.Context())
		if err != nil {
			t.Error(err)
			return all
		}
		last = over && !more && len(r.gaps) == 0 // all that was rolled back is found out in the end
		if len(page) > 0 && random.IntN(3) == 0 {
			page = page[:1+random.IntN(len(page))]
			r = openReader(t, s, page[len(page)-1].Position)
			last = false
		}
		all = append(all, page...)
	}
	return all
}
