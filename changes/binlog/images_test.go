package binlog

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"testing"

	"example.com/ezdfs/changes"
	"example.com/ezdfs/metadata"
)

// session is a connection with settings of its own.
func (s *site) session(t *testing.T, set string) func(statement string, args ...any) {
	t.Helper()
	conn, err := s.pool.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// A connection with other settings is of no use for others.
		conn.Raw(func(any) error { return sql.ErrConnDone })
		conn.Close()
	})
	run := func(statement string, args ...any) {
		t.Helper()
		if _, err := conn.ExecContext(context.WithoutCancel(t.Context()), statement, args...); err != nil {
			t.Fatal(statement, err)
		}
	}
	run(set)
	return run
}

// TestRowImages: with less than full images the names of rows that still exist
// are looked up, those of others are not known.
func TestRowImages(t *testing.T) {
	for _, image := range []string{"MINIMAL", "NOBLOB"} {
		t.Run(image, func(t *testing.T) {
			s := newSite(t, db)
			source := s.open(t)
			run := s.session(t, "SET SESSION binlog_row_image = '"+image+"'")
			start := head(t, source)
			insert := "INSERT INTO ezdfsfile (name, name_trunk, name_hash, scope, mtime) VALUES (?, 'x', ?, 'image', 7)"
			for _, name := range []string{"kept", "dead", "gone"} {
				run(insert, name, metadata.Hash(name))
			}
			run("UPDATE ezdfsfile SET mtime = mtime + 1 WHERE name_trunk = 'x'")
			run("UPDATE ezdfsfile SET mtime = -ABS(mtime), expired = 1 WHERE name_hash IN (?, ?)", metadata.Hash("dead"), metadata.Hash("gone"))
			run("UPDATE ezdfsfile SET size = 9 WHERE name_hash IN (?, ?)", metadata.Hash("kept"), metadata.Hash("dead"))
			run("DELETE FROM ezdfsfile WHERE name_hash = ?", metadata.Hash("gone"))
			run("UPDATE ezdfsfile SET name = 'moved', name_hash = ? WHERE name_hash = ?", metadata.Hash("moved"), metadata.Hash("kept"))

			gone, kept := "#"+metadata.Hash("gone"), "#"+metadata.Hash("kept")
			var got []string
			for _, c := range drain(t, source, start) {
				if c.Hash == "" {
					t.Errorf("%+v has no hash", c)
				}
				got = append(got, short([]changes.Change{c})...)
			}
			// By the time of reading, "dead" is expired, "kept" and "gone" are no more.
			// What an update that did not touch the liveness has left is looked up.
			touched := "expire dead"
			if image == "NOBLOB" { // it tells the columns that are no texts
				touched = "store dead"
			}
			first := got[3:6]
			slices.Sort(first)
			wantFirst := []string{touched, "store " + gone, "store " + kept}
			slices.Sort(wantFirst)
			if !slices.Equal(got[:3], []string{"store kept", "store dead", "store gone"}) || !slices.Equal(first, wantFirst) {
				t.Errorf("%q, then %q, want %q", got[:3], first, wantFirst)
			}
			rest := got[6:]
			slices.Sort(rest[:4])
			want := []string{"expire " + gone, "expire dead", "expire dead", "store " + kept, "purge " + gone, "purge " + kept, "store moved"}
			slices.Sort(want[:4])
			if !slices.Equal(rest, want) {
				t.Errorf("got  %q\nwant %q", rest, want)
			}
		})
	}
}

// TestNames: PHP connections in latin1, tables in latin1: names come out as the
// bytes that the hash was made of.
func TestNames(t *testing.T) {
	s := newSite(t, db)
	s.run(t, "ALTER TABLE ezdfsfile_cache CONVERT TO CHARACTER SET latin1")
	source := s.open(t)
	start := head(t, source)
	const name = "var/s/cache/Grüße – ‰Ž.png"
	for _, charset := range []string{"latin1", "utf8mb4"} {
		run := s.session(t, "SET NAMES "+charset)
		for _, table := range []string{"ezdfsfile", "ezdfsfile_cache"} {
			if charset == "latin1" && table == "ezdfsfile_cache" {
				continue // bytes as they are
			}
			run("REPLACE INTO " + table + " (name, name_trunk, name_hash, mtime) VALUES ('" + name + "', '', '" + metadata.Hash(name) + "', 1)")
		}
	}
	list := drain(t, source, start)
	if len(list) != 3 {
		t.Fatalf("%q", short(list))
	}
	for _, c := range list {
		if c.Subject != name {
			t.Errorf("%q, want %q", c.Subject, name)
		}
	}
}

// TestStatements: what a session logs as statements cannot be told.
func TestStatements(t *testing.T) {
	s := newSite(t, db)
	source := s.open(t)
	start := head(t, source)
	s.put(t, "a", "", 1)
	run := s.session(t, "SET SESSION binlog_format = 'STATEMENT'")
	run("CREATE TABLE other (a INT)")
	run("INSERT INTO other VALUES (1)")
	run("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
	s.put(t, "b", "", 1)
	run("UPDATE ezdfsfile SET mtime = 5")
	for _, follow := range []bool{false, true} {
		var names []string
		var last error
		for c, err := range source.Changes(t.Context(), start, follow) {
			if names = append(names, c.Subject); err != nil {
				last = err
			}
		}
		var lost *changes.LostError
		if !slices.Equal(names, []string{"a", "b", ""}) || !errors.As(last, &lost) {
			t.Errorf("%q, %v", names, last)
		}
	}
}
