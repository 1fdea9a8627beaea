package delivery

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/ezdfs/cdn"
	"example.com/ezdfs/changes"
	"example.com/ezdfs/changes/binlog"
	"example.com/ezdfs/changes/journal"
	"example.com/ezdfs/internal/testservice"
	"example.com/ezdfs/metadata"
)

// logging writes a binary log.
var logging = testservice.NewMariaDB(testservice.MariaDBOptions{Binlog: true})

// TestBinlog: what PHP does by plain SQL is delivered, also what it did while
// nobody ran, and a feed that changes from one source to another invalidates
// everything rather than to miss something.
func TestBinlog(t *testing.T) {
	database := logging.Database(t)
	c := metadata.Config{Engine: metadata.MySQL, Name: database, Socket: logging.Socket(), User: "root"}
	store := openStore(t, c)
	c.Layout = testLayout
	log, err := binlog.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	php := func(script string, args ...any) { logging.Exec(t, "USE "+database+";\n"+fmt.Sprintf(script, args...)) }
	insert := func(name string) {
		php("INSERT INTO ezdfsfile (name, name_trunk, name_hash, scope, size, mtime) VALUES ('%[1]s', '%[1]s', MD5('%[1]s'), 'image', 5, 1700000000)", name)
	}
	bodies, front := origin("t:bodies"), cache("t:front", cdn.All, cdn.Prefix)
	rules := []Rule{{Prefix: "var/", Targets: "t:bodies,t:front"}}
	stop := run(t, pipeline(t, store, quick(), rules, bodies, front), log)
	told := func(f *fake, what string) func() bool { return func() bool { return slices.Contains(f.told(), what) } }
	insert("var/a")
	until(t, "an insert is delivered", told(bodies, "push path var/a"))
	php("UPDATE ezdfsfile SET mtime = -ABS(mtime), expired = 1 WHERE name_hash = MD5('var/a')")
	until(t, "an expiry is delivered", told(bodies, "invalidate path var/a"))
	stop()
	insert("var/meanwhile")
	stop = run(t, pipeline(t, store, quick(), rules, bodies, front), log)
	until(t, "what happened meanwhile is delivered", told(bodies, "push path var/meanwhile"))
	stop()
	if slices.Contains(front.told(), "invalidate all ") {
		t.Errorf("%q", front.told())
	}
	own, err := journal.Open(t.Context(), store, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	run(t, pipeline(t, store, quick(), rules, bodies, front), own)
	until(t, "another source means everything", told(front, "invalidate all "))
}

// TestOrphans: somebody is told when deliveries wait for a target that is no
// more.
func TestOrphans(t *testing.T) {
	store := newStore(t)
	before := pipeline(t, store, quick(), nil, cache("t:old"))
	if _, err := before.Enqueue(t.Context(), "t:old", cdn.Invalidate, cdn.Path, "var/a"); err != nil {
		t.Fatal(err)
	}
	var log lockedBuffer
	o := quick()
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	run(t, pipeline(t, store, o, nil, cache("t:new")), nil)
	until(t, "it is logged", func() bool { return strings.Contains(log.String(), "t:old") })
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestDatabaseOutage: a database that is away for a while delays what happens,
// and loses nothing.
func TestDatabaseOutage(t *testing.T) {
	server := testservice.NewMariaDB(testservice.MariaDBOptions{})
	t.Cleanup(server.Close)
	store := openStore(t, metadata.Config{Engine: metadata.MySQL, Name: server.Database(t), Socket: server.Socket(), User: "root"})
	feed, target := newScript(), cache("t:a")
	var downDuring sync.Once
	restart := func() { server.Kill(); server.Start(t) }
	target.limits.Items = 1
	target.fail = func(i cdn.Item) error {
		if i.Subject == "var/during" { // delivered, and the ledger is not there to say so
			downDuring.Do(server.Kill)
		}
		return nil
	}
	run(t, pipeline(t, store, quick(), []Rule{{Targets: "t:a"}}, target), feed)
	feed.add(stored("var/before"))
	drainedOf := func(n int) {
		t.Helper()
		until(t, "all are delivered", func() bool {
			stats, err := store.DeliveryStats(t.Context(), "t:a")
			return err == nil && stats[0].Pending == 0 && stats[0].Delivered == int64(n)
		})
	}
	drainedOf(1)
	restart()
	feed.add(stored("var/during"))
	until(t, "the server is killed", func() bool { return slices.Contains(target.told(), "invalidate path var/during") })
	server.Start(t)
	feed.add(changes.Change{Kind: metadata.KindPurge, Subject: "var/after", Time: time.Now()})
	drainedOf(3)
}
