package main

import (
	"bufio"
	"bytes"
	"crypto/md5"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"example.com/ezdfs/internal/testservice"
)

// watcher is a `dfsctl changes --follow` that is killed and started again, and
// what all of its lives have printed.
type watcher struct {
	root string
	cmd  *exec.Cmd
	read sync.WaitGroup

	mu       sync.Mutex
	subjects map[string][]string // kinds by subject, in the order printed
	seen     map[string]bool     // positions
	arrived  map[string]time.Time
	repeated int
	stderr   bytes.Buffer
}

func (f *watcher) start(t *testing.T) {
	t.Helper()
	f.cmd = exec.Command("dfsctl", "--root", f.root, "changes", "--follow", "--source", "binlog", "--json",
		"--after", "oldest", "--checkpoint", filepath.Join(f.root, "seen"))
	f.cmd.Stderr = &f.stderr
	stdout, err := f.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := f.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	f.read.Go(func() { f.collect(stdout) })
}

func (f *watcher) collect(stdout io.Reader) {
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		var change struct{ Position, Kind, Subject string }
		if json.Unmarshal(lines.Bytes(), &change) != nil {
			continue // the half line of a process that was killed
		}
		f.mu.Lock()
		if f.seen[change.Position] {
			f.repeated++
		} else {
			f.seen[change.Position] = true
			f.subjects[change.Subject] = append(f.subjects[change.Subject], change.Kind)
			f.arrived[change.Subject] = time.Now()
		}
		f.mu.Unlock()
	}
}

// kill ends the watcher as a power cut would.
func (f *watcher) kill() {
	f.cmd.Process.Kill()
	f.read.Wait()
	f.cmd.Wait()
}

func (f *watcher) kinds(subject string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.subjects[subject])
}

// phpCycle is what happens to a file again and again, in the statements that
// PHP sends, and the changes that come of it. Each changes nothing when it is
// sent twice: after an outage nobody knows whether it was committed.
var phpCycle = []struct{ statement, kind string }{
	{"INSERT INTO ezdfsfile_cache (name, name_trunk, name_hash, datatype, scope, size, mtime, expired) VALUES (?, ?, ?, 'misc', 'viewcache', 5, 1700000000, 0)", "store"},
	{"UPDATE ezdfsfile_cache SET mtime = -ABS(mtime), expired = 1 WHERE name_hash = ?", "expire"},
	{"UPDATE ezdfsfile_cache SET mtime = 1700000001, expired = 0 WHERE name_hash = ?", "store"},
	{"DELETE FROM ezdfsfile_cache WHERE name_hash = ?", "purge"},
}

// phpChange makes the change number i of a path, again after an outage.
func phpChange(t *testing.T, db *sql.DB, path string, i int) {
	hash := fmt.Sprintf("%x", md5.Sum([]byte(path)))
	args := []any{hash}
	if i%len(phpCycle) == 0 {
		args = []any{path, path, hash}
	}
	for {
		result, err := db.ExecContext(t.Context(), phpCycle[i%len(phpCycle)].statement, args...)
		if err == nil {
			if n, _ := result.RowsAffected(); n == 1 {
				return
			}
		}
		// It may have been committed before the connection was lost.
		if done, known := phpDone(t, db, hash, i%len(phpCycle)); known && done {
			return
		}
		if t.Context().Err() != nil {
			t.Error(t.Context().Err())
			return
		}
		time.Sleep(20 * time.Millisecond) // the server is away
	}
}

// phpDone looks whether a row is as the step of the cycle leaves it.
func phpDone(t *testing.T, db *sql.DB, hash string, step int) (done, known bool) {
	var expired, mtime int
	err := db.QueryRowContext(t.Context(), "SELECT expired, mtime FROM ezdfsfile_cache WHERE name_hash = ?", hash).Scan(&expired, &mtime)
	if err == sql.ErrNoRows {
		return step == 3, true
	}
	if err != nil {
		return false, false
	}
	switch step {
	case 0:
		return expired == 0 && mtime == 1700000000, true
	case 1:
		return expired == 1, true
	case 2:
		return expired == 0 && mtime == 1700000001, true
	}
	return false, true
}

