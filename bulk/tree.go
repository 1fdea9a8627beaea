package bulk

import (
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/cluster"
)

// TreeOptions say which files of a tree to take and what they are.
type TreeOptions struct {
	// Scope is the scope of every file; by default ScopeOf tells it from the
	// path.
	Scope string
	// StorageDir is the setting of that name, for ScopeOf.
	StorageDir string
	// Skip are directories not to enter: the mounts of the cluster itself,
	// which may lie inside the site's tree.
	Skip []string
	// Unreadable, when set, is told of a directory that cannot be read, and the
	// others are walked; else that ends the walk.
	Unreadable func(path string, err error)
}

// Tree yields every regular file at or under paths, which are relative to the
// site root or absolute inside it. A path that is not there, lies outside the
// root or on a skipped directory is an error. Symbolic links are not followed
// below paths, as the legacy does not.
func Tree(root string, paths []string, options TreeOptions) iter.Seq2[cluster.Item, error] {
	return func(yield func(cluster.Item, error) bool) {
		t := &tree{options: options}
		if err := t.start(root); err != nil {
			yield(cluster.Item{}, err)
			return
		}
		for _, path := range paths {
			start, err := t.resolve(path)
			if err != nil {
				yield(cluster.Item{}, err)
				return
			}
			err = filepath.WalkDir(start, func(file string, entry fs.DirEntry, err error) error {
				return t.visit(file, entry, err, yield)
			})
			if err == filepath.SkipAll {
				return
			}
			if err != nil {
				yield(cluster.Item{}, err)
				return
			}
		}
	}
}

type tree struct {
	options TreeOptions
	root    string
	skip    mounts
}

// start makes the root and the skipped directories comparable: absolute,
// without symbolic links.
func (t *tree) start(root string) (err error) {
	if t.root, err = realPath(root); err != nil {
		return err
	}
	t.skip = realPaths(t.options.Skip)
	return nil
}

// mounts are directories that hold bodies of the cluster, as real paths.
type mounts []string

// realPaths leaves out what is not there.
func realPaths(dirs []string) (found mounts) {
	for _, dir := range dirs {
		if real, err := realPath(dir); err == nil {
			found = append(found, real)
		}
	}
	return found
}

// check refuses a file that is a body of the cluster itself.
func (m mounts) check(path, real string) error {
	for _, dir := range m {
		if inside(dir, real) {
			return fmt.Errorf("%s lies on the cluster's own mount %s: its files are bodies already", path, dir)
		}
	}
	return nil
}

func realPath(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(path)
}

// resolve returns where a path of the caller lies on disk.
func (t *tree) resolve(path string) (string, error) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(t.root, path)
	}
	real, err := realPath(path)
	if err != nil {
		return "", err
	}
	if err := t.skip.check(path, real); err != nil {
		return "", err
	}
	if !inside(t.root, real) {
		return "", fmt.Errorf("%s is not inside the site root %s", path, t.root)
	}
	return real, nil
}

func inside(dir, path string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

func (t *tree) visit(file string, entry fs.DirEntry, err error, yield func(cluster.Item, error) bool) error {
	if err != nil {
		if os.IsNotExist(err) {
			return nil // gone since its directory was read
		}
		if t.options.Unreadable != nil && entry != nil {
			t.options.Unreadable(file, err)
			return nil
		}
		return err
	}
	if entry.IsDir() {
		for _, dir := range t.skip {
			if file == dir {
				return filepath.SkipDir
			}
		}
		return nil
	}
	if !entry.Type().IsRegular() || strings.HasPrefix(entry.Name(), backends.StagedPrefix) {
		return nil
	}
	rel, err := filepath.Rel(t.root, file)
	if err != nil {
		return err
	}
	item := cluster.Item{Path: filepath.ToSlash(rel), File: file}
	if item.Options.Scope = t.options.Scope; item.Options.Scope == "" {
		item.Options.Scope = ScopeOf(item.Path, t.options.StorageDir)
	}
	if !yield(item, nil) {
		return filepath.SkipAll
	}
	return nil
}
