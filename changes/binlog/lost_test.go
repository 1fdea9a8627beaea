package binlog

import (
	"errors"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/changes"
)

// lost resumes after a position that is gone and returns why.
func lost(t *testing.T, source *Source, after changes.Position, follow bool) {
	t.Helper()
	n := 0
	for c, err := range source.Changes(t.Context(), after, follow) {
		if n++; n > 1 {
			t.Fatal("it goes on after the error")
		}
		var gone *changes.LostError
		if !errors.As(err, &gone) || gone.Position != after || gone.Source != "binlog" || gone.Reason == "" {
			t.Fatalf("after %q: %v, %v; want a LostError", after, c, err)
		}
		t.Log(err)
	}
	if n == 0 {
		t.Fatalf("after %q: nothing, want a LostError", after)
	}
}

func TestLost(t *testing.T) {
	s := newSite(t, own)
	source := s.open(t)
	s.put(t, "var/s/a", "", 1)
	old := head(t, source)
	s.put(t, "var/s/b", "", 1)
	middle := old + "/0-1-" + changes.Position(next(t, old)) + "+1"
	s.Exec(t, "FLUSH BINARY LOGS")
	s.put(t, "var/s/c", "", 1)
	s.Exec(t, "FLUSH BINARY LOGS")
	s.put(t, "var/s/d", "", 1)
	newest := head(t, source)
	if got := drain(t, source, old); len(got) != 3 {
		t.Fatalf("before the purge: %q", short(got))
	}
	s.purgeLogs(t)
	for _, follow := range []bool{false, true} {
		lost(t, source, old, follow)
		lost(t, source, middle, follow)
	}
	if got := short(drain(t, source, changes.Oldest)); len(got) != 1 || got[0] != "store var/s/d" {
		t.Errorf("the oldest that is left: %q", got)
	}
	if got := drain(t, source, newest); len(got) != 0 {
		t.Errorf("after the newest: %q", short(got))
	}
	s.Exec(t, "RESET MASTER")
	s.put(t, "var/s/e", "", 1)
	lost(t, source, newest, false)
	lost(t, source, newest, true)
	if got := short(drain(t, source, changes.Oldest)); len(got) != 1 || got[0] != "store var/s/e" {
		t.Errorf("after RESET MASTER: %q", got)
	}
}

// purgeLogs removes all binary logs but the newest. The server keeps those that a
// crash might need or that somebody still reads, without a word.
func (s *site) purgeLogs(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		logs := s.logs(t)
		if len(logs) == 1 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%q are never purged", logs)
		}
		s.Exec(t, "PURGE BINARY LOGS TO '"+logs[len(logs)-1]+"'")
	}
}

// logs are the names of the binary logs.
func (s *site) logs(t *testing.T) (names []string) {
	t.Helper()
	rows, err := s.pool.Query("SHOW BINARY LOGS")
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var name, size string
		if err := rows.Scan(&name, &size); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		t.Fatal(err)
	}
	return names
}

// A follower that is attached when the logs are reset hears nothing more of
// them, and says so.
func TestResetUnderFollower(t *testing.T) {
	s := newSite(t, db)
	s.put(t, "var/s/a", "", 1)
	source := s.open(t)
	source.heartbeat = 100 * time.Millisecond
	reset := false
	for change, err := range source.Changes(t.Context(), changes.Oldest, true) {
		if lost, ok := errors.AsType[*changes.LostError](err); ok {
			if !reset || !strings.Contains(lost.Reason, "reset") {
				t.Errorf("before the reset, or for another reason: %v", err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if change.Subject == "var/s/a" {
			s.Exec(t, "RESET MASTER")
			reset = true
		}
	}
	t.Error("the stream ended without a word")
}

// next is the sequence number after that of a position of one domain.
func next(t *testing.T, p changes.Position) string {
	t.Helper()
	at, err := parsePlace(p)
	if err != nil {
		t.Fatal(err)
	}
	g := at.state.(*mariadbState).last[0]
	g.sequence++
	return strings.TrimPrefix(g.String(), "0-1-")
}

// TestForeign: what is no position of this server is not taken for one.
func TestForeign(t *testing.T) {
	s := newSite(t, db)
	source := s.open(t)
	for _, p := range []changes.Position{
		"", "journal:7", "binlog:", "binlog:mariadb", "binlog:mariadb:x", "binlog:mariadb:0-1", "binlog:mariadb:0-1-1+0", "binlog:mariadb:0-1-1+x",
		"binlog:tape:1", "binlog:mysql:3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5", "binlog:file:u:binlog.000001:4", "binlog:file:u:f:-1",
		"binlog:mariadb:0-1-999999999", "binlog:mariadb:0-77-3", "binlog:mariadb:0-1-1,0-2-2",
	} {
		lost(t, source, p, false)
		lost(t, source, p, true)
	}
}