// TestFollowBinlog: rows that plain SQL changes appear in order and, with the
// watcher killed, the binary log rotated and the server restarted in between,
// none is missing.
func TestFollowBinlog(t *testing.T) {
	server := testservice.NewMariaDB(testservice.MariaDBOptions{Binlog: true})
	t.Cleanup(server.Close)
	name := server.Database(t)
	root := t.TempDir()
	writeFile(t, filepath.Join(root, "mnt/.keep"), "")
	writeFile(t, filepath.Join(root, "settings/file.ini"), "[eZDFSClusteringSettings]\nMountPointPath=mnt\nDBBackend=MySQL\nDBSocket="+
		server.Socket()+"\nDBName="+name+"\nDBUser=root\nDBPassword=\n")
	dfsctl(t, root, exitDone, "schema", "create")
	f := &watcher{root: root, subjects: map[string][]string{}, seen: map[string]bool{}, arrived: map[string]time.Time{}}
	f.start(t)
	defer f.kill()
	config := mysql.NewConfig()
	config.User, config.Net, config.Addr, config.DBName, config.Logger = "root", "unix", server.Socket(), name, &mysql.NopLogger{}
	connector, err := mysql.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	defer db.Close()

	f.latency(t, db)
	const writers, paths, changes = 4, 5, 120
	step := make(chan int, writers*changes)
	var writing sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			for i := range changes {
				for p := range paths {
					phpChange(t, db, fmt.Sprintf("var/site/cache/content/w%d/%d", w, p), i)
				}
				step <- i
			}
		})
	}
	upheavals := []func(){
		func() { f.kill(); f.start(t) },
		func() { server.Exec(t, "FLUSH BINARY LOGS") },
		func() { server.Stop(); server.Start(t) },
		func() { f.kill(); server.Exec(t, "FLUSH BINARY LOGS"); f.start(t) },
		func() { server.Kill(); server.Start(t) },
	}
	for i, upheaval := range upheavals {
		for range writers * changes / (len(upheavals) + 1) {
			<-step
		}
		t.Logf("upheaval %d", i+1)
		upheaval()
	}
	writing.Wait()
	var want []string
	for i := range changes {
		want = append(want, phpCycle[i%len(phpCycle)].kind)
	}
	for w := range writers {
		for p := range paths {
			path := fmt.Sprintf("var/site/cache/content/w%d/%d", w, p)
			f.waitFor(t, path, len(want))
			if got := f.kinds(path); !slices.Equal(got, want) {
				t.Errorf("%s: %d changes of %d, or in another order: %s", path, len(got), len(want), strings.Join(got, " "))
			}
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	t.Logf("%d changes, %d of them printed twice", len(f.seen), f.repeated)
}

// latency logs how long changes take from their commit to the watcher's line.
func (f *watcher) latency(t *testing.T, db *sql.DB) {
	t.Helper()
	var took []time.Duration
	for i := range 200 {
		path := fmt.Sprint("var/site/cache/latency/", i)
		phpChange(t, db, path, 0)
		committed := time.Now()
		f.waitFor(t, path, 1)
		f.mu.Lock()
		took = append(took, f.arrived[path].Sub(committed))
		f.mu.Unlock()
	}
	slices.Sort(took)
	t.Logf("from the answer to the commit to the line: p50 %v, p99 %v, max %v", took[100], took[198], took[199])
}

// waitFor waits until so many changes of a path were printed.
func (f *watcher) waitFor(t *testing.T, path string, n int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); len(f.kinds(path)) < n; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: %d of %d changes\n%s", path, len(f.kinds(path)), n, &f.stderr)
		}
	}
}
