package metadata

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func trashedTest(name, stamp string, pending bool) Trashed {
	return Trashed{
		Name: name, Stamp: stamp, DataType: "image/png", Scope: "image", Size: 1 << 40, ModTime: time.Unix(1_300_000_000, 0),
		Backend: "s3:media", Location: "trash/" + stamp + "/" + name, Time: time.UnixMicro(1_700_000_000_000_001), Pending: pending,
	}
}

func listTrash(t *testing.T, s *Store, filter TrashFilter) (found []Trashed) {
	t.Helper()
	for entry, err := range s.Trash(t.Context(), filter) {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, entry)
	}
	return found
}

func updateTest(t *testing.T, s *Store, do func(tx *Tx) error) {
	t.Helper()
	if err := s.Update(t.Context(), do); err != nil {
		t.Fatal(err)
	}
}

func TestTrashEntries(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		a, b := trashedTest("var/ä \U0001F600", "2026-11-21", true), trashedTest("var/b", "2026-11-21", true)
		again := trashedTest("var/b", "2026-11-21.1", true)
		updateTest(t, s, func(tx *Tx) error { return tx.AddTrash(a, b, again) })
		if err := s.Update(t.Context(), func(tx *Tx) error { return tx.AddTrash(a) }); err == nil {
			t.Error("two entries with one key")
		}
		got := listTrash(t, s, TrashFilter{})
		if len(got) != 3 || !slices.ContainsFunc(got, func(x Trashed) bool { return reflect.DeepEqual(x, a) }) {
			t.Errorf("listed %+v", got)
		}
		if got := listTrash(t, s, TrashFilter{Name: "var/b"}); len(got) != 2 || got[0].Stamp != b.Stamp || got[1].Stamp != again.Stamp {
			t.Errorf("listed of one name %+v", got)
		}
		updateTest(t, s, func(tx *Tx) error {
			found, err := tx.TrashOf("var/b", "var/none")
			if len(found) != 2 {
				t.Errorf("known of one name: %+v", found)
			}
			return err
		})

		// What somebody else took for a leftover is recorded anew; what somebody
		// else settled is not dropped as pending.
		updateTest(t, s, func(tx *Tx) error { return tx.DropPendingTrash(b) })
		updateTest(t, s, func(tx *Tx) error { return tx.SettleTrash(a, b) })
		updateTest(t, s, func(tx *Tx) error { return tx.DropPendingTrash(a, b, again) })
		got = listTrash(t, s, TrashFilter{})
		if len(got) != 2 || got[0].Pending || got[1].Pending {
			t.Errorf("settled: %+v", got)
		}
		updateTest(t, s, func(tx *Tx) error { return tx.DropTrash(a, b) })
		if got := listTrash(t, s, TrashFilter{}); len(got) > 0 {
			t.Errorf("left: %+v", got)
		}
	})
}

func TestTrashFilter(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		var all []Trashed
		for i := range 2*defaultPageSize + 7 {
			entry := trashedTest(fmt.Sprintf("var/dir/%d", i/2), fmt.Sprint("2026-11-21.", i%2), false)
			entry.Time = time.Unix(int64(1000+i), 0)
			all = append(all, entry)
		}
		all = append(all, trashedTest("var/dirt", "2026-11-21", false), trashedTest("var/dir", "2026-11-21", false))
		for _, rest := range []string{"\U0001F600", "\x01", "\uffff", "a/b", "A/B", "%"} {
			all = append(all, trashedTest("var/d_r/"+rest, "2026-11-21", false))
		}
		updateTest(t, s, func(tx *Tx) error { return tx.AddTrash(all...) })
		for _, test := range []struct {
			filter TrashFilter
			want   int
		}{
			{TrashFilter{}, len(all)},
			{TrashFilter{Name: "var/dir"}, len(all) - 7},
			{TrashFilter{Name: "var/d_r"}, 6},
			{TrashFilter{Name: "var/d_r/a"}, 1},
			{TrashFilter{Name: "var/d_r/%"}, 1},
			{TrashFilter{Name: "var"}, len(all)},
			{TrashFilter{Name: "none"}, 0},
			{TrashFilter{Name: "var/dir/5"}, 2},
			{TrashFilter{Before: time.Unix(1010, 0)}, 10},
			{TrashFilter{Name: "var/dir/5", Before: time.Unix(1011, 0)}, 1},
		} {
			got := listTrash(t, s, test.filter)
			seen := make(map[string]bool)
			for _, entry := range got {
				seen[entry.Location] = true
			}
			if len(got) != test.want || len(seen) != test.want {
				t.Errorf("%+v selects %d, %d of them different, want %d", test.filter, len(got), len(seen), test.want)
			}
			inOrder := slices.IsSortedFunc(got, func(a, b Trashed) int {
				return cmp.Or(strings.Compare(Hash(a.Name), Hash(b.Name)), strings.Compare(a.Stamp, b.Stamp))
			})
			if !inOrder {
				t.Errorf("%+v is not in order", test.filter)
			}
		}
	})
}

