package metadata

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// again opens a second store on the database of another, as a second process
// would.
func again(tb testing.TB, s *Store, change func(c *Config)) *Store {
	tb.Helper()
	c := s.config
	if change != nil {
		change(&c)
	}
	return openTest(tb, c)
}

// Writers of one path exclude each other from the upsert to the commit, also
// while there is no row yet, and the last one to commit is the one whose row
// stays.
func TestWritersOfOnePathExcludeEachOther(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		stores := []*Store{s, again(t, s, nil)}
		row := complete(s, Row{Name: "var/s/storage/a"})
		var body, inside atomic.Int64
		for round := range 20 {
			var g errgroup.Group
			for w := range 6 {
				g.Go(func() error {
					return stores[w%2].Update(t.Context(), func(tx *Tx) error {
						row := row
						row.Size = int64(10*round + w)
						if err := tx.Upsert(row); err != nil {
							return err
						}
						if n := inside.Add(1); n != 1 {
							t.Errorf("%d writers at once", n)
						}
						body.Store(row.Size)
						inside.Add(-1)
						return tx.Pin()
					})
				})
			}
			if err := g.Wait(); err != nil {
				t.Fatal(err)
			}
			got, err := s.Get(t.Context(), row.Name)
			if err != nil || got.Size != body.Load() {
				t.Fatalf("round %d: row of %d, body of %d, %v", round, got.Size, body.Load(), err)
			}
			if err := s.Update(t.Context(), func(tx *Tx) error { _, err := tx.Delete(row); return err }); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// Writers of different new paths do not disturb each other: no gap locks.
func TestNewPathsDoNotDeadlock(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		var attempts atomic.Int64
		const workers, each = 8, 40
		var g errgroup.Group
		for w := range workers {
			g.Go(func() error {
				for i := range each {
					row := complete(s, Row{Name: fmt.Sprintf("var/s/storage/%d/%d", w, i)})
					err := s.Update(t.Context(), func(tx *Tx) error {
						attempts.Add(1)
						if _, err := tx.Lock(row); err != nil {
							return err
						}
						return tx.Upsert(row)
					})
					if err != nil {
						return err
					}
				}
				return nil
			})
		}
		if err := g.Wait(); err != nil || attempts.Load() != workers*each {
			t.Errorf("%d attempts for %d rows, %v", attempts.Load(), workers*each, err)
		}
	})
}

// crossing runs two transactions that lock the same two rows in opposite
// order, and returns how often each ran and how it ended.
func crossing(t *testing.T, s *Store, pin bool) (runs [2]int, errs [2]error) {
	t.Helper()
	rows := [2]Row{complete(s, Row{Name: "var/s/a"}), complete(s, Row{Name: "var/s/b"})}
	put(t, s, rows[0], rows[1])
	var first, both sync.WaitGroup
	first.Add(2)
	for i := range 2 {
		both.Go(func() {
			errs[i] = s.Update(t.Context(), func(tx *Tx) error {
				runs[i]++
				if err := tx.Upsert(rows[i]); err != nil {
					return err
				}
				if pin {
					tx.Pin()
				}
				if runs[i] == 1 {
					first.Done()
					first.Wait()
				}
				return tx.Upsert(rows[1-i])
			})
		})
	}
	both.Wait()
	return runs, errs
}

func TestDeadlockIsRetried(t *testing.T) {
	s := createTest(t, mysqlTestConfig(t))
	runs, errs := crossing(t, s, false)
	if err := errors.Join(errs[:]...); err != nil || runs[0]+runs[1] < 3 {
		t.Errorf("runs %v, %v", runs, err)
	}
}

func TestPinnedTransactionIsNotRetried(t *testing.T) {
	s := createTest(t, mysqlTestConfig(t))
	runs, errs := crossing(t, s, true)
	if runs != [2]int{1, 1} || (errs[0] == nil) == (errs[1] == nil) || !errors.Is(errors.Join(errs[:]...), ErrLocked) {
		t.Errorf("runs %v, %v", runs, errs)
	}
}

func TestDeadlockWithoutRetriesLeft(t *testing.T) {
	c := mysqlTestConfig(t)
	c.ExecuteRetries = 0
	runs, errs := crossing(t, createTest(t, c), false)
	err := errors.Join(errs[:]...)
	if runs != [2]int{1, 1} || !errors.Is(err, ErrLocked) || !IsRetryable(err) {
		t.Errorf("runs %v, %v", runs, err)
	}
}

