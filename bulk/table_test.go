package bulk

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/internal/testservice"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// The measurements of this file are those of the issue: run them with
//
//	TMPDIR=/dev/shm DFS_BENCH=1 DFS_TEST_SERVICES=required go test -count 1 -run Table -v ./bulk
//
// DFS_BENCH_FILES sets the number of files.
func tableFiles(t *testing.T) int {
	t.Helper()
	return testservice.MeasuredFiles(t, 100_000)
}

// legacySleep is how long the legacy's script rests after a hundred files.
const legacySleep = time.Second

// TestPurgeTable purges expired files of 1 KB, a hundred to a directory, from
// a directory and from S3, on MariaDB. The peer is the legacy's loop: a page of
// a hundred rows, then for each file a DELETE and a removal of its own, then a
// rest; without PHP, and measured on fewer files, as its pace is always the
// same.
func TestPurgeTable(t *testing.T) {
	files := tableFiles(t)
	for _, store := range []string{"nfs", "s3"} {
		few := min(files, 5000)
		c, s, dir := newBenchCluster(t, store)
		db := openDatabase(t, s)

		makeExpired(t, c, dir, few)
		busy := timed(t, func() error { return legacyPurge(t.Context(), db, c, 0) })
		perFile := busy.Seconds() / float64(few)
		rested := perFile + legacySleep.Seconds()/100

		makeExpired(t, c, dir, files)
		resetPeak(t)
		progress := new(Progress)
		took := timed(t, func() error {
			return Purge(t.Context(), c, PurgeOptions{PurgeOptions: cluster.PurgeOptions{BatchSize: 1000}, Progress: progress})
		})
		if got := progress.Snapshot(); got.Done != int64(files) {
			t.Fatalf("purged %+v", got)
		}
		rate := float64(files) / took.Seconds()
		t.Logf("purge %s: %d files in %.2f s, %.0f files/s, peak %d MB; legacy loop %.0f files/s with its rest (%.0f times), %.0f without (%.1f times); workers %d",
			store, files, took.Seconds(), rate, peak(t), 1/rested, rate*rested, 1/perFile, rate*perFile, progress.Snapshot().Workers)
	}
}

// TestClusterizeTable stores files of 10 KB on a directory, on MariaDB. Peers:
// a plain copy of the tree, and the legacy's loop of one transaction, one copy
// and one rename a file, without PHP.
func TestClusterizeTable(t *testing.T) {
	files := tableFiles(t)
	c, s, dir := newBenchCluster(t, "nfs")
	body := make([]byte, 10_000)
	for i := range files {
		writeFile(t, filepath.Join(s.Root, benchPath(i)), body)
	}
	db := openDatabase(t, s)
	few := min(files, 10_000)
	loop := timed(t, func() error { return legacyStore(t.Context(), db, s.Root, dir, few) })
	makeNothing(t, c, dir)

	copied := filepath.Join(t.TempDir(), "copy")
	plain := timed(t, func() error { return os.CopyFS(copied, os.DirFS(filepath.Join(s.Root, "var/site"))) })
	os.RemoveAll(copied)

	resetPeak(t)
	progress := new(Progress)
	took := timed(t, func() error {
		return Clusterize(t.Context(), c, Tree(s.Root, []string{"var/site"}, TreeOptions{}), ClusterizeOptions{Progress: progress})
	})
	if got := progress.Snapshot(); got.Done != int64(files) {
		t.Fatalf("stored %+v", got)
	}
	rate := float64(files) / took.Seconds()
	t.Logf("clusterize: %d files of 10 KB in %.2f s, %.0f files/s, peak %d MB; legacy loop %.0f files/s (%.1f times); plain copy %.0f files/s (%.2f times); workers %d",
		files, took.Seconds(), rate, peak(t), float64(few)/loop.Seconds(), rate*loop.Seconds()/float64(few),
		float64(files)/plain.Seconds(), rate*plain.Seconds()/float64(files), progress.Snapshot().Workers)
	again := new(Progress)
	took = timed(t, func() error {
		return Clusterize(t.Context(), c, Tree(s.Root, []string{"var/site"}, TreeOptions{}), ClusterizeOptions{Progress: again})
	})
	if got := again.Snapshot(); got.Skipped != int64(files) {
		t.Fatalf("stored again %+v", got)
	}
	t.Logf("clusterize again, all there: %.0f files/s", float64(files)/took.Seconds())
}

func benchPath(i int) string { return fmt.Sprintf("var/site/storage/images/%d/%d.png", i/100, i) }

// newBenchCluster returns a cluster on MariaDB whose one store keeps its bodies
// as files in dir.
func newBenchCluster(t *testing.T, store string) (c *cluster.Cluster, s settings.Settings, dir string) {
	t.Helper()
	_, s = newCluster(t, true)
	dir = s.NFS["nfs"].MountPointPath
	if store == "s3" {
		gateway := testservice.StartVersityGW(t)
		bucket := gateway.Bucket(t)
		dir = gateway.Dir(bucket)
		s.S3 = map[string]settings.S3{"s3": {
			Name: "s3", Bucket: bucket, Endpoint: gateway.Endpoint, UsePathStyleEndpoint: true, Region: gateway.Region,
			AccessKeyID: gateway.AccessKey, SecretAccessKey: settings.Secret(gateway.SecretKey), PartSize: 8 << 20, Concurrency: 3,
		}}
		s.DFS.DFSBackend = "eZDFSFileHandlerDFSAmazon"
	}
	c, err := cluster.Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, s, dir
}

