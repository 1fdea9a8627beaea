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
	"example.com/ezdfs/metadata"
)

// TreeOptions say which files of a tree to take and what they are.
type TreeOptions struct {
	// Scope is the scope of every file; by default ScopeOf tells it from the
	// path.
	Scope string
	// Layout is that of the site, for ScopeOf.
	Layout metadata.Layout
	// Skip are directories not to enter: the mounts of the cluster itself,
	// which may lie inside the site's tree.
	Skip []string
	// Unreadable, when set, is told of a directory that cannot be read, and the
	// others are walked; else that ends the walk.
	Unreadable func(path string, err error)
	// NotFollowed, when set, is told of symbolic links to directories below the
	// paths, as the site names them.
	NotFollowed func(path string)
}

// Tree yields every regular file at or under paths, which are relative to the
// site root or absolute inside it. A path that is not there, is not inside the
// root or lies on a skipped directory is an error. Symbolic links that the paths
// themselves go through are followed, wherever they lead, since many a site's var is
// one, and files have the names that the site knows them by. Below the paths none
// is followed, as the legacy does not.
func Tree(root string, paths []string, options TreeOptions) iter.Seq2[cluster.Item, error] {
	return func(yield func(cluster.Item, error) bool) {
		t := &tree{options: options}
		if err := t.start(root); err != nil {
			yield(cluster.Item{}, err)
			return
		}
		for _, path := range paths {
			err := t.resolve(path)
			if err != nil {
				yield(cluster.Item{}, err)
				return
			}
			err = filepath.WalkDir(t.dir, func(file string, entry fs.DirEntry, err error) error {
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
	root    string // absolute
	real    string // the same without symbolic links
	skip    mounts

	// The path that is walked: where it really lies, and its name.
	dir, name string
}

// start makes the root and the skipped directories comparable.
func (t *tree) start(root string) (err error) {
	if t.root, err = filepath.Abs(root); err != nil {
		return err
	}
	if t.real, err = realPath(root); err != nil {
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

// resolve finds out where a path of the caller lies on disk, and its name.
func (t *tree) resolve(path string) (err error) {
	full := path
	if !filepath.IsAbs(path) {
		full = filepath.Join(t.root, path)
	}
	if t.dir, err = realPath(full); err != nil {
		return err
	}
	if err := t.skip.check(path, t.dir); err != nil {
		return err
	}
	for _, root := range []string{t.root, t.real} {
		if inside(root, filepath.Clean(full)) {
			t.name, err = filepath.Rel(root, full)
			return err
		}
	}
	return fmt.Errorf("%s is not inside the site root %s: name it as the site does, through its symbolic link if it is behind one", path, t.root)
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
	name, err := filepath.Rel(t.dir, file)
	if err != nil {
		return err
	}
	name = filepath.ToSlash(filepath.Join(t.name, name))
	if entry.Type() == fs.ModeSymlink && t.options.NotFollowed != nil {
		if info, err := os.Stat(file); err == nil && info.IsDir() {
			t.options.NotFollowed(name)
		}
	}
	if !entry.Type().IsRegular() || strings.HasPrefix(entry.Name(), backends.StagedPrefix) {
		return nil
	}
	item := cluster.Item{Path: name, File: file}
	if item.Options.Scope = t.options.Scope; item.Options.Scope == "" {
		item.Options.Scope = ScopeOf(t.options.Layout, item.Path)
	}
	if !yield(item, nil) {
		return filepath.SkipAll
	}
	return nil
}
