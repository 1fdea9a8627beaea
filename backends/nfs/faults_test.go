package nfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"example.com/ezdfs/backends"
)

// failing fails the named system call with err: the first n times, or always
// where n is negative.
func failing(call string, err error, n int) func(string, string) error {
	var mu sync.Mutex
	return func(got, _ string) error {
		mu.Lock()
		defer mu.Unlock()
		if got != call || n == 0 {
			return nil
		}
		n--
		return err
	}
}

// operations are the methods and the system calls that each must make.
var operations = []struct {
	name  string
	calls []string
	do    func(t *testing.T, b *Backend) error
}{
	{"stat", []string{"opendir", "stat"}, func(t *testing.T, b *Backend) error {
		return second(b.Stat(t.Context(), "var/s/a"))
	}},
	{"open", []string{"opendir", "open"}, func(t *testing.T, b *Backend) error {
		r, err := b.Open(t.Context(), "var/s/a", 0, -1)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, r)
		return errors.Join(err, r.Close())
	}},
	{"stage", []string{"opendir", "stat", "mkdir", "create", "sync"}, func(t *testing.T, b *Backend) error {
		staged, err := b.Stage(t.Context(), "var/new/dir/b", strings.NewReader("body"), backends.Attributes{Size: -1})
		if err != nil {
			return err
		}
		return staged.Discard(t.Context())
	}},
	{"publish", []string{"opendir", "rename", "sync"}, func(t *testing.T, b *Backend) error {
		faults := b.faults
		b.faults = nil
		staged := stageBody(t, b, "var/s/published", "body")
		b.faults = faults
		return staged.Publish(t.Context())
	}},
	{"delete", []string{"opendir", "unlink"}, func(t *testing.T, b *Backend) error {
		return b.Delete(t.Context(), []string{"var/s/a"})
	}},
	{"rename", []string{"opendir", "stat", "mkdir", "rename", "sync"}, func(t *testing.T, b *Backend) error {
		return b.Rename(t.Context(), "var/s/a", "var/t/a")
	}},
	{"copy", []string{"opendir", "open", "mkdir", "create"}, func(t *testing.T, b *Backend) error {
		staged, _, err := b.StageCopy(t.Context(), "var/s/a", "var/t/a")
		if err != nil {
			return err
		}
		return staged.Discard(t.Context())
	}},
	{"list", []string{"opendir", "stat"}, func(t *testing.T, b *Backend) error {
		if got := len(listPathsOr(t, b)); got != 1 && got != 0 {
			t.Errorf("listed %d bodies, want 1", got)
		}
		return listError(t, b)
	}},
}

// listPathsOr is the listing as far as it goes.
func listPathsOr(t *testing.T, b *Backend) (paths []string) {
	for info, err := range b.List(t.Context(), "", "") {
		if err != nil {
			return nil
		}
		paths = append(paths, info.Path)
	}
	return paths
}

func TestStaleHandles(t *testing.T) {
	for _, operation := range operations {
		for _, call := range operation.calls {
			t.Run(operation.name+"/"+call, func(t *testing.T) {
				b := newTree(t)
				put(t, b, "var/s/a", "body")
				b.faults = failing(call, unix.ESTALE, 2)
				if err := operation.do(t, b); err != nil {
					t.Errorf("stale twice: %v, want success", err)
				}
			})
			t.Run(operation.name+"/"+call+" always", func(t *testing.T) {
				b := newTree(t)
				put(t, b, "var/s/a", "body")
				b.faults = failing(call, unix.ESTALE, -1)
				if err := operation.do(t, b); !errors.Is(err, backends.ErrUnavailable) || !backends.IsRetryable(err) {
					t.Errorf("always stale: %v, want ErrUnavailable and a retry", err)
				}
				b.faults = nil
				if left := temporaryFiles(t, b.path); len(left) > 0 && operation.name != "publish" && call != "opendir" {
					t.Errorf("left: %q", left)
				}
			})
		}
	}
}

