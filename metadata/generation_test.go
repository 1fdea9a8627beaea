package metadata

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	entry   = "var/s/cache/content/s/2-abc.cache"
	trunk   = "var/s/cache/content/s/2-"
	timeout = time.Minute
)

var (
	target = Row{Name: entry, Trunk: trunk}
	noon   = time.Unix(1_700_000_000, 0)
)

func mustLock(t *testing.T, s *Store, now time.Time) GenerationLock {
	t.Helper()
	lock, err := s.LockGeneration(t.Context(), target, now, timeout)
	if err != nil {
		t.Fatal(err)
	}
	return lock
}

func end(ctx context.Context, s *Store, lock GenerationLock) error {
	return s.Update(ctx, func(tx *Tx) error {
		_, _, err := tx.EndGeneration(lock)
		return err
	})
}

// The lock's row is the one that PHP inserts, but for the trunk and the size.
func TestGenerationLockRow(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		lock := mustLock(t, s, noon)
		row, err := s.Get(t.Context(), entry+GeneratingSuffix)
		want := Row{Name: entry + GeneratingSuffix, Trunk: trunk, Size: lock.row.Size, MTime: noon.Unix(), Table: s.config.Layout.Table(entry)}
		if row != want || err != nil {
			t.Errorf("%+v, %v; want %+v", row, err, want)
		}
		if got := journal(t, s); len(got) != 0 {
			t.Errorf("a lock is no change, but the journal has %q", got)
		}
	})
}

func TestGenerationExcludes(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		first := mustLock(t, s, noon)
		for _, c := range []struct{ after, remaining time.Duration }{
			{0, timeout}, {10 * time.Second, 50 * time.Second}, {timeout, 0},
		} {
			_, err := s.LockGeneration(t.Context(), target, noon.Add(c.after), timeout)
			var held *GeneratingError
			if !errors.As(err, &held) || held.Remaining != c.remaining {
				t.Errorf("after %v: %v; want %v remaining", c.after, err, c.remaining)
			}
		}
		second := mustLock(t, s, noon.Add(timeout+time.Second))
		if !second.TakenOver {
			t.Error("the second did not notice that it took the lock over")
		}
		if _, err := s.RefreshGeneration(t.Context(), first, noon.Add(timeout+time.Second)); !errors.Is(err, ErrGenerationLost) {
			t.Errorf("the first refreshes a lock it lost: %v", err)
		}
		if err := end(t.Context(), s, first); !errors.Is(err, ErrGenerationLost) {
			t.Errorf("the first ends: %v", err)
		}
		if err := s.UnlockGeneration(t.Context(), first); err != nil {
			t.Error(err)
		}
		for range 2 { // within one second too
			var err error
			if second, err = s.RefreshGeneration(t.Context(), second, noon.Add(2*timeout)); err != nil {
				t.Errorf("the second refreshes: %v", err)
			}
		}
		if err := end(t.Context(), s, second); err != nil {
			t.Errorf("the second ends: %v", err)
		}
		mustLock(t, s, noon)
	})
}

// However many ask at once, for a new lock or one that timed out, one gets it.
func TestGenerationHasOneWinner(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		for round := range 4 {
			var winners atomic.Int32
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					_, err := s.LockGeneration(t.Context(), target, noon.Add(time.Duration(round)*2*timeout), timeout)
					var held *GeneratingError
					if err == nil {
						winners.Add(1)
					} else if !errors.As(err, &held) {
						t.Error(err)
					}
				})
			}
			all.Wait()
			if n := winners.Load(); n != 1 {
				t.Errorf("round %d: %d got the lock", round, n)
			}
		}
	})
}

