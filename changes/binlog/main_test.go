package binlog

import (
	"context"
	"database/sql"
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/ezdfs/changes"
	"example.com/ezdfs/internal/testservice"
	"example.com/ezdfs/metadata"
)

// own is for the tests that change its settings or restart it.
var own = testservice.NewMariaDB(testservice.MariaDBOptions{Binlog: true})

// db is the server of the tests that need no settings or restarts of their own.
var db = testservice.NewMariaDB(testservice.MariaDBOptions{Binlog: true})

func TestMain(m *testing.M) { goleak.VerifyTestMain(testservice.Main(m, db.Close, own.Close)) }

var testLayout = metadata.Layout{VarDir: "var", CacheDir: "cache", StorageDir: "storage", CacheTable: "ezdfsfile_cache"}

// legacyTable is a table as the legacy creates it.
const legacyTable = "CREATE TABLE %s (name TEXT NOT NULL, name_trunk TEXT NOT NULL, name_hash VARCHAR(34) NOT NULL DEFAULT ''," +
	" datatype VARCHAR(255) NOT NULL DEFAULT 'application/octet-stream', scope VARCHAR(25) NOT NULL DEFAULT ''," +
	" size BIGINT UNSIGNED NOT NULL DEFAULT 0, mtime INT NOT NULL DEFAULT 0, expired TINYINT(1) NOT NULL DEFAULT 0, %sPRIMARY KEY (name_hash)) ENGINE=InnoDB"

// site is a database with the legacy's tables.
type site struct {
	*testservice.MariaDB
	config metadata.Config
	pool   *sql.DB
}

func newSite(tb testing.TB, server *testservice.MariaDB) *site {
	tb.Helper()
	name := server.Database(tb)
	s := &site{MariaDB: server, config: metadata.Config{Engine: metadata.MySQL, Socket: server.Socket(), Name: name, User: "root", Layout: testLayout}}
	pool, err := metadata.Server(s.config)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { pool.Close() })
	s.pool = pool
	s.run(tb, fmt.Sprintf(legacyTable, "ezdfsfile", "status TINYINT(1) NOT NULL DEFAULT 0, "))
	s.run(tb, fmt.Sprintf(legacyTable, "ezdfsfile_cache", ""))
	return s
}

func (s *site) run(tb testing.TB, statement string, args ...any) {
	tb.Helper()
	if _, err := s.pool.ExecContext(tb.Context(), statement, args...); err != nil {
		tb.Fatal(statement, err)
	}
}

// put writes a row as PHP does.
func (s *site) put(tb testing.TB, name, scope string, mtime int) {
	tb.Helper()
	s.run(tb, "INSERT INTO "+testLayout.Table(name)+" (name, name_trunk, name_hash, scope, mtime, expired) VALUES (?, ?, ?, ?, ?, ?)"+
		" ON DUPLICATE KEY UPDATE scope = VALUES(scope), mtime = VALUES(mtime), expired = VALUES(expired)",
		name, name, metadata.Hash(name), scope, mtime, mtime < 0)
}

// expire is PHP's delete.
func (s *site) expire(tb testing.TB, name string) {
	tb.Helper()
	s.run(tb, "UPDATE "+testLayout.Table(name)+" SET mtime = -ABS(mtime), expired = 1 WHERE name_hash = ?", metadata.Hash(name))
}

// purge deletes a row.
func (s *site) purge(tb testing.TB, name string) {
	tb.Helper()
	s.run(tb, "DELETE FROM "+testLayout.Table(name)+" WHERE name_hash = ?", metadata.Hash(name))
}

func (s *site) open(tb testing.TB) *Source {
	tb.Helper()
	source, err := Open(tb.Context(), s.config)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := source.Close(); err != nil {
			tb.Error(err)
		}
	})
	return source
}

func head(tb testing.TB, source *Source) changes.Position {
	tb.Helper()
	p, err := source.Head(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// drain returns what follows a position.
func drain(tb testing.TB, source changes.Source, after changes.Position) (list []changes.Change) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), time.Minute)
	defer cancel()
	for c, err := range source.Changes(ctx, after, false) {
		if err != nil {
			tb.Fatal(err)
		}
		list = append(list, c)
	}
	return list
}

// short is "kind subject" of each change.
func short(list []changes.Change) (texts []string) {
	for _, c := range list {
		subject := c.Subject
		if subject == "" {
			subject = "#" + c.Hash
		}
		texts = append(texts, string(c.Kind)+" "+subject)
	}
	return texts
}
