package metadata

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestExpireTouchesNothingElse(t *testing.T) {
	for _, family := range []struct {
		name   string
		expire func(s *Store, ctx context.Context, subject string) (int64, error)
		takes  func(name, subject string) bool
	}{
		{"name", func(s *Store, ctx context.Context, n string) (int64, error) { return s.Expire(ctx, n) },
			func(name, subject string) bool { return name == subject }},
		{"prefix", (*Store).ExpirePrefix, strings.HasPrefix},
		{"trunk", (*Store).ExpireTrunk, func(name, subject string) bool { return name == subject }},
		{"wildcard", (*Store).ExpireWildcard, func(name, subject string) bool { return matches(subject, name) }},
	} {
		t.Run(family.name, func(t *testing.T) {
			onBothEngines(t, func(t *testing.T, s *Store) {
				for _, subject := range twins {
					for _, name := range twins {
						put(t, s, Row{Name: name})
					}
					want := slices.DeleteFunc(slices.Clone(twins), func(n string) bool { return family.takes(n, subject) })
					n, err := family.expire(s, t.Context(), subject)
					if err != nil || int(n) != len(twins)-len(want) {
						t.Errorf("expire %q: %d, %v", subject, n, err)
					}
					if got := live(t, s); !sameNames(got, want) {
						t.Errorf("after expiring %q live are %q", subject, got)
					}
					if n, err := family.expire(s, t.Context(), subject); n != 0 || err != nil {
						t.Errorf("expire %q again: %d, %v", subject, n, err)
					}
				}
			})
		})
	}
}

func TestExpireKeepsTheRest(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		row := complete(s, Row{Name: "var/s/cache/content/2-a.cache", Scope: "viewcache", Size: 7, MTime: 42})
		zero := complete(s, Row{Name: "var/s/cache/content/2-b.cache", Scope: "viewcache"})
		zero.MTime = 0
		if err := s.Update(t.Context(), func(tx *Tx) error { return tx.Upsert(row, zero) }); err != nil {
			t.Fatal(err)
		}
		if n, err := s.ExpireTrunk(t.Context(), "var/s/cache/content/2-"); n != 2 || err != nil {
			t.Fatal(n, err)
		}
		row.MTime, row.Expired, row.Table = -42, true, "ezdfsfile_cache"
		if got, err := s.Get(t.Context(), row.Name); err != nil || got != row || got.ModTime() != time.Unix(42, 0) {
			t.Errorf("%+v, %v; want %+v", got, err, row)
		}
		if n, err := s.Expire(t.Context(), row.Name, zero.Name, "var/s/none"); n != 0 || err != nil {
			t.Error(n, err)
		}
		for _, expire := range []func(context.Context, string) (int64, error){s.ExpirePrefix, s.ExpireTrunk} {
			for _, bad := range []string{"", "\xff", "\x00"} {
				if _, err := expire(t.Context(), bad); !errors.Is(err, fs.ErrInvalid) {
					t.Errorf("%q: %v", bad, err)
				}
			}
		}
	})
}

// A prefix above both tables expires in both; the legacy looked into one.
func TestExpireInBothTables(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		put(t, s, Row{Name: "var/s/cache/a"}, Row{Name: "var/s/storage/a"}, Row{Name: "var/t/storage/a"})
		if n, err := s.ExpirePrefix(t.Context(), "var/s/"); n != 2 || err != nil {
			t.Error(n, err)
		}
		if n, err := s.ExpireWildcard(t.Context(), "var/{s,t}/*/a"); n != 1 || err != nil {
			t.Error(n, err)
		}
	})
}

func TestExpireLargeFamily(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		const family = 2*bulkSize + 345
		rows := make([]Row, 0, family+10)
		for i := range family {
			rows = append(rows, Row{Name: fmt.Sprintf("var/s/cache/f/%d", i)})
		}
		for i := range 10 {
			rows = append(rows, Row{Name: fmt.Sprintf("var/s/cache/g/%d", i)})
		}
		put(t, s, rows...)
		for _, expire := range []func() (int64, error){
			func() (int64, error) { return s.ExpirePrefix(t.Context(), "var/s/cache/f/") },
			func() (int64, error) { put(t, s, rows...); return s.ExpireWildcard(t.Context(), "var/*/f/*") },
		} {
			if n, err := expire(); n != family || err != nil {
				t.Errorf("%d, %v", n, err)
			}
			if n := len(live(t, s)); n != 10 {
				t.Errorf("%d rows are live", n)
			}
		}
	})
}

// A large family is expired in batches, whichever of its rows are expired
// already: one transaction over all of it would hold their locks for long.
func TestExpireOfAHalfExpiredFamilyIsBatched(t *testing.T) {
	s := createTest(t, sqliteTestConfig(t))
	rows := make([]Row, 3*bulkSize)
	for i := range rows {
		rows[i] = Row{Name: fmt.Sprint("var/s/cache/", i)}
		if i%100 == 0 {
			rows[i].MTime, rows[i].Expired = -1, true
		}
	}
	put(t, s, rows...)
	if n, err := s.ExpirePrefix(t.Context(), "var/s/cache/"); n != 2970 || err != nil {
		t.Fatal(n, err)
	}
	if got := journal(t, s); len(got) < 3 {
		t.Errorf("%d transactions for 2970 rows", len(got))
	}
}
