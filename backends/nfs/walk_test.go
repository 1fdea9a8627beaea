package nfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/backends/backendtest"
)

// walkAll returns what a walk visits, by path, and the staged bodies it meets.
func walkAll(tb testing.TB, b *Backend, prefix string, workers int) (infos map[string]backends.Info, staged []string) {
	tb.Helper()
	var mu sync.Mutex
	infos = make(map[string]backends.Info)
	err := b.Walk(tb.Context(), prefix, workers, func(info backends.Info) error {
		mu.Lock()
		defer mu.Unlock()
		if _, twice := infos[info.Path]; twice {
			tb.Errorf("%q is visited twice", info.Path)
		}
		infos[info.Path] = info
		return nil
	}, func(l backends.Leftover) error {
		mu.Lock()
		defer mu.Unlock()
		staged = append(staged, l.Path)
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	slices.Sort(staged)
	return infos, staged
}

// TestWalkIsList holds walks of an odd tree against its listings.
func TestWalkIsList(t *testing.T) {
	b := newTree(t)
	for i, name := range backendtest.OddNames() {
		put(t, b, fmt.Sprintf("odd/%d/%s", i%3, name), "body")
	}
	for i := range 300 {
		put(t, b, fmt.Sprintf("var/d%d/e%d/file%d", i%7, i%5, i), "some body"[:i%9])
	}
	for link, target := range map[string]string{"var/link": "d1", "var/file": "d1/e1/file1", "var/out": t.TempDir()} {
		if err := os.Symlink(target, filepath.Join(b.path, link)); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, filepath.Join(b.path, "var/not\xffutf8"), "x")
	writeFile(t, filepath.Join(b.path, "var/.nfs0001"), "x")
	writeFile(t, filepath.Join(b.path, "var/d1/ezfile-tmp.0123456789abcdef"), "x")
	makeDir(t, filepath.Join(b.path, "var/ezfile-tmp.dir"))
	writeFile(t, filepath.Join(b.path, "var/ezfile-tmp.dir/x"), "x")
	makeDir(t, filepath.Join(b.path, "var/empty"))
	if err := unix.Mkfifo(filepath.Join(b.path, "var/pipe"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, prefix := range []string{"", "var/", "var/d1", "var/d1/", "var/d1/e", "odd/1/", "nothing", "var/link/", "var/d1/e1/file1", "../", "/"} {
		for _, workers := range []int{0, 1, 8} {
			got, staged := walkAll(t, b, prefix, workers)
			for info, err := range b.List(t.Context(), prefix, "") {
				if err != nil {
					t.Fatal(err)
				}
				walked, ok := got[info.Path]
				info.Version = ""
				if !ok || walked != info {
					t.Errorf("below %q: %+v, listed as %+v", prefix, walked, info)
				}
				delete(got, info.Path)
			}
			for path := range got {
				t.Errorf("below %q: %q is walked, not listed", prefix, path)
			}
			var want []string
			if slices.Contains([]string{"", "var/", "var/d1", "var/d1/"}, prefix) {
				want = []string{"var/d1/ezfile-tmp.0123456789abcdef"}
			}
			if !slices.Equal(staged, want) {
				t.Errorf("below %q: staged are %q, want %q", prefix, staged, want)
			}
		}
	}
}

func TestWalkTellsTimesThatWereSet(t *testing.T) {
	b := newTree(t)
	put(t, b, "var/arrived", "x")
	at := time.Unix(1e9, 0)
	for path, when := range map[string]time.Time{"var/set": at, "var/wrote": at.Add(1)} {
		writeFile(t, filepath.Join(b.path, path), "x")
		if err := os.Chtimes(filepath.Join(b.path, path), when, when); err != nil {
			t.Fatal(err)
		}
	}
	got, _ := walkAll(t, b, "", 2)
	for path, want := range map[string]bool{"var/set": true, "var/wrote": false} {
		if got[path].Kept != want || !got[path].ModTime.Equal(at) {
			t.Errorf("%s: %+v, kept should be %v", path, got[path], want)
		}
	}
}

func TestWalkStops(t *testing.T) {
	b := newTree(t)
	for i := range 40 {
		put(t, b, fmt.Sprintf("var/%d/x", i), "x")
	}
	enough := errors.New("enough")
	if err := b.Walk(t.Context(), "", 4, func(backends.Info) error { return enough }, nil); err != enough {
		t.Errorf("Walk = %v, want what the visitor returned", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := b.Walk(ctx, "", 4, func(backends.Info) error { cancel(); return nil }, nil)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled walk: %v", err)
	}
}

// TestWalkFaults fails system calls in the middle of a walk: what vanished is
// no error, unless the whole mount did.
func TestWalkFaults(t *testing.T) {
	for _, test := range []struct {
		call  string
		errno unix.Errno
		want  error
	}{
		{"opendir", unix.ENOENT, nil},
		{"readdir", unix.ENOENT, nil},
		{"stat", unix.ENOENT, nil},
		{"opendir", unix.EACCES, fs.ErrPermission},
		{"readdir", unix.EIO, backends.ErrUnavailable},
		{"stat", unix.EIO, backends.ErrUnavailable},
	} {
		b := newTree(t)
		put(t, b, "var/a/x", "x")
		put(t, b, "var/b/x", "x")
		b.faults = func(call, path string) error {
			if call == test.call && (path == "var/a" || path == "var/a/x" || path == "var/a/.") {
				return test.errno
			}
			return nil
		}
		seen := map[string]bool{}
		err := b.Walk(t.Context(), "", 1, func(info backends.Info) error { seen[info.Path] = true; return nil }, nil)
		if !errors.Is(err, test.want) {
			t.Errorf("%v at %s: %v, want %v", test.errno, test.call, err, test.want)
		}
		if test.want == nil && (seen["var/a/x"] || !seen["var/b/x"]) {
			t.Errorf("%v at %s: visited %v", test.errno, test.call, seen)
		}
	}
}

func TestWalkOfAMountThatGoes(t *testing.T) {
	b := newTree(t)
	put(t, b, "var/a", "x")
	err := b.Walk(t.Context(), "", 1, func(backends.Info) error { return os.Rename(b.path, b.path+".away") }, nil)
	if !errors.Is(err, backends.ErrUnavailable) || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Walk = %v, want ErrUnavailable", err)
	}
	t.Cleanup(func() { os.RemoveAll(b.path + ".away") })
}

func TestListAndDropStaged(t *testing.T) {
	b := newTree(t)
	put(t, b, "var/a", "x")
	stageBody(t, b, "var/new/b", "half")
	var found []backends.Leftover
	for l, err := range b.ListStaged(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, l)
	}
	if len(found) != 1 || found[0].Size != 4 || found[0].Writer.PID != os.Getpid() || time.Since(found[0].Active).Abs() > time.Hour {
		t.Fatalf("ListStaged = %+v", found)
	}
	for range 2 { // what is gone is gone
		if err := b.DropStaged(t.Context(), found[0]); err != nil {
			t.Error(err)
		}
	}
	if got := regularFiles(t, b.path); !slices.Equal(got, []string{"var/a"}) {
		t.Errorf("left: %q", got)
	}
	if _, err := os.Stat(filepath.Join(b.path, "var/new")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the directory that was made for it: %v", err)
	}
	for _, path := range []string{"var/a", "../ezfile-tmp.x", "/ezfile-tmp.x", ""} {
		if err := b.DropStaged(t.Context(), backends.Leftover{Path: path}); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("DropStaged(%q) = %v, want fs.ErrInvalid", path, err)
		}
	}
}
