package metadata

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"
)

// fill stores n rows that tests of listings share.
func fill(tb testing.TB, s *Store, pattern string, n int) {
	tb.Helper()
	rows := make([]Row, n)
	for i := range rows {
		rows[i] = Row{Name: fmt.Sprintf(pattern, i)}
	}
	put(tb, s, rows...)
}

func TestFilter(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		yes, no := true, false
		put(t, s,
			Row{Name: "var/s/storage/a", Scope: "image", MTime: 100},
			Row{Name: "var/s/storage/b", Scope: "image", MTime: -100, Expired: true},
			Row{Name: "var/s/storage/c", Scope: "binaryfile", MTime: 200},
			Row{Name: "var/s/cache/d", Scope: "viewcache", MTime: -200, Expired: true},
			Row{Name: "var/s/cache/e", Scope: "", MTime: 300},
		)
		hash := Hash("var/s/storage/c")
		for _, c := range []struct {
			filter Filter
			want   string
		}{
			{Filter{}, "a b c d e"},
			{Filter{Tables: []string{"ezdfsfile_cache"}}, "d e"},
			{Filter{Tables: []string{"ezdfsfile_cache", StorageTable}, PageSize: 1}, "a b c d e"},
			{Filter{Prefix: "var/s/storage/"}, "a b c"},
			{Filter{Prefix: "var/s/none"}, ""},
			{Filter{Scopes: []string{"image", "viewcache"}}, "a b d"},
			{Filter{ExcludeScopes: []string{"image", "viewcache"}}, "c e"},
			{Filter{Scopes: []string{"image"}, ExcludeScopes: []string{"image"}}, ""},
			{Filter{Expired: &yes}, "b d"},
			{Filter{Expired: &no}, "a c e"},
			{Filter{Expired: &yes, Prefix: "var/s/storage/", PageSize: 1}, "b"},
			{Filter{MTimeBefore: 200}, "a b"},
			{Filter{MTimeBefore: 201, Expired: &yes}, "b d"},
			{Filter{HashFrom: hash, HashTo: hash + "0"}, "c"},
			{Filter{HashFrom: hash, HashTo: hash + "0", Prefix: "var/"}, "c"},
			{Filter{After: hash, HashTo: hash + "0"}, ""},
			{Filter{Replica: true}, "a b c d e"},
		} {
			var got []string
			for _, name := range names(t, s, c.filter) {
				got = append(got, name[len(name)-1:])
			}
			slices.Sort(got)
			if strings.Join(got, " ") != c.want {
				t.Errorf("%+v: %v, want %s", c.filter, got, c.want)
			}
		}
		for _, bad := range []Filter{{Tables: []string{"users"}}, {Prefix: "\xff"}} {
			for _, err := range s.Rows(t.Context(), bad) {
				if err == nil {
					t.Errorf("%+v is accepted", bad)
				}
			}
		}
	})
}

// Rows come in name_hash order over both tables, in pages of any size, and any
// row is a place to resume from; ranges of name_hash split the work.
func TestListingIsOrderedAndResumes(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		fill(t, s, "var/s/storage/%d", 150)
		fill(t, s, "var/s/cache/%d", 150)
		byHash := func(a, b string) int { return strings.Compare(Hash(a), Hash(b)) }
		all := names(t, s, Filter{})
		if len(all) != 300 || !slices.IsSortedFunc(all, byHash) {
			t.Fatalf("%d rows, not in order", len(all))
		}
		for _, prefix := range []string{"", "var/s/"} {
			for _, size := range []int{1, 7, 150, 151, 1000} {
				if got := names(t, s, Filter{PageSize: size, Prefix: prefix}); !slices.Equal(got, all) {
					t.Errorf("pages of %d: %d rows", size, len(got))
				}
			}
			for _, at := range []int{0, 1, 149, 299} {
				if got := names(t, s, Filter{After: Hash(all[at]), PageSize: 20, Prefix: prefix}); !slices.Equal(got, all[at+1:]) {
					t.Errorf("after %d: %d rows", at, len(got))
				}
			}
			var split []string
			for _, bounds := range [][2]string{{"", "5"}, {"5", "a8"}, {"a8", ""}} {
				split = append(split, names(t, s, Filter{HashFrom: bounds[0], HashTo: bounds[1], Prefix: prefix})...)
			}
			if !slices.Equal(split, all) {
				t.Errorf("split by ranges: %d rows", len(split))
			}
		}
		for range s.Rows(t.Context(), Filter{}) {
			break // a consumer may stop at any time
		}
	})
}

