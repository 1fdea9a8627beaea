package nfs

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"example.com/ezdfs/backends"
)

var (
	_ backends.Walker       = (*Backend)(nil)
	_ backends.StagedLister = (*Backend)(nil)
)

// Walk visits what List lists, several directories at a time: a server answers
// many calls as fast as one. It holds the names of the directories that are
// still to be read, of one level and those above it.
func (b *Backend) Walk(ctx context.Context, prefix string, workers int, visit func(backends.Info) error, leftover func(backends.Leftover) error) error {
	top, ok := topOf(prefix)
	if !ok {
		return nil
	}
	var visitor error // a visitor's own error, returned as it is
	err := b.do(ctx, "walk", func(m *mount) error {
		w := &treeWalk{m: m, ctx: ctx, prefix: prefix, visit: visit, leftover: leftover, dirs: []string{top}}
		w.wake = sync.NewCond(&w.mu)
		var running sync.WaitGroup
		for range max(workers, 1) {
			running.Go(w.work)
		}
		running.Wait()
		if visitor = w.visitor; visitor != nil {
			return nil
		}
		return w.err
	})
	if err == nil && visitor == nil {
		_, err = b.check() // what vanished with the whole mount did not vanish
		if err != nil {
			err = b.unavailable("walk", err)
		}
	}
	if err != nil {
		return b.error("walk", "", err)
	}
	return visitor
}

// topOf is the deepest directory that a prefix fixes, if there can be one.
func topOf(prefix string) (top string, ok bool) {
	i := strings.LastIndexByte(prefix, '/')
	if i < 0 {
		return ".", true
	}
	return prefix[:i], backends.ValidPath(prefix[:i])
}

// treeWalk is one walk. The directories to be read are a stack, so that it
// grows with the depth of the tree and not with its width.
type treeWalk struct {
	m        *mount
	ctx      context.Context
	prefix   string
	visit    func(backends.Info) error
	leftover func(backends.Leftover) error

	mu      sync.Mutex
	wake    *sync.Cond
	dirs    []string
	busy    int // workers that read a directory
	err     error
	visitor error
}

// work reads directories until none is left and nobody can add any.
func (w *treeWalk) work() {
	buffer := make([]byte, 32<<10)
	for {
		dir, ok := w.next()
		if !ok {
			return
		}
		below, err := w.read(dir, buffer)
		w.done(below, err)
	}
}

func (w *treeWalk) next() (dir string, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.dirs) == 0 && w.busy > 0 && w.err == nil {
		w.wake.Wait()
	}
	if len(w.dirs) == 0 || w.err != nil {
		return "", false
	}
	last := len(w.dirs) - 1
	dir, w.dirs = w.dirs[last], w.dirs[:last]
	w.busy++
	return dir, true
}

func (w *treeWalk) done(below []string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy--
	w.dirs = append(w.dirs, below...)
	if err != nil && w.err == nil {
		w.err = err
		if stop, ok := errors.AsType[*stopError](err); ok {
			w.visitor = stop.err
		}
	}
	w.wake.Broadcast()
}

// stopError is what a visitor returned.
type stopError struct{ err error }

func (e *stopError) Error() string { return e.err.Error() }

// read visits the files of a directory and returns the directories in it. One
// that vanished is empty.
func (w *treeWalk) read(path string, buffer []byte) (below []string, err error) {
	if err := w.ctx.Err(); err != nil {
		return nil, err
	}
	d, err := w.m.openWalked(path)
	if err == nil {
		defer d.Close()
		below, err = w.entries(d, buffer)
	}
	if isMissing(err) || errors.Is(err, unix.ELOOP) {
		if _, err := w.m.b.check(); err != nil {
			return nil, w.m.b.unavailable("walk", err)
		}
		err = nil
	}
	return below, err
}

func (w *treeWalk) entries(d *dir, buffer []byte) (below []string, err error) {
	base := ""
	if d.path != "." {
		base = d.path + "/"
	}
	inside := strings.HasPrefix(base, w.prefix) // and so is all below
	err = d.each(buffer, func(name []byte, kind entryKind, stat func() (fileStat, error)) error {
		if !utf8.Valid(name) {
			return nil
		}
		path := base + string(name)
		if path == w.m.b.trash {
			return nil
		}
		staged := strings.HasPrefix(path[len(base):], backends.StagedPrefix)
		if kind == entryDir {
			if path += "/"; !staged && (inside || strings.HasPrefix(path, w.prefix) || strings.HasPrefix(w.prefix, path)) {
				below = append(below, path[:len(path)-1])
			}
			return nil
		}
		if isSillyName(path[len(base):]) || !inside && !staged && !strings.HasPrefix(path, w.prefix) {
			return nil
		}
		if staged && (w.leftover == nil || !inside) {
			return nil
		}
		st, err := stat()
		if err != nil || !st.regular {
			if isMissing(err) {
				err = nil
			}
			return err
		}
		return w.tell(path, st, staged)
	})
	return below, err
}

// tell calls the visitor.
func (w *treeWalk) tell(path string, st fileStat, staged bool) (err error) {
	if staged {
		l := backends.Leftover{Path: path, Size: st.size, Active: st.changed}
		l.Writer, _ = backends.ParseStagedName(path[strings.LastIndexByte(path, '/')+1:])
		err = w.leftover(l)
	} else {
		err = w.visit(backends.Info{
			Path: path, Size: st.size, Stored: st.changed,
			ModTime: time.Unix(st.mtime, 0), Kept: kept(int64(st.mtimeNano), int64(st.changed.Nanosecond())),
		})
	}
	if err != nil {
		return &stopError{err}
	}
	return nil
}

// ListStaged walks the tree for temporary files.
func (b *Backend) ListStaged(ctx context.Context, prefix string) iter.Seq2[backends.Leftover, error] {
	return func(yield func(backends.Leftover, error) bool) {
		enough := errors.New("enough")
		err := b.Walk(ctx, prefix, 1, func(backends.Info) error { return nil }, func(l backends.Leftover) error {
			if !yield(l, nil) {
				return enough
			}
			return nil
		})
		if err != nil && err != enough {
			yield(backends.Leftover{}, err)
		}
	}
}

// DropStaged removes a temporary file, and the directories that are empty
// without it.
func (b *Backend) DropStaged(ctx context.Context, l backends.Leftover) error {
	dirname, name := split(l.Path)
	if !strings.HasPrefix(name, backends.StagedPrefix) || dirname != "." && !backends.ValidPath(dirname) {
		return b.error("drop", l.Path, b.kind(fs.ErrInvalid, errors.New("not the name of a staged body")))
	}
	err := b.do(ctx, "drop", func(m *mount) error {
		d, err := m.openDir(dirname)
		if err == nil {
			err = d.unlink(name)
			d.Close()
		}
		if err != nil && !isMissing(err) {
			return err
		}
		m.prune(dirname)
		return nil
	})
	if err != nil {
		return b.error("drop", l.Path, err)
	}
	return nil
}
