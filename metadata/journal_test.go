package metadata

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"
)

// journal reads the journal as text, in order.
func journal(t *testing.T, s *Store) (entries []string) {
	t.Helper()
	err := query(t.Context(), s.pools.read, func(rows *sql.Rows) error {
		var kind, subject, scope, host string
		var micros int64
		err := rows.Scan(&kind, &subject, &scope, &micros, &host)
		if at := time.UnixMicro(micros); time.Since(at).Abs() > time.Hour {
			t.Errorf("recorded at %v", at)
		}
		entries = append(entries, fmt.Sprintf("%s %s %s %s", kind, subject, scope, host))
		return err
	}, "SELECT `kind`, `subject`, `scope`, `time`, `host` FROM `ezdfs_journal` ORDER BY `id`")
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

// Every change of the store itself is in the journal, and only what was
// committed is.
func TestJournal(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		put(t, s, Row{Name: "var/s/cache/ü😀", Scope: "viewcache"}, Row{Name: "var/s/storage/b", Scope: "image"})
		broken := errors.New("broken")
		err := s.Update(t.Context(), func(tx *Tx) error {
			return errors.Join(tx.Record(Change{Kind: KindStore, Subject: "var/s/lost"}), broken)
		})
		if !errors.Is(err, broken) {
			t.Fatal(err)
		}
		err = s.Update(t.Context(), func(tx *Tx) error {
			return tx.Record(Change{Kind: KindStore, Subject: "var/s/a", Scope: "image"},
				Change{Kind: KindMove, Subject: "var/s/b", Host: "host2", Time: time.Now()})
		})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // nothing changes the second time
			if _, err := s.Expire(t.Context(), "var/s/storage/b", "var/s/cache/ü😀", "var/s/none"); err != nil {
				t.Fatal(err)
			}
		}
		s.ExpirePrefix(t.Context(), "var/s/c")
		s.ExpireTrunk(t.Context(), "var/s/c-")
		put(t, s, Row{Name: "var/s/storage/b"})
		s.ExpireWildcard(t.Context(), "var/*/b")
		want := []string{
			"store var/s/a image host1", "move var/s/b  host2",
			"expire var/s/storage/b image host1", "expire var/s/cache/ü😀 viewcache host1",
			"expire-prefix var/s/c  host1", "expire-trunk var/s/c-  host1", "expire-wildcard var/*/b  host1",
		}
		if got := journal(t, s); !slices.Equal(got, want) {
			t.Errorf("the journal is %q", got)
		}
	})
}

// Rows and changes that are written together are all there or none, whichever
// the database refuses.
func TestWrite(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		var rows []Row
		var changes []Change
		var want []string
		for i := range chunkSize + 1 { // of both tables, more than a statement has
			name := fmt.Sprintf("var/s/%s/%03d", []string{"cache", "storage"}[i%2], i)
			rows = append(rows, complete(s, Row{Name: name}))
			changes = append(changes, Change{Kind: KindStore, Subject: name})
			want = append(want, fmt.Sprintf("store %s  host1", name))
		}
		write := func(rows []Row, changes ...Change) error {
			return s.Update(t.Context(), func(tx *Tx) error { return tx.Write(rows, changes...) })
		}
		if err := write(rows, changes...); err != nil {
			t.Fatal(err)
		}
		if err := write(nil); err != nil {
			t.Error(err)
		}
		if got := journal(t, s); !slices.Equal(got, want) {
			t.Errorf("the journal is %q", got)
		}
		if got := names(t, s, Filter{Prefix: "var/s/"}); len(got) != len(rows) {
			t.Errorf("%d rows of %d", len(got), len(rows))
		}
		if _, err := s.pools.write.Exec("DROP TABLE `ezdfs_journal`"); err != nil { // while s believes in it
			t.Fatal(err)
		}
		refused := complete(s, Row{Name: "var/s/cache/refused"})
		if err := write([]Row{refused}, Change{Kind: KindStore, Subject: refused.Name}); err == nil || !strings.Contains(err.Error(), refused.Name) {
			t.Errorf("without the journal's table: %v", err)
		}
		if _, err := s.Get(t.Context(), refused.Name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the row of a change that was refused: %v", err)
		}
	})
}

func TestKindFamily(t *testing.T) {
	for kind, want := range map[Kind]bool{
		KindStore: false, KindExpire: false, KindPurge: false, KindCopy: false, KindMove: false, KindRepair: false,
		KindExpirePrefix: true, KindExpireTrunk: true, KindExpireWildcard: true, KindExpireScope: true, KindTruncate: true,
	} {
		if kind.Family() != want {
			t.Errorf("%s: %v", kind, !want)
		}
	}
}
