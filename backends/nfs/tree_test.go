package nfs

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"example.com/ezdfs/backends"
)

// TestLinksLeadNowhere puts symbolic links into the tree that lead out of it.
func TestLinksLeadNowhere(t *testing.T) {
	b := newTree(t)
	outside := t.TempDir()
	writeFile(t, filepath.Join(outside, "secret"), "secret")
	put(t, b, "var/s/inside", "body")
	for link, target := range map[string]string{
		"var/dir": outside, "var/dotdot": "../../" + filepath.Base(outside), "var/absolute": filepath.Join(b.path, "var/s"),
		"var/file": filepath.Join(outside, "secret"), "var/loop": "loop",
	} {
		if err := os.Symlink(target, filepath.Join(b.path, link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{"var/dir/secret", "var/absolute/inside", "var/file"} {
		for op, err := range map[string]error{
			"stat":   second(b.Stat(t.Context(), path)),
			"open":   second(b.Open(t.Context(), path, 0, -1)),
			"copy":   third(b.StageCopy(t.Context(), path, "var/copy")),
			"rename": b.Rename(t.Context(), path, "var/renamed"),
		} {
			if !errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s %q: %v, want fs.ErrPermission", op, path, err)
			}
		}
	}
	for op, err := range map[string]error{
		"stage":  second(b.Stage(t.Context(), "var/dir/new", strings.NewReader("x"), backends.Attributes{Size: -1})),
		"copy":   third(b.StageCopy(t.Context(), "var/s/inside", "var/dir/new")),
		"rename": b.Rename(t.Context(), "var/s/inside", "var/dir/new"),
		"delete": b.Delete(t.Context(), []string{"var/dir/secret"}),
	} {
		if !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s through a link: %v, want fs.ErrPermission", op, err)
		}
	}
	if got := regularFiles(t, outside); !slices.Equal(got, []string{"secret"}) {
		t.Errorf("outside the mount: %q", got)
	}
	for _, prefix := range []string{"", "var/dir/", "var/absolute/", "var/file"} {
		if got := listPaths(t, b, prefix); len(got) > 0 && got[0] != "var/s/inside" || len(got) > 1 {
			t.Errorf("List(%q) = %q, want no link", prefix, got)
		}
	}
	put(t, b, "var/file", "replaces the link")
	wantContents(t, b, "var/file", "replaces the link")
	if body, err := os.ReadFile(filepath.Join(outside, "secret")); err != nil || string(body) != "secret" {
		t.Errorf("the file behind the link: %q, %v", body, err)
	}
}

func TestLinksInside(t *testing.T) {
	b := newTree(t)
	put(t, b, "var/s/body", "body")
	for link, target := range map[string]string{"var/linked": "s", "var/file": "s/body"} {
		if err := os.Symlink(target, filepath.Join(b.path, link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{"var/linked/body", "var/file"} {
		info, err := b.Stat(t.Context(), path)
		if err != nil || info.Size != 4 || info.Path != path {
			t.Errorf("Stat(%q) = %+v, %v", path, info, err)
		}
	}
	if got := listPaths(t, b, ""); !slices.Equal(got, []string{"var/s/body"}) {
		t.Errorf("List = %q, want each body once", got)
	}
	if err := b.Delete(t.Context(), []string{"var/file"}); err != nil {
		t.Fatal(err)
	}
	wantContents(t, b, "var/s/body", "body")
}

// TestModes: the configured modes whatever the umask, and only for what we
// make ourselves.
func TestModes(t *testing.T) {
	defer unix.Umask(unix.Umask(0o077))
	b := newTree(t)
	b.fileMode, b.dirMode = 0o664, 0o775
	put(t, b, "var/new/dir/a", "x")
	if err := backends.Copy(t.Context(), b, "var/new/dir/a", "var/copy/a"); err != nil {
		t.Fatal(err)
	}
	if err := b.Rename(t.Context(), "var/copy/a", "var/renamed/a"); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]fs.FileMode{
		"var": 0o700, "var/new": 0o775, "var/new/dir": 0o775, "var/renamed": 0o775,
		"var/new/dir/a": 0o664, "var/renamed/a": 0o664,
	} {
		info, err := os.Stat(filepath.Join(b.path, path))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("mode of %q = %v, %v, want %v", path, info.Mode(), err, want)
		}
	}
}

func TestSetGroupIDStays(t *testing.T) {
	defer unix.Umask(unix.Umask(0o077))
	b := newTree(t)
	if err := os.Chmod(filepath.Join(b.path, "var"), 0o777|fs.ModeSetgid); err != nil {
		t.Fatal(err)
	}
	put(t, b, "var/new/a", "x")
	info, err := os.Stat(filepath.Join(b.path, "var/new"))
	if err != nil || info.Mode() != fs.ModeDir|fs.ModeSetgid|0o777 {
		t.Errorf("mode %v, %v, want the inherited set-group-ID to stay", info.Mode(), err)
	}
}

func TestDirectoriesAreNoBodies(t *testing.T) {
	b := newTree(t)
	put(t, b, "var/dir/body", "body")
	makeDir(t, filepath.Join(b.path, "var/empty"))
	for _, path := range []string{"var", "var/dir", "var/empty"} {
		wantMissing(t, b, path)
		for op, err := range map[string]error{
			"stage":  second(b.Stage(t.Context(), path, strings.NewReader("x"), backends.Attributes{Size: -1})),
			"rename": b.Rename(t.Context(), "var/dir/body", path),
		} {
			if !errors.Is(err, errDirectory) || errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s over the directory %q: %v", op, path, err)
			}
		}
		if err := b.Delete(t.Context(), []string{path}); err != nil {
			t.Errorf("Delete(%q): %v", path, err)
		}
	}
	_, err := b.Stage(t.Context(), "var/dir/body/below", strings.NewReader("x"), backends.Attributes{Size: -1})
	if !errors.Is(err, errFile) || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Stage below a file: %v", err)
	}
	staged := stageBody(t, b, "var/later", "x")
	makeDir(t, filepath.Join(b.path, "var/later"))
	if err := staged.Publish(t.Context()); !errors.Is(err, errDirectory) {
		t.Errorf("Publish over a directory made meanwhile: %v", err)
	}
	if err := staged.Discard(t.Context()); err != nil {
		t.Error(err)
	}
	wantContents(t, b, "var/dir/body", "body")
}

