package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/metadata"
)

var attributes = backends.Attributes{Size: -1}

// oddNames are names that PHP sites have and that some layer mistreats.
var oddNames = []string{
	"plain.png", "with space.png", "a+b.png", "100%.png", "%2F.png", "hash#1.png", "q?x=1&y=2.png",
	"umlaut-äöü.png", "\u00e9.png", "e\u0301.png", "日本.png", "quote'\"`.png", "semi;colon,comma.png",
	"Case.png", "case.png", "trailing ", "under_score%like.png", "star*[x]{y}.png",
	strings.Repeat("x", 251) + ".png",
}

func TestStoreAndRead(t *testing.T) {
	sizes := []int{0, 1, 4096, 5<<20 + 1, 11 << 20}
	eachCluster(t, func(t *testing.T, c *Cluster) {
		for _, prefix := range []string{onNFS, onS3, onGCS} {
			for _, name := range oddNames {
				path := prefix + "names/" + name
				c.mustStore(t, path, "body of "+path)
			}
			for _, name := range oddNames {
				path := prefix + "names/" + name
				if got := c.contents(t, path); got != "body of "+path {
					t.Errorf("%q reads %q", path, got)
				}
			}
			for _, size := range sizes {
				path := fmt.Sprint(prefix, "sizes/", size)
				data := noise(uint64(size), size)
				row, err := c.Store(t.Context(), path, bytes.NewReader(data), StoreOptions{})
				if err != nil {
					t.Fatalf("store %q: %v", path, err)
				}
				if row.Size != int64(size) {
					t.Errorf("%q has size %d", path, row.Size)
				}
				if got := c.contents(t, path); got != string(data) {
					t.Errorf("%q reads %d other bytes", path, len(got))
				}
			}
		}
	})
}

func TestStoreWritesTheRow(t *testing.T) {
	now := time.Unix(1_700_000_000, 999)
	c := newCluster(t, WithClock(func() time.Time { return now }))
	for _, test := range []struct {
		path    string
		options StoreOptions
		want    metadata.Row
	}{
		{
			"var/site/storage/images/a.txt", StoreOptions{},
			metadata.Row{Trunk: "var/site/storage/images/a.txt", Scope: UnknownScope, DataType: "text/plain", MTime: now.Unix(), Table: "ezdfsfile"},
		}, {
			`var\site//cache/content/s/2-abc.cache/`, StoreOptions{Scope: "viewcache", DataType: "misc", ModTime: time.Unix(5, 0)},
			metadata.Row{Name: "var/site/cache/content/s/2-abc.cache", Trunk: "var/site/cache/content/s/2-", Scope: "viewcache", DataType: "misc", MTime: 5, Table: "ezdfsfile_cache"},
		}, {
			"var/site/cache/storage_x/r.txt", StoreOptions{Scope: "image", DataType: "image/png", ModTime: time.Unix(0, 0)},
			metadata.Row{Trunk: "var/site/cache/storage_x/r.txt", Scope: "image", DataType: "image/png", MTime: 1, Table: "ezdfsfile"},
		},
	} {
		row, err := c.Store(t.Context(), test.path, strings.NewReader("plain text"), test.options)
		if err != nil {
			t.Fatalf("store %q: %v", test.path, err)
		}
		if test.want.Name == "" {
			test.want.Name = test.path
		}
		test.want.Size = int64(len("plain text"))
		stored, err := c.Stat(t.Context(), test.path)
		if err != nil || stored != test.want {
			t.Errorf("stored\n%+v, %v, want\n%+v", stored, err, test.want)
		}
		if row.Table = test.want.Table; row != test.want {
			t.Errorf("returned\n%+v, want\n%+v", row, test.want)
		}
	}
}

func TestStoreAgainReplacesEverything(t *testing.T) {
	eachCluster(t, func(t *testing.T, c *Cluster) {
		for _, prefix := range []string{onNFS, onS3, onGCS} {
			path := prefix + "a"
			c.mustStore(t, path, "a long first body")
			if _, err := c.Expire(t.Context(), path); err != nil {
				t.Fatal(err)
			}
			if got := c.contents(t, path); got != "<none>" {
				t.Errorf("the expired %q reads %q", path, got)
			}
			_, err := c.Store(t.Context(), path, strings.NewReader("second"), StoreOptions{Scope: "binaryfile", DataType: "x/y"})
			if err != nil {
				t.Fatal(err)
			}
			row, err := c.Stat(t.Context(), path)
			if err != nil || row.Scope != "binaryfile" || row.DataType != "x/y" || row.Size != 6 || !row.Live() {
				t.Errorf("row %+v, %v", row, err)
			}
			if got := c.contents(t, path); got != "second" {
				t.Errorf("%q reads %q", path, got)
			}
		}
	})
}

