package binlog

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"example.com/ezdfs/changes"
	"example.com/ezdfs/internal/testservice"
	"example.com/ezdfs/metadata"
)

// follower reads a source in the background.
type follower struct {
	changes chan changes.Change
	done    chan error // the error it ended with, or nil
	cancel  context.CancelFunc
}

func follow(tb testing.TB, source *Source, after changes.Position) *follower {
	ctx, cancel := context.WithCancel(tb.Context())
	f := &follower{make(chan changes.Change), make(chan error, 1), cancel}
	go func() {
		var last error
		for c, err := range source.Changes(ctx, after, true) {
			if last = err; err != nil {
				break
			}
			select {
			case f.changes <- c:
			case <-ctx.Done():
			}
		}
		f.done <- last
	}()
	tb.Cleanup(cancel)
	return f
}

// want waits for changes.
func (f *follower) want(tb testing.TB, want ...string) (list []changes.Change) {
	tb.Helper()
	for range want {
		select {
		case c := <-f.changes:
			list = append(list, c)
		case err := <-f.done:
			tb.Fatalf("it ended with %v after %q, want %q", err, short(list), want)
		case <-time.After(time.Minute):
			tb.Fatalf("it told %q, want %q", short(list), want)
		}
	}
	if !slices.Equal(short(list), want) {
		tb.Fatalf("it told %q, want %q", short(list), want)
	}
	return list
}

// end stops the follower and makes sure that it ends without an error.
func (f *follower) end(tb testing.TB) {
	tb.Helper()
	f.cancel()
	select {
	case err := <-f.done:
		if err != nil {
			tb.Errorf("ended with %v", err)
		}
	case <-time.After(time.Minute):
		tb.Fatal("it does not end")
	}
}

// TestOutages: restarts, crashes and rotations of the log lose nothing and
// repeat nothing.
func TestOutages(t *testing.T) {
	s := newSite(t, own)
	source := s.open(t)
	f := follow(t, source, head(t, source))
	write := func(name string) { s.put(t, name, "", 1) }
	write("a")
	f.want(t, "store a")
	for i, outage := range []func(*testservice.MariaDB){
		(*testservice.MariaDB).Stop, (*testservice.MariaDB).Kill,
		func(*testservice.MariaDB) { own.Exec(t, "FLUSH BINARY LOGS") },
		func(*testservice.MariaDB) { own.Exec(t, "FLUSH BINARY LOGS;\nFLUSH BINARY LOGS") },
	} {
		before, after, later := fmt.Sprint("before", i), fmt.Sprint("after", i), fmt.Sprint("later", i)
		write(before)
		outage(own)
		own.Start(t)
		write(after)
		f.want(t, "store "+before, "store "+after)
		write(later)
		f.want(t, "store "+later)
	}
	f.end(t)
}

// TestStartsDuringOutage: a follower may be there before the server.
func TestStartsDuringOutage(t *testing.T) {
	s := newSite(t, own)
	source := s.open(t)
	after := head(t, source)
	s.put(t, "a", "", 1)
	own.Stop()
	f := follow(t, source, after)
	for _, err := range source.Changes(t.Context(), after, false) {
		if err == nil {
			t.Error("without follow, an outage is an error")
		}
	}
	own.Start(t)
	f.want(t, "store a")
	f.end(t)
}

// TestNewest: a follower of the newest tells nothing that was there before it.
func TestNewest(t *testing.T) {
	s := newSite(t, db)
	s.put(t, "old", "", 1)
	f := follow(t, s.open(t), changes.Newest)
	for i := 1; ; i++ {
		s.put(t, "new", "", i)
		select {
		case c := <-f.changes:
			if c.Subject != "new" {
				t.Errorf("it told %+v", c)
			}
			f.end(t)
			return
		case err := <-f.done:
			t.Fatal(err)
		default:
		}
	}
}

// TestKilled: an administrator who kills the connection ends nothing.
func TestKilled(t *testing.T) {
	s := newSite(t, own)
	source := s.open(t)
	f := follow(t, source, head(t, source))
	for i := range 3 {
		s.put(t, "before", "", i)
		f.want(t, "store before")
		var id int
		if err := s.pool.QueryRowContext(t.Context(), "SELECT MAX(ID) FROM information_schema.PROCESSLIST WHERE COMMAND = 'Binlog Dump'").Scan(&id); err != nil {
			t.Fatal(err)
		}
		s.Exec(t, fmt.Sprint("KILL ", id))
		name := fmt.Sprint("a", i)
		s.put(t, name, "", 1)
		f.want(t, "store "+name)
	}
	f.end(t)
}

