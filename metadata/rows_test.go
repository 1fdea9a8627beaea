package metadata

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
)

// twins are names that some collation holds equal, or some pattern confuses.
var twins = []string{
	"var/s/storage/a.png", "var/s/storage/A.png", "var/s/storage/á.png", "var/s/storage/a.png ",
	"var/s/storage/a.png  ", "var/s/storage/axpng", "var/s/storage/a_png", "var/s/storage/a%png",
	"var/s/storage/a|png", "var/s/storage/😀.png", "var/s/storage/😁.png", "var/s/storage/ß", "var/s/storage/ss",
	"var/s/storage/a'\"`png", "var/s/storage/a\tb\nc", "var/s/storage/" + strings.Repeat("long/", 100) + "x",
}

// names collects the names of a listing.
func names(tb testing.TB, s *Store, f Filter) []string {
	tb.Helper()
	var all []string
	for r, err := range s.Rows(tb.Context(), f) {
		if err != nil {
			tb.Fatal(err)
		}
		all = append(all, r.Name)
	}
	return all
}

// sameNames compares as sets.
func sameNames(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// live lists the names of all rows that are live.
func live(tb testing.TB, s *Store) []string {
	tb.Helper()
	return names(tb, s, Filter{Expired: new(bool)})
}

func TestGet(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		want := Row{Name: "var/s/storage/ü 😀.png", Trunk: "var/s/storage/ü", DataType: "image/png",
			Scope: "image", Size: math.MaxInt64, MTime: 1_700_000_000, Table: StorageTable}
		put(t, s, want)
		if got, err := s.Get(t.Context(), want.Name); err != nil || got != want {
			t.Errorf("Get = %+v, %v; want %+v", got, err, want)
		}
		for _, missing := range []string{"var/s/none", "var/S/storage/ü 😀.png", ""} {
			if _, err := s.Get(t.Context(), missing); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrUnavailable) || IsRetryable(err) {
				t.Errorf("Get(%q): %v", missing, err)
			}
		}
	})
}

func TestNamesAreBytes(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		for i, name := range twins {
			put(t, s, Row{Name: name, Size: int64(i)})
		}
		got, err := s.GetMany(t.Context(), append(slices.Clone(twins), "var/s/none"))
		if err != nil || !sameNames(slices.Collect(maps.Keys(got)), twins) {
			t.Fatalf("GetMany = %v, %v", got, err)
		}
		for i, name := range twins {
			if got[name].Size != int64(i) || got[name].Name != name {
				t.Errorf("%q is %+v", name, got[name])
			}
			if row, err := s.Get(t.Context(), name); err != nil || row != got[name] {
				t.Errorf("Get(%q) = %+v, %v", name, row, err)
			}
		}
		if all := names(t, s, Filter{}); !sameNames(all, twins) {
			t.Errorf("Rows = %q", all)
		}
		for _, name := range twins {
			var want []string
			for _, other := range twins {
				if strings.HasPrefix(other, name) {
					want = append(want, other)
				}
			}
			if all := names(t, s, Filter{Prefix: name}); !sameNames(all, want) {
				t.Errorf("Rows with prefix %q = %q, want %q", name, all, want)
			}
		}
	})
}

func TestUpsertReplacesEverything(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		name := "var/s/cache/2-a"
		put(t, s, Row{Name: name, Trunk: "old", Scope: "viewcache", DataType: "a/b", Size: 9, MTime: -5, Expired: true})
		want := Row{Name: name, Trunk: "new", Scope: "", DataType: "c/d", Size: 0, MTime: 6, Table: "ezdfsfile_cache"}
		put(t, s, want)
		if got, err := s.Get(t.Context(), name); err != nil || got != want {
			t.Errorf("%+v, %v; want %+v", got, err, want)
		}
	})
}

