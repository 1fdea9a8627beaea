package cluster

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"iter"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"example.com/ezdfs/changes"
	"example.com/ezdfs/internal/testservice"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// waitLimit is how long tests wait for what comes within a second.
const waitLimit = time.Minute

// cachingRows makes the clusters of settings keep rows for longer than a test
// lasts.
func cachingRows(s settings.Settings, source string) settings.Settings {
	s.Events.Enabled, s.Events.Listeners = true, []string{"rowcache"}
	s.RowCache.TTL, s.RowCache.NegativeTTL = time.Hour, time.Hour
	s.Changes.Source = source
	return s
}

// onServer returns settings of a fresh database of a server.
func onServer(t *testing.T, server *testservice.MariaDB) settings.Settings {
	t.Helper()
	s := nfsSettings(t, "sqlite")
	s.DFS.DBBackend, s.DFS.DBName, s.DFS.DBSocket = "MySQL", server.Database(t), server.Socket()
	s.DFS.DBUser, s.DFS.DBPassword = "root", ""
	return s
}

// connect opens a database as PHP does.
func connect(t *testing.T, s settings.Settings) *sql.DB {
	t.Helper()
	config := mysql.NewConfig()
	config.User, config.Net, config.Addr, config.DBName = "root", "unix", s.DFS.DBSocket, s.DFS.DBName
	connector, err := mysql.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { db.Close() })
	return db
}

