package cluster

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/backends/backendtest"
	"example.com/ezdfs/metadata"
)

func TestOpenRange(t *testing.T) {
	eachCluster(t, func(t *testing.T, c *Cluster) {
		for _, prefix := range []string{onNFS, onS3, onGCS} {
			path := prefix + "digits"
			c.mustStore(t, path, "0123456789")
			for _, test := range []struct {
				offset, length int64
				want           string
			}{
				{0, -1, "0123456789"}, {0, 0, ""}, {0, 1, "0"}, {3, 4, "3456"}, {9, 1, "9"}, {7, 99, "789"}, {10, -1, ""}, {99, 5, ""},
			} {
				f, err := c.Open(t.Context(), path, Range(test.offset, test.length))
				if err != nil {
					t.Fatal(err)
				}
				data, err := io.ReadAll(f)
				if err != nil || string(data) != test.want || f.Row.Size != 10 {
					t.Errorf("%s %d+%d: %q of %d, %v", path, test.offset, test.length, data, f.Row.Size, err)
				}
				f.Close()
			}
		}
	})
}

func TestExpiredFiles(t *testing.T) {
	c := newCluster(t)
	c.mustStore(t, "var/a", "body")
	if n, err := c.Expire(t.Context(), "var/a", "var/none"); n != 1 || err != nil {
		t.Errorf("expired %d, %v", n, err)
	}
	if n, err := c.Expire(t.Context(), "var/a"); n != 0 || err != nil {
		t.Errorf("expired again: %d, %v", n, err)
	}
	row, err := c.Stat(t.Context(), "var/a")
	if err != nil || row.Live() || row.MTime >= 0 || !row.Expired {
		t.Errorf("row %+v, %v", row, err)
	}
	if exists, err := c.Exists(t.Context(), "var/a"); exists || err != nil {
		t.Errorf("exists %v, %v", exists, err)
	}
	if _, err := c.Open(t.Context(), "var/a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open: %v", err)
	}
	f, err := c.Open(t.Context(), "var/a", WithExpired())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if data, _ := io.ReadAll(f); string(data) != "body" {
		t.Errorf("the expired body is %q", data)
	}
}

func TestExists(t *testing.T) {
	c := newCluster(t)
	c.mustStore(t, "var/a", "body")
	c.mustStore(t, "var/b", "body")
	if err := c.stores.Delete(t.Context(), []string{"var/b"}); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string][2]bool{"var/a": {true, true}, "var/b": {true, false}, "var/c": {}} {
		row, err1 := c.Exists(t.Context(), path)
		body, err2 := c.ExistsStored(t.Context(), path)
		if err := errors.Join(err1, err2); err != nil || row != want[0] || body != want[1] {
			t.Errorf("%s: %v, %v, %v", path, row, body, err)
		}
	}
}