func TestRowsInTheOtherTable(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		stray := complete(s, Row{Name: "var/s/storage/a", Table: "ezdfsfile_cache"})
		put(t, s, stray)
		if _, err := s.Get(t.Context(), stray.Name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Get finds the stray row: %v", err)
		}
		for r, err := range s.Rows(t.Context(), Filter{}) {
			if err != nil || r != stray {
				t.Errorf("%+v, %v; want %+v", r, err, stray)
			}
		}
		err := s.Update(t.Context(), func(tx *Tx) error {
			found, err := tx.Lock(Row{Name: stray.Name}, stray)
			if err != nil || len(found) != 1 || found[0] != stray {
				t.Errorf("Lock = %+v, %v", found, err)
			}
			n, err := tx.Delete(found...)
			if n != 1 {
				t.Errorf("%d deleted", n)
			}
			return err
		})
		if err != nil || len(names(t, s, Filter{})) != 0 {
			t.Error("the stray row is still there", err)
		}
		for _, bad := range []func(tx *Tx) error{
			func(tx *Tx) error { return tx.Upsert(Row{Name: "a", Table: "users"}) },
			func(tx *Tx) error { _, err := tx.Delete(Row{Name: "a", Table: "users"}); return err },
			func(tx *Tx) error { _, err := tx.Lock(Row{Name: "a", Table: "users"}); return err },
		} {
			if err := s.Update(t.Context(), bad); !errors.Is(err, ErrSchema) {
				t.Errorf("a foreign table: %v", err)
			}
		}
	})
}

func TestLockAndDelete(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		put(t, s, Row{Name: "var/s/b"}, Row{Name: "var/s/cache/a"}, Row{Name: "var/s/c"})
		err := s.Update(t.Context(), func(tx *Tx) error {
			found, err := tx.Lock(Row{Name: "var/s/c"}, Row{Name: "var/s/none"}, Row{Name: "var/s/cache/a"})
			if err != nil || len(found) != 2 || found[0].Name != "var/s/c" || found[1].Name != "var/s/cache/a" {
				t.Errorf("Lock = %+v, %v", found, err)
			}
			n, err := tx.Expire(found...)
			if n != 2 || err != nil {
				t.Errorf("Expire = %d, %v", n, err)
			}
			n, err = tx.Delete(append(found, Row{Name: "var/s/none"})...)
			if n != 2 {
				t.Errorf("Delete = %d", n)
			}
			claim := complete(s, Row{Name: "var/s/claim"})
			return errors.Join(err, tx.Claim(claim), tx.Unclaim(claim, Row{Name: "var/s/none"}))
		})
		if got := names(t, s, Filter{}); err != nil || !slices.Equal(got, []string{"var/s/b"}) {
			t.Error(got, err)
		}
	})
}

func TestUpdateRollsBack(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		broken := errors.New("publish failed")
		for _, pin := range []bool{false, true} {
			err := s.Update(t.Context(), func(tx *Tx) error {
				if err := tx.Upsert(complete(s, Row{Name: "var/s/a"})); err != nil {
					return err
				}
				if pin {
					return errors.Join(tx.Pin(), broken)
				}
				return broken
			})
			if !errors.Is(err, broken) || len(names(t, s, Filter{})) != 0 {
				t.Errorf("pinned %v: %v", pin, err)
			}
		}
		func() {
			defer func() { recover() }()
			s.Update(t.Context(), func(tx *Tx) error {
				tx.Upsert(complete(s, Row{Name: "var/s/a"}))
				panic("in the middle")
			})
		}()
		put(t, s, Row{Name: "var/s/b"}) // no lock is left behind
		if got := names(t, s, Filter{}); !slices.Equal(got, []string{"var/s/b"}) {
			t.Error(got)
		}
	})
}