func TestListPassesOver(t *testing.T) {
	b := newTree(t)
	put(t, b, "var/.nfsdir/body", "x")
	put(t, b, "var/z", "x")
	dir := filepath.Join(b.path, "var")
	for _, name := range []string{".nfs0000000000a1b2c300000001", ".nfs-x", "ezfile-tmp.0123456789abcdef0123456789abcdef", "bad\xff"} {
		writeFile(t, filepath.Join(dir, name), "x")
	}
	makeDir(t, filepath.Join(dir, "ezfile-tmp.dir"))
	writeFile(t, filepath.Join(dir, "ezfile-tmp.dir/x"), "x")
	if err := unix.Mkfifo(filepath.Join(dir, "pipe"), 0o666); err != nil {
		t.Fatal(err)
	}
	if got, want := listPaths(t, b, ""), []string{"var/.nfsdir/body", "var/z"}; !slices.Equal(got, want) {
		t.Errorf("List = %q, want %q", got, want)
	}
	for _, path := range []string{"var/pipe", "var/pipe/x"} {
		wantMissing(t, b, path)
		if _, err := b.Open(t.Context(), path, 0, -1); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Open of a named pipe: %v", err)
		}
	}
	_, err := b.Stage(t.Context(), "var/.nfs1", strings.NewReader("x"), backends.Attributes{Size: -1})
	if !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("Stage of a name that is never listed: %v, want fs.ErrInvalid", err)
	}
}