// TestBadStoresChangeNothing: every way in which a store can be refused leaves
// the old file, or its absence, as it was, and no staged body.
func TestBadStoresChangeNothing(t *testing.T) {
	broken := errors.New("the source broke")
	long := strings.Repeat("x", 300)
	eachCluster(t, func(t *testing.T, c *Cluster) {
		for _, prefix := range []string{onNFS, onS3, onGCS} {
			path := prefix + "a"
			c.mustStore(t, path, "old")
			for name, test := range map[string]struct {
				path    string
				body    io.Reader
				options StoreOptions
				want    error
			}{
				"dots":            {prefix + "../a", strings.NewReader("new"), StoreOptions{}, fs.ErrInvalid},
				"empty path":      {"", strings.NewReader("new"), StoreOptions{}, fs.ErrInvalid},
				"NUL":             {prefix + "a\x00b", strings.NewReader("new"), StoreOptions{}, fs.ErrInvalid},
				"long datatype":   {path, strings.NewReader("new"), StoreOptions{DataType: long}, fs.ErrInvalid},
				"long scope":      {path, strings.NewReader("new"), StoreOptions{Scope: long}, fs.ErrInvalid},
				"too short":       {path, iotest.OneByteReader(strings.NewReader("new")), StoreOptions{Size: 9}, backends.ErrSize},
				"too long":        {path, iotest.OneByteReader(strings.NewReader("new")), StoreOptions{Size: 2}, backends.ErrSize},
				"broken source":   {path, io.MultiReader(strings.NewReader("new"), iotest.ErrReader(broken)), StoreOptions{DataType: "x/y"}, broken},
				"broken at once":  {path, iotest.ErrReader(broken), StoreOptions{}, broken},
				"broken and new":  {prefix + "b", iotest.ErrReader(broken), StoreOptions{DataType: "x/y"}, broken},
				"too short, new":  {prefix + "b", iotest.OneByteReader(strings.NewReader("new")), StoreOptions{Size: 9}, backends.ErrSize},
				"staging's names": {prefix + backends.StagedPrefix + "1", strings.NewReader("new"), StoreOptions{}, fs.ErrInvalid},
			} {
				if _, err := c.Store(t.Context(), test.path, test.body, test.options); !errors.Is(err, test.want) {
					t.Errorf("%s%s: error %v, want %v", prefix, name, err, test.want)
				}
			}
			if got := c.contents(t, path); got != "old" {
				t.Errorf("%q reads %q", path, got)
			}
			if got := c.body(t, prefix+"b"); got != "<none>" {
				t.Errorf("a refused store left the body %q", got)
			}
		}
		assertNothingStaged(t, c)
	})
}

// assertNothingStaged looks for temporary files on the mount.
func assertNothingStaged(t *testing.T, c *Cluster) {
	t.Helper()
	filepath.WalkDir(filepath.Join(c.root, "mount"), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(entry.Name(), backends.StagedPrefix) {
			t.Errorf("left behind: %s", path)
		}
		return nil
	})
}

