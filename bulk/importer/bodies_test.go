package importer_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/bulk"
	"example.com/ezdfs/bulk/importer"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// importBodies imports what lies on every backend.
func importBodies(t *testing.T, c *cluster.Cluster, options importer.BodiesOptions) (bulk.Snapshot, map[importer.Reason]int64, error) {
	t.Helper()
	progress := new(bulk.Progress)
	options.Counts = importer.NewCounts(progress)
	for _, backend := range c.Stores().Backends() {
		if err := importer.Bodies(t.Context(), c, backend, options); err != nil {
			return progress.Snapshot(), options.Counts.Skipped(), fmt.Errorf("%w: %v", err, progress.Failures())
		}
	}
	return progress.Snapshot(), options.Counts.Skipped(), nil
}

// beginnings are what contents begin with, so that they have all kinds of
// types.
var beginnings = []string{"", "0", "\x89PNG\r\n\x1a\n", "GIF89a", "%PDF-1.4\n", "<?php\n", "<html>", "{\"a\": 1}", "PK\x03\x04", "\xff\xd8\xff\xe0", "plain text", "\x00\x01\x02"}

// oddName returns a path with everything a path may have.
func oddName(random *rand.Rand, i int) string {
	dirs := []string{"var/site/storage/images/", "var/site/storage/original/application/", "var/site/storage/original/video/", onS3, onGCS,
		"var/site/storage/", "var/site/cache/content/full/", "var/site/cache/template-block/subtree/2/cache/1/", "var/site/cache/", "design/"}
	parts := []string{"a", "B", "ä", "日本", "😀", " ", "+", "%41", "&", "'", "\"", "-", "#", "?", "*", "[x]", ";", "~", "e\u0301", "sub/"}
	extensions := []string{"", ".png", ".PNG", ".txt", ".css", ".php", ".cache", ".unknown"}
	name := dirs[random.IntN(len(dirs))]
	for range 1 + random.IntN(5) {
		name += parts[random.IntN(len(parts))]
	}
	return fmt.Sprint(name, i, extensions[random.IntN(len(extensions))])
}

// TestBodiesRestoreTheTables clusterizes odd files, loses the tables, makes
// them anew from the stores and compares every row. Here nothing is lost: all
// were clusterized, so that types are what contents show and scopes what paths
// tell. See TestBodiesCannotKnow.
func TestBodiesRestoreTheTables(t *testing.T) {
	for _, onMariaDB := range []bool{false, true} {
		t.Run(map[bool]string{false: "sqlite", true: "mariadb"}[onMariaDB], func(t *testing.T) {
			s := fullSite(t)
			emptyTables(t, &s, onMariaDB)
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			random := rand.New(rand.NewPCG(seed, 0))
			for i := range 250 {
				file := filepath.Join(s.Root, oddName(random, i))
				body := beginnings[random.IntN(len(beginnings))] + strings.Repeat("x", random.IntN(100)*random.IntN(100))
				at := time.Unix(random.Int64N(1<<31-2)+1, 0)
				if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o777), os.WriteFile(file, []byte(body), 0o666), os.Chtimes(file, at, at)); err != nil {
					t.Fatal(err)
				}
			}
			before := open(t, s)
			local := bulk.Tree(s.Root, []string{"var", "design"}, bulk.TreeOptions{})
			progress := new(bulk.Progress)
			if err := bulk.Clusterize(t.Context(), before, asImported(before.Metadata().Layout(), local), bulk.ClusterizeOptions{Progress: progress}); err != nil {
				t.Fatal(err, progress.Failures())
			}
			want := rows(t, before)

			emptyTables(t, &s, onMariaDB)
			c := open(t, s)
			got, skipped, err := importBodies(t, c, importer.BodiesOptions{Cache: true})
			if err != nil || got.Done != int64(len(want)) {
				t.Errorf("%+v, %v, %v", got, skipped, err)
			}
			compareRows(t, rows(t, c), want)
			got, skipped, err = importBodies(t, c, importer.BodiesOptions{Cache: true})
			if err != nil || got.Done != 0 || skipped[importer.Equal] != int64(len(want)) {
				t.Errorf("again %+v, %v, %v", got, skipped, err)
			}
		})
	}
}

