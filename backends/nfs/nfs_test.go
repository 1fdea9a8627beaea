package nfs

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/backends/backendtest"
	"example.com/ezdfs/settings"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newTree returns a backend over a tree of its own whose var directory is
// there, as it is in every tree that was ever used.
func newTree(tb testing.TB) *Backend {
	tb.Helper()
	mount := filepath.Join(tb.TempDir(), "mount")
	if err := os.MkdirAll(filepath.Join(mount, "var"), 0o777); err != nil {
		tb.Fatal(err)
	}
	return openTree(tb, mount)
}

func openTree(tb testing.TB, mount string) *Backend {
	tb.Helper()
	b, err := New(settings.NFS{Name: "nfs", MountPointPath: mount})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { b.Close() })
	return b
}

func TestConformance(t *testing.T) {
	backendtest.Run(t, backendtest.Harness{
		New: func(t *testing.T) backends.Backend { return newTree(t) },
		Staged: func(t *testing.T, b backends.Backend) []string {
			return temporaryFiles(t, b.(*Backend).path)
		},
		Break: func(t *testing.T, b backends.Backend) func() {
			path := b.(*Backend).path
			rename(t, path, path+".gone")
			return func() { rename(t, path+".gone", path) }
		},
		KeepsModTime:      true,
		ListsModTime:      true,
		DirectoryConflict: true,
	})
}

func temporaryFiles(tb testing.TB, root string) []string {
	tb.Helper()
	var found []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(entry.Name(), backends.StagedPrefix) {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return found
}

func rename(tb testing.TB, from, to string) {
	tb.Helper()
	if err := os.Rename(from, to); err != nil {
		tb.Fatal(err)
	}
}
