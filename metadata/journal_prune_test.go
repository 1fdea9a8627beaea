package metadata

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// pruneAll prunes everything that may go.
func pruneAll(tb testing.TB, s *Store) int64 {
	tb.Helper()
	n, err := s.PruneJournal(tb.Context(), time.Now().Add(time.Hour))
	if err != nil {
		tb.Error(err)
	}
	return n
}

// state returns what the hosts tell each other.
func state(tb testing.TB, s *Store) journalState {
	tb.Helper()
	state, err := s.journalState(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	return state
}

func TestPruneJournal(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		if n := pruneAll(t, s); n != 0 {
			t.Errorf("%d pruned of an empty journal", n)
		}
		// Old, young, old: the last stays behind the young one.
		insertEntries(t, s, ", (1, 'store', 'a', 100), (2, 'store', 'b', 200), (3, 'store', 'c', 900), (4, 'store', 'd', 100), (5, 'store', 'e', 900)")
		for _, c := range []struct {
			before, deleted int64
			left            string
		}{{100, 0, "abcde"}, {500, 2, "cde"}, {500, 0, "cde"}, {1000, 2, "e"}, {1000, 0, "e"}} {
			n, err := s.PruneJournal(t.Context(), time.UnixMicro(c.before))
			if n != c.deleted || err != nil {
				t.Errorf("before %d: %d pruned, %v", c.before, n, err)
			}
			if got := strings.Join(subjects(t, openReader(t, s, "")), ""); got != c.left {
				t.Errorf("before %d: %s is left", c.before, got)
			}
		}
		if got := state(t, s); got.pruned != 4 {
			t.Errorf("the state is %+v", got)
		}
	})
}

// Many entries go in several transactions, and hosts that prune at once do not
// disturb each other.
func TestPruneTogether(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		var rows strings.Builder
		const entries = 2*pruneBatch + 500
		for i := range entries {
			fmt.Fprintf(&rows, ", (%d, 'store', 'x', 1)", 2*i+1) // with gaps
		}
		insertEntries(t, s, rows.String())
		stores := []*Store{s, again(t, s, nil), again(t, s, nil)}
		var total int64
		var mu sync.Mutex
		var all sync.WaitGroup
		for _, s := range stores {
			all.Go(func() {
				n := pruneAll(t, s)
				mu.Lock()
				defer mu.Unlock()
				total += n
			})
		}
		all.Wait()
		if got := state(t, s); total != entries-1 || got.pruned != 2*entries-3 {
			t.Errorf("%d pruned, the state is %+v", total, got)
		}
	})
}

// What a transaction has recorded that is still open is never pruned, nor what
// follows it: it would look pruned when it appears.
func TestPruneStopsAtOpenTransactions(t *testing.T) {
	s := createTest(t, mysqlTestConfig(t))
	record(t, s, "a", "b")
	rollBack(t, s, "never")
	record(t, s, "c")
	end := hold(t, s, "slow")
	record(t, s, "d", "e")
	reader := openReader(t, s, "")
	wantSubjects(t, reader, "8;3+2x2", "a", "b", "c", "d", "e")
	if n := pruneAll(t, s); n != 3 || state(t, s).pruned != 4 {
		t.Errorf("%d pruned, the state is %+v", n, state(t, s))
	}
	end(true)
	wantSubjects(t, openReader(t, s, "8;5"), "8", "slow")
	if n := pruneAll(t, s); n != 2 || state(t, s).pruned != 6 {
		t.Errorf("%d pruned, the state is %+v", n, state(t, s))
	}
	// The reader was away while what it waited for came and went.
	grow(reader)
	_, _, err := reader.Next(t.Context())
	if _, lost := err.(*JournalLostError); !lost {
		t.Errorf("a gap that was filled and pruned: %v", err)
	}
}