// sees waits until a host, which knows another state, says that a path's row
// looks like this, and returns how long that took.
func sees(t *testing.T, c *Cluster, path, want string) time.Duration {
	t.Helper()
	began := time.Now()
	var got string
	for time.Since(began) < waitLimit {
		row, err := c.Stat(t.Context(), path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			got = "gone"
		case err != nil:
			got = err.Error()
		case !row.Live():
			got = "expired"
		default:
			got = row.DataType
		}
		if got == want {
			return time.Since(began)
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("%s: still %s, not %s", path, got, want)
	return 0
}

// put stores a file that says so in its type.
func (c *Cluster) put(ctx context.Context, path, scope, what string) error {
	_, err := c.Store(ctx, path, strings.NewReader("body of "+what), StoreOptions{Scope: scope, DataType: what})
	return err
}

// changeCases are what one host does and another has to see.
var changeCases = []struct {
	name       string
	do         func(ctx context.Context, b *Cluster) error
	path, want string
}{
	{"stores anew", func(ctx context.Context, b *Cluster) error { return b.put(ctx, image, "image", "another") }, image, "another"},
	{"stores what was missing", func(ctx context.Context, b *Cluster) error { return b.put(ctx, "var/none", "image", "new") }, "var/none", "new"},
	{"generates", func(ctx context.Context, b *Cluster) error {
		options := viewCache
		options.DataType, options.Expiry = "generated", time.Now().Add(time.Hour)
		return second5(b.GetOrGenerate(ctx, page, writes("generated", new(atomic.Int32)), options))
	}, page, "generated"},
	{"expires", func(ctx context.Context, b *Cluster) error { return second64(b.Expire(ctx, image)) }, image, "expired"},
	{"expires a prefix", func(ctx context.Context, b *Cluster) error { return second64(b.ExpirePrefix(ctx, "var/site/stor")) }, image, "expired"},
	{"expires a trunk", func(ctx context.Context, b *Cluster) error { return second64(b.ExpireTrunk(ctx, pageTrunk)) }, page, "expired"},
	{"expires by wildcard", func(ctx context.Context, b *Cluster) error {
		return second64(b.ExpireWildcard(ctx, "var/*/2-?b{c,d}.*"))
	}, page, "expired"},
	{"expires a scope", func(ctx context.Context, b *Cluster) error { return second64(b.ExpireScope(ctx, "viewcache", "")) }, page, "expired"},
	{"expires trunks by directory", func(ctx context.Context, b *Cluster) error {
		return second64(b.ExpireDirList(ctx, []string{"site"}, "var/site/cache/content", "2-"))
	}, page, "expired"},
	{"expires by directory", func(ctx context.Context, b *Cluster) error {
		return second64(b.ExpireDirList(ctx, []string{"images"}, "var/site/storage", "1-"))
	}, image, "expired"},
	{"copies", func(ctx context.Context, b *Cluster) error { return second3(b.Copy(ctx, page, image)) }, image, "old page"},
	{"moves here", func(ctx context.Context, b *Cluster) error { return second3(b.Move(ctx, page, image)) }, image, "old page"},
	{"moves away", func(ctx context.Context, b *Cluster) error { return second3(b.Move(ctx, page, image)) }, page, "gone"},
	{"purges", func(ctx context.Context, b *Cluster) error { return second64(b.Purge(ctx, "var/site/storage/images")) }, image, "gone"},
}

// begin makes two hosts that know the same rows; the first has them in memory.
func begin(t *testing.T, s settings.Settings, options ...Option) (a, b *Cluster) {
	t.Helper()
	createSchema(t, s)
	a, b = open(t, s, options...), open(t, s)
	fill(t, a, b)
	return a, b
}

func fill(t *testing.T, a, b *Cluster) {
	t.Helper()
	for path, c := range map[string][2]string{image: {"image", "old image"}, page: {"viewcache", "old page"}} {
		if err := b.put(t.Context(), path, c[0], c[1]); err != nil {
			t.Fatal(err)
		}
		sees(t, a, path, c[1])
	}
	if _, err := b.Purge(t.Context(), "var/none"); err != nil {
		t.Fatal(err)
	}
	sees(t, a, "var/none", "gone")
}

// What one host changes another sees, though it keeps rows for an hour: well
// within a second where nothing else keeps the machine busy.
func TestAnotherHostSeesChanges(t *testing.T) {
	logging := testservice.NewMariaDB(testservice.MariaDBOptions{Binlog: true})
	t.Cleanup(logging.Close)
	for _, feed := range []struct{ name, engine, source string }{
		{"journal on SQLite", "sqlite", "auto"}, {"journal on MariaDB", "mariadb", "journal"}, {"binary log", "mariadb", "auto"},
	} {
		t.Run(feed.name, func(t *testing.T) {
			s := nfsSettings(t, "sqlite")
			if feed.engine == "mariadb" {
				s = onServer(t, logging)
			}
			a, b := begin(t, cachingRows(s, feed.source))
			for _, change := range changeCases {
				fill(t, a, b)
				if err := change.do(t.Context(), b); err != nil {
					t.Fatalf("%s: %v", change.name, err)
				}
				t.Logf("%s: seen after %v", change.name, sees(t, a, change.path, change.want))
			}
			if feed.engine == "mariadb" {
				seesAfterRestart(t, logging, a, b)
				closesWhileDown(t, logging, a)
			}
		})
	}
}

// seesAfterRestart: nothing is missed when the database crashes.
func seesAfterRestart(t *testing.T, server *testservice.MariaDB, a, b *Cluster) {
	t.Helper()
	fill(t, a, b)
	caughtUp(t, a, b)
	sees(t, a, image, "old image")
	server.Kill()
	// What is in memory is served meanwhile.
	if row, err := a.Stat(t.Context(), image); err != nil || row.DataType != "old image" {
		t.Errorf("while the database is down: %+v, %v", row, err)
	}
	server.Start(t)
	began := time.Now()
	err := b.put(t.Context(), image, "image", "after the crash")
	for err != nil && time.Since(began) < waitLimit {
		err = b.put(t.Context(), image, "image", "after the crash")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("after a crash of the database: seen after %v", sees(t, a, image, "after the crash"))
	fill(t, a, b)
}

// caughtUp waits until a host has heard of all that another did: what it reads
// from now on it keeps.
func caughtUp(t *testing.T, a, b *Cluster) {
	t.Helper()
	sees(t, a, "var/none", "gone")
	if err := b.put(t.Context(), "var/none", "image", "a mark"); err != nil {
		t.Fatal(err)
	}
	sees(t, a, "var/none", "a mark")
}

// closesWhileDown: a cluster whose database is down can be closed.
func closesWhileDown(t *testing.T, server *testservice.MariaDB, c *Cluster) {
	t.Helper()
	server.Kill()
	defer server.Start(t)
	began := time.Now()
	err := c.Close() // which may say that connections were lost
	t.Logf("closed within %v: %v", time.Since(began), err)
}

// phpCases are what PHP does, by SQL alone.
var phpCases = []struct {
	name, query string
	args        []any
	path, want  string
}{
	{"stores anew", `INSERT INTO ezdfsfile (datatype, name, name_trunk, name_hash, scope, size, mtime, expired) VALUES ('by PHP', ?, ?, ?, 'image', 3, 1700000000, 0)
		ON DUPLICATE KEY UPDATE datatype=VALUES(datatype), mtime=VALUES(mtime), size=VALUES(size), expired=VALUES(expired)`,
		[]any{image, image, metadata.Hash(image)}, image, "by PHP"},
	{"stores what was missing", `INSERT INTO ezdfsfile (datatype, name, name_trunk, name_hash, scope, size, mtime, expired) VALUES ('by PHP', 'var/none', 'var/none', ?, 'image', 3, 1700000000, 0)`,
		[]any{metadata.Hash("var/none")}, "var/none", "by PHP"},
	{"deletes", "UPDATE ezdfsfile SET mtime = -ABS(mtime), expired = 1 WHERE name_hash = ?", []any{metadata.Hash(image)}, image, "expired"},
	{"deletes a trunk", "UPDATE ezdfsfile_cache SET mtime = -ABS(mtime), expired = 1 WHERE name_trunk = ?", []any{pageTrunk}, page, "expired"},
	{"deletes by LIKE", "UPDATE ezdfsfile_cache SET mtime = -ABS(mtime), expired = 1 WHERE name LIKE 'var/site/cache/%'", nil, page, "expired"},
	{"deletes the row", "DELETE FROM ezdfsfile WHERE name_hash = ?", []any{metadata.Hash(image)}, image, "gone"},
	{"truncates the cache table", "TRUNCATE TABLE ezdfsfile_cache", nil, page, "gone"},
}

// What PHP changes is seen through the binary log.
func TestHostsSeeWhatPHPChanges(t *testing.T) {
	logging := testservice.NewMariaDB(testservice.MariaDBOptions{Binlog: true})
	t.Cleanup(logging.Close)
	s := cachingRows(onServer(t, logging), "auto")
	a, b := begin(t, s)
	frontend := connect(t, s)
	for _, change := range phpCases {
		fill(t, a, b)
		if _, err := frontend.ExecContext(t.Context(), change.query, change.args...); err != nil {
			t.Fatalf("%s: %v", change.name, err)
		}
		for _, host := range []*Cluster{a, b} {
			t.Logf("%s: seen after %v", change.name, sees(t, host, change.path, change.want))
		}
	}
	// Rotated logs, removed while nobody needs them, and a flood of others.
	fill(t, a, b)
	for _, statement := range []string{"FLUSH BINARY LOGS", "CREATE TABLE other (n INT)", "INSERT INTO other SELECT seq FROM seq_1_to_50000", "FLUSH BINARY LOGS"} {
		if _, err := frontend.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := frontend.ExecContext(t.Context(), phpCases[2].query, phpCases[2].args...); err != nil {
		t.Fatal(err)
	}
	t.Logf("after rotations: seen after %v", sees(t, a, image, "expired"))
}

// scripted is a feed of which every stream is what the test says.
type scripted struct {
	streams chan func(yield func(changes.Change, error) bool)
	heads   atomic.Int32
}

func (s *scripted) Name() string { return "scripted" }
func (s *scripted) Close() error { return nil }
func (s *scripted) Head(context.Context) (changes.Position, error) {
	if s.heads.Add(1) == 2 {
		return "", errors.New("down for a moment")
	}
	return "here", nil
}

func (s *scripted) Changes(ctx context.Context, after changes.Position, follow bool) iter.Seq2[changes.Change, error] {
	return func(yield func(changes.Change, error) bool) {
		select {
		case stream := <-s.streams:
			stream(yield)
		case <-ctx.Done():
		}
	}
}

// A feed that broke off for good begins anew. What was missed meanwhile does
// not matter: everything that was known is forgotten, before and after.
func TestFeedBreaksOff(t *testing.T) {
	var log syncBuffer
	a, b := begin(t, cachingRows(nfsSettings(t, "sqlite"), "none"), WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	unheard := func(from, to string) {
		t.Helper()
		sees(t, a, image, from)
		if err := b.put(t.Context(), image, "image", to); err != nil {
			t.Fatal(err)
		}
		sees(t, a, image, from) // in memory
	}
	unheard("old image", "before the feed")
	feed := &scripted{streams: make(chan func(func(changes.Change, error) bool))}
	a.running.Go(func() { a.follow(a.background, feed) })
	sees(t, a, image, "before the feed")

	unheard("before the feed", "while it broke off")
	feed.streams <- func(yield func(changes.Change, error) bool) {
		yield(changes.Change{}, &changes.LostError{Source: "scripted", Position: "here", Reason: "somebody removed it"})
	}
	sees(t, a, image, "while it broke off")

	// It is followed again, once it has a beginning.
	tell := make(chan changes.Change)
	feed.streams <- func(yield func(changes.Change, error) bool) { yield(<-tell, nil) }
	unheard("while it broke off", "told by hash")
	tell <- changes.Change{Kind: metadata.KindStore, Hash: metadata.Hash(image)}
	sees(t, a, image, "told by hash")
	for _, want := range []string{"somebody removed it", "down for a moment"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q: %s", want, log.String())
		}
	}
}

// syncBuffer is a buffer that many may write to.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// Without a feed rows are believed for their TTL, and the log says why. Where
// none is wanted it says nothing.
func TestWithoutAFeed(t *testing.T) {
	for source, complaint := range map[string]string{"binlog": "there is no change feed", "none": ""} {
		t.Run(source, func(t *testing.T) {
			var log syncBuffer
			s := cachingRows(nfsSettings(t, "sqlite"), source)
			a, b := begin(t, s, WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
			s.RowCache.TTL = 50 * time.Millisecond
			brief := open(t, s)
			sees(t, brief, image, "old image")
			if err := b.put(t.Context(), image, "image", "new"); err != nil {
				t.Fatal(err)
			}
			if row, err := a.Stat(t.Context(), image); err != nil || row.DataType != "old image" {
				t.Errorf("%+v, %v", row, err)
			}
			sees(t, b, image, "new")
			sees(t, brief, image, "new")
			if text := log.String(); !strings.Contains(text, complaint) || complaint == "" && text != "" {
				t.Errorf("the log says %q", text)
			}
		})
	}
}

// One command follows nothing.
func TestNobodyFollowsForNothing(t *testing.T) {
	s := cachingRows(nfsSettings(t, "sqlite"), "auto")
	createSchema(t, s)
	if c := open(t, s, ForOneCommand(), WithListeners(&believer{})); c.feed != nil {
		t.Error("one command follows the feed")
	}
	if c := open(t, s); c.feed == nil {
		t.Error("rows are cached and nobody follows the feed")
	}
	s.Events.Listeners = []string{"log"}
	if c := open(t, s); c.feed != nil {
		t.Error("the feed is followed for a log")
	}
}