// While others insert and delete, every row that stays is seen exactly once.
func TestListingUnderChanges(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		const stable = 20_000
		fill(t, s, "var/s/storage/stable/%d", stable)
		for _, f := range []Filter{{PageSize: 500}, {PageSize: 500, Prefix: "var/s/storage/"}} {
			ctx, stop := context.WithCancel(t.Context())
			var g errgroup.Group
			g.Go(func() error { return churn(ctx, s) })
			seen := make(map[string]int, stable)
			for _, name := range names(t, s, f) {
				if strings.HasPrefix(name, "var/s/storage/stable/") {
					seen[name]++
				}
			}
			stop()
			if err := g.Wait(); err != nil {
				t.Fatal(err)
			}
			for name, n := range seen {
				if n != 1 {
					t.Errorf("%s seen %d times", name, n)
				}
			}
			if len(seen) != stable {
				t.Errorf("%d rows seen of %d", len(seen), stable)
			}
		}
	})
}

// churn stores and deletes rows until ctx is done.
func churn(ctx context.Context, s *Store) error {
	for i := 0; ctx.Err() == nil; i++ {
		row := complete(s, Row{Name: fmt.Sprintf("var/s/storage/churn/%d", rand.N(200))})
		err := s.Update(context.WithoutCancel(ctx), func(tx *Tx) error {
			if i%2 == 0 {
				_, err := tx.Delete(row)
				return err
			}
			return tx.Upsert(row)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Both ways of finding the rows of a prefix keep no more than a page of them.
func TestListingHoldsOnePage(t *testing.T) {
	s := createTest(t, sqliteTestConfig(t))
	fill(t, s, "var/s/storage/"+strings.Repeat("long/", 60)+"%d", 6000)
	for _, f := range []Filter{{PageSize: 100}, {PageSize: 100, Prefix: "var/"}} {
		var before, now runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		n := 0
		for _, err := range s.Rows(t.Context(), f) {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n%3000 == 0 {
				runtime.GC()
				runtime.ReadMemStats(&now)
				if grown := int64(now.HeapAlloc) - int64(before.HeapAlloc); grown > 2<<20 {
					t.Errorf("%d bytes more after %d rows", grown, n)
				}
			}
		}
	}
}

// More rows than maxSeeds are listed by a walk of the primary key, which the
// engine must not replace by an index and a sort of every page.
func TestWalkUsesThePrimaryKey(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		fill(t, s, "var/s/storage/%d", 2000)
		f := Filter{Prefix: "var/s/storage/1", HashFrom: "4", PageSize: 50}
		walk := &cursor{store: s, table: StorageTable, filter: f, db: s.pools.read, started: true}
		var got []string
		for walk.fill(t.Context()) == nil && len(walk.page) > 0 {
			for _, k := range walk.page {
				got = append(got, k.Name)
			}
			walk.page = nil
		}
		if want := names(t, s, f); !slices.Equal(got, want) || len(got) == 0 {
			t.Errorf("the walk finds %d rows, the index %d", len(got), len(want))
		}
		clause, args := where(f.bounds(), f.selective(s, StorageTable))
		query := "SELECT `size` FROM " + s.dialect.walk(StorageTable) + clause + " ORDER BY `name_hash` LIMIT 50"
		if s.config.Engine == MySQL {
			if key, _ := explain(t, s, query, args...); key != "PRIMARY" {
				t.Errorf("the walk uses %q", key)
			}
			return
		}
		plan := queryPlan(t, s, query, args...)
		if strings.Contains(plan, "ezdfsfile_name") || strings.Contains(plan, "TEMP B-TREE") {
			t.Errorf("the walk is %q", plan)
		}
		clause, args = where(f.selective(s, StorageTable))
		if plan := queryPlan(t, s, "SELECT `name_hash` FROM `ezdfsfile`"+clause, args...); !strings.Contains(plan, "ezdfsfile_name ") {
			t.Errorf("the search is %q", plan)
		}
	})
}

// queryPlan is what SQLite makes of a query.
func queryPlan(t *testing.T, s *Store, text string, args ...any) (plan string) {
	t.Helper()
	var ignore int
	var detail string
	rows, err := s.pools.read.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+text, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(&ignore, &ignore, &ignore, &detail); err != nil {
			t.Fatal(err)
		}
		plan += detail + "\n"
	}
	return plan
}
