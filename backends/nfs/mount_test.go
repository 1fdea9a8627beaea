package nfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/settings"
)

func TestNewRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	writeFile(t, file, "x")
	for path, want := range map[string]string{
		"":                              "absolute",
		"relative/path":                 "absolute",
		filepath.Join(file, "below"):    "mount the share",
		filepath.Join(t.TempDir(), "m"): "mount the share",
		file:                            "not a directory",
	} {
		b, err := New(settings.NFS{Name: "nfs:cold", MountPointPath: path})
		if err == nil {
			b.Close()
			t.Errorf("New(%q) succeeded", path)
			continue
		}
		if !errors.Is(err, backends.ErrUnavailable) || errors.Is(err, fs.ErrNotExist) ||
			!strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "nfs:cold") {
			t.Errorf("New(%q): %v, want ErrUnavailable with %q", path, err, want)
		}
	}
}

// TestMountReplaced lets the mount vanish and an empty directory, or another
// tree, appear in its place.
func TestMountReplaced(t *testing.T) {
	for name, substitute := range map[string][]string{"empty": nil, "another tree": {"var/site/other"}} {
		t.Run(name, func(t *testing.T) {
			b := newTree(t)
			put(t, b, "var/site/a", "body")
			staged := stageBody(t, b, "var/site/b", "staged")
			rename(t, b.path, b.path+".gone")
			makeDir(t, b.path)
			for _, path := range substitute {
				makeDir(t, filepath.Dir(filepath.Join(b.path, path)))
				writeFile(t, filepath.Join(b.path, path), "x")
			}
			for op, err := range map[string]error{
				"stat":    second(b.Stat(t.Context(), "var/site/a")),
				"missing": second(b.Stat(t.Context(), "var/site/missing")),
				"open":    second(b.Open(t.Context(), "var/site/a", 0, -1)),
				"stage":   second(b.Stage(t.Context(), "var/site/c", strings.NewReader("x"), backends.Attributes{Size: -1})),
				"publish": staged.Publish(t.Context()),
				"rename":  b.Rename(t.Context(), "var/site/a", "var/site/d"),
				"delete":  b.Delete(t.Context(), []string{"var/site/other"}),
				"list":    listError(t, b),
				"ping":    b.Ping(t.Context()),
			} {
				if !errors.Is(err, backends.ErrUnavailable) || errors.Is(err, fs.ErrNotExist) || !backends.IsRetryable(err) {
					t.Errorf("%s: %v, want ErrUnavailable", op, err)
				}
			}
			if got := regularFiles(t, b.path); !slices.Equal(got, substitute) {
				t.Errorf("the directory in the mount's place holds %q, want %q", got, substitute)
			}
		})
	}
}

// TestEmptyTree starts in an empty directory: a new cluster, or an unmounted
// share.
func TestEmptyTree(t *testing.T) {
	mount := t.TempDir()
	writeFile(t, filepath.Join(mount, "NOT MOUNTED"), "")
	b := openTree(t, mount)
	if b.mount.Load().settled.Load() {
		t.Skip("the temporary directory is a mount point")
	}
	for op, err := range map[string]error{
		"stat":   second(b.Stat(t.Context(), "var/a")),
		"open":   second(b.Open(t.Context(), "var/a", 0, -1)),
		"copy":   third(b.StageCopy(t.Context(), "var/a", "var/b")),
		"rename": b.Rename(t.Context(), "var/a", "var/b"),
		"delete": b.Delete(t.Context(), []string{"var/a"}),
	} {
		if !errors.Is(err, backends.ErrUnavailable) || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s in an empty tree: %v, want ErrUnavailable", op, err)
		}
	}
	if err := errors.Join(b.Ping(t.Context()), b.Delete(t.Context(), nil)); err != nil {
		t.Errorf("Ping of an empty tree: %v", err)
	}
	if got := regularFiles(t, mount); len(got) != 1 {
		t.Errorf("left behind: %q", got)
	}

	put(t, b, "var/a", "first")
	wantMissing(t, b, "var/missing")
	if err := b.Delete(t.Context(), []string{"var/a"}); err != nil {
		t.Fatal(err)
	}
	wantMissing(t, b, "var/a")
	wantMissing(t, openTree(t, mount), "var/a") // another process, later
}

func TestEmptyTreeSettledByOthers(t *testing.T) {
	mount := t.TempDir()
	b := openTree(t, mount)
	makeDir(t, filepath.Join(mount, "var"))
	wantMissing(t, b, "var/a")
	if err := os.Remove(filepath.Join(mount, "var")); err != nil {
		t.Fatal(err)
	}
	wantMissing(t, b, "var/a") // it was seen, and the directory is the same
}