// Rows of both tables are locked in one order, whatever the order of the
// arguments.
func TestLockOrder(t *testing.T) {
	s := createTest(t, mysqlTestConfig(t))
	var rows []Row
	for i := range 30 {
		rows = append(rows, Row{Name: fmt.Sprintf("var/s/storage/%d", i)}, Row{Name: fmt.Sprintf("var/s/cache/%d", i)})
	}
	put(t, s, rows...)
	reversed := make([]Row, len(rows))
	for i, r := range rows {
		reversed[len(rows)-1-i] = r
	}
	var attempts atomic.Int64
	var g errgroup.Group
	for w := range 4 {
		rows := [][]Row{rows, reversed}[w%2]
		g.Go(func() error {
			for range 20 {
				err := s.Update(t.Context(), func(tx *Tx) error {
					attempts.Add(1)
					_, err := tx.Lock(rows...)
					return err
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil || attempts.Load() != 80 {
		t.Errorf("%d attempts, %v", attempts.Load(), err)
	}
}

// Somebody holds the row for longer than the server lets us wait.
func TestLockWait(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		if s.config.Engine == MySQL {
			maria.Exec(t, "SET GLOBAL innodb_lock_wait_timeout = 1")
			t.Cleanup(func() { maria.Exec(t, "SET GLOBAL innodb_lock_wait_timeout = 50") })
		}
		impatient := again(t, s, func(c *Config) { c.ExecuteRetries = 0 })
		patient := again(t, s, nil)
		row := complete(s, Row{Name: "var/s/a"})
		write := func(tx *Tx) error { return tx.Upsert(row) }
		done := make(chan error)
		err := s.Update(t.Context(), func(tx *Tx) error {
			if err := tx.Upsert(row); err != nil {
				return err
			}
			if err := impatient.Update(t.Context(), write); !errors.Is(err, ErrLocked) || !IsRetryable(err) {
				t.Errorf("a locked row: %v", err)
			}
			go func() { done <- patient.Update(t.Context(), write) }()
			return nil
		})
		if err := errors.Join(err, <-done); err != nil {
			t.Error(err)
		}
	})
}

// An expiry waits for the row that is being written at that moment, and takes
// it along.
func TestExpireWaitsForWriters(t *testing.T) {
	s := createTest(t, mysqlTestConfig(t))
	expired := make(chan int64)
	err := s.Update(t.Context(), func(tx *Tx) error {
		if err := tx.Upsert(complete(s, Row{Name: "var/s/cache/2-a", Scope: "viewcache"})); err != nil {
			return err
		}
		started := make(chan struct{})
		go func() {
			close(started)
			n, err := s.ExpireTrunk(t.Context(), "var/s/cache/2-")
			if err != nil {
				t.Error(err)
			}
			expired <- n
		}()
		<-started
		return waitForLock(t, s)
	})
	if n := <-expired; n != 1 || err != nil {
		t.Errorf("%d expired, %v", n, err)
	}
}

// waitForLock returns once an update of the cache table is running, which can
// only mean that it waits for a row.
func waitForLock(t *testing.T, s *Store) error {
	for t.Context().Err() == nil {
		var waiting int
		err := s.pools.write.QueryRowContext(t.Context(),
			"SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'UPDATE `ezdfsfile!_cache`%' ESCAPE '!'").Scan(&waiting)
		if err != nil || waiting > 0 {
			return err
		}
	}
	return t.Context().Err()
}

// Whoever claims rows for the moment and gives them back waits for nobody who has
// claimed others, though both are all that the table has.
func TestUnclaimWaitsForNobody(t *testing.T) {
	s := createTest(t, mysqlTestConfig(t))
	claims := func(prefix string) (rows []Row) {
		for i := range 100 {
			rows = append(rows, complete(s, Row{Name: fmt.Sprint(prefix, i)}), complete(s, Row{Name: fmt.Sprint("var/s/cache/", prefix, i)}))
		}
		return rows
	}
	theirs, ours := claims("var/s/theirs/"), claims("var/s/ours/")
	err := s.Update(t.Context(), func(tx *Tx) error {
		if err := tx.Claim(theirs...); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // a lock is waited for as long, in the end in vain
		defer cancel()
		return s.Update(ctx, func(tx *Tx) error {
			if err := tx.Claim(ours...); err != nil {
				return err
			}
			return tx.Unclaim(ours...)
		})
	})
	if err != nil {
		t.Error(err)
	}
	if got := names(t, s, Filter{}); len(got) != len(theirs) {
		t.Errorf("%d rows, want %d", len(got), len(theirs))
	}
}
