package bulk

import (
	"fmt"
	"os"
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

// newCluster returns a cluster on one directory, on MariaDB when asked and on
// SQLite otherwise, in a site root of its own.
func newCluster(tb testing.TB, onMariaDB bool) (*cluster.Cluster, settings.Settings) {
	tb.Helper()
	s := settings.Defaults()
	s.Root = tb.TempDir()
	mount := filepath.Join(s.Root, "var/mount")
	if err := os.MkdirAll(mount, 0o777); err != nil {
		tb.Fatal(err)
	}
	s.NFS = map[string]settings.NFS{"nfs": {Name: "nfs", MountPointPath: mount, FileMode: 0o666, DirMode: 0o777}}
	s.DFS.DBBackend, s.DFS.DBName = "SQLite", filepath.Join(s.Root, "cluster.db")
	if onMariaDB {
		mariaDB.Start(tb)
		s.DFS.DBBackend, s.DFS.DBSocket, s.DFS.DBName = "MySQL", mariaDB.Socket(), mariaDB.Database(tb)
	}
	config, err := metadata.ConfigFrom(s)
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
	c, err := cluster.Open(tb.Context(), s)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { c.Close() })
	return c, s
}

// writeFiles writes local files under the site root.
func writeFiles(tb testing.TB, root string, files map[string]string) {
	tb.Helper()
	for path, body := range files {
		file := filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(body), 0o666); err != nil {
			tb.Fatal(err)
		}
	}
}

// BenchmarkClusterize stores 5,000 files of 10 KB on a directory, from nothing.
// Its peer copies the same files to the same file system as plainly as can be:
// one by one, without a row and without a sync.
func BenchmarkClusterize(b *testing.B) {
	const files = 5000
	local := make(map[string]string, files)
	for i := range files {
		local[fmt.Sprintf("var/site/storage/images/%d/%d.png", i/50, i)] = string(make([]byte, 10_000))
	}
	perSecond := func(b *testing.B) { b.ReportMetric(files*float64(b.N)/b.Elapsed().Seconds(), "files/s") }
	b.Run("peer=copy", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			target := b.TempDir()
			for i := range files / 50 {
				if err := os.MkdirAll(filepath.Join(target, fmt.Sprint("var/site/storage/images/", i)), 0o777); err != nil {
					b.Fatal(err)
				}
			}
			b.StartTimer()
			for path, body := range local {
				if err := os.WriteFile(filepath.Join(target, path), []byte(body), 0o666); err != nil {
					b.Fatal(err)
				}
			}
		}
		perSecond(b)
	})
	for _, engine := range []string{"sqlite", "mariadb"} {
		b.Run(engine, func(b *testing.B) {
			c, s := newCluster(b, engine == "mariadb")
			writeFiles(b, s.Root, local)
			for b.Loop() {
				b.StopTimer()
				if _, err := c.Purge(b.Context(), "var/site"); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				if err := Clusterize(b.Context(), c, Tree(s.Root, []string{"var/site"}, TreeOptions{}), ClusterizeOptions{}); err != nil {
					b.Fatal(err)
				}
			}
			perSecond(b)
		})
	}
}
