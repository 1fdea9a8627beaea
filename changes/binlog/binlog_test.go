package binlog

import (
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/changes"
	"example.com/ezdfs/metadata"
)

// TestWrites: what plain SQL does, as PHP would, is told in order.
func TestWrites(t *testing.T) {
	s := newSite(t, db)
	source := s.open(t)
	start := head(t, source)
	began := time.Now().Truncate(time.Second)

	s.put(t, "var/s/storage/a", "image", 100)
	s.put(t, "var/s/cache/b", "viewcache", 100)
	s.put(t, "var/s/storage/a", "image", 200)
	s.expire(t, "var/s/storage/a")
	s.expire(t, "var/s/storage/a") // changes nothing
	s.put(t, "var/s/storage/gone", "image", -5)
	s.run(t, "UPDATE ezdfsfile SET scope = 'x' WHERE name_hash = ?", metadata.Hash("var/s/storage/gone"))
	s.put(t, "var/s/cache/b.generating", "", 100)
	s.purge(t, "var/s/cache/b.generating")
	s.purge(t, "var/s/storage/a")
	s.run(t, "UPDATE ezdfsfile_cache SET name = 'var/s/cache/c', name_hash = ?", metadata.Hash("var/s/cache/c"))
	s.run(t, "TRUNCATE TABLE ezdfsfile_cache")

	list := drain(t, source, start)
	want := []string{
		"store var/s/storage/a", "store var/s/cache/b", "store var/s/storage/a", "expire var/s/storage/a",
		"expire var/s/storage/gone", "expire var/s/storage/gone", "purge var/s/storage/a",
		"purge var/s/cache/b", "store var/s/cache/c", "truncate ezdfsfile_cache",
	}
	if got := short(list); !slices.Equal(got, want) {
		t.Fatalf("got  %q\nwant %q", got, want)
	}
	server, err := source.ask(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		if c.Time.Before(began) || c.Time.After(time.Now()) || c.Host != server.host || c.Host == "" {
			t.Errorf("%+v: time or host", c)
		}
		if c.Kind != metadata.KindTruncate && c.Hash != metadata.Hash(c.Subject) || !strings.HasPrefix(string(c.Position), "binlog:mariadb:0-1-") {
			t.Errorf("%+v: hash or position", c)
		}
	}
	if list[0].Scope != "image" || list[1].Scope != "viewcache" || list[5].Scope != "x" || list[6].Scope != "image" {
		t.Errorf("scopes of %+v", list)
	}
	if last := list[len(list)-1].Position; last != head(t, source) {
		t.Errorf("the position of the last change is %s, the head %s", last, head(t, source))
	}
	if rest := drain(t, source, head(t, source)); len(rest) > 0 {
		t.Errorf("after the head: %v", rest)
	}
}

// TestResumeAnywhere: a stream resumed after any of its changes goes on with
// the next, inside of transactions too.
func TestResumeAnywhere(t *testing.T) {
	s := newSite(t, db)
	source := s.open(t)
	start := head(t, source)
	s.put(t, "var/s/a", "", 1)
	tx, err := s.pool.Begin()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b", "c.generating", "c", "d", "e.generating"} {
		if _, err := tx.Exec("INSERT INTO ezdfsfile_cache (name, name_trunk, name_hash, mtime) VALUES (?, '', ?, 1)", name, metadata.Hash(name)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := tx.Exec("UPDATE ezdfsfile_cache SET name = 'z', name_hash = 'z' WHERE name_hash = ?", metadata.Hash("b")); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	s.put(t, "var/s/b", "", 1)
	all := drain(t, source, start)
	if len(all) != 8 {
		t.Fatalf("%q", short(all))
	}
	for i, c := range all {
		got := drain(t, source, c.Position)
		if !slices.Equal(short(got), short(all[i+1:])) {
			t.Fatalf("after %s: %q, want %q", c.Position, short(got), short(all[i+1:]))
		}
		for j, again := range got {
			if again.Position != all[i+1+j].Position {
				t.Errorf("position %s, then %s", all[i+1+j].Position, again.Position)
			}
		}
	}
	if got := drain(t, source, changes.Newest); len(got) > 0 {
		t.Errorf("after the newest: %v", got)
	}
	oldest := drain(t, source, changes.Oldest)
	if n := len(oldest) - len(all); n < 0 || !slices.Equal(short(oldest[n:]), short(all)) {
		t.Errorf("from the oldest on: %q", short(oldest))
	}
}
