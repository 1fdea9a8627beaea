package ini

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/google/renameio/v2"
)

// RemoveElement removes the line at an origin, which sets the element of an array
// (`key[element]=...`), from its file. All other bytes stay as they are, and so do
// the file's mode and owner; whoever reads it meanwhile finds the old file or the
// new one. A line that says something else by now is an error.
func RemoveElement(at Origin, group, key, element string) error {
	path, err := filepath.EvalSymlinks(at.File)
	if err != nil {
		return err
	}
	unlock := lock(filepath.Dir(path))
	defer unlock()
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	doc, _ := Parse("", data) // other lines may be wrong
	entries, _ := doc.Array(group, key)
	there := func(e Entry) bool { return e.Key == element && e.Origin.Line == at.Line }
	if !slices.ContainsFunc(entries, there) {
		return fmt.Errorf("%s: does not set %s[%s] any more", at, key, element)
	}
	lines := bytes.SplitAfter(data, []byte("\n"))
	return replaceFile(path, info, bytes.Join(slices.Delete(lines, at.Line-1, at.Line), nil))
}

// lock keeps other processes from changing the files of a directory until unlock,
// lest one of two lines that are removed at the same time comes back. Some file
// systems cannot lock a directory.
func lock(dir string) (unlock func()) {
	d, err := os.Open(dir)
	if err != nil {
		return func() {}
	}
	syscall.Flock(int(d.Fd()), syscall.LOCK_EX) // or not
	return func() { d.Close() }
}

// replaceFile puts another file in the place of one, with its mode and owner.
func replaceFile(path string, info fs.FileInfo, data []byte) error {
	f, err := renameio.NewPendingFile(path, renameio.WithTempDir(filepath.Dir(path)), renameio.WithStaticPermissions(info.Mode().Perm()))
	if err != nil {
		return err
	}
	defer f.Cleanup()
	if owner, ok := info.Sys().(*syscall.Stat_t); ok {
		if err := f.Chown(int(owner.Uid), int(owner.Gid)); err != nil {
			return fmt.Errorf("its owner could not be kept: %w", err)
		}
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.CloseAtomicallyReplace()
}