// TestTrashByIndex: what is below a name is found by an index.
func TestTrashByIndex(t *testing.T) {
	s := createTest(t, mysqlTestConfig(t))
	var all []Trashed
	for i := range 3000 {
		all = append(all, trashedTest(fmt.Sprintf("var/dir%d/a", i), "2026-11-21", false))
	}
	updateTest(t, s, func(tx *Tx) error { return tx.AddTrash(all...) })
	before := rowsRead(t, s)
	if got := listTrash(t, s, TrashFilter{Name: "var/dir77"}); len(got) != 1 {
		t.Errorf("listed %+v", got)
	}
	if read := rowsRead(t, s) - before; read > 500 { // other tests use the server too
		t.Errorf("the server read %d rows of %d", read, len(all))
	}
}

func TestTrashNeedsItsTable(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		if err := s.NeedTrash(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := s.pools.write.ExecContext(t.Context(), "DROP TABLE "+quoted(trashTable)); err != nil {
			t.Fatal(err)
		}
		if err := s.loadSchema(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.NeedTrash(t.Context()); !errors.Is(err, ErrSchema) {
			t.Errorf("without the table: %v", err)
		}
		for _, err := range s.Trash(t.Context(), TrashFilter{}) {
			if !errors.Is(err, ErrSchema) {
				t.Errorf("a listing without the table: %v", err)
			}
		}
		if err := s.CreateSchema(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.NeedTrash(t.Context()); err != nil {
			t.Errorf("with the table again: %v", err)
		}
	})
}

// TestLockTrash: entries that are not what they were any more are not locked, and
// who wants one that is waits.
func TestLockTrash(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		a, b, gone := trashedTest("var/a", "2026-11-21", true), trashedTest("var/b", "2026-11-21.1", false), trashedTest("var/gone", "2026-11-21", false)
		again := trashedTest("var/again", "2026-11-21", false)
		updateTest(t, s, func(tx *Tx) error { return tx.AddTrash(a, b, again) })
		before := again
		before.Time = before.Time.Add(-time.Minute)
		settled := a
		settled.Pending = false
		updateTest(t, s, func(tx *Tx) error {
			locked, err := tx.LockTrash(b, settled, gone, before)
			slices.SortFunc(locked, func(x, y Trashed) int { return strings.Compare(x.Name, y.Name) })
			if !reflect.DeepEqual(locked, []Trashed{a, b}) {
				t.Errorf("locked %+v", locked)
			}
			return err
		})
		locked, dropped := make(chan struct{}), make(chan error)
		go func() {
			<-locked
			dropped <- s.Update(t.Context(), func(tx *Tx) error { return tx.DropTrash(b) })
		}()
		updateTest(t, s, func(tx *Tx) error {
			if _, err := tx.LockTrash(b); err != nil {
				return err
			}
			select {
			case <-locked:
			default:
				close(locked)
			}
			found, err := tx.TrashOf(b.Name)
			if len(found) != 1 {
				t.Errorf("while it is locked: %+v", found)
			}
			return err
		})
		if err := <-dropped; err != nil {
			t.Error(err)
		}
	})
}

// TestIndexOfTheTrash: a table that was made without it gets its index.
func TestIndexOfTheTrash(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		drop := "DROP INDEX `ezdfs_trash_name`"
		if s.config.Engine == MySQL {
			drop += " ON " + quoted(trashTable)
		}
		if _, err := s.pools.write.ExecContext(t.Context(), drop); err != nil {
			t.Fatal(err)
		}
		problems, err := s.CheckSchema(t.Context())
		if err != nil || len(problems) != 1 || problems[0].Severity != SeverityWarning || problems[0].Table != trashTable ||
			problems[0].Text != "no index on name, so all of it is read for what is below a path" {
			t.Errorf("without it: %v, %v", problems, err)
		}
		for range 2 {
			if err := s.CreateSchema(t.Context()); err != nil {
				t.Fatal(err)
			}
			if problems, err := s.CheckSchema(t.Context()); err != nil || len(problems) > 0 {
				t.Errorf("with it again: %v, %v", problems, err)
			}
		}
	})
}