func TestMissingBodyIsNotAMissingFile(t *testing.T) {
	c := newCluster(t)
	c.mustStore(t, "var/a", "body")
	c.mustStore(t, "var/b", "keeps the directory")
	if err := c.stores.Delete(t.Context(), []string{"var/a"}); err != nil {
		t.Fatal(err)
	}
	_, err := c.Open(t.Context(), "var/a")
	var missing *BodyMissingError
	if !errors.As(err, &missing) || missing.Path != "var/a" || missing.Backend != "nfs" || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

// TestFirstReaderMends: a row that lags its body, as a crash between the two
// leaves it, is mended by whoever reads it first.
func TestFirstReaderMends(t *testing.T) {
	eachCluster(t, func(t *testing.T, c *Cluster) {
		for _, prefix := range []string{onNFS, onS3, onGCS} {
			path := prefix + "a"
			before := c.mustStore(t, path, "old")
			c.writeBody(t, path, "a newer body")
			if got := c.contents(t, path); got != "a newer body" {
				t.Errorf("%s reads %q", path, got)
			}
			row, err := c.Stat(t.Context(), path)
			if err != nil || row.Size != int64(len("a newer body")) || row.Scope != before.Scope || row.DataType != before.DataType || !row.Live() {
				t.Errorf("mended row %+v, %v", row, err)
			}
		}
	})
}

func TestFetch(t *testing.T) {
	c := newCluster(t)
	mtime := time.Unix(1_500_000_000, 0)
	if _, err := c.Store(t.Context(), "var/dir/a.txt", strings.NewReader("body"), StoreOptions{ModTime: mtime}); err != nil {
		t.Fatal(err)
	}
	unique, err := c.FetchUnique(t.Context(), "var/dir/a.txt")
	if err != nil {
		t.Fatal(err)
	}
	local, err := c.Fetch(t.Context(), "var/dir/a.txt")
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(c.root, "var/dir/a.txt"); local != want || unique == want || filepath.Ext(unique) != ".txt" {
		t.Errorf("fetched to %s and %s", local, unique)
	}
	for _, file := range []string{local, unique} {
		data, err := os.ReadFile(file)
		info, _ := os.Stat(file)
		if err != nil || string(data) != "body" || !info.ModTime().Equal(mtime) {
			t.Errorf("%s holds %q of %v, %v", file, data, info.ModTime(), err)
		}
	}
	// What cannot be fetched leaves what is there.
	if _, err := c.Expire(t.Context(), "var/dir/a.txt"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Fetch(t.Context(), "var/dir/a.txt"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("fetching an expired file: %v", err)
	}
	entries, _ := os.ReadDir(filepath.Dir(local))
	if len(entries) != 2 {
		t.Errorf("left in the directory: %v", entries)
	}
}

func TestFS(t *testing.T) {
	c := newCluster(t)
	files := []string{
		"index.html", "var/site/storage/images/a b.png", "var/site/storage/images/ä.png",
		"var/site/cache/x/y/z.cache", "var/site/cache/empty", "var/site/storage2/x",
	}
	for _, path := range files {
		body := "body of " + path
		if strings.HasSuffix(path, "empty") {
			body = ""
		}
		c.mustStore(t, path, body)
	}
	c.mustStore(t, "var/gone/x", "expired")
	if _, err := c.Expire(t.Context(), "var/gone/x"); err != nil {
		t.Fatal(err)
	}
	fsys := c.FS(t.Context())
	if err := fstest.TestFS(fsys, files...); err != nil {
		t.Error(err)
	}
	for path, want := range map[string]error{
		"var/gone": fs.ErrNotExist, "var/gone/x": fs.ErrNotExist, `var\site`: fs.ErrNotExist, "../x": fs.ErrInvalid, "/var": fs.ErrInvalid,
	} {
		if _, err := fs.Stat(fsys, path); !errors.Is(err, want) {
			t.Errorf("stat %q: %v, want %v", path, err, want)
		}
	}
	info, err := fs.Stat(fsys, "var/site/storage/images/a b.png")
	if err != nil {
		t.Fatal(err)
	}
	if row := info.Sys().(*metadata.Row); row.Scope != "image" {
		t.Errorf("Sys is %+v", row)
	}
}

func TestURL(t *testing.T) {
	c := newCluster(t)
	if u, err := c.URL("var/a b+c.png"); u != "/var/a%20b%2Bc.png" || err != nil {
		t.Errorf("URL %s, %v", u, err)
	}
	if _, err := c.URL("../x"); err == nil {
		t.Error("a path with .. has a URL")
	}
	if _, err := c.SignURL(t.Context(), "var/a", time.Hour); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("sign: %v", err)
	}
}

func TestFetchRange(t *testing.T) {
	c := newCluster(t)
	c.mustStore(t, "var/digits", "0123456789")
	local := filepath.Join(t.TempDir(), "local")
	for _, test := range []struct {
		offset, length int64
		want           string
	}{{3, 4, "3456"}, {7, 99, "789"}, {4, -1, "456789"}, {99, 5, ""}} {
		if _, err := c.FetchTo(t.Context(), "var/digits", local, Range(test.offset, test.length)); err != nil {
			t.Fatalf("%d+%d: %v", test.offset, test.length, err)
		}
		if data, err := os.ReadFile(local); err != nil || string(data) != test.want {
			t.Errorf("%d+%d: %q, %v", test.offset, test.length, data, err)
		}
	}
}

// rewritten is a store whose bodies turn out, at their end, to have been
// written in place while they were read, as the legacy writes some.
type rewritten struct{ *backendtest.Memory }

func (r rewritten) Open(ctx context.Context, path string, offset, length int64) (backends.Reader, error) {
	body, err := r.Memory.Open(ctx, path, offset, length)
	return changedAtEnd{body}, err
}

type changedAtEnd struct{ backends.Reader }

func (c changedAtEnd) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if err == io.EOF {
		err = &backends.Error{Backend: "memory", Op: "read", Kind: backends.ErrChanged}
	}
	return n, err
}

func TestReadFileOfAChangedBody(t *testing.T) {
	s := nfsSettings(t, "sqlite")
	createSchema(t, s)
	c := newOver(t, s, rewritten{backendtest.NewMemory("memory")})
	c.mustStore(t, "var/a", "body")
	if data, err := c.ReadFile(t.Context(), "var/a"); !errors.Is(err, backends.ErrChanged) {
		t.Errorf("reads %q, %v, want ErrChanged", data, err)
	}
}

// A row of another age, whose mtime alone is negative, makes no directory.
func TestFSOfRowsThatAreNotLive(t *testing.T) {
	c := newCluster(t)
	dead := metadata.Row{Name: "var/dir/a", Trunk: "var/dir/a", DataType: "misc", MTime: -5}
	if err := c.meta.Update(t.Context(), func(tx *metadata.Tx) error { return tx.Upsert(dead) }); err != nil {
		t.Fatal(err)
	}
	if _, err := fs.Stat(c.FS(t.Context()), "var/dir"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, want fs.ErrNotExist", err)
	}
}
