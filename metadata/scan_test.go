package metadata

import (
	"testing"
)

// misplace gives a row another name_hash, past the store.
func misplace(tb testing.TB, s *Store, name, hash string) {
	tb.Helper()
	_, err := s.pools.write.ExecContext(tb.Context(), "UPDATE "+quoted(s.config.Layout.Table(name))+
		" SET `name_hash` = ? WHERE `name_hash` = ?", hash, Hash(name))
	if err != nil {
		tb.Fatal(err)
	}
}

func TestScanTellsTheHashOfTheTable(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		put(t, s, Row{Name: "var/a", MTime: 1}, Row{Name: "var/cache/b", MTime: 1}, Row{Name: "var/c", MTime: 1})
		misplace(t, s, "var/c", "ffffffffffffffffffffffffffffffff")
		found := map[string]string{}
		last := ""
		for row, err := range s.Scan(t.Context(), Filter{}) {
			if err != nil {
				t.Fatal(err)
			}
			if row.NameHash <= last {
				t.Errorf("%s after %s: not in order", row.NameHash, last)
			}
			last, found[row.Name] = row.NameHash, row.NameHash
		}
		for name, want := range map[string]string{
			"var/a": Hash("var/a"), "var/cache/b": Hash("var/cache/b"), "var/c": "ffffffffffffffffffffffffffffffff",
		} {
			if found[name] != want {
				t.Errorf("%s stands under %q, want %q", name, found[name], want)
			}
		}
	})
}

func TestNamedFindsWhatHashesMiss(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		put(t, s, Row{Name: "var/a", MTime: 1}, Row{Name: "var/A", MTime: 1},
			Row{Name: "var/c", MTime: 1}, Row{Name: "var/c", MTime: 2, Table: s.Layout().Tables()[1]})
		misplace(t, s, "var/a", "00")
		found, err := s.Named(t.Context(), "var/a", "var/c", "var/none", "\xff")
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]int{}
		for _, row := range found {
			got[row.Table+" "+row.Name+" "+row.NameHash]++
		}
		tables := s.Layout().Tables()
		for _, want := range []string{
			tables[0] + " var/a 00", tables[0] + " var/c " + Hash("var/c"), tables[1] + " var/c " + Hash("var/c"),
		} {
			if got[want] != 1 {
				t.Errorf("%q found %d times, want once", want, got[want])
			}
		}
		if len(found) != 3 {
			t.Errorf("found %v", found)
		}
	})
}

func TestLockAndDeleteStored(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		put(t, s, Row{Name: "var/a", MTime: 1}, Row{Name: "var/b", MTime: 1})
		misplace(t, s, "var/a", "00")
		err := s.Update(t.Context(), func(tx *Tx) error {
			if _, ok, err := tx.LockStored(StorageTable, Hash("var/a")); ok || err != nil {
				t.Errorf("a row under the right hash: %v, %v", ok, err)
			}
			row, ok, err := tx.LockStored(StorageTable, "00")
			if !ok || err != nil || row.Name != "var/a" || row.NameHash != "00" {
				t.Errorf("LockStored = %+v, %v, %v", row, ok, err)
			}
			return tx.DeleteStored(row)
		})
		if err != nil {
			t.Fatal(err)
		}
		if left := live(t, s); !sameNames(left, []string{"var/b"}) {
			t.Errorf("left: %q", left)
		}
		for _, act := range []func(tx *Tx) error{
			func(tx *Tx) error { _, _, err := tx.LockStored("users", "00"); return err },
			func(tx *Tx) error { return tx.DeleteStored(Stored{Row: Row{Table: "users"}, NameHash: "00"}) },
		} {
			if err := s.Update(t.Context(), act); err == nil {
				t.Error("a table that is not the cluster's was accepted")
			}
		}
	})
}
