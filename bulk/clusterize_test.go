package bulk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/cluster"
	"example.com/ezdfs/metadata"
)

var siteFiles = map[string]string{
	"var/site/storage/images/a b.png":             "\x89PNG\r\n\x1a\nrest of the image",
	"var/site/storage/images-versioned/1/ä.gif":   "GIF89a rest of the image",
	"var/site/storage/original/application/x.pdf": "%PDF-1.4\nrest",
	"var/site/storage/original/video/x.mp4":       "\x00\x00\x00\x18ftypmp42xxxx",
	"var/site/storage/original/text/empty.txt":    "",
	"var/site/cache/x.cache":                      "<?php",
	"var/site/storage/images/0":                   "0",
}

var siteLayout = metadata.Layout{VarDir: "var/site", CacheDir: "cache", StorageDir: "storage"}

func walk(s string, paths ...string) iter.Seq2[cluster.Item, error] {
	return Tree(s, paths, TreeOptions{Layout: siteLayout})
}

func TestClusterizeAndBack(t *testing.T) {
	for _, onMariaDB := range []bool{false, true} {
		c, s := newCluster(t, onMariaDB)
		writeFiles(t, s.Root, siteFiles)
		old := time.Unix(1_300_000_000, 0)
		aged := filepath.Join(s.Root, "var/site/storage/images/a b.png")
		if err := os.Chtimes(aged, old, old); err != nil {
			t.Fatal(err)
		}
		progress := new(Progress)
		options := TreeOptions{Layout: siteLayout, Skip: []string{filepath.Join(s.Root, "var/mount")}}
		source := Tree(s.Root, []string{"var"}, options)
		if err := Clusterize(t.Context(), c, source, ClusterizeOptions{Progress: progress, Limits: Limits{Workers: 2}}); err != nil {
			t.Fatal(err)
		}
		if got := progress.Snapshot(); got.Done != int64(len(siteFiles)) || got.Skipped != 0 || got.Failed != 0 {
			t.Errorf("progress %+v", got)
		}
		for path, body := range siteFiles {
			if data, err := c.ReadFile(t.Context(), path); err != nil || string(data) != body {
				t.Errorf("%s reads %q, %v", path, data, err)
			}
		}
		for path, want := range map[string]string{
			"var/site/storage/images/a b.png":             "image image/png",
			"var/site/storage/images-versioned/1/ä.gif":   "image image/gif",
			"var/site/storage/original/application/x.pdf": "binaryfile application/pdf",
			"var/site/storage/original/video/x.mp4":       "mediafile video/mp4",
			"var/site/cache/x.cache":                      "UNKNOWN_SCOPE text/plain",
		} {
			row, err := c.Stat(t.Context(), path)
			if got := row.Scope + " " + row.DataType; err != nil || got != want {
				t.Errorf("%s is %s, %v, want %s", path, got, err, want)
			}
		}
		if row, _ := c.Stat(t.Context(), "var/site/storage/images/a b.png"); row.MTime != old.Unix() {
			t.Errorf("mtime %d", row.MTime)
		}

		// A second run finds everything there, but for what has changed.
		writeFiles(t, s.Root, map[string]string{"var/site/cache/x.cache": "<?php changed"})
		progress = new(Progress)
		if err := Clusterize(t.Context(), c, source, ClusterizeOptions{Progress: progress, Remove: true}); err != nil {
			t.Fatal(err)
		}
		if got := progress.Snapshot(); got.Done != 1 || got.Skipped != int64(len(siteFiles))-1 {
			t.Errorf("second progress %+v", got)
		}
		for path := range siteFiles {
			if _, err := os.Stat(filepath.Join(s.Root, path)); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s was not removed: %v", path, err)
			}
		}

		bringAllBack(t, c, s.Root)
	}
}

