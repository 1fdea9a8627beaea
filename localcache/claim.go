package localcache

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// DirError says that a directory cannot be used for copies: it holds or is
// something else. Nothing in it was touched.
type DirError struct {
	Dir    string
	Reason string
}

func (e *DirError) Error() string {
	return fmt.Sprintf("local cache directory %s: %s; name an empty directory of its own ([LocalCache] Directory)", e.Dir, e.Reason)
}

// tagName marks a directory as a cache for backup programs and, by its second
// line, as ours.
const tagName = "CACHEDIR.TAG"

const (
	tagSignature = "Signature: 8a477f597d28d172789f06886806bc55\n"
	tagOurs      = "# ezdfs local copies, format "
	tagText      = tagSignature + tagOurs + "1\n# Every file here may be removed at any time. See https://bford.info/cachedir/\n"
)

const tempDir = "tmp"

// claim makes sure that dir is ours, creating and marking it as needed. Any
// error but a *DirError may pass.
func claim(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	ours, err := isOurs(dir)
	if err == nil && !ours {
		err = mark(dir)
	}
	if err != nil {
		return err
	}
	err = os.Mkdir(filepath.Join(dir, tempDir), 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// Check says whether the directory of the options can be one for copies,
// without creating anything. The error is a *DirError.
func Check(o Options) error {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return &DirError{o.Dir, err.Error()}
	}
	if err := checkPlace(dir, o.Root, o.Mounts); err != nil {
		return err
	}
	_, err = isOurs(dir)
	if _, wrong := errors.AsType[*DirError](err); wrong {
		return err
	}
	return nil // it is created, or comes back
}

// isOurs reports whether dir is marked; if it is not, it is empty. It lists
// first: another process marks the directory before it puts anything into it.
func isOurs(dir string) (bool, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false, err
	}
	tag, err := os.ReadFile(filepath.Join(dir, tagName))
	switch {
	case err == nil && string(tag) == tagText:
		return true, nil
	case err == nil && strings.HasPrefix(string(tag), tagSignature+tagOurs):
		return false, &DirError{dir, "holds copies in the format of another version"}
	case err == nil:
		return false, &DirError{dir, "is the cache of another program"}
	case !errors.Is(err, fs.ErrNotExist):
		return false, err
	}
	for _, e := range entries {
		// Half a mark of another process; what an empty file system comes with.
		if !strings.HasPrefix(e.Name(), tagName+".") && e.Name() != "lost+found" {
			return false, &DirError{dir, fmt.Sprintf("is not empty (%q) and not marked as ours", e.Name())}
		}
	}
	return false, nil
}

// mark writes the tag so that nobody sees half of it.
func mark(dir string) error {
	temp := filepath.Join(dir, tagName+"."+rand.Text())
	defer os.Remove(temp)
	if err := os.WriteFile(temp, []byte(tagText), 0o644); err != nil {
		return err
	}
	return os.Rename(temp, filepath.Join(dir, tagName))
}

// checkPlace refuses a directory that is or holds the site root, or that is,
// holds or lies in a mount.
func checkPlace(dir, root string, mounts []string) error {
	dir = resolve(dir)
	if root != "" && within(resolve(root), dir) {
		return &DirError{dir, "is or holds the site root " + root}
	}
	for _, mount := range mounts {
		if at := resolve(mount); mount != "" && (within(at, dir) || within(dir, at)) {
			return &DirError{dir, "is, holds or lies in the mounted tree " + mount}
		}
	}
	return nil
}

// resolve returns the absolute path without links, as far as it exists.
func resolve(path string) string {
	path, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	rest := ""
	for at := path; ; at = filepath.Dir(at) {
		if real, err := filepath.EvalSymlinks(at); err == nil {
			return filepath.Join(real, rest)
		}
		if at == filepath.Dir(at) {
			return path
		}
		rest = filepath.Join(filepath.Base(at), rest)
	}
}

// within reports whether path is dir or below it.
func within(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}
