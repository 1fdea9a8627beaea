package importer_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/bulk"
	"example.com/ezdfs/bulk/ezdb"
	"example.com/ezdfs/bulk/importer"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/internal/testservice/oldcluster"
)

// oldCluster opens an older cluster of a shape.
func oldCluster(t *testing.T, shape oldcluster.Shape) (*ezdb.Source, *oldcluster.Tables) {
	t.Helper()
	tables := oldcluster.Create(t, mariaDB, shape)
	source, err := ezdb.Open(t.Context(), ezdb.Config{DSN: tables.DSN})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { source.Close() })
	return source, tables
}

// importAll imports everything and returns what was counted.
func importAll(t *testing.T, c *cluster.Cluster, source *ezdb.Source, limits bulk.Limits) (bulk.Snapshot, map[importer.Reason]int64, error) {
	t.Helper()
	progress := new(bulk.Progress)
	counts := importer.NewCounts(progress)
	err := importer.EZDB(t.Context(), c, source, importer.EZDBOptions{Limits: limits, Counts: counts})
	return progress.Snapshot(), counts.Skipped(), err
}

// oldFiles are files of every kind.
var oldFiles = []oldcluster.File{
	{Name: "var/site/storage/images/ä b.png", DataType: "image/png", Scope: "image", MTime: 1_200_000_000, Body: "\x89PNG\r\n\x1a\nrest"},
	{Name: "var/site/storage/images/Ä b.png", DataType: "image/png", Scope: "image", MTime: 1_200_000_001, Body: "another"},
	{Name: "var/site/storage/original/empty", DataType: "misc", Scope: "binaryfile", MTime: 1_200_000_002},
	{Name: "var/site/storage/original/zero", DataType: "text/plain", Scope: "binaryfile", MTime: 1_200_000_003, Body: "0"},
	{Name: "var/site/storage/s3/large", DataType: "application/pdf", Scope: "binaryfile", MTime: 1_200_000_004, Body: strings.Repeat("0123456789", 700_000)},
	{Name: "var/site/storage/gcs/chunk", DataType: "application/pdf", Scope: "binaryfile", MTime: 1_200_000_005, Body: strings.Repeat("c", oldcluster.ChunkSize)},
	{Name: "var/site/cache/content/s/2-x.cache", DataType: "php", Scope: "viewcache", MTime: 1_200_000_006, Body: "<?php"},
	{Name: "var/site/storage/never", Body: "stored at no time"},
}

// TestEZDB imports from tables of every shape to every store, and finds
// everything there the second time.
func TestEZDB(t *testing.T) {
	for i, shape := range []oldcluster.Shape{oldcluster.Before310, oldcluster.Since310, oldcluster.Since41} {
		t.Run(string(shape), func(t *testing.T) {
			s := fullSite(t)
			emptyTables(t, &s, i == 0)
			c := open(t, s)
			source, tables := oldCluster(t, shape)
			for _, f := range oldFiles {
				tables.Put(t, f)
			}
			tables.Put(t, oldcluster.File{Name: "var/site/cache/x.generating", MTime: 5})
			if shape != oldcluster.Before310 {
				tables.Put(t, oldcluster.File{Name: "var/site/storage/deleted", MTime: -1_200_000_000, Expired: true, Body: "gone"})
			}
			got, skipped, err := importAll(t, c, source, bulk.Limits{})
			if err != nil || got.Done != int64(len(oldFiles)) || got.Failed != 0 || skipped[importer.Lock] != 1 {
				t.Fatalf("%+v, %v, %v", got, skipped, err)
			}
			found := rows(t, c)
			if len(found) != len(oldFiles) {
				t.Errorf("%d rows", len(found))
			}
			for _, f := range oldFiles {
				row := found[f.Name]
				if f.DataType == "" {
					f.DataType, f.Scope, f.MTime = "text/plain", cluster.UnknownScope, 1 // as everything that is stored without
				}
				if row.DataType != f.DataType || row.Scope != f.Scope || row.MTime != f.MTime || !row.Live() {
					t.Errorf("%+v became %+v", f.Name, row)
				}
				if data, err := c.ReadFile(t.Context(), f.Name); err != nil || string(data) != f.Body {
					t.Errorf("%s reads %d bytes, %v", f.Name, len(data), err)
				}
			}
			again, skipped, err := importAll(t, c, source, bulk.Limits{Workers: 1, Bandwidth: 1 << 30})
			if err != nil || again.Done != 0 || skipped[importer.Equal] != int64(len(oldFiles)) {
				t.Errorf("again %+v, %v, %v", again, skipped, err)
			}
		})
	}
}