func bringAllBack(t *testing.T, c *cluster.Cluster, root string) {
	t.Helper()
	progress := new(Progress)
	if err := Unclusterize(t.Context(), c, UnclusterizeOptions{SkipScopes: []string{"mediafile"}, Progress: progress}); err != nil {
		t.Fatal(err)
	}
	if got := progress.Snapshot(); got.Done != int64(len(siteFiles))-1 {
		t.Errorf("brought back %+v", got)
	}
	for path, body := range siteFiles {
		if path == "var/site/cache/x.cache" {
			body = "<?php changed"
		}
		data, err := os.ReadFile(filepath.Join(root, path))
		if strings.Contains(path, "video") {
			if !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s was not skipped", path)
			}
		} else if err != nil || string(data) != body {
			t.Errorf("%s came back as %q, %v", path, data, err)
		}
	}
	again := new(Progress)
	if err := Unclusterize(t.Context(), c, UnclusterizeOptions{Prefix: "var/site/storage", Progress: again}); err != nil {
		t.Fatal(err)
	}
	if got := again.Snapshot(); got.Done != 1 || got.Skipped != 5 {
		t.Errorf("brought back again %+v", got)
	}
}

func TestClusterizeCountsWhatFails(t *testing.T) {
	c, s := newCluster(t, false)
	writeFiles(t, s.Root, map[string]string{"var/good": "body"})
	source := func(yield func(cluster.Item, error) bool) {
		for _, name := range []string{"var/good", "var/missing", "var/../up"} {
			if !yield(cluster.Item{Path: name, File: filepath.Join(s.Root, name)}, nil) {
				return
			}
		}
	}
	progress := new(Progress)
	err := Clusterize(t.Context(), c, source, ClusterizeOptions{Progress: progress})
	if err == nil || err.Error() != "clusterize: 2 of 3 files failed" {
		t.Errorf("error %v", err)
	}
	var failed []string
	for _, f := range progress.Failures() {
		failed = append(failed, f.Path)
	}
	slices.Sort(failed)
	if got := fmt.Sprint(failed); got != "[var/../up var/missing]" {
		t.Errorf("failed: %s", got)
	}
}

// TestClusterizeRemovesOnlyWhatItStored: a local file that changed after it was
// stored may be newer than the cluster's.
func TestClusterizeRemovesOnlyWhatItStored(t *testing.T) {
	c, s := newCluster(t, false)
	writeFiles(t, s.Root, map[string]string{"var/a": "body"})
	file := filepath.Join(s.Root, "var/a")
	z := &clusterizer{c: c, options: ClusterizeOptions{Remove: true}, progress: new(Progress)}
	item := cluster.Item{Path: "var/a", File: file}
	row, err := c.StoreFile(t.Context(), item.Path, item.File, item.Options)
	if err != nil {
		t.Fatal(err)
	}
	writeFiles(t, s.Root, map[string]string{"var/a": "newer body"})
	z.remove(item, row)
	if data, err := os.ReadFile(file); err != nil || string(data) != "newer body" || z.progress.Snapshot().Failed != 1 {
		t.Errorf("%q, %v, %+v", data, err, z.progress.Snapshot())
	}
}

func TestClusterizeRefusesNamesOfOtherFiles(t *testing.T) {
	c, s := newCluster(t, false)
	writeFiles(t, s.Root, map[string]string{"var/a/b": "one", `var/a\b`: "other"})
	progress := new(Progress)
	skip := TreeOptions{Skip: []string{filepath.Join(s.Root, "var/mount")}}
	err := Clusterize(t.Context(), c, Tree(s.Root, []string{"var"}, skip), ClusterizeOptions{Progress: progress, Remove: true})
	if err == nil || progress.Snapshot().Failed != 1 || progress.Failures()[0].Path != `var/a\b` {
		t.Errorf("%v, %+v", err, progress.Failures())
	}
	if data, err := c.ReadFile(t.Context(), "var/a/b"); err != nil || string(data) != "one" {
		t.Errorf("var/a/b reads %q, %v", data, err)
	}
	if _, err := os.Stat(filepath.Join(s.Root, `var/a\b`)); err != nil {
		t.Errorf("the refused file is gone: %v", err)
	}
}