// TestRandomStops: several writers, and a reader that is stopped anywhere and
// resumed from its last position. Compared with what the database did: of each
// path every change, in order.
func TestRandomStops(t *testing.T) {
	s := newSite(t, db)
	source := s.open(t)
	at := head(t, source)
	const writers, each = 4, 150
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() { writeVersions(t, s, w, each) })
	}
	random := rand.New(rand.NewPCG(3, 4))
	versions := make(map[string][]int)
	total := 0
	for total < writers*each {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		stop := random.IntN(40)
		for c, err := range source.Changes(ctx, at, true) {
			if err != nil {
				t.Fatal(err)
			}
			version := 0
			fmt.Sscanf(c.Scope, "v%d", &version)
			versions[c.Subject] = append(versions[c.Subject], version)
			at, total, stop = c.Position, total+1, stop-1
			if stop < 0 || total == writers*each {
				break
			}
		}
		if ctx.Err() != nil {
			t.Fatalf("only %d changes came", total)
		}
		cancel()
	}
	wg.Wait()
	if rest := drain(t, source, at); len(rest) > 0 {
		t.Errorf("%d more than written", len(rest))
	}
	for path, got := range versions {
		for i, v := range got {
			if v != i {
				t.Fatalf("%s: versions %v", path, got)
			}
		}
	}
}

// writeVersions stores numbered versions of a writer's own paths and of paths
// that all write, in transactions of several rows.
func writeVersions(t *testing.T, s *site, writer, changes int) {
	random := rand.New(rand.NewPCG(uint64(writer), 2))
	versions := make(map[string]int)
	for left := changes; left > 0; {
		n := min(left, 1+random.IntN(30))
		tx, err := s.pool.Begin()
		if err != nil {
			t.Error(err)
			return
		}
		for range n {
			name := fmt.Sprintf("var/s/w%d/%d", writer, random.IntN(5))
			_, err := tx.Exec("INSERT INTO ezdfsfile (name, name_trunk, name_hash, scope, mtime) VALUES (?, '', ?, ?, 1) ON DUPLICATE KEY UPDATE scope = VALUES(scope)",
				name, metadata.Hash(name), fmt.Sprint("v", versions[name]))
			if err != nil {
				t.Error(err)
			}
			versions[name]++
		}
		if err := tx.Commit(); err != nil {
			t.Error(err)
		}
		left -= n
	}
}

// TestLargeTransaction: PHP's mass expiry is one transaction of any size, read
// in small pieces, and a reader may leave in the middle of it.
func TestLargeTransaction(t *testing.T) {
	s := newSite(t, db)
	source := s.open(t)
	const rows = 50_000
	s.run(t, "INSERT INTO ezdfsfile_cache (name, name_trunk, name_hash, mtime) SELECT CONCAT('var/s/cache/', seq), 'x', MD5(CONCAT('var/s/cache/', seq)), 5 FROM seq_1_to_50000")
	start := head(t, source)
	s.run(t, "UPDATE ezdfsfile_cache SET mtime = -ABS(mtime), expired = 1 WHERE name_trunk = 'x'")
	seen := make(map[string]bool, rows)
	at := start
	for len(seen) < rows {
		left := 30_000
		for c, err := range source.Changes(t.Context(), at, false) {
			if err != nil {
				t.Fatal(err)
			}
			if seen[c.Subject] || c.Kind != metadata.KindExpire || metadata.Hash(c.Subject) != c.Hash {
				t.Fatalf("%+v", c)
			}
			seen[c.Subject], at = true, c.Position
			if left--; left == 0 {
				break
			}
		}
		if left == 30_000 {
			t.Fatalf("after %s nothing came; %d of %d", at, len(seen), rows)
		}
	}
	if at != head(t, source) {
		t.Errorf("the last position is %s, the head %s", at, head(t, source))
	}
}

// TestCrashInTransaction: a server that crashes while it sends a transaction
// goes on in the middle of it.
func TestCrashInTransaction(t *testing.T) {
	s := newSite(t, own)
	source := s.open(t)
	start := head(t, source)
	const rows = 50_000
	s.run(t, "INSERT INTO ezdfsfile_cache (name, name_trunk, name_hash, mtime) SELECT CONCAT('var/s/cache/', seq), 'x', MD5(CONCAT('var/s/cache/', seq)), 5 FROM seq_1_to_50000")
	n := 0
	for c, err := range source.Changes(t.Context(), start, true) {
		if n++; err != nil || c.Subject != fmt.Sprint("var/s/cache/", n) {
			t.Fatalf("change %d: %+v, %v", n, c, err)
		}
		if n == 1000 {
			own.Kill()
			own.Start(t)
		}
		if n == rows {
			break
		}
	}
}

// TestEndsPromptly: a done context ends a follower that waits for changes, and
// a canceled one without follow is an error.
func TestEndsPromptly(t *testing.T) {
	s := newSite(t, db)
	source := s.open(t)
	f := follow(t, source, head(t, source))
	s.put(t, "a", "", 1)
	f.want(t, "store a") // it is connected
	began := time.Now()
	f.end(t)
	t.Logf("ended within %v", time.Since(began))

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range source.Changes(ctx, changes.Newest, true) {
		t.Error("a follower that is canceled yields nothing")
	}
	n := 0
	for _, err := range source.Changes(ctx, changes.Newest, false) {
		if n++; err == nil {
			t.Error("canceled, but no error")
		}
	}
	if n != 1 {
		t.Errorf("%d errors", n)
	}
}