// A deletion of the file, in whichever way, breaks the lock: ours, whose trunk
// is the file's, and PHP's, whose trunk is its own name. Locks are not counted.
func TestExpiryBreaksGenerations(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		for name, expire := range map[string]func(ctx context.Context) (int64, error){
			"path":     func(ctx context.Context) (int64, error) { return s.Expire(ctx, entry) },
			"prefix":   func(ctx context.Context) (int64, error) { return s.ExpirePrefix(ctx, "var/s/cache/content/s/") },
			"trunk":    func(ctx context.Context) (int64, error) { return s.ExpireTrunk(ctx, trunk) },
			"wildcard": func(ctx context.Context) (int64, error) { return s.ExpireWildcard(ctx, "var/*/2-abc.cache") },
			"scope":    func(ctx context.Context) (int64, error) { return s.ExpireScope(ctx, "viewcache", "var/s/cache/") },
		} {
			for _, files := range []int64{0, 1} {
				for _, php := range []bool{false, true} {
					if files == 1 {
						put(t, s, Row{Name: entry, Trunk: trunk, Scope: "viewcache", MTime: 5})
					} else {
						remove(t, s, Row{Name: entry})
					}
					remove(t, s, Row{Name: entry + GeneratingSuffix})
					lock := mustLock(t, s, noon)
					if php {
						own := lock.row
						own.Trunk = own.Name
						put(t, s, own)
					}
					n, err := expire(t.Context())
					if n != files || err != nil {
						t.Errorf("%s, php=%v: expired %d of %d, %v", name, php, n, files, err)
					}
					if err := end(t.Context(), s, lock); !errors.Is(err, ErrGenerationLost) {
						t.Errorf("%s, php=%v, %d files: the generation ended with %v", name, php, files, err)
					}
					// Whoever comes next may begin at once, with new data.
					if next := mustLock(t, s, noon); !next.TakenOver {
						t.Errorf("%s: the broken lock was not there", name)
					}
				}
			}
		}
	})
}

func remove(t *testing.T, s *Store, rows ...Row) {
	t.Helper()
	err := s.Update(t.Context(), func(tx *Tx) error {
		_, err := tx.Delete(rows...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A lock that a deletion broke, or took away, can be somebody else's before the
// second is over: who had it does not take the new one for his.
func TestLockIsLostWithinASecond(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		for name, deletion := range map[string]func() error{
			"expired": func() error { _, err := s.ExpireTrunk(t.Context(), trunk); return err },
			"deleted": func() error { remove(t, s, Row{Name: entry + GeneratingSuffix}); return nil },
		} {
			first := mustLock(t, s, noon)
			if err := deletion(); err != nil {
				t.Fatal(err)
			}
			second := mustLock(t, s, noon)
			if _, err := s.RefreshGeneration(t.Context(), first, noon); !errors.Is(err, ErrGenerationLost) {
				t.Errorf("%s: the first refreshes a lock it lost: %v", name, err)
			}
			if err := end(t.Context(), s, first); !errors.Is(err, ErrGenerationLost) {
				t.Errorf("%s: the first ends: %v", name, err)
			}
			if err := s.UnlockGeneration(t.Context(), first); err != nil {
				t.Error(err)
			}
			if err := end(t.Context(), s, second); err != nil {
				t.Errorf("%s: the second ends: %v", name, err)
			}
		}
	})
}

// PHP deletes families by statements like these; neighbours stay.
func TestPHPDeletionBreaksGeneration(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		lock := mustLock(t, s, noon)
		if _, err := s.pools.write.ExecContext(t.Context(), "UPDATE `ezdfsfile_cache` SET mtime = -ABS(mtime), expired = 1"+
			" WHERE name_trunk = '"+trunk+"'"); err != nil {
			t.Fatal(err)
		}
		if err := end(t.Context(), s, lock); !errors.Is(err, ErrGenerationLost) {
			t.Errorf("ended with %v", err)
		}
	})
}

func TestEndGenerationReturnsTheFile(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		old := Row{Name: entry, Trunk: trunk, DataType: "text/plain", Scope: "viewcache", Size: 7, MTime: -9, Expired: true}
		put(t, s, old)
		lock := mustLock(t, s, noon)
		err := s.Update(t.Context(), func(tx *Tx) error {
			file, exists, err := tx.EndGeneration(lock)
			if file.Table = ""; !exists || file != old {
				t.Errorf("%v %+v", exists, file)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Get(t.Context(), lock.row.Name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the lock is still there: %v", err)
		}
	})
}

func TestExpireScope(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		put(t, s, Row{Name: "var/s/storage/a", Scope: "image", MTime: 1}, Row{Name: "var/s/storage/b", Scope: "media", MTime: 1},
			Row{Name: "var/t/storage/a", Scope: "image", MTime: 1}, Row{Name: "var/s/cache/a", Scope: "image", MTime: 1})
		if n, err := s.ExpireScope(t.Context(), "image", "var/s/"); n != 2 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		if n, err := s.ExpireScope(t.Context(), "image", ""); n != 1 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		if _, err := s.ExpireScope(t.Context(), "", ""); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("an empty scope: %v", err)
		}
		if row, err := s.Get(t.Context(), "var/s/storage/b"); err != nil || !row.Live() {
			t.Errorf("%+v, %v", row, err)
		}
	})
}