func TestErrnos(t *testing.T) {
	for errno, want := range map[error]error{
		unix.ENOSPC: backends.ErrNoSpace, unix.EDQUOT: backends.ErrNoSpace,
		unix.EACCES: fs.ErrPermission, unix.EPERM: fs.ErrPermission, unix.EROFS: fs.ErrPermission,
		unix.EIO: backends.ErrUnavailable, unix.ETIMEDOUT: backends.ErrUnavailable, unix.ENOTCONN: backends.ErrUnavailable,
	} {
		for _, call := range []string{"mkdir", "create", "write", "fsync", "close"} {
			b := newTree(t)
			b.faults = failing(call, errno, 1)
			_, err := b.Stage(t.Context(), "var/new/dir/a", strings.NewReader("body"), backends.Attributes{Size: -1})
			if !errors.Is(err, want) || !errors.Is(err, errno) || errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %v: %v, want %v", call, errno, err, want)
			}
			if left := regularFiles(t, b.path); len(left) > 0 {
				t.Errorf("%s: %v left %q", call, errno, left)
			}
			if _, err := os.Stat(filepath.Join(b.path, "var/new")); call != "mkdir" && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %v left the directories it made", call, errno)
			}
		}
	}
}

// TestDurability looks at the order of the system calls: the body before its
// name, the name before the answer.
func TestDurability(t *testing.T) {
	b := newTree(t)
	var calls []string
	b.faults = func(call, path string) error {
		if !slices.Contains([]string{"check", "opendir", "stat", "chmod"}, call) {
			calls = append(calls, call)
		}
		return nil
	}
	staged, err := b.Stage(t.Context(), "var/a/b/c", strings.NewReader("x"), backends.Attributes{Size: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := staged.Publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	const want = "mkdir sync mkdir sync create write fsync close rename sync"
	if got := strings.Join(calls, " "); got != want {
		t.Errorf("calls %q, want %q", got, want)
	}
}

func TestLostAnswers(t *testing.T) {
	b := newTree(t)
	s := stageBody(t, b, "var/a", "body").(*staged)
	lose := func(from, to string) {
		b.faults = func(call, _ string) error {
			if call == "rename" {
				b.faults = nil
				rename(t, filepath.Join(b.path, from), filepath.Join(b.path, to))
				return unix.ESTALE
			}
			return nil
		}
	}
	lose(join("var", s.name), "var/a")
	if err := s.Publish(t.Context()); err != nil {
		t.Errorf("Publish whose first answer was lost: %v", err)
	}
	wantContents(t, b, "var/a", "body")
	lose("var/a", "var/b")
	if err := b.Rename(t.Context(), "var/a", "var/b"); err != nil {
		t.Errorf("Rename whose first answer was lost: %v", err)
	}
	wantContents(t, b, "var/b", "body")
}

func TestParentsVanish(t *testing.T) {
	for _, call := range []string{"opendir", "create", "mkdir"} {
		b := newTree(t)
		n := 0
		b.faults = func(got, path string) error {
			if n < 5 && got == call && strings.HasPrefix(path, "var/x") {
				n++
				// What another process does that cleans up.
				os.Remove(filepath.Join(b.path, "var/x/y"))
				os.Remove(filepath.Join(b.path, "var/x"))
			}
			return nil
		}
		put(t, b, "var/x/y/a", "body")
		wantContents(t, b, "var/x/y/a", "body")
		if n != 5 && call != "mkdir" {
			t.Errorf("%s: the directory was removed %d times", call, n)
		}
	}
	b := newTree(t)
	b.faults = failing("create", unix.ENOENT, -1)
	_, err := b.Stage(t.Context(), "var/x/a", strings.NewReader("x"), backends.Attributes{Size: -1})
	if !errors.Is(err, errVanishing) || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory that always vanishes: %v", err)
	}
}

func TestStagedFileRemoved(t *testing.T) {
	b := newTree(t)
	staged := stageBody(t, b, "var/a", "body")
	for _, path := range temporaryFiles(t, b.path) {
		os.Remove(path)
	}
	if err := staged.Publish(t.Context()); !errors.Is(err, errGone) || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Publish of a temporary file that somebody removed: %v", err)
	}
	if err := staged.Discard(t.Context()); err != nil {
		t.Errorf("Discard: %v", err)
	}
}
