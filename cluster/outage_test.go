package cluster

import (
	"errors"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.com/ezdfs/internal/testservice"
	"example.com/ezdfs/metadata"
)

// While the database is down a page of which this host has a copy is shown, and
// one that it has not is an error that says what is wrong. Both are well again
// when the database is.
func TestGenerateWithoutADatabase(t *testing.T) {
	server := testservice.NewMariaDB(testservice.MariaDBOptions{})
	t.Cleanup(server.Close)
	s := nfsSettings(t, "sqlite")
	s.DFS.DBBackend, s.DFS.DBSocket, s.DFS.DBUser, s.DFS.DBPassword = "MySQL", "", "root", ""
	s.DFS.DBName, s.DFS.DBConnectRetries = server.Database(t), 0
	s.DFS.DBSocket = server.Socket()
	s.LocalCache.Directory, s.LocalCache.MaxSize = filepath.Join(t.TempDir(), "copies"), 1<<20
	createSchema(t, s)
	c := open(t, s)
	old := StoreOptions{Scope: "viewcache", ModTime: time.Now().Add(-time.Hour)}
	if _, err := c.Store(t.Context(), page, strings.NewReader("old"), old); err != nil {
		t.Fatal(err)
	}
	var calls atomic.Int32
	c.expect(t, writes("new", &calls), viewCache, "old", Hit)
	server.Stop()
	c.expect(t, writes("new", &calls), viewCache, "old", Stale)
	for path, options := range map[string]GenerateOptions{page: {NoStale: true}, page + "x": {}} {
		if _, err := c.GetOrGenerate(t.Context(), path, writes("new", &calls), options); !errors.Is(err, metadata.ErrUnavailable) {
			t.Errorf("%s: %v", path, err)
		}
	}
	server.Start(t)
	c.expect(t, writes("new", &calls), viewCache, "old", Hit)
	if n := calls.Load(); n != 0 {
		t.Errorf("%d generations", n)
	}
}
