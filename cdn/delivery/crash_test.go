package delivery

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/cdn"
	"example.com/ezdfs/changes/journal"
	"example.com/ezdfs/internal/testservice"
	"example.com/ezdfs/metadata"
)

// The test binary starts itself again as a worker when this variable is set, to
// what a crashRole says.
const roleVariable = "EZDFS_TEST_CDN_ROLE"

// crashRole is what a worker needs to know.
type crashRole struct{ Socket, Database, Log string }

// crashRules have a target that is told once another was.
var crashRules = []Rule{{Prefix: "var/", Targets: "t:push>t:follows,t:cache"}}

// logged is a target that writes what it takes to a file, a line an item, and
// now and then fails.
type logged struct {
	name    string
	actions []cdn.Action
	file    *os.File
}

func (l *logged) Name() string                         { return l.name }
func (l *logged) Test(context.Context) (string, error) { return "", nil }
func (l *logged) Close() error                         { return nil }
func (l *logged) Limits() cdn.Limits {
	return cdn.Limits{Actions: l.actions, Items: 20, Concurrent: 2}
}

func (l *logged) Deliver(_ context.Context, batch []cdn.Item) []error {
	errs := make([]error, len(batch))
	lines := bytes.NewBufferString("\n") // behind whatever was torn when somebody was killed
	down := rand.N(20) == 0
	for i, item := range batch {
		if down || rand.N(50) == 0 {
			errs[i] = &cdn.Error{Target: l.name, Kind: cdn.ErrUnavailable}
			continue
		}
		fmt.Fprintf(lines, "%s %q %d %s\n", l.name, item.Subject, item.Row.Size, item.ID)
	}
	if _, err := l.file.Write(lines.Bytes()); err != nil {
		panic(err)
	}
	return errs
}