// makeExpired makes expired files: rows and bodies, past the cluster.
func makeExpired(t *testing.T, c *cluster.Cluster, dir string, files int) {
	t.Helper()
	body := make([]byte, 1000)
	var rows []metadata.Row
	for i := range files {
		path := benchPath(i)
		writeFile(t, filepath.Join(dir, path), body)
		rows = append(rows, metadata.Row{Name: path, Trunk: path, Scope: "image", DataType: "image/png", Size: 1000, MTime: -1_300_000_000, Expired: true})
		if len(rows) == 1000 || i == files-1 {
			if err := c.Metadata().Update(t.Context(), func(tx *metadata.Tx) error { return tx.Upsert(rows...) }); err != nil {
				t.Fatal(err)
			}
			rows = nil
		}
	}
}

// makeNothing removes all rows and bodies.
func makeNothing(t *testing.T, c *cluster.Cluster, dir string) {
	t.Helper()
	if _, err := c.Purge(t.Context(), "var"); err != nil {
		t.Fatal(err)
	}
}

func writeFile(t *testing.T, file string, body []byte) {
	t.Helper()
	err := os.WriteFile(file, body, 0o666)
	if os.IsNotExist(err) {
		if err = os.MkdirAll(filepath.Dir(file), 0o777); err == nil {
			err = os.WriteFile(file, body, 0o666)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

func openDatabase(t *testing.T, s settings.Settings) *sql.DB {
	t.Helper()
	config := mysql.NewConfig()
	config.User, config.Net, config.Addr, config.DBName = "root", "unix", s.DFS.DBSocket, s.DFS.DBName
	config.InterpolateParams = true
	connector, err := mysql.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { db.Close() })
	return db
}

// legacyPurge is the loop of clusterpurge (contract section 9).
func legacyPurge(ctx context.Context, db *sql.DB, c *cluster.Cluster, rest time.Duration) error {
	store := c.Stores().Route(benchPath(0)).Backend
	for {
		names, err := queryNames(ctx, db, "SELECT name FROM ezdfsfile WHERE expired = 1 AND scope IN ('image') LIMIT 100")
		if err != nil || len(names) == 0 {
			return err
		}
		for _, name := range names {
			if err := legacyPurgeOne(ctx, db, store, name); err != nil {
				return err
			}
		}
		if err := sleep(ctx, rest); err != nil {
			return err
		}
	}
}

func legacyPurgeOne(ctx context.Context, db *sql.DB, store backends.Backend, name string) error {
	hash := metadata.Hash(name)
	if _, err := db.ExecContext(ctx, "DELETE FROM ezdfsfile WHERE name_hash = ? AND expired = 1", hash); err != nil {
		return err
	}
	if err := store.Delete(ctx, []string{name}); err != nil {
		return err
	}
	// And everything below, were it a directory.
	_, err := queryNames(ctx, db, "SELECT name FROM ezdfsfile WHERE name LIKE ? AND expired = 1 LIMIT 50", name+"/%")
	return err
}

func queryNames(ctx context.Context, db *sql.DB, query string, args ...any) (names []string, err error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, rows.Err()
}

// legacyStore is the loop of clusterize: fileStore for each file (contract
// section 2).
func legacyStore(ctx context.Context, db *sql.DB, root, dir string, files int) error {
	for i := range files {
		path := benchPath(i)
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "INSERT INTO ezdfsfile (name, name_trunk, name_hash, datatype, scope, size, mtime, expired) VALUES (?, ?, ?, 'image/png', 'image', 10000, 1300000000, 0) ON DUPLICATE KEY UPDATE size = VALUES(size), mtime = VALUES(mtime), expired = 0",
			path, path, metadata.Hash(path))
		if err == nil {
			err = legacyCopy(filepath.Join(root, path), filepath.Join(dir, path))
		}
		if err != nil {
			tx.Rollback()
			return err
		}
		if err := tx.Commit(); err != nil {
			return err
		}
	}
	return nil
}

func legacyCopy(from, to string) error {
	body, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	temp := filepath.Join(filepath.Dir(to), "ezfile-tmp."+metadata.Hash(to))
	if err = os.WriteFile(temp, body, 0o666); os.IsNotExist(err) {
		if err = os.MkdirAll(filepath.Dir(to), 0o777); err == nil {
			err = os.WriteFile(temp, body, 0o666)
		}
	}
	if err != nil {
		return err
	}
	return os.Rename(temp, to)
}

func timed(t *testing.T, do func() error) time.Duration {
	t.Helper()
	start := time.Now()
	if err := do(); err != nil {
		t.Fatal(err)
	}
	return time.Since(start)
}

// resetPeak and peak measure the most memory this process has had, in MB.
func resetPeak(t *testing.T) {
	t.Helper()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		t.Logf("the peak counts from the start: %v", err)
	}
}

func peak(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindStringSubmatch(string(status))
	if found == nil {
		return 0
	}
	kb, _ := strconv.Atoi(strings.TrimSpace(found[1]))
	return kb / 1024
}
