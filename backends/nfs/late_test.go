package nfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/settings"
)

// TestLate begins without the share. Nothing is said of any path, nothing is
// made in its place, and when it is there all is well.
func TestLate(t *testing.T) {
	for name, before := range map[string]func(path string) error{
		"nothing": func(string) error { return nil },
		"a file":  func(path string) error { return os.WriteFile(path, nil, 0o666) },
		"an empty directory": func(path string) error {
			return errors.Join(os.Mkdir(path, 0o777), os.WriteFile(filepath.Join(path, "NOT MOUNTED"), nil, 0o666))
		},
	} {
		t.Run(name, func(t *testing.T) {
			share, path := filepath.Join(t.TempDir(), "share"), filepath.Join(t.TempDir(), "mount")
			put(t, openTree(t, mkdir(t, share)), "var/a", "body")
			if err := before(path); err != nil {
				t.Fatal(err)
			}
			b, err := New(settings.NFS{Name: "nfs", MountPointPath: path, FileMode: 0o666, DirMode: 0o777}, Late())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { b.Close() })
			for op, err := range map[string]error{
				"stat":   second(b.Stat(t.Context(), "var/a")),
				"open":   second(b.Open(t.Context(), "var/a", 0, -1)),
				"copy":   third(b.StageCopy(t.Context(), "var/a", "var/b")),
				"rename": b.Rename(t.Context(), "var/a", "var/b"),
				"delete": b.Delete(t.Context(), []string{"var/a"}),
			} {
				if !errors.Is(err, backends.ErrUnavailable) || errors.Is(err, fs.ErrNotExist) || !backends.IsRetryable(err) {
					t.Errorf("%s: %v, want ErrUnavailable", op, err)
				}
			}
			if err := b.Ping(t.Context()); !errors.Is(err, backends.ErrUnavailable) {
				t.Errorf("ping: %v", err)
			}
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
			rename(t, share, path) // as a mount does, another directory is there now
			wantContents(t, b, "var/a", "body")
			if info, err := b.Stat(t.Context(), "var/a"); err != nil || info.Size != 4 {
				t.Errorf("%+v, %v", info, err)
			}
			wantMissing(t, b, "var/missing")
			if err := b.Ping(t.Context()); err != nil {
				t.Error(err)
			}
			// From now on it is known.
			rename(t, path, share)
			makeDir(t, filepath.Join(path, "var"))
			if _, err := b.Stat(t.Context(), "var/a"); !errors.Is(err, backends.ErrUnavailable) {
				t.Errorf("stat of another tree: %v", err)
			}
		})
	}
}

// TestLateStays: a tree that never comes can be closed, and what is no path at
// all is refused at once.
func TestLateStays(t *testing.T) {
	b, err := New(settings.NFS{Name: "nfs", MountPointPath: filepath.Join(t.TempDir(), "none")}, Late())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Stage(t.Context(), "var/a", strings.NewReader("x"), backends.Attributes{Size: 1}); !errors.Is(err, backends.ErrUnavailable) {
		t.Errorf("stage: %v", err)
	}
	if err := listError(t, b); !errors.Is(err, backends.ErrUnavailable) {
		t.Errorf("list: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if _, err := New(settings.NFS{Name: "nfs", MountPointPath: "relative"}, Late()); err == nil {
		t.Error("a relative path was taken")
	}
}

func mkdir(t *testing.T, path string) string {
	t.Helper()
	makeDir(t, path)
	return path
}