// TestEZDBScopes: where the old cluster knows no scope, the path tells it.
func TestEZDBScopes(t *testing.T) {
	want := map[string]string{
		"var/site/storage/images/a.png":                   "image",
		"var/site/storage/original/application/a.pdf":     "binaryfile",
		"var/site/storage/original/video/a.mp4":           "mediafile",
		"var/site/cache/content/full/2-abc.cache":         "viewcache",
		"var/site/storage/packages/a":                     cluster.UnknownScope,
		"var/site/cache/template-block/subtree/1/cache/a": "template-block",
	}
	for name, change := range map[string]string{
		"no column": "ALTER TABLE ezdbfile DROP COLUMN scope",
		"empty":     "UPDATE ezdbfile SET scope = ''",
	} {
		t.Run(name, func(t *testing.T) {
			s := nfsSite(t)
			emptyTables(t, &s, false)
			c := open(t, s)
			tables := oldcluster.Create(t, mariaDB, oldcluster.Before310)
			for path := range want {
				tables.Put(t, oldcluster.File{Name: path, DataType: "x/y", Scope: "image", MTime: 5, Body: "x"})
			}
			tables.Exec(t, change)
			source, err := ezdb.Open(t.Context(), ezdb.Config{DSN: tables.DSN})
			if err != nil {
				t.Fatal(err)
			}
			defer source.Close()
			if _, _, err := importAll(t, c, source, bulk.Limits{}); err != nil {
				t.Fatal(err)
			}
			for path, row := range rows(t, c) {
				if row.Scope != want[path] {
					t.Errorf("%s has the scope %q, want %q", path, row.Scope, want[path])
				}
			}
		})
	}
}

