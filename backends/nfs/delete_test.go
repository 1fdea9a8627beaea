package nfs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/ezdfs/settings"
)

// TestDeleteManyAtATime: the goroutines of one call share directories, and none
// that became empty is left but the first of each path.
func TestDeleteManyAtATime(t *testing.T) {
	mount := t.TempDir()
	b, err := New(settings.NFS{Name: "nfs", MountPointPath: mount, FileMode: 0o666, DirMode: 0o777})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	var paths []string
	for i := range 20 * deleteRun {
		path := fmt.Sprintf("var/images/%d/%d/%d.png", i%3, i%97, i)
		paths = append(paths, path)
		makeDir(t, filepath.Join(mount, filepath.Dir(path)))
		writeFile(t, filepath.Join(mount, path), "x")
	}
	if err := b.Delete(t.Context(), append(paths, "var/nothing/there", "../escape")); err == nil || !strings.Contains(err.Error(), "escape") || strings.Contains(err.Error(), "more)") {
		t.Errorf("the path that cannot be fails alone: %v", err)
	}
	left := 0
	filepath.WalkDir(mount, func(string, os.DirEntry, error) error { left++; return nil })
	if left != 2 { // the mount and var
		t.Errorf("%d files and directories are left", left)
	}
}