// TestWrittenInPlace: the legacy overwrites some files in place.
func TestWrittenInPlace(t *testing.T) {
	body := strings.Repeat("old ", 50_000)
	for name, change := range map[string]func(path string) error{
		"rewritten": func(path string) error { return os.WriteFile(path, []byte(strings.Repeat("new ", 50_000)), 0o666) },
		"cut":       func(path string) error { return os.Truncate(path, 100_000) },
		"longer":    func(path string) error { return os.Truncate(path, 1_000_000) },
	} {
		for _, read := range []func(io.Writer, io.Reader) (int64, error){
			io.Copy, // uses WriteTo
			func(w io.Writer, r io.Reader) (int64, error) { return io.Copy(w, struct{ io.Reader }{r}) },
		} {
			b := newTree(t)
			staged, err := b.Stage(t.Context(), "var/a", strings.NewReader(body), backends.Attributes{Size: -1, ModTime: time.Unix(1e9, 0)})
			if err != nil {
				t.Fatal(err)
			}
			if err := staged.Publish(t.Context()); err != nil {
				t.Fatal(err)
			}
			r, err := b.Open(t.Context(), "var/a", 0, -1)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(r, make([]byte, 1000)); err != nil {
				t.Fatal(err)
			}
			if err := change(filepath.Join(b.path, "var/a")); err != nil {
				t.Fatal(err)
			}
			if _, err := read(io.Discard, r); !errors.Is(err, backends.ErrChanged) {
				t.Errorf("%s while read: %v, want ErrChanged", name, err)
			}
			r.Close()
		}
	}
}

// TestReaderHandsOverTheFile: the kernel can move the bytes only where the
// destination sees a file.
func TestReaderHandsOverTheFile(t *testing.T) {
	b := newTree(t)
	put(t, b, "var/a", "0123456789")
	r, err := b.Open(t.Context(), "var/a", 2, 5)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var w wantsFile
	n, err := io.Copy(&w, r)
	if n != 5 || err != nil || w.got.String() != "23456" || !w.file {
		t.Errorf("copied %d bytes %q, %v, from a file: %v", n, &w.got, err, w.file)
	}
}

// wantsFile notes whether it reads from a file, as a network connection that
// uses sendfile does.
type wantsFile struct {
	got  bytes.Buffer
	file bool
}

func (w *wantsFile) Write(p []byte) (int, error) { return w.got.Write(p) }

func (w *wantsFile) ReadFrom(r io.Reader) (int64, error) {
	if limited, ok := r.(*io.LimitedReader); ok {
		_, w.file = limited.R.(*os.File)
	}
	return w.got.ReadFrom(r)
}

func TestDeleteCleansUp(t *testing.T) {
	b := newTree(t)
	for _, path := range []string{"var/a/b/c/1", "var/a/b/c/2", "var/a/x/y/z/1", "var/keep/1"} {
		put(t, b, path, "x")
	}
	if err := b.Delete(t.Context(), []string{"var/a/b/c/1", "var/a/x/y/z/1"}); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{"var/a/b/c": true, "var/a/x": false} {
		if _, err := os.Stat(filepath.Join(b.path, path)); (err == nil) != want {
			t.Errorf("%q is there: %v, want %v", path, err == nil, want)
		}
	}
	if err := b.Delete(t.Context(), listPaths(t, b, "")); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(b.path)
	if err != nil || len(entries) != 1 || entries[0].Name() != "var" {
		t.Errorf("the emptied tree holds %v, %v, want the first element of the paths", entries, err)
	}
	if entries, err := os.ReadDir(filepath.Join(b.path, "var")); err != nil || len(entries) > 0 {
		t.Errorf("var holds %v, %v", entries, err)
	}
	if err := b.Rename(t.Context(), "var/none", "var/new/dir/x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Rename: %v", err)
	}
	if _, err := os.Stat(filepath.Join(b.path, "var/new")); err == nil {
		t.Error("a failed Rename left directories")
	}
}

func TestLongNames(t *testing.T) {
	b := newTree(t)
	long := "var/" + strings.Repeat("n", 256)
	wantMissing(t, b, long)
	if err := b.Delete(t.Context(), []string{long, long + "/x"}); err != nil {
		t.Errorf("Delete of a name that cannot exist: %v", err)
	}
	_, err := b.Stage(t.Context(), long, strings.NewReader("x"), backends.Attributes{Size: -1})
	if !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("Stage: %v, want fs.ErrInvalid", err)
	}
}