// TestEZDBCatchesUp: what changed in the old cluster comes along, what is newer
// here, or was deleted here, stays so.
func TestEZDBCatchesUp(t *testing.T) {
	s := nfsSite(t)
	emptyTables(t, &s, false)
	c := open(t, s)
	source, tables := oldCluster(t, oldcluster.Since41)
	for _, name := range []string{"equal", "changed", "newer", "deleted", "deleted-changed"} {
		tables.Put(t, oldcluster.File{Name: "var/" + name, MTime: 1000, Body: "old"})
	}
	if _, _, err := importAll(t, c, source, bulk.Limits{}); err != nil {
		t.Fatal(err)
	}
	tables.Exec(t, "UPDATE ezdbfile SET mtime = 2000 WHERE name IN ('var/changed', 'var/deleted-changed')")
	tables.Exec(t, "UPDATE ezdbfile_data SET filedata = 'new' WHERE name_hash IN (MD5('var/changed'), MD5('var/deleted-changed'))")
	if _, err := c.Store(t.Context(), "var/newer", strings.NewReader("newest"), cluster.StoreOptions{ModTime: time.Unix(3000, 0)}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Expire(t.Context(), "var/deleted", "var/deleted-changed"); err != nil {
		t.Fatal(err)
	}
	_, skipped, err := importAll(t, c, source, bulk.Limits{})
	if want := map[importer.Reason]int64{importer.Equal: 1, importer.Newer: 1, importer.Expired: 1}; err != nil || !maps.Equal(skipped, want) {
		t.Errorf("%v, %v", skipped, err)
	}
	for name, want := range map[string]string{"equal": "old", "changed": "new", "newer": "newest", "deleted": "<none>", "deleted-changed": "new"} {
		data, err := c.ReadFile(t.Context(), "var/"+name)
		if backends.IsRetryable(err) || err != nil && want != "<none>" || err == nil && string(data) != want {
			t.Errorf("%s reads %q, %v, want %q", name, data, err, want)
		}
	}
}

// TestEZDBBroken: a file whose chunks are wrong is named with the place and
// stored nowhere; all others of its batch are stored.
func TestEZDBBroken(t *testing.T) {
	s := nfsSite(t)
	emptyTables(t, &s, false)
	c := open(t, s)
	source, tables := oldCluster(t, oldcluster.Since41)
	for i := range 20 {
		tables.Put(t, oldcluster.File{Name: fmt.Sprint("var/", i), MTime: 5, Body: strings.Repeat("x", 2*oldcluster.ChunkSize+i)})
	}
	tables.Put(t, oldcluster.File{Name: `var/a\b`, MTime: 5, Body: "x"})
	tables.Exec(t, "DELETE FROM ezdbfile_data WHERE offset = 65535 AND name_hash = MD5('var/7')",
		"UPDATE ezdbfile_data SET offset = 65530 WHERE offset = 65535 AND name_hash = MD5('var/8')",
		"UPDATE ezdbfile SET size = 18446744073709551615 WHERE name = 'var/9'")
	progress := new(bulk.Progress)
	err := importer.EZDB(t.Context(), c, source, importer.EZDBOptions{Counts: importer.NewCounts(progress)})
	if err == nil || err.Error() != "import: 4 of 21 files failed" || progress.Snapshot().Done != 17 {
		t.Errorf("%v, %+v", err, progress.Snapshot())
	}
	reasons := map[string]string{}
	for _, failure := range progress.Failures() {
		reasons[failure.Path] = failure.Err.Error()
	}
	for path, want := range map[string]string{
		"var/7":   "at offset 65535: chunks do not fit: one is missing, the next begins at 131070",
		"var/8":   "at offset 65535: chunks do not fit: the next one overlaps, it begins at 65530",
		"var/9":   "the row has a size that no file can have",
		`var/a\b`: `would be stored as "var/a/b"`,
	} {
		if !strings.Contains(reasons[path], want) {
			t.Errorf("%s: %q, want %q", path, reasons[path], want)
		}
		if _, err := c.Stat(t.Context(), strings.ReplaceAll(path, `\`, "/")); err == nil {
			t.Errorf("%s was stored", path)
		}
	}
	for info := range c.Stores().List(t.Context(), "var/7", "") {
		t.Errorf("a body of %s is left", info.Path)
	}
}

// TestEZDBResumes stops imports at any point; together they import everything
// once.
func TestEZDBResumes(t *testing.T) {
	s := nfsSite(t)
	emptyTables(t, &s, true)
	c := open(t, s)
	source, tables := oldCluster(t, oldcluster.Since310)
	const files = 1200
	tables.Rows(t, "var/", files)
	var done int64
	for stops := 0; ; stops++ {
		ctx, cancel := context.WithCancel(t.Context())
		progress := new(bulk.Progress)
		go func() {
			for progress.Snapshot().Done < 150 && ctx.Err() == nil {
				time.Sleep(100 * time.Microsecond)
			}
			cancel()
		}()
		err := importer.EZDB(ctx, c, source, importer.EZDBOptions{Limits: bulk.Limits{Workers: 1}, Counts: importer.NewCounts(progress)})
		cancel()
		if got := progress.Snapshot(); got.Failed > 0 {
			t.Fatalf("%+v: %v", got, progress.Failures())
		}
		done += progress.Snapshot().Done
		if err == nil {
			t.Logf("done after %d stops", stops)
			break
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	// What was committed when an import stopped was not counted any more.
	if found := rows(t, c); len(found) != files || done > files {
		t.Errorf("%d rows, %d counted", len(found), done)
	}
}

// TestEZDBDown: a database or a store that is down ends the import at once, and
// not after every file has waited for it.
func TestEZDBDown(t *testing.T) {
	s := nfsSite(t)
	emptyTables(t, &s, false)
	c := open(t, s)
	source, tables := oldCluster(t, oldcluster.Since41)
	tables.Rows(t, "var/", 1000)
	tables.Exec(t, "DROP TABLE ezdbfile_data")
	progress := new(bulk.Progress)
	err := importer.EZDB(t.Context(), c, source, importer.EZDBOptions{Limits: bulk.Limits{Workers: 1}, Counts: importer.NewCounts(progress)})
	if err == nil || !strings.Contains(err.Error(), "doesn't exist") || progress.Snapshot().Failed > 100 {
		t.Errorf("%v, %+v", err, progress.Snapshot())
	}
}

// TestEZDBStoreDown: a store that is not there costs one error, and the same import
// goes on when it is back.
func TestEZDBStoreDown(t *testing.T) {
	s := nfsSite(t)
	emptyTables(t, &s, false)
	c := open(t, s)
	source, tables := oldCluster(t, oldcluster.Since41)
	tables.Rows(t, "var/", 1000)
	mount := s.DFS.MountPointPath
	if err := os.Rename(mount, mount+".gone"); err != nil {
		t.Fatal(err)
	}
	progress := new(bulk.Progress)
	err := importer.EZDB(t.Context(), c, source, importer.EZDBOptions{Waiting: bulk.Waiting{Patience: -1}, Counts: importer.NewCounts(progress)})
	var outage *bulk.OutageError
	if got := progress.Snapshot(); !errors.As(err, &outage) || !outage.Early || got.Failed != 0 || got.Done != 0 || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v, %+v", err, got)
	}
	if err := os.Rename(mount+".gone", mount); err != nil {
		t.Fatal(err)
	}
	if got, _, err := importAll(t, c, source, bulk.Limits{}); err != nil || got.Done != 1000 {
		t.Errorf("then %+v, %v", got, err)
	}
}
