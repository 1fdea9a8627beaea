package metadata

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func migrationTest() Migration {
	return Migration{Kind: MigrationCopy, Prefix: "var/s/storage/images", Source: "nfs", Target: "s3"}
}

// startTest starts a pass.
func startTest(t *testing.T, s *Store, m Migration) Migration {
	t.Helper()
	m, err := s.StartMigration(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// leaseTest leases a range, which must be there.
func leaseTest(t *testing.T, s *Store, m Migration, owner string, lease time.Duration) MigrationRange {
	t.Helper()
	r, ok, err := s.LeaseRange(t.Context(), m, owner, lease)
	if err != nil || !ok {
		t.Fatalf("lease: %v, %v", ok, err)
	}
	return r
}

// advanceTest advances a range and tells whether it was still its owner's.
func advanceTest(t *testing.T, s *Store, r MigrationRange, position string, more MigrationCounts, done bool) (held bool) {
	t.Helper()
	err := s.Update(t.Context(), func(tx *Tx) (err error) {
		held, err = tx.AdvanceRange(r, position, more, done, time.Hour)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return held
}

func TestMigrationPasses(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		m := startTest(t, s, migrationTest())
		if len(m.Ranges) != 16 || m.Pass != 1 || m.State != MigrationRunning || m.Done() || m.Fraction() != 0 || time.Since(m.Since).Abs() > time.Hour {
			t.Errorf("a new one has %d ranges, pass %d, state %s, since %v", len(m.Ranges), m.Pass, m.State, m.Since)
		}
		verify := migrationTest()
		verify.Kind = MigrationVerify
		startTest(t, s, verify)

		for i := range 16 {
			r := leaseTest(t, s, m, fmt.Sprint("owner", i), time.Hour)
			if !advanceTest(t, s, r, r.First+"80", MigrationCounts{Copied: 1, Bytes: 10}, i > 0) {
				t.Fatal("lost")
			}
		}
		again := startTest(t, s, migrationTest())
		if again.Pass != 1 || again.Counts() != (MigrationCounts{Copied: 16, Bytes: 160}) || again.Done() {
			t.Errorf("going on with pass %d, %+v", again.Pass, again.Counts())
		}
		if _, ok, err := s.LeaseRange(t.Context(), m, "late", time.Hour); ok || err != nil {
			t.Errorf("leased what is leased or done: %v", err)
		}
		at := slices.IndexFunc(again.Ranges, func(r MigrationRange) bool { return !r.Done })
		last := again.Ranges[at]
		if !last.Leased || last.Owner != "owner0" {
			t.Errorf("%+v", last)
		}
		advanceTest(t, s, last, "", MigrationCounts{Present: 1, Gone: 2, Failed: 3}, true)
		if err := s.FinishMigration(t.Context(), m, MigrationFinished); err != nil {
			t.Fatal(err)
		}
		list, err := s.Migrations(t.Context())
		if err != nil || len(list) != 2 {
			t.Fatalf("%d migrations, %v", len(list), err)
		}
		for _, m := range list {
			done := m.Kind == MigrationCopy
			if m.Done() != done || (m.Fraction() == 1) != done || (m.State == MigrationFinished) != done || (m.Counts().Total() == 22) != done {
				t.Errorf("%s: done %v, %v, state %s, %+v", m.Kind, m.Done(), m.Fraction(), m.State, m.Counts())
			}
		}
		if next := startTest(t, s, migrationTest()); next.Pass != 2 || next.Counts().Total() != 0 || next.State != MigrationRunning {
			t.Errorf("the next pass is %d, %s, %+v", next.Pass, next.State, next.Counts())
		}
	})
}

// TestFailedVerify: a verification that was interrupted after it had found
// something begins anew once a copy has begun, and another goes on.
func TestFailedVerify(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		verify := migrationTest()
		verify.Kind = MigrationVerify
		for _, failed := range []int64{0, 1} {
			begun := startTest(t, s, verify)
			r := leaseTest(t, s, begun, fmt.Sprint("owner", failed), time.Hour)
			advanceTest(t, s, r, "", MigrationCounts{Present: 1, Failed: failed}, true)
			startTest(t, s, migrationTest())
			want := begun.Counts().Add(MigrationCounts{Present: 1})
			if failed > 0 {
				want = MigrationCounts{}
			}
			if again := startTest(t, s, verify); again.Counts() != want || (again.Pass == begun.Pass) != (failed == 0) || len(again.Ranges) != 16 {
				t.Errorf("after %d failures pass %d became %d of %d ranges, %+v", failed, begun.Pass, again.Pass, len(again.Ranges), again.Counts())
			}
		}
	})
}