func TestClusterizeStops(t *testing.T) {
	c, s := newCluster(t, false)
	local := map[string]string{}
	for i := range 500 {
		local[fmt.Sprint("var/", i)] = "body"
	}
	writeFiles(t, s.Root, local)
	ctx, cancel := context.WithCancel(t.Context())
	progress := new(Progress)
	source := func(yield func(cluster.Item, error) bool) {
		n := 0
		for item, err := range walk(s.Root, "var") {
			if n++; n == 250 {
				cancel()
			}
			if !yield(item, err) {
				return
			}
		}
	}
	err := Clusterize(ctx, c, source, ClusterizeOptions{Progress: progress, Limits: Limits{Workers: 1}})
	if !errors.Is(err, context.Canceled) || progress.Snapshot().Failed != 0 {
		t.Errorf("error %v, progress %+v", err, progress.Snapshot())
	}
	// The same call resumes.
	again := new(Progress)
	skip := TreeOptions{Skip: []string{filepath.Join(s.Root, "var/mount")}}
	if err := Clusterize(t.Context(), c, Tree(s.Root, []string{"var"}, skip), ClusterizeOptions{Progress: again}); err != nil {
		t.Fatal(err)
	}
	if got := again.Snapshot(); got.Total() != 500 || got.Skipped != progress.Snapshot().Done {
		t.Errorf("first %+v, then %+v", progress.Snapshot(), got)
	}
}

// TestTreeUnreadable: a directory that cannot be read is told of, and ends the walk
// only where nobody listens. The tests may run as root, who can read them all.
func TestTreeUnreadable(t *testing.T) {
	root := t.TempDir()
	writeFiles(t, root, map[string]string{"var/closed/a": ""})
	entries, err := os.ReadDir(filepath.Join(root, "var"))
	if err != nil {
		t.Fatal(err)
	}
	closed := filepath.Join(root, "var/closed")
	refused := &fs.PathError{Op: "open", Path: closed, Err: fs.ErrPermission}
	visit := func(options TreeOptions) error {
		return (&tree{options: options, root: root}).visit(closed, entries[0], refused, nil)
	}
	if err := visit(TreeOptions{}); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("nobody listens: %v", err)
	}
	progress := new(Progress)
	if err := visit(TreeOptions{Unreadable: progress.Fail}); err != nil {
		t.Errorf("the walk ends: %v", err)
	}
	if told := progress.Failures(); len(told) != 1 || told[0].Path != closed || told[0].Err != error(refused) {
		t.Errorf("told %+v", told)
	}
	if progress.Err("clusterize") == nil {
		t.Error("all went well")
	}
}

func TestTreeRefuses(t *testing.T) {
	_, s := newCluster(t, false)
	mount := filepath.Join(s.Root, "var/mount")
	options := TreeOptions{Skip: []string{mount}}
	for path, want := range map[string]string{
		"var/none":     "no such file",
		"..":           "is not inside the site root",
		t.TempDir():    "is not inside the site root",
		"var/mount":    "lies on the cluster's own mount",
		mount + "/sub": "no such file",
	} {
		var last error
		for _, err := range Tree(s.Root, []string{path}, options) {
			last = err
		}
		if last == nil || !strings.Contains(last.Error(), want) {
			t.Errorf("%s: error %v, want %q", path, last, want)
		}
	}
}

