package migrate

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/internal/testservice"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

var (
	mariaDB = testservice.NewMariaDB(testservice.MariaDBOptions{})
	gateway testservice.SharedVersityGW
)

func TestMain(m *testing.M) {
	if encoded := os.Getenv(workerVariable); encoded != "" {
		if err := playWorker(encoded); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(testservice.Main(m, mariaDB.Close, gateway.Close))
}

// prefix is what migrates in the tests.
const prefix = "var/site/storage/images"

// site is a cluster whose paths below prefix go to one of two stores.
type site struct {
	settings.Settings
	old, new string // backends
}

// newSite makes the tables and stores of a site whose prefix lies on nfs and
// will migrate to nfs:new, or to s3 if that is asked for.
func newSite(tb testing.TB, onMariaDB bool, target string) *site {
	tb.Helper()
	s := &site{settings.Defaults(), "nfs", target}
	s.Root = tb.TempDir()
	s.NFS = map[string]settings.NFS{}
	for _, name := range []string{"nfs", "nfs:new"} {
		mount := filepath.Join(s.Root, "mount-"+name)
		if err := os.Mkdir(mount, 0o777); err != nil {
			tb.Fatal(err)
		}
		s.NFS[name] = settings.NFS{Name: name, MountPointPath: mount, FileMode: 0o666, DirMode: 0o777}
	}
	if target == "s3" {
		g := gateway.Get(tb)
		s.S3 = map[string]settings.S3{"s3": s3Settings(g, g.Bucket(tb))}
	}
	s.DFS.DBBackend, s.DFS.DBName = "SQLite", filepath.Join(s.Root, "cluster.db")
	if onMariaDB {
		mariaDB.Start(tb)
		s.DFS.DBBackend, s.DFS.DBSocket, s.DFS.DBName = "MySQL", mariaDB.Socket(), mariaDB.Database(tb)
	}
	s.DFS.DFSBackend, s.Dispatch.DefaultBackend = "dispatcher", "nfs"
	config, err := metadata.ConfigFrom(s.Settings)
	if err != nil {
		tb.Fatal(err)
	}
	config.Create = true
	store, err := metadata.Open(tb.Context(), config)
	if err != nil {
		tb.Fatal(err)
	}
	defer store.Close()
	if err := store.CreateSchema(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	return s
}

func s3Settings(g *testservice.VersityGW, bucket string) settings.S3 {
	return settings.S3{
		Name: "s3", Bucket: bucket, Endpoint: g.Endpoint, Region: g.Region, UsePathStyleEndpoint: true,
		AccessKeyID: g.AccessKey, SecretAccessKey: settings.Secret(g.SecretKey), PartSize: 5 << 20, Concurrency: 4,
	}
}

// rules are the settings with the prefix on first, migrating from second; "" for
// no migration.
func (s *site) rules(first, second string) settings.Settings {
	set := s.Settings
	set.Dispatch.PathBackends = []settings.Rule{{Prefix: prefix, Backend: first}}
	if set.Dispatch.MigrateFrom = nil; second != "" {
		set.Dispatch.MigrateFrom = []settings.Rule{{Prefix: prefix, Backend: second}}
	}
	return set
}

// host is a process of the cluster.
func (s *site) host(tb testing.TB, first, second string, options ...cluster.Option) *cluster.Cluster {
	tb.Helper()
	c, err := cluster.Open(tb.Context(), s.rules(first, second), options...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { c.Close() })
	return c
}

// backend opens a store by itself.
func (s *site) backend(tb testing.TB, name string) backends.Backend {
	tb.Helper()
	b, err := cluster.OpenBackend(tb.Context(), s.Settings, name, nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { b.Close() })
	return b
}

func store(tb testing.TB, c *cluster.Cluster, path, body string) metadata.Row {
	tb.Helper()
	row, err := c.Store(tb.Context(), path, bytes.NewReader([]byte(body)), cluster.StoreOptions{
		Scope: "image", DataType: "image/png", ModTime: time.Unix(1_300_000_000, 0),
	})
	if err != nil {
		tb.Fatal(err)
	}
	return row
}

func wantBody(tb testing.TB, c *cluster.Cluster, path, want string) {
	tb.Helper()
	if data, err := c.ReadFile(tb.Context(), path); err != nil || string(data) != want {
		tb.Errorf("%s reads %.60q, %v, want %.60q", path, data, err, want)
	}
}

// held lists what a store holds.
func held(tb testing.TB, b backends.Backend) map[string]backends.Info {
	tb.Helper()
	all := map[string]backends.Info{}
	for info, err := range b.List(tb.Context(), "", "") {
		if err != nil {
			tb.Fatal(err)
		}
		all[info.Path] = info
	}
	return all
}

// move prepares a migration from old to new.
func move(tb testing.TB, c *cluster.Cluster, from, to string, options Options) *Migration {
	tb.Helper()
	m, err := New(c, prefix, from, to, options)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// meddler does something between the steps of a store's work.
type meddler struct {
	backends.Backend
	mu     sync.Mutex
	staged map[string]func() // by path, once, when its body has been staged
}

func (m *meddler) Stage(ctx context.Context, path string, body io.Reader, attrs backends.Attributes) (backends.Staged, error) {
	st, err := m.Backend.Stage(ctx, path, body, attrs)
	m.mu.Lock()
	do := m.staged[path]
	delete(m.staged, path)
	m.mu.Unlock()
	if do != nil {
		do()
	}
	return st, err
}

// meddling wraps one backend of a cluster.
func meddling(name string, m *meddler) cluster.Option {
	return cluster.WithBackendWrapper(func(b backends.Backend) backends.Backend {
		if b.Name() != name {
			return b
		}
		m.Backend = b
		return m
	})
}