// A database of before the state table works as it did.
func TestJournalWithoutState(t *testing.T) {
	onBothEngines(t, func(t *testing.T, old *Store) {
		if _, err := old.pools.write.ExecContext(t.Context(), "DROP TABLE ezdfs_state"); err != nil {
			t.Fatal(err)
		}
		s := again(t, old, nil)
		record(t, s, "a", "b")
		if n := pruneAll(t, s); n != 0 {
			t.Errorf("%d pruned", n)
		}
		r := openReader(t, s, "")
		wantSubjects(t, r, "3", "a", "b")
		if err := r.Settle()(t.Context()); err != nil {
			t.Error(err)
		}
		if head, err := s.JournalHead(t.Context()); head.String() != "3" || err != nil {
			t.Errorf("the head is %s, %v", head, err)
		}
		if problems, err := s.CheckSchema(t.Context()); err != nil || len(problems) != 1 || problems[0].Table != stateTable {
			t.Errorf("the check finds %v, %v", problems, err)
		}
		if err := again(t, s, nil).CreateSchema(t.Context()); err != nil { // by another process
			t.Fatal(err)
		}
		if n := pruneAll(t, s); n != 1 {
			t.Errorf("%d pruned with the table", n)
		}
	})
}

// A store that was opened before there was a journal records as soon as there
// is one.
func TestJournalIsNoticed(t *testing.T) {
	for _, c := range []Config{mysqlTestConfig(t), sqliteTestConfig(t)} {
		s := openTest(t, c)
		record(t, s, "lost")
		if there, err := s.HasJournal(t.Context()); there || err != nil {
			t.Errorf("%s: %v, %v", c.Engine, there, err)
		}
		c.Create = false
		createTest(t, c)
		record(t, s, "still believed") // within a second
		info := *s.schema.Load()
		if info.journal {
			t.Errorf("%s: looked again at once", c.Engine)
		}
		info.at = info.at.Add(-missingJournal)
		s.schema.Store(&info)
		record(t, s, "a", "b")
		if got := journal(t, s); len(got) != 2 {
			t.Errorf("%s: the journal is %q", c.Engine, got)
		}
		if err := s.CheckRow(complete(s, Row{Name: "var/s/a", Scope: strings.Repeat("x", 30)})); err == nil {
			t.Errorf("%s: the other tables were not looked at", c.Engine)
		}
	}
}

// What one reader has settled spares the next one the search for gaps.
func TestSettle(t *testing.T) {
	s := createTest(t, mysqlTestConfig(t))
	record(t, s, "a")
	rollBack(t, s, "never")
	record(t, s, "b")
	end := hold(t, s, "slow")
	record(t, s, "c")
	r := openReader(t, s, "")
	settle := func(want uint64) {
		t.Helper()
		subjects(t, r)
		if err := r.Settle()(t.Context()); err != nil || state(t, s).settled != want || r.Settled() != want {
			t.Errorf("settled %d, the state is %+v, %v", r.Settled(), state(t, s), err)
		}
	}
	settle(1)
	grow(r)
	settle(3)
	again := openReader(t, s, "")
	wantSubjects(t, again, "6;4", "a", "b", "c")
	end(false)
	grow(r)
	settle(5)
	if head, err := s.JournalHead(t.Context()); err != nil || head.String() != "6" {
		t.Errorf("the head is %s, %v", head, err)
	}
	// A reader that has read less changes nothing, nor does a resumed gap last.
	if err := again.Settle()(t.Context()); err != nil || state(t, s).settled != 5 {
		t.Errorf("the state is %+v, %v", state(t, s), err)
	}
	wantSubjects(t, openReader(t, s, "6;2,4"), "6")

	// Of another journal, it does not count and is mended.
	if _, err := s.pools.write.ExecContext(t.Context(), "TRUNCATE TABLE ezdfs_journal"); err != nil {
		t.Fatal(err)
	}
	rollBack(t, s, "never")
	record(t, s, "anew")
	r = openReader(t, s, "")
	wantSubjects(t, r, "3;1", "anew")
	settle(0)
	grow(r)
	settle(2)
}

// The head of a long journal that nobody has followed is looked for once.
func TestHeadOfLongJournal(t *testing.T) {
	s := createTest(t, mysqlTestConfig(t))
	s.gapAge = 0
	var rows strings.Builder
	const entries = headScan + 500
	for i := range entries {
		if i%100 != 50 {
			fmt.Fprintf(&rows, ", (%d, 'store', 'x', 1)", i+1)
		}
	}
	insertEntries(t, s, rows.String())
	for range 2 {
		head, err := s.JournalHead(t.Context())
		if next, _, _ := strings.Cut(head.String(), ";"); err != nil || next != fmt.Sprint(entries+1) || len(head.gaps) > headGaps {
			t.Errorf("the head is %s, %v", head, err)
		}
		if got := state(t, s); got.settled < headScan {
			t.Errorf("the state is %+v", got)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.JournalHead(ctx); err == nil {
		t.Error("a context that is done")
	}
}