// TestTreeThroughLinks: where the site's var is a symbolic link out of the root, files
// have the names by which the site knows them; what lies behind a link further below
// is told of, and not taken.
func TestTreeThroughLinks(t *testing.T) {
	root, data := filepath.Join(t.TempDir(), "site"), t.TempDir()
	writeFiles(t, data, map[string]string{"site/storage/images/a.png": "", "elsewhere/b": "", "mount/var/c": ""})
	writeFiles(t, root, map[string]string{"index.php": ""})
	for _, link := range [][2]string{
		{"var", data}, {"var/site/storage/more", "../../elsewhere"}, {"var/site/dangling", "nowhere"},
		{"var/site/file", "storage/images/a.png"}, {"../alias", "site"}, {"var/site/mnt", "../mount"},
	} {
		if err := os.Symlink(link[1], filepath.Join(root, link[0])); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		root, path string
		want, told string
	}{
		{root, "var/site", "[var/site/storage/images/a.png]", "[var/site/mnt var/site/storage/more]"},
		{root, "var/site/storage/images/a.png", "[var/site/storage/images/a.png]", "[]"},
		{root, "var/site/storage/more", "[var/site/storage/more/b]", "[]"},
		{root, filepath.Join(root, "var/site/storage/images"), "[var/site/storage/images/a.png]", "[]"},
		{root, "index.php", "[index.php]", "[]"},
		{filepath.Join(root, "../alias"), filepath.Join(root, "var/site/storage/images"), "[var/site/storage/images/a.png]", "[]"},
		{root, filepath.Join(root, "../alias/var/site/storage/images"), "[]", "[]"},
	} {
		got, told := []string{}, []string{}
		options := TreeOptions{NotFollowed: func(path string) { told = append(told, path) }, Skip: []string{filepath.Join(data, "mount")}}
		for item, err := range Tree(test.root, []string{test.path}, options) {
			if err != nil {
				if !strings.Contains(err.Error(), "is not inside the site root") {
					t.Error(err)
				}
				break
			}
			if _, err := os.Stat(item.File); err != nil {
				t.Error(err)
			}
			got = append(got, item.Path)
		}
		slices.Sort(told)
		if fmt.Sprint(got) != test.want || fmt.Sprint(told) != test.told {
			t.Errorf("%s yields %v, tells of %v; want %s, %s", test.path, got, told, test.want, test.told)
		}
	}
	for _, path := range []string{"var/site/mnt", "var/site/mnt/var"} {
		for _, err := range Tree(root, []string{path}, TreeOptions{Skip: []string{filepath.Join(data, "mount")}}) {
			if err == nil || !strings.Contains(err.Error(), "own mount") {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
}

func TestTreeYieldsRegularFilesOnly(t *testing.T) {
	root := t.TempDir()
	writeFiles(t, root, map[string]string{"var/a": "", "var/sub/b": "", "var/ezfile-tmp.1": "", "outside/c": ""})
	if err := errors.Join(os.Symlink("a", filepath.Join(root, "var/link")), os.Symlink("../outside", filepath.Join(root, "var/dirlink"))); err != nil {
		t.Fatal(err)
	}
	var got []string
	for item, err := range Tree(root, []string{"var", "outside/c"}, TreeOptions{Scope: "image"}) {
		if err != nil || item.Options.Scope != "image" {
			t.Fatal(item, err)
		}
		got = append(got, item.Path)
	}
	if fmt.Sprint(got) != "[var/a var/sub/b outside/c]" {
		t.Errorf("yielded %q", got)
	}
}

func TestScopeOf(t *testing.T) {
	for path, want := range map[string]string{
		"var/site/storage/images/a.png":                    "image",
		"var/site/storage/original/video/a.mp4":            "mediafile",
		"var/site/storage/packages/a":                      "",
		"var/site/cache/content/full/2-abc.cache":          "viewcache",
		"var/site/cache/template-block/subtree/1/cache/a":  "template-block",
		"var/site/cache/user-info/1/user-data-14.cache":    "user-info-cache",
		"var/site/cache/wildcard/wildcard_abc_index.php":   "wildcard-cache-index",
		"var/site/cache/classidentifiers_abc.php":          "classidentifiers",
		"var/site/cache/classattributeidentifiers_abc.php": "classattridentifiers",
		"var/site/cache/statelimitations_abc.php":          "statelimitations",
		"var/site/cache/expiry.php":                        "expirycache",
		"var/site/cache/other":                             "",
		"var/site/storage/images/cache/content/a.png":      "image",
	} {
		if got := ScopeOf(siteLayout, path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

// The local file may be the last copy: a row alone is no reason to remove it.
func TestClusterizeRemovesNoLastCopy(t *testing.T) {
	c, s := newCluster(t, false)
	const path = "var/site/storage/images/a.png"
	writeFiles(t, s.Root, map[string]string{path: "image"})
	if err := Clusterize(t.Context(), c, walk(s.Root, "var/site"), ClusterizeOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := c.Stores().Delete(t.Context(), []string{path}); err != nil {
		t.Fatal(err)
	}
	if err := Clusterize(t.Context(), c, walk(s.Root, "var/site"), ClusterizeOptions{Remove: true}); err != nil {
		t.Fatal(err)
	}
	if data, err := c.ReadFile(t.Context(), path); err != nil || string(data) != "image" {
		t.Errorf("reads %q, %v", data, err)
	}
	if _, err := os.Stat(filepath.Join(s.Root, path)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the local file is still there: %v", err)
	}
}
