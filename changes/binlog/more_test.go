package binlog

import (
	"fmt"
	"slices"
	"testing"

	"example.com/ezdfs/metadata"
)

// TestDomains: transactions of several replication domains, each numbered by
// itself, resumed after each.
func TestDomains(t *testing.T) {
	s := newSite(t, db)
	source := s.open(t)
	start := head(t, source)
	var want []string
	for i := range 9 {
		name := fmt.Sprint("d", i)
		s.session(t, fmt.Sprint("SET SESSION gtid_domain_id = ", i%3))(
			"INSERT INTO ezdfsfile (name, name_trunk, name_hash) VALUES (?, '', ?)", name, metadata.Hash(name))
		want = append(want, "store "+name)
	}
	all := drain(t, source, start)
	if got := short(all); !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	for i, c := range all {
		if got := short(drain(t, source, c.Position)); !slices.Equal(got, want[i+1:]) {
			t.Errorf("after %s: %q, want %q", c.Position, got, want[i+1:])
		}
	}
}

// TestCompressed: MariaDB's compressed events, and rows of several kilobytes.
func TestCompressed(t *testing.T) {
	s := newSite(t, own)
	source := s.open(t)
	start := head(t, source)
	s.Exec(t, "SET GLOBAL log_bin_compress = ON")
	defer s.Exec(t, "SET GLOBAL log_bin_compress = OFF")
	run := s.session(t, "SET NAMES utf8mb4")
	long := "var/" + string(slices.Repeat([]byte("long/"), 4000))
	run("INSERT INTO ezdfsfile (name, name_trunk, name_hash, mtime) VALUES (?, '', ?, 5)", long, metadata.Hash(long))
	run("UPDATE ezdfsfile SET mtime = -mtime, expired = 1")
	run("DELETE FROM ezdfsfile")
	if got, want := short(drain(t, source, start)), []string{"store " + long, "expire " + long, "purge " + long}; !slices.Equal(got, want) {
		t.Errorf("%d changes", len(got))
	}
}

// TestOtherTables: what happens to other tables and in other databases is
// passed over, an outage in the middle of it too.
func TestOtherTables(t *testing.T) {
	s, other := newSite(t, own), newSite(t, own)
	source := s.open(t)
	s.put(t, "a", "", 1)
	f := follow(t, source, head(t, source))
	s.put(t, "b", "", 1)
	f.want(t, "store b")
	for i := range 20 {
		other.put(t, fmt.Sprint(i), "", 1)
	}
	s.run(t, "CREATE TABLE mine (a INT)")
	s.run(t, "INSERT INTO mine VALUES (1), (2)")
	s.put(t, "c", "", 1)
	f.want(t, "store c")
	other.put(t, "x", "", 1)
	own.Exec(t, "FLUSH BINARY LOGS")
	own.Stop()
	own.Start(t)
	s.put(t, "d", "", 1)
	f.want(t, "store d")
	f.end(t)
}
