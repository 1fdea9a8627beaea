package cluster

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/metadata"
)

// FS returns the live files of the cluster as a read-only file system, for
// everything that takes an io/fs.FS. Its calls use ctx. Directories exist as
// far as a live file lies below them; reading one reads the rows of all files
// below it.
func (c *Cluster) FS(ctx context.Context) fs.FS { return fileSystem{c, ctx} }

type fileSystem struct {
	c   *Cluster
	ctx context.Context
}

var (
	_ fs.StatFS    = fileSystem{}
	_ fs.ReadDirFS = fileSystem{}
)

// Open implements fs.FS.
func (f fileSystem) Open(name string) (fs.File, error) {
	info, err := f.stat("open", name)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return &openDir{fsys: f, info: info, name: name}, nil
	}
	file, err := f.c.Open(f.ctx, name)
	if err != nil {
		return nil, pathError("open", name, err)
	}
	return &openFile{File: file, info: rowInfo(file.Row)}, nil
}

// Stat implements fs.StatFS.
func (f fileSystem) Stat(name string) (fs.FileInfo, error) { return f.stat("stat", name) }

func (f fileSystem) stat(op, name string) (entry, error) {
	if !fs.ValidPath(name) {
		return entry{}, pathError(op, name, fs.ErrInvalid)
	}
	if name == "." {
		return dirInfo("."), nil
	}
	if !backends.ValidPath(name) {
		return entry{}, pathError(op, name, fs.ErrNotExist)
	}
	// CleanName may turn name into another path, such as one with slashes for
	// backslashes; in a file system that is another file.
	if clean, err := metadata.CleanName(name); err != nil || clean != name {
		return entry{}, pathError(op, name, fs.ErrNotExist)
	}
	row, err := f.c.meta.Get(f.ctx, name)
	if err == nil && row.Live() {
		return rowInfo(row), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return entry{}, pathError(op, name, err)
	}
	for row, err := range f.below(name) {
		if err != nil {
			return entry{}, pathError(op, name, err)
		}
		if row.Live() {
			return dirInfo(name), nil
		}
	}
	return entry{}, pathError(op, name, fs.ErrNotExist)
}

// below yields the live files under a directory.
func (f fileSystem) below(dir string) func(func(metadata.Row, error) bool) {
	live := false
	filter := metadata.Filter{Expired: &live}
	if dir != "." {
		filter.Prefix = dir + "/"
	}
	return f.c.meta.Rows(f.ctx, filter)
}

// ReadDir implements fs.ReadDirFS.
func (f fileSystem) ReadDir(name string) ([]fs.DirEntry, error) {
	info, err := f.stat("readdir", name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, pathError("readdir", name, errNotDirectory)
	}
	found := make(map[string]entry)
	for row, err := range f.below(name) {
		if err != nil {
			return nil, pathError("readdir", name, err)
		}
		base, _, isDir := strings.Cut(strings.TrimPrefix(row.Name, strings.TrimPrefix(name+"/", "./")), "/")
		switch {
		case !row.Live(): // a row of another age may have one sign and not the other
		case isDir:
			if _, isFile := found[base]; !isFile {
				found[base] = dirInfo(base)
			}
		default:
			found[base] = rowInfo(row) // a file and a directory of one name: the file
		}
	}
	entries := make([]fs.DirEntry, 0, len(found))
	for _, e := range found {
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

// entry describes a file or a directory; it is both fs.FileInfo and
// fs.DirEntry.
type entry struct {
	name  string
	size  int64
	mtime time.Time
	mode  fs.FileMode
	row   *metadata.Row
}

func rowInfo(row metadata.Row) entry {
	return entry{name: path.Base(row.Name), size: row.Size, mtime: row.ModTime(), mode: 0o444, row: &row}
}

func dirInfo(name string) entry {
	return entry{name: path.Base(name), mode: fs.ModeDir | 0o555}
}

func (e entry) Name() string               { return e.name }
func (e entry) Size() int64                { return e.size }
func (e entry) Mode() fs.FileMode          { return e.mode }
func (e entry) Type() fs.FileMode          { return e.mode.Type() }
func (e entry) ModTime() time.Time         { return e.mtime }
func (e entry) IsDir() bool                { return e.mode.IsDir() }
func (e entry) Info() (fs.FileInfo, error) { return e, nil }
func (e entry) String() string             { return fs.FormatFileInfo(e) }

// Sys returns the *metadata.Row of a file, nil for a directory.
func (e entry) Sys() any {
	if e.row == nil {
		return nil
	}
	return e.row
}

type openFile struct {
	*File
	info entry
}

func (f *openFile) Stat() (fs.FileInfo, error) { return f.info, nil }

// openDir reads its entries when they are first asked for.
type openDir struct {
	fsys    fileSystem
	info    entry
	name    string
	entries []fs.DirEntry
	read    bool
}

func (d *openDir) Stat() (fs.FileInfo, error) { return d.info, nil }
func (d *openDir) Close() error               { return nil }
func (d *openDir) Read([]byte) (int, error)   { return 0, pathError("read", d.name, errIsDirectory) }

// ReadDir implements fs.ReadDirFile.
func (d *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if !d.read {
		entries, err := d.fsys.ReadDir(d.name)
		if err != nil {
			return nil, err
		}
		d.entries, d.read = entries, true
	}
	if n <= 0 || n > len(d.entries) {
		if n > 0 && len(d.entries) == 0 {
			return nil, io.EOF
		}
		n = len(d.entries)
	}
	page := d.entries[:n:n]
	d.entries = d.entries[n:]
	return page, nil
}

func pathError(op, name string, err error) error {
	var already *fs.PathError
	if errors.As(err, &already) {
		err = already.Err
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}
