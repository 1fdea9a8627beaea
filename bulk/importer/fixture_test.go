package importer_test

import (
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"example.com/ezdfs/cluster"
	"example.com/ezdfs/internal/testservice"
	"example.com/ezdfs/internal/testservice/fakegcs"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

var mariaDB = testservice.NewMariaDB(testservice.MariaDBOptions{})

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(testservice.Main(m, mariaDB.Close), goleak.IgnoreAnyFunction(fakegcs.LeaksBy))
}

// The prefixes of the stores other than NFS in a site of all three.
const (
	onS3  = "var/site/storage/s3/"
	onGCS = "var/site/storage/gcs/"
)

// nfsSite describes a site whose bodies lie on a directory.
func nfsSite(t testing.TB) settings.Settings {
	t.Helper()
	s := settings.Defaults()
	s.Root = t.TempDir()
	mount := t.TempDir()
	s.DFS.DFSBackend, s.DFS.MountPointPath = "eZDFSFileHandlerDFSDispatcher", mount
	s.NFS = map[string]settings.NFS{"nfs": {Name: "nfs", MountPointPath: mount, FileMode: 0o666, DirMode: 0o777}}
	return s
}

// fullSite describes one over all kinds of store.
func fullSite(t testing.TB) settings.Settings {
	t.Helper()
	s := nfsSite(t)
	gateway := testservice.StartVersityGW(t)
	google := fakegcs.Start(t, nil)
	google.Bucket("gcs-bucket")
	s.S3 = map[string]settings.S3{"s3": {
		Name: "s3", Bucket: gateway.Bucket(t), Endpoint: gateway.Endpoint, UsePathStyleEndpoint: true,
		Region: gateway.Region, AccessKeyID: gateway.AccessKey, SecretAccessKey: settings.Secret(gateway.SecretKey),
		PartSize: 5 << 20, Concurrency: 2,
	}}
	s.GCS = map[string]settings.GCS{"gcs": {Name: "gcs", Bucket: "gcs-bucket", Endpoint: google.URL}}
	s.Dispatch.PathBackends = []settings.Rule{{Prefix: onS3, Backend: "s3"}, {Prefix: onGCS, Backend: "gcs"}}
	return s
}

// emptyTables gives a site tables that nobody has used, on MariaDB or SQLite.
func emptyTables(t testing.TB, s *settings.Settings, onMariaDB bool) {
	t.Helper()
	s.DFS.DBBackend, s.DFS.DBName = "SQLite", filepath.Join(t.TempDir(), "cluster.db")
	if onMariaDB {
		s.DFS.DBName = mariaDB.Database(t)
		s.DFS.DBBackend, s.DFS.DBSocket, s.DFS.DBUser, s.DFS.DBPassword = "MySQL", mariaDB.Socket(), "root", ""
	}
	config, err := metadata.ConfigFrom(*s)
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

// open opens the cluster of a site until the end of the test.
func open(t testing.TB, s settings.Settings) *cluster.Cluster {
	t.Helper()
	c, err := cluster.Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// rows returns the rows of a cluster by name.
func rows(t testing.TB, c *cluster.Cluster) map[string]metadata.Row {
	t.Helper()
	found := make(map[string]metadata.Row)
	for row, err := range c.List(t.Context(), cluster.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		found[row.Name] = row
	}
	return found
}