func TestCheckRow(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		good := complete(s, Row{Name: "var/s/ü😀", Scope: strings.Repeat("😀", 25), DataType: strings.Repeat("ü", 255)})
		put(t, s, good)
		for _, c := range []struct {
			column string
			change func(r *Row)
		}{
			{"scope", func(r *Row) { r.Scope += "x" }},
			{"datatype", func(r *Row) { r.DataType += "x" }},
			{"datatype", func(r *Row) { r.DataType = "\xff" }},
			{"name", func(r *Row) { r.Name = strings.Repeat("a/", 1<<15) + "a" }},
			{"name_trunk", func(r *Row) { r.Trunk = strings.Repeat("a", 1<<16) }},
			{"size", func(r *Row) { r.Size = -1 }},
			{"mtime", func(r *Row) { r.MTime = math.MaxInt32 + 1 }},
			{"mtime", func(r *Row) { r.MTime = math.MinInt32 }},
		} {
			row := good
			c.change(&row)
			var limit *LimitError
			for _, err := range []error{s.CheckRow(row), s.Update(t.Context(), func(tx *Tx) error { return tx.Upsert(row) })} {
				if !errors.As(err, &limit) || limit.Column != c.column || limit.Name != row.Name || !errors.Is(err, fs.ErrInvalid) {
					t.Errorf("%s: %.200v", c.column, err)
				}
			}
		}
		for _, name := range []string{"", "/a", "a//b", "../a", "a/", "\xff"} {
			var named *NameError
			if err := s.CheckRow(Row{Name: name}); !errors.As(err, &named) {
				t.Errorf("name %q: %v", name, err)
			}
		}
		if got := names(t, s, Filter{}); !slices.Equal(got, []string{good.Name}) {
			t.Error(got)
		}
	})
}

func TestCancelledContext(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		put(t, s, Row{Name: "var/s/a"})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, get := s.Get(ctx, "var/s/a")
		_, many := s.GetMany(ctx, []string{"var/s/a"})
		_, expire := s.Expire(ctx, "var/s/a")
		_, prefix := s.ExpirePrefix(ctx, "var/s/a")
		_, wildcard := s.ExpireWildcard(ctx, "*")
		var listing error
		for _, listing = range s.Rows(ctx, Filter{}) {
		}
		update := s.Update(ctx, func(tx *Tx) error { t.Error("the transaction ran"); return nil })
		for i, err := range []error{get, many, expire, prefix, wildcard, listing, update, s.Ping(ctx)} {
			if !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnavailable) || IsRetryable(err) {
				t.Errorf("%d: %v", i, err)
			}
		}
	})
}

// A caller that gives up before Pin loses the transaction; after it, the
// transaction is finished all the same.
func TestCancelInTheMiddle(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		for _, pin := range []bool{false, true} {
			ctx, cancel := context.WithCancel(t.Context())
			name := fmt.Sprintf("var/s/%v", pin)
			err := s.Update(ctx, func(tx *Tx) error {
				if pin {
					if err := tx.Pin(); err != nil {
						return err
					}
				}
				cancel()
				return tx.Upsert(complete(s, Row{Name: name}))
			})
			if pin != (err == nil) || !pin && !errors.Is(err, context.Canceled) {
				t.Errorf("pinned %v: %v", pin, err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		err := s.Update(ctx, func(tx *Tx) error { cancel(); return tx.Pin() })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Pin after the caller gave up: %v", err)
		}
		if got := names(t, s, Filter{}); !slices.Equal(got, []string{"var/s/true"}) {
			t.Error(got)
		}
	})
}

// Claim inserts what is missing and changes nothing else.
func TestClaimKeepsWhatIsThere(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		put(t, s, Row{Name: "var/s/a", Scope: "image", Size: 3})
		before, _ := s.Get(t.Context(), "var/s/a")
		if err := s.Update(t.Context(), func(tx *Tx) error {
			return tx.Claim(Row{Name: "var/s/a", Trunk: "x", MTime: -1, Expired: true}, Row{Name: "var/s/b", Trunk: "x", MTime: -1, Expired: true})
		}); err != nil {
			t.Fatal(err)
		}
		after, _ := s.Get(t.Context(), "var/s/a")
		if after != before {
			t.Error("Claim changed a row that was there", after)
		}
		if row, err := s.Get(t.Context(), "var/s/b"); err != nil || !row.Expired {
			t.Error(row, err)
		}
	})
}
