package metadata

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// record commits a change of each subject, in one transaction.
func record(tb testing.TB, s *Store, subjects ...string) {
	tb.Helper()
	if err := s.Update(tb.Context(), func(tx *Tx) error { return tx.Record(storesOf(subjects)...) }); err != nil {
		tb.Error(err)
	}
}

func storesOf(subjects []string) (changes []Change) {
	for _, subject := range subjects {
		changes = append(changes, Change{Kind: KindStore, Subject: subject})
	}
	return changes
}

// rollBack records changes and does not commit.
func rollBack(tb testing.TB, s *Store, subjects ...string) {
	tb.Helper()
	broken := errors.New("broken")
	err := s.Update(tb.Context(), func(tx *Tx) error {
		return errors.Join(tx.Record(storesOf(subjects)...), broken)
	})
	if !errors.Is(err, broken) {
		tb.Error(err)
	}
}

// hold records changes and returns a function that ends the transaction.
func hold(tb testing.TB, s *Store, subjects ...string) (end func(commit bool)) {
	tb.Helper()
	tx, clean, err := s.begin(tb.Context())
	if err == nil {
		err = tx.Record(storesOf(subjects)...)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return func(commit bool) {
		if commit {
			if err := tx.commit(); err != nil {
				tb.Error(err)
			}
		}
		clean()
	}
}

// openReader opens the journal after a position as text, "" for the beginning.
func openReader(tb testing.TB, s *Store, position string) *JournalReader {
	tb.Helper()
	var at JournalPosition
	var err error
	if position != "" {
		at, err = ParseJournalPosition(position)
	}
	r, err2 := s.ReadJournal(tb.Context(), at)
	if err := errors.Join(err, err2); err != nil {
		tb.Fatal(err)
	}
	return r
}

// subjects reads what there is.
func subjects(tb testing.TB, r *JournalReader) (list []string) {
	tb.Helper()
	for more := true; more; {
		var page []JournalEntry
		var err error
		if page, more, err = r.Next(tb.Context()); err != nil {
			tb.Fatal(err)
		}
		for _, e := range page {
			list = append(list, e.Subject)
		}
	}
	return list
}

func wantSubjects(tb testing.TB, r *JournalReader, position string, want ...string) {
	tb.Helper()
	if got := subjects(tb, r); !slices.Equal(got, want) {
		tb.Errorf("read %q, not %q", got, want)
	}
	if got := r.Position().String(); got != position {
		tb.Errorf("the position is %s, not %s", got, position)
	}
}

// grow makes what the reader has seen so far old enough to be probed.
func grow(r *JournalReader) {
	r.marked, r.probed = r.marked.Add(-minGapAge), r.probed.Add(-minGapAge)
}

// An entry that commits late is read when it does, by whoever was at any
// position, and a gap goes only when no transaction can fill it.
func TestLateEntries(t *testing.T) {
	s := createTest(t, mysqlTestConfig(t))
	record(t, s, "a")
	slow := hold(t, s, "slow")
	doomed := hold(t, s, "doomed1", "doomed2")
	rollBack(t, s, "never")
	record(t, s, "b")
	reader := openReader(t, s, "")
	wantSubjects(t, reader, "7;2-5", "a", "b")
	head, err := s.JournalHead(t.Context())
	if err != nil || head.String() != "7;2-5" {
		t.Errorf("the head is %s, %v", head, err)
	}
	// The range counts as a whole as long as anybody has a part of it.
	grow(reader)
	wantSubjects(t, reader, "7;2-5")
	record(t, s, "c")
	wantSubjects(t, reader, "8;2-5", "c")

	doomed(false)
	slow(true)
	for _, late := range []*JournalReader{reader, openReader(t, s, "8;2-5")} {
		wantSubjects(t, late, "8;3-5", "slow")
		grow(late)
		wantSubjects(t, late, "8")
	}
	wantSubjects(t, openReader(t, s, head.String()), "8;3-5", "slow", "c")
	wantSubjects(t, openReader(t, s, "7;3"), "8;3", "c")
}

// A gap is not probed before it is old enough: its row may not be there yet.
func TestYoungGapsStay(t *testing.T) {
	s := createTest(t, mysqlTestConfig(t))
	r := openReader(t, s, "")
	rollBack(t, s, "never")
	record(t, s, "a")
	r.marked = time.Now().Add(time.Hour)
	wantSubjects(t, r, "3;1", "a")
	r.marked = time.Now().Add(-minGapAge) // what was handed out before the reader was opened is old
	wantSubjects(t, r, "3;1")
	r.marked = time.Now().Add(-minGapAge)
	wantSubjects(t, r, "3")
}

// The probe tells open transactions from rollbacks in every shape of set, also
// on a server that does not know NOWAIT.
func TestProbe(t *testing.T) {
	for _, noNowait := range []bool{false, true} { // without it, each probe that meets somebody takes a second
		s := createTest(t, mysqlTestConfig(t))
		s.noNowait.Store(noNowait)
		var ends []func(bool)
		var want []uint64
		random := rand.New(rand.NewPCG(1, 2))
		open := 0
		for i := range uint64(60) {
			switch {
			case i == 7 || i == 30 || i == 31:
				ends = append(ends, hold(t, s, "open"))
				open++
				want = append(want, i+1)
			case random.IntN(3) == 0:
				record(t, s, "there")
				want = append(want, i+1)
			default:
				rollBack(t, s, "never")
			}
		}
		sets := []gapSet{
			{{8, 1, 0, 1}}, {{9, 1, 0, 1}}, nil,
			{{1, 1, 2, 30}, {61, 1000, 0, 1}}, // every other
			{{2, 1, 2, 30}},                   // the others
			{{3, 1, 0, 1}, {8, 1, 0, 1}, {20, 3, 0, 1}, {31, 2, 0, 1}},
			{{70, 500, 0, 1}},
		}
		if noNowait {
			sets = sets[:3]
		}
		for _, set := range sets {
			got, err := s.probe(t.Context(), set)
			if err != nil {
				t.Fatal(err)
			}
			var expect []uint64
			for id := range set.ids() {
				if slices.Contains(want, id) {
					expect = append(expect, id)
				}
			}
			if ids := slices.Collect(got.ids()); !slices.Equal(ids, expect) {
				t.Errorf("nowait %v: of %s unsettled are %v, not %v", !noNowait, set, ids, expect)
			}
		}
		var timeout int
		if err := s.pools.write.QueryRow("SELECT @@innodb_lock_wait_timeout").Scan(&timeout); err != nil || timeout == 1 {
			t.Errorf("a connection is left with a lock wait timeout of %d s, %v", timeout, err)
		}
		for _, end := range ends {
			end(false)
		}
		if got, err := s.probe(t.Context(), gapSet{{8, 1, 0, 1}, {31, 2, 0, 1}}); err != nil || len(got) > 0 {
			t.Errorf("after the end: %s, %v", got, err)
		}
	}
}

// With a Galera node's step between identifiers, and another node's after a
// failover, positions stay short and everything is read.
func TestGaleraSteps(t *testing.T) {
	s := createTest(t, mysqlTestConfig(t))
	var want []string
	write := func(offset int, n int) {
		maria.Exec(t, fmt.Sprintf("SET GLOBAL auto_increment_increment = 3;\nSET GLOBAL auto_increment_offset = %d", offset))
		node := again(t, s, nil)
		for i := range n {
			want = append(want, fmt.Sprint(offset, "/", i))
			record(t, node, want[len(want)-1])
		}
	}
	t.Cleanup(func() {
		maria.Exec(t, "SET GLOBAL auto_increment_increment = 1;\nSET GLOBAL auto_increment_offset = 1")
	})
	reader := openReader(t, s, "")
	write(2, 60)
	write(1, 60)
	got := subjects(t, reader)
	if text := reader.Position().String(); len(text) > 60 {
		t.Errorf("the position is %s", text)
	}
	grow(reader)
	got = append(got, subjects(t, reader)...)
	grow(reader)
	got = append(got, subjects(t, reader)...)
	if !slices.Equal(got, want) || len(reader.gaps) > 0 {
		t.Errorf("read %q up to %s", got, reader.Position())
	}
	if head, err := s.JournalHead(t.Context()); err != nil || len(head.String()) > 60 {
		t.Errorf("the head is %s, %v", head, err)
	}
}

// More gaps than a position holds stop the reader until some are settled, and
// nothing is lost.
func TestManyGaps(t *testing.T) {
	s := createTest(t, mysqlTestConfig(t))
	s.gapAge = 0
	var want []string
	var rows strings.Builder
	for i := range maxGaps + 100 {
		want = append(want, fmt.Sprint(i))
		fmt.Fprintf(&rows, ", (%d, 'store', '%d', 1)", (i+1)*100, i)
	}
	insertEntries(t, s, rows.String())
	r := openReader(t, s, "")
	r.marked = time.Now().Add(time.Hour)
	got := subjects(t, r)
	if len(got) != maxGaps || !r.Behind() {
		t.Errorf("%d read, behind: %v", len(got), r.Behind())
	}
	r.marked = time.Time{}
	got = append(got, subjects(t, r)...)
	if !slices.Equal(got, want) || r.Behind() {
		t.Errorf("%d of %d read", len(got), len(want))
	}
	if head, err := s.JournalHead(t.Context()); err != nil || head.String() != fmt.Sprint((maxGaps+100)*100+1) && len(head.gaps) > headGaps {
		t.Errorf("the head is %s, %v", head, err)
	}
}

// insertEntries inserts entries as SQL has them, ", (id, kind, subject, time)"
// each.
func insertEntries(tb testing.TB, s *Store, rows string) {
	tb.Helper()
	_, err := s.pools.write.ExecContext(tb.Context(), "INSERT INTO ezdfs_journal (id, kind, subject, time) VALUES "+strings.TrimPrefix(rows, ", "))
	if err != nil {
		tb.Fatal(err)
	}
}

// Positions that the journal does not reach are lost, and say why.
func TestJournalLost(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		lost := func(err error, why string) {
			t.Helper()
			var lost *JournalLostError
			if !errors.As(err, &lost) || !strings.Contains(lost.Error(), why) {
				t.Errorf("%v, not %q", err, why)
			}
		}
		open := func(position string) error {
			t.Helper()
			at, err := ParseJournalPosition(position)
			if err == nil {
				_, err = s.ReadJournal(t.Context(), at)
			}
			return err
		}
		lost(open("2"), "entry 1 is beyond the newest, 0")
		record(t, s, "a", "b", "c", "d")
		lost(open("6"), "entry 5 is beyond the newest, 4")
		live := openReader(t, s, "2")
		following := openReader(t, s, "")
		wantSubjects(t, following, "5", "a", "b", "c", "d")
		if n, err := s.PruneJournal(t.Context(), time.Now().Add(time.Hour)); n != 3 || err != nil {
			t.Errorf("%d pruned, %v", n, err)
		}
		_, _, err := live.Next(t.Context())
		lost(err, "pruned up to entry 3")
		for _, position := range []string{"1", "2", "3", "5;3", "5;1"} {
			lost(open(position), "pruned up to entry 3")
		}
		wantSubjects(t, openReader(t, s, "4"), "5", "d")
		wantSubjects(t, openReader(t, s, ""), "5", "d")
		wantSubjects(t, following, "5")

		// Emptied under a reader, and made anew.
		if _, err := s.pools.write.ExecContext(t.Context(), "DELETE FROM ezdfs_journal"); err != nil {
			t.Fatal(err)
		}
		_, _, err = following.Next(t.Context())
		lost(err, "entry 4 is gone and the newest is 0")
		lost(open("5"), "beyond the newest, 0")
		insertEntries(t, s, "(2, 'store', 'anew', 1), (3, 'store', 'anew', 1)")
		lost(open("5"), "beyond the newest, 3")
		if got := subjects(t, openReader(t, s, "")); !slices.Equal(got, []string{"anew", "anew"}) {
			t.Errorf("the new journal has %q", got)
		}
		if n, err := s.PruneJournal(t.Context(), time.Now()); n != 1 || err != nil {
			t.Errorf("%d pruned of the new one, %v", n, err)
		}
		wantSubjects(t, openReader(t, s, "3"), "4", "anew")
	})
}

// A reader that began where the journal begins is not thrown off when that
// moves on before it has read anything.
func TestPrunedUnderTheOldest(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		record(t, s, "a", "b", "c")
		r := openReader(t, s, "")
		if _, err := s.PruneJournal(t.Context(), time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		wantSubjects(t, r, "4", "c")
	})
}

// Next fails without losing anything when the context is done.
func TestNextCancelled(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		record(t, s, "a")
		r := openReader(t, s, "")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _, err := r.Next(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		wantSubjects(t, r, "2", "a")
	})
}