// asImported gives local files the scopes that an import tells; clusterize
// knows none for cache files.
func asImported(layout metadata.Layout, items func(func(cluster.Item, error) bool)) func(func(cluster.Item, error) bool) {
	return func(yield func(cluster.Item, error) bool) {
		for item, err := range items {
			item.Options.Scope = bulk.ScopeOf(layout, item.Path)
			if !yield(item, err) {
				return
			}
		}
	}
}

func compareRows(t *testing.T, got, want map[string]metadata.Row) {
	t.Helper()
	for name, row := range want {
		if got[name] != row {
			t.Errorf("%q came back as\n%+v, was\n%+v", name, got[name], row)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%q was no file", name)
		}
	}
}

// TestBodiesCannotKnow says what an import cannot restore.
func TestBodiesCannotKnow(t *testing.T) {
	s := fullSite(t)
	emptyTables(t, &s, false)
	before := open(t, s)
	old := time.Unix(1_000_000_000, 0)
	for _, prefix := range []string{"var/site/storage/", onS3, onGCS} {
		for _, name := range []string{"live", "expired", "purged"} {
			options := cluster.StoreOptions{Scope: "my-scope", DataType: "text/x-mine", ModTime: old}
			if _, err := before.Store(t.Context(), prefix+name, strings.NewReader("text"), options); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := before.Expire(t.Context(), prefix+"expired"); err != nil {
			t.Fatal(err)
		}
		if _, err := before.Purge(t.Context(), prefix+"purged"); err != nil {
			t.Fatal(err)
		}
	}
	for _, trust := range []bool{false, true} {
		emptyTables(t, &s, false)
		c := open(t, s)
		options := importer.BodiesOptions{}
		if trust {
			options.Settled = time.Now().Add(time.Hour)
		}
		if _, _, err := importBodies(t, c, options); err != nil {
			t.Fatal(err)
		}
		found := rows(t, c)
		if len(found) != 6 { // those that had expired are back
			t.Errorf("%d rows: %+v", len(found), found)
		}
		for name, row := range found {
			wantType, wantTime := "text/x-mine", old.Unix()
			switch {
			case strings.HasPrefix(name, onGCS): // whose listings tell everything
			case strings.HasPrefix(name, onS3):
				if trust { // listings tell neither
					wantType, wantTime = "application/octet-stream", row.MTime
					if since := time.Since(row.ModTime()); since < 0 || since > time.Hour {
						t.Errorf("%s was uploaded at %v", name, row.ModTime())
					}
				}
			case trust:
				wantType = "application/octet-stream"
			default:
				wantType = "text/plain" // NFS keeps none
			}
			if row.Scope != cluster.UnknownScope || row.DataType != wantType || row.MTime != wantTime || row.Size != 4 || !row.Live() {
				t.Errorf("trust %v: %+v", trust, row)
			}
		}
	}
}

// TestBodiesSkip: what gets no row, and why.
func TestBodiesSkip(t *testing.T) {
	s := fullSite(t)
	emptyTables(t, &s, false)
	c := open(t, s)
	nfs := c.Stores().Route("var/x").Backend
	put := func(path, body string) {
		staged, err := nfs.Stage(t.Context(), path, strings.NewReader(body), backends.Attributes{Size: -1})
		if err = errors.Join(err, staged.Publish(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{"var/live", "var/differs", "var/expired"} {
		if _, err := c.Store(t.Context(), path, strings.NewReader("body"), cluster.StoreOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Expire(t.Context(), "var/expired"); err != nil {
		t.Fatal(err)
	}
	put("var/differs", "another length")
	put("var/new", "new")
	put("var/cache/a.php.generating", "x")
	put("var/cache/a.php", "x")
	put(`var/a\b`, "x")
	put(onS3+"stray", "x")
	leftover := filepath.Join(s.DFS.MountPointPath, "var", backends.NewStagedName())
	if err := os.WriteFile(leftover, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	want := map[importer.Reason]int64{
		importer.Equal: 1, importer.Differs: 1, importer.Expired: 1, importer.Lock: 1, importer.Cache: 1, importer.Unclean: 1, importer.Elsewhere: 1,
	}
	was := rows(t, c)
	got, skipped, err := importBodies(t, c, importer.BodiesOptions{DryRun: true})
	if err != nil || got.Done != 1 || !maps.Equal(skipped, want) {
		t.Errorf("a dry run: %+v, %v, %v", got, skipped, err)
	}
	compareRows(t, rows(t, c), was)
	if got, skipped, err = importBodies(t, c, importer.BodiesOptions{Scope: "special"}); err != nil || got.Done != 1 || !maps.Equal(skipped, want) {
		t.Errorf("%+v, %v, %v", got, skipped, err)
	}
	now := rows(t, c)
	if row := now["var/new"]; row.Scope != "special" || row.Size != 3 {
		t.Errorf("the new row: %+v", row)
	}
	delete(now, "var/new")
	compareRows(t, now, was)

	progress := new(bulk.Progress)
	counts := importer.NewCounts(progress)
	if err := importer.Bodies(t.Context(), c, nfs, importer.BodiesOptions{Revive: true, Counts: counts}); err != nil || counts.Revived() != 1 || progress.Snapshot().Done != 1 {
		t.Errorf("%v, %+v, %d revived", err, progress.Snapshot(), counts.Revived())
	}
	if data, err := c.ReadFile(t.Context(), "var/expired"); err != nil || string(data) != "body" {
		t.Errorf("the revived file reads %q, %v", data, err)
	}
}

// TestBodiesMigrating: a body that has yet to migrate is found by readers, and
// gets a row; of one that lies on both backends the row tells of the newer.
func TestBodiesMigrating(t *testing.T) {
	s := fullSite(t)
	old := s
	old.Dispatch.PathBackends = nil // everything on NFS
	emptyTables(t, &old, false)
	before := open(t, old)
	for _, name := range []string{"one", "both"} {
		if _, err := before.Store(t.Context(), onS3+name, strings.NewReader("old"), cluster.StoreOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	s.Dispatch.MigrateFrom = []settings.Rule{{Prefix: onS3, Backend: "nfs"}}
	emptyTables(t, &s, false)
	c := open(t, s)
	both := c.Stores().Route(onS3 + "both")
	staged, err := both.Backend.Stage(t.Context(), onS3+"both", strings.NewReader("newer"), backends.Attributes{Size: -1})
	if err = errors.Join(err, staged.Publish(t.Context())); err != nil { // past the dispatcher: the old body stays
		t.Fatal(err)
	}
	if err := importer.Bodies(t.Context(), c, both.From, importer.BodiesOptions{Settled: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	found := rows(t, c)
	if len(found) != 2 || found[onS3+"one"].Size != 3 || found[onS3+"both"].Size != 5 {
		t.Errorf("%+v", found)
	}
}

// TestBodiesResume stops imports at any point; together they make every row.
func TestBodiesResume(t *testing.T) {
	s := nfsSite(t)
	emptyTables(t, &s, true)
	const files = 1500
	fillTree(t, s, files)
	c := open(t, s)
	for range 100 {
		ctx, cancel := context.WithCancel(t.Context())
		progress := new(bulk.Progress)
		go func() {
			for progress.Snapshot().Done == 0 && ctx.Err() == nil {
				time.Sleep(100 * time.Microsecond)
			}
			cancel()
		}()
		err := importer.Bodies(ctx, c, c.Stores().Backends()[0], importer.BodiesOptions{Limits: bulk.Limits{Workers: 2}, Counts: importer.NewCounts(progress)})
		stopped := ctx.Err() != nil
		cancel()
		switch {
		case err == nil && !stopped:
			if found := rows(t, c); len(found) != files {
				t.Errorf("%d rows", len(found))
			}
			return
		case err != nil && !errors.Is(err, context.Canceled), progress.Snapshot().Failed > 0:
			t.Fatal(err, progress.Failures())
		}
	}
	t.Error("no end was reached")
}

// TestBodiesDown: a store that is not there is an error, and not an empty one.
func TestBodiesDown(t *testing.T) {
	s := nfsSite(t)
	emptyTables(t, &s, false)
	c := open(t, s)
	if err := os.Rename(s.DFS.MountPointPath, s.DFS.MountPointPath+".gone"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := importBodies(t, c, importer.BodiesOptions{Waiting: bulk.Waiting{Patience: -1}}); !errors.Is(err, backends.ErrUnavailable) || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}