// playWorker is the worker: it runs until it is killed.
func playWorker(text string) int {
	var role crashRole
	if err := errors.Join(json.Unmarshal([]byte(text), &role), work(context.Background(), role)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func work(ctx context.Context, role crashRole) error {
	file, err := os.OpenFile(role.Log, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	store, err := metadata.Open(ctx, metadata.Config{
		Engine: metadata.MySQL, Name: role.Database, Socket: role.Socket, User: "root", Layout: testLayout,
		ConnectRetries: 1000, ExecuteRetries: 20, Logger: logger,
	})
	if err != nil {
		return err
	}
	source, err := journal.Open(ctx, store, journal.Options{PollInterval: 10 * time.Millisecond, Retention: time.Hour, Logger: logger})
	if err != nil {
		return err
	}
	rules, err := NewRules(crashRules)
	if err != nil {
		return err
	}
	both, forget := []cdn.Action{cdn.Push, cdn.Invalidate}, []cdn.Action{cdn.Invalidate}
	o := quick()
	o.Lease, o.MaxBackoff, o.BreakerFailures, o.Logger = time.Second, 100*time.Millisecond, 100, logger
	p, err := New(store, []cdn.Target{&logged{"t:push", both, file}, &logged{"t:follows", forget, file}, &logged{"t:cache", forget, file}}, rules, o)
	if err != nil {
		return err
	}
	return p.Run(ctx, source)
}

// TestKills kills workers at random, and the database, while changes flow.
// Every change is delivered, the newest last, and the follower after the one it
// follows.
func TestKills(t *testing.T) {
	kills, total, outages := 100, 5000, 1
	switch {
	case os.Getenv("DFS_TEST_LONG") != "":
		kills, total, outages = 500, 20_000, 3
	case testing.Short():
		kills, total = 20, 1000
	}
	server := testservice.NewMariaDB(testservice.MariaDBOptions{})
	t.Cleanup(server.Close)
	c := metadata.Config{Engine: metadata.MySQL, Name: server.Database(t), Socket: server.Socket(), User: "root"}
	store := openStore(t, c)
	log := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(log, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := &siege{t: t, store: store, log: log, role: crashRole{server.Socket(), c.Name, log}, newest: map[string]int64{}}
	workers := []*exec.Cmd{s.start(), s.start()}
	until(t, "the feed has a position", func() bool {
		_, position, err := store.DeliveryFeed(t.Context())
		return err == nil && position != ""
	})
	for k := range kills {
		for range total / kills {
			s.change()
		}
		s.awaitProgress()
		s.kill(workers[k%2])
		workers[k%2] = s.start()
		if (k+1)%(kills/(outages+1)) == 0 && k+1 < kills {
			server.Kill()
			server.Start(t)
		}
	}
	s.put("var/s/storage/the last")
	until(t, "the feed has got to the last change", func() bool {
		path, err := store.DeliveredSubject(t.Context(), metadata.Hash("var/s/storage/the last"), "t:cache")
		return err == nil && path != ""
	})
	drained(t, store)
	for _, w := range workers {
		s.kill(w)
	}
	s.check(total)
}

// siege is what TestKills is about.
type siege struct {
	t       *testing.T
	store   *metadata.Store
	log     string
	role    crashRole
	changes int64
	newest  map[string]int64 // by path
}

func (s *siege) start() *exec.Cmd {
	role, err := json.Marshal(s.role)
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.CommandContext(s.t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), roleVariable+"="+string(role), "GOMAXPROCS=1")
	var output strings.Builder
	cmd.Stderr = &output
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	return cmd
}

// kill ends a worker as a crash does.
func (s *siege) kill(worker *exec.Cmd) {
	worker.Process.Kill()
	worker.Wait()
	if text := fmt.Sprint(worker.Stderr); worker.ProcessState.Exited() || strings.Contains(text, "DATA RACE") {
		s.t.Errorf("the worker ended by itself: %s", text)
	}
}

// change stores one of 300 paths anew.
func (s *siege) change() { s.put(fmt.Sprint("var/s/storage/", rand.N(300))) }

// put stores a path anew, in a transaction with its journal entry, until it is
// known to be committed.
func (s *siege) put(path string) {
	s.changes++
	row := metadata.Row{Name: path, Trunk: path, Scope: "image", DataType: "image/png", Size: s.changes, MTime: 1_700_000_000}
	for {
		err := s.store.Update(s.t.Context(), func(tx *metadata.Tx) error {
			if err := tx.Upsert(row); err != nil {
				return err
			}
			return tx.Record(metadata.Change{Kind: metadata.KindStore, Subject: path, Scope: "image"})
		})
		if err == nil {
			s.newest[path] = row.Size
			return
		}
		if !errors.Is(err, metadata.ErrUnavailable) && !errors.Is(err, metadata.ErrOutcomeUnknown) {
			s.t.Fatal(err)
		}
	}
}

// awaitProgress waits until something was delivered, a random amount, or a
// while: somebody may have died with the feed.
func (s *siege) awaitProgress() {
	size := func() int64 {
		info, err := os.Stat(s.log)
		if err != nil {
			s.t.Fatal(err)
		}
		return info.Size()
	}
	goal, end := size()+rand.Int64N(8000), time.Now().Add(time.Duration(20+rand.N(300))*time.Millisecond)
	for size() < goal && time.Now().Before(end) {
		time.Sleep(time.Millisecond)
	}
}

// check reads what was delivered.
func (s *siege) check(total int) {
	file, err := os.Open(s.log)
	if err != nil {
		s.t.Fatal(err)
	}
	defer file.Close()
	last := map[string]int64{}  // by target and path
	pushed := map[string]bool{} // paths whose newest change the first target took
	after := map[string]bool{}  // and of which the follower heard then
	ids := map[string]int{}
	lines, disorder := 0, 0
	for in := bufio.NewScanner(file); in.Scan(); {
		var target, path, id string
		var size int64
		if n, err := fmt.Sscanf(in.Text(), "%s %q %d %s", &target, &path, &size, &id); n != 4 || err != nil {
			continue // torn by a kill, before it counted as delivered
		}
		lines++
		key := target + " " + path
		if size < last[key] {
			disorder++
			s.t.Errorf("%s: %d after %d", key, size, last[key])
		}
		last[key] = size
		ids[target+id]++
		if size == s.newest[path] {
			pushed[path] = pushed[path] || target == "t:push"
			after[path] = after[path] || target == "t:follows" && pushed[path]
		}
	}
	for path, newest := range s.newest {
		for _, target := range []string{"t:push", "t:follows", "t:cache"} {
			if got := last[target+" "+path]; got != newest {
				s.t.Errorf("%s was last told %d of %s, not %d", target, got, path, newest)
			}
		}
		if !after[path] {
			s.t.Errorf("the follower did not hear of %s after the one it follows", path)
		}
	}
	s.t.Logf("%d changes of %d paths, %d deliveries to 3 targets, of which %d twice (%.2f %%), %d out of order",
		total, len(s.newest), lines, lines-len(ids), 100*float64(lines-len(ids))/float64(lines), disorder)
}