func TestStoreFile(t *testing.T) {
	c := newCluster(t)
	file := filepath.Join(t.TempDir(), "a.png")
	png := "\x89PNG\r\n\x1a\n" + strings.Repeat("x", 20)
	mtime := time.Unix(1_600_000_000, 0)
	if err := errors.Join(os.WriteFile(file, []byte(png), 0o600), os.Chtimes(file, mtime, mtime)); err != nil {
		t.Fatal(err)
	}
	row, err := c.StoreFile(t.Context(), "var/a.png", file, StoreOptions{})
	if err != nil || row.MTime != mtime.Unix() || row.DataType != "image/png" {
		t.Errorf("row %+v, %v", row, err)
	}
	if got := c.contents(t, "var/a.png"); got != png {
		t.Errorf("reads %q", got)
	}
	if _, err := c.StoreFile(t.Context(), "var/dir", filepath.Dir(file), StoreOptions{}); !errors.Is(err, errNotRegular) {
		t.Errorf("storing a directory: %v", err)
	}
	if _, err := c.StoreFile(t.Context(), "var/none", file+"x", StoreOptions{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("storing nothing: %v", err)
	}
}

func TestStoreFromAPipe(t *testing.T) {
	c := newCluster(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	body := string(noise(1, 20_000))
	go func() {
		io.WriteString(w, body)
		w.Close()
	}()
	if _, err := c.Store(t.Context(), "var/a", r, StoreOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := c.contents(t, "var/a"); got != body {
		t.Errorf("reads %d other bytes", len(got))
	}
}

func TestStoreFiles(t *testing.T) {
	eachCluster(t, func(t *testing.T, c *Cluster) {
		dir := t.TempDir()
		var items []Item
		add := func(path, body string) {
			file := filepath.Join(dir, fmt.Sprint(len(items)))
			if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
				t.Fatal(err)
			}
			items = append(items, Item{Path: path, File: file, Options: StoreOptions{Scope: "image"}})
		}
		for i := range 30 {
			for _, prefix := range []string{onNFS, onS3, onGCS} {
				add(fmt.Sprint(prefix, i), fmt.Sprint("body ", i))
			}
		}
		add(onNFS+"large", string(noise(2, batchBodyLimit+1)))
		add(onNFS+"twice", "first")
		add(onNFS+"twice", "second")
		bad := len(items)
		items = append(items,
			Item{Path: onNFS + "none", File: filepath.Join(dir, "none")},
			Item{Path: "../up", File: items[0].File},
			Item{Path: onNFS + "long", File: items[0].File, Options: StoreOptions{Scope: strings.Repeat("x", 99)}})

		results := c.StoreFiles(t.Context(), items)
		for i, result := range results {
			if (result.Err != nil) != (i >= bad) {
				t.Errorf("%q: %v", items[i].Path, result.Err)
			}
			if i < bad {
				want, _ := os.ReadFile(items[i].File)
				if items[i].Path == onNFS+"twice" {
					want = []byte(c.contents(t, onNFS+"twice")) // either is right
				}
				if got := c.contents(t, items[i].Path); got != string(want) {
					t.Errorf("%q reads %d other bytes", items[i].Path, len(got))
				}
			}
		}
		assertNothingStaged(t, c)
	})
}

// TestStoreFilesOneByOne: when a batch cannot be published, here because a
// directory is in the way of one file, only that file fails.
func TestStoreFilesOneByOne(t *testing.T) {
	c := newCluster(t)
	file := filepath.Join(t.TempDir(), "a")
	if err := os.WriteFile(file, []byte("body"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.mustStore(t, "var/b/below", "in the way")
	results := c.StoreFiles(t.Context(), []Item{{Path: "var/a", File: file}, {Path: "var/b", File: file}, {Path: "var/c", File: file}})
	for i, want := range []bool{true, false, true} {
		if (results[i].Err == nil) != want {
			t.Errorf("%d: %v", i, results[i].Err)
		}
	}
	for path, want := range map[string]string{"var/a": "body", "var/b": "<none>", "var/c": "body", "var/b/below": "in the way"} {
		if got := c.contents(t, path); got != want {
			t.Errorf("%q reads %q, want %q", path, got, want)
		}
	}
	assertNothingStaged(t, c)
}

func TestDetectType(t *testing.T) {
	for _, test := range []struct{ name, body, want string }{
		{"a.png", "\x89PNG\r\n\x1a\nxxxx", "image/png"},
		{"wrong.txt", "GIF89a....", "image/gif"},
		{"a.css", "body { color: red }", "text/css"},
		{"A.JS", "let x = 1", "text/javascript"},
		{"a.txt", "words", "text/plain"},
		{"words", "words", "text/plain"},
		{"a.bin", "\x00\x01\x02\x03", "application/octet-stream"},
		{"empty", "", "text/plain"},
		{"a.pdf", "%PDF-1.4\n", "application/pdf"},
		{"a.svg", `<svg xmlns="http://www.w3.org/2000/svg"/>`, "image/svg+xml"},
	} {
		for _, body := range []io.Reader{strings.NewReader(test.body), iotest.OneByteReader(strings.NewReader(test.body))} {
			got, whole, err := DetectType(test.name, body)
			if err != nil || got != test.want {
				t.Errorf("%s: %s, %v, want %s", test.name, got, err, test.want)
			}
			if data, _ := io.ReadAll(whole); string(data) != test.body {
				t.Errorf("%s: the body became %q", test.name, data)
			}
		}
	}
}

// TestStoreFilesKeepsTheOrder: of one path the last item wins, also where the
// ones before it are too large for a batch.
func TestStoreFilesKeepsTheOrder(t *testing.T) {
	c := newCluster(t)
	large, small := filepath.Join(t.TempDir(), "large"), filepath.Join(t.TempDir(), "small")
	for file, body := range map[string][]byte{large: noise(1, batchBodyLimit+1), small: []byte("small")} {
		if err := os.WriteFile(file, body, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, result := range c.StoreFiles(t.Context(), []Item{{Path: "var/a", File: large}, {Path: "var/a", File: small}}) {
		if result.Err != nil {
			t.Fatal(result.Err)
		}
	}
	if got := c.contents(t, "var/a"); got != "small" {
		t.Errorf("reads %d bytes, want the last item's", len(got))
	}
}