func TestRangeLeases(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		m := startTest(t, s, migrationTest())
		first := leaseTest(t, s, m, "one", 0) // over at once
		for range 300 {
			if held, err := s.RenewRange(t.Context(), first, 0); err != nil {
				t.Fatal(err)
			} else if !held {
				break
			}
			leaseTest(t, s, m, "two", 0)
		}
		// Whose lease somebody else has by now notes nothing.
		second := leaseTest(t, s, m, "three", time.Hour)
		stale := second
		stale.Owner = "two"
		if advanceTest(t, s, stale, "ff", MigrationCounts{Copied: 1}, true) {
			t.Error("somebody else's range was advanced")
		}
		if held, err := s.RenewRange(t.Context(), second, time.Hour); !held || err != nil {
			t.Errorf("renewing: %v, %v", held, err)
		}
		if !advanceTest(t, s, second, second.First+"7f", MigrationCounts{Failed: 1}, false) {
			t.Error("one's own was not")
		}
		if err := s.ReleaseRanges(t.Context(), m, second); err != nil {
			t.Fatal(err)
		}
		list, err := s.Migrations(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if r := list[0].Ranges[slices.IndexFunc(list[0].Ranges, func(r MigrationRange) bool { return r.First == second.First })]; r.Leased ||
			r.Position != second.First+"7f" || r.Counts != (MigrationCounts{Failed: 1}) {
			t.Errorf("released: %+v", r)
		}
	})
}

// TestHostsShareAMigration: every range is done once, whoever comes first.
func TestHostsShareAMigration(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		var workers sync.WaitGroup
		for i := range 4 {
			workers.Go(func() {
				m, err := s.StartMigration(t.Context(), migrationTest())
				for n := 0; err == nil; n++ {
					var r MigrationRange
					var ok bool
					if r, ok, err = s.LeaseRange(t.Context(), m, fmt.Sprint(i, " ", n), time.Hour); err != nil || !ok {
						break
					}
					err = s.Update(t.Context(), func(tx *Tx) error {
						_, err := tx.AdvanceRange(r, r.First, MigrationCounts{Copied: 1}, true, time.Hour)
						return err
					})
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		workers.Wait()
		list, err := s.Migrations(t.Context())
		if err != nil || len(list) != 1 || !list[0].Done() || list[0].Pass != 1 || list[0].Counts().Copied != 16 {
			t.Errorf("%v, %v", list, err)
		}
	})
}

func TestRangesCoverAllHashes(t *testing.T) {
	s := createTest(t, sqliteTestConfig(t))
	for pass, want := range []int{16, 256} {
		m := migrationTest()
		m.Target = fmt.Sprint("s3:", pass)
		m = startTest(t, s, m)
		next := ""
		for i, r := range m.Ranges {
			from, to := r.Bounds()
			if from != next && i > 0 || strings.Trim(m.Ranges[0].First, "0") != "" {
				t.Errorf("a range begins at %q, not %q", from, next)
			}
			next = to
		}
		if next != "" || len(m.Ranges) != want {
			t.Errorf("the last of %d ends at %q", len(m.Ranges), next)
		}
		rows := make([]Row, manyMigrating)
		for i := range rows {
			rows[i] = Row{Name: fmt.Sprint(m.Prefix, "/", i), MTime: 1}
		}
		put(t, s, rows...)
	}
	for position, want := range map[string]float64{"": 0, "a0": 0, "a0800000": 0.5, "a0c00000000000000000000000000000": 0.75} {
		if got := (MigrationRange{First: "a0", Position: position}).Fraction(); got != want {
			t.Errorf("at %q %v is done, want %v", position, got, want)
		}
	}
}

func TestMigrationsWithoutTables(t *testing.T) {
	s := createTest(t, sqliteTestConfig(t))
	if _, err := s.pools.write.ExecContext(t.Context(), "DROP TABLE "+rangeTable); err != nil {
		t.Fatal(err)
	}
	if err := s.loadSchema(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, do := range []func() error{
		func() error { _, err := s.StartMigration(t.Context(), migrationTest()); return err },
		func() error { _, err := s.Migrations(t.Context()); return err },
	} {
		if err := do(); !errors.Is(err, ErrSchema) || !strings.Contains(err.Error(), "dfsctl schema create") {
			t.Errorf("%v", err)
		}
	}
}

// TestRowsByHash: whichever way rows are read, the same are.
func TestRowsByHash(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		for i := range 50 {
			put(t, s, Row{Name: fmt.Sprint("var/s/storage/", i), MTime: 1}, Row{Name: fmt.Sprint("var/s/cache/", i), MTime: 1})
		}
		for _, f := range []Filter{{Prefix: "var/s/storage/"}, {Prefix: "var/s/", HashFrom: "40", HashTo: "c0"}} {
			var names [2][]string
			for i, byHash := range []bool{false, true} {
				f.ByHash = byHash
				for row, err := range s.Rows(t.Context(), f) {
					if err != nil {
						t.Fatal(err)
					}
					names[i] = append(names[i], row.Name)
				}
			}
			if len(names[0]) == 0 || !slices.Equal(names[0], names[1]) {
				t.Errorf("%q and %q", names[0], names[1])
			}
		}
	})
}
