package cluster

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/dispatcher"
	"example.com/ezdfs/internal/testservice"
	"example.com/ezdfs/internal/testservice/fakegcs"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

var mariaDB = testservice.NewMariaDB(testservice.MariaDBOptions{})

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		os.Exit(playRole(role))
	}
	goleak.VerifyTestMain(testservice.Main(m, mariaDB.Close), goleak.IgnoreAnyFunction(fakegcs.LeaksBy))
}

// The prefixes of the three stores in every test cluster; a path elsewhere
// lies on NFS too.
const (
	onNFS = "var/site/storage/nfs/"
	onS3  = "var/site/storage/s3/"
	onGCS = "var/site/storage/gcs/"
)

// engines are the metadata stores that the tests run on.
var engines = map[string]func(t testing.TB, s *settings.Settings){
	"sqlite": func(t testing.TB, s *settings.Settings) {
		s.DFS.DBBackend, s.DFS.DBName = "SQLite", filepath.Join(s.Root, "cluster.db")
	},
	"mariadb": func(t testing.TB, s *settings.Settings) {
		mariaDB.Start(t)
		s.DFS.DBBackend, s.DFS.DBSocket, s.DFS.DBName = "MySQL", mariaDB.Socket(), mariaDB.Database(t)
		s.DFS.DBUser, s.DFS.DBPassword = "root", ""
	},
}

// nfsSettings describe a cluster that keeps everything on a directory.
func nfsSettings(t testing.TB, engine string) settings.Settings {
	t.Helper()
	s := settings.Defaults()
	s.Root = t.TempDir()
	mount := filepath.Join(s.Root, "mount")
	if err := os.Mkdir(mount, 0o777); err != nil {
		t.Fatal(err)
	}
	s.DFS.DFSBackend, s.DFS.MountPointPath = "eZDFSFileHandlerDFSDispatcher", mount
	s.NFS = map[string]settings.NFS{"nfs": {Name: "nfs", MountPointPath: mount, FileMode: 0o666, DirMode: 0o777}}
	engines[engine](t, &s)
	return s
}

// fullSettings describe a cluster over all three kinds of store, on versitygw
// and on an emulator of Google's.
func fullSettings(t testing.TB, engine string) settings.Settings {
	t.Helper()
	s := nfsSettings(t, engine)
	gateway := testservice.StartVersityGW(t)
	google := fakegcs.Start(t, nil)
	google.Bucket("gcs-bucket")
	s.S3 = map[string]settings.S3{"s3": {
		Name: "s3", Bucket: gateway.Bucket(t), Endpoint: gateway.Endpoint, UsePathStyleEndpoint: true,
		Region: gateway.Region, AccessKeyID: gateway.AccessKey, SecretAccessKey: settings.Secret(gateway.SecretKey),
		PartSize: 5 << 20, Concurrency: 2,
	}}
	s.GCS = map[string]settings.GCS{"gcs": {Name: "gcs", Bucket: "gcs-bucket", Endpoint: google.URL}}
	s.Dispatch.PathBackends = []settings.Rule{
		{Prefix: onS3, Backend: "eZDFSFileHandlerDFSAmazon"},
		{Prefix: onGCS, Backend: "gcs"},
	}
	return s
}

// createSchema makes the tables of a test cluster.
func createSchema(t testing.TB, s settings.Settings) {
	t.Helper()
	config, err := metadata.ConfigFrom(s)
	if err != nil {
		t.Fatal(err)
	}
	config.Create = true
	store, err := metadata.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if err := store.CreateSchema(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// open opens a test cluster until the end of the test.
func open(t testing.TB, s settings.Settings, options ...Option) *Cluster {
	t.Helper()
	c, err := Open(t.Context(), s, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// newCluster returns a cluster on one directory and SQLite: enough wherever
// the store and the engine make no difference.
func newCluster(t testing.TB, options ...Option) *Cluster {
	t.Helper()
	s := nfsSettings(t, "sqlite")
	createSchema(t, s)
	return open(t, s, options...)
}

// newOver returns a cluster over a store of the test.
func newOver(t testing.TB, s settings.Settings, store backends.Backend) *Cluster {
	t.Helper()
	router, err := dispatcher.NewRouter(nil, dispatcher.Prefix)
	if err != nil {
		t.Fatal(err)
	}
	stores, err := dispatcher.New(router, store.Name(), map[string]backends.Backend{store.Name(): store})
	if err != nil {
		t.Fatal(err)
	}
	return New(open(t, s).meta, stores, s)
}

// eachCluster runs a test on every engine, over all three stores.
func eachCluster(t *testing.T, test func(t *testing.T, c *Cluster)) {
	for engine := range engines {
		t.Run(engine, func(t *testing.T) {
			s := fullSettings(t, engine)
			createSchema(t, s)
			test(t, open(t, s))
		})
	}
}

func (c *Cluster) mustStore(t testing.TB, path, body string) metadata.Row {
	t.Helper()
	row, err := c.Store(t.Context(), path, bytes.NewReader([]byte(body)), StoreOptions{Scope: "image", DataType: "text/plain"})
	if err != nil {
		t.Fatalf("store %q: %v", path, err)
	}
	return row
}

// contents returns the body of a live file, or "<none>".
func (c *Cluster) contents(t testing.TB, path string) string {
	t.Helper()
	data, err := c.ReadFile(t.Context(), path)
	if errors.Is(err, fs.ErrNotExist) {
		return "<none>"
	}
	if err != nil {
		t.Fatalf("read %q: %v", path, err)
	}
	return string(data)
}

// body returns what the store holds at path, whatever the row says.
func (c *Cluster) body(t testing.TB, path string) string {
	t.Helper()
	r, err := c.stores.Open(context.WithoutCancel(t.Context()), path, 0, -1)
	if errors.Is(err, fs.ErrNotExist) {
		return "<none>"
	}
	if err != nil {
		t.Fatalf("open the body of %q: %v", path, err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("read the body of %q: %v", path, err)
	}
	return string(data)
}

// writeBody changes a body past the cluster.
func (c *Cluster) writeBody(t testing.TB, path, body string) {
	t.Helper()
	staged, err := c.stores.Stage(t.Context(), path, bytes.NewReader([]byte(body)), attributes)
	if err != nil {
		t.Fatal(err)
	}
	if err := staged.Publish(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// noise returns n reproducible bytes.
func noise(seed uint64, n int) []byte {
	data := make([]byte, n)
	random := rand.NewChaCha8(sha256.Sum256(fmt.Append(nil, seed)))
	random.Read(data)
	return data
}
