package nfs

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"example.com/ezdfs/backends"
)

// List walks the tree in byte order of the full path. It holds the names of
// one directory at each level. Only regular files are bodies: links are
// neither listed nor followed, and names that no path can have, temporary
// files and what the NFS client keeps as .nfs files are passed over.
func (b *Backend) List(ctx context.Context, prefix, after string) iter.Seq2[backends.Info, error] {
	return func(yield func(backends.Info, error) bool) {
		w := &walk{b: b, ctx: ctx, prefix: prefix, after: after, yield: yield}
		err := b.do(ctx, "list", w.start)
		if err != nil && !w.stopped {
			yield(backends.Info{}, b.error("list", "", err))
		}
	}
}

// walk is one listing.
type walk struct {
	b             *Backend
	ctx           context.Context
	prefix, after string
	yield         func(backends.Info, error) bool
	stopped       bool // the caller has had enough
}

var errStopped = errors.New("listing stopped")

// start lists the deepest directory that the prefix fixes. A listing that goes
// on after a stale handle goes on after the last path.
func (w *walk) start(m *mount) error {
	top := "."
	if i := strings.LastIndexByte(w.prefix, '/'); i >= 0 {
		top = w.prefix[:i]
		if w.b.checkPath("list", top) != nil {
			return nil
		}
	}
	d, err := m.openUnlinked(top)
	if err == nil {
		defer d.Close()
		err = w.dir(d)
	}
	return w.vanished(err)
}

// openUnlinked opens a directory without following any link on the way.
func (m *mount) openUnlinked(path string) (*dir, error) {
	d, err := m.openDir(".")
	if err != nil || path == "." {
		return d, err
	}
	for name := range strings.SplitSeq(path, "/") {
		sub, err := d.openSub(name)
		d.Close()
		if err != nil {
			return nil, err
		}
		d = sub
	}
	return d, nil
}

// vanished forgives that something vanished or became something else, unless
// the whole mount did.
func (w *walk) vanished(err error) error {
	if !isMissing(err) && !errors.Is(err, unix.ELOOP) {
		return err
	}
	if _, err := w.b.check(); err != nil {
		return w.b.unavailable("list", err)
	}
	return nil
}

// dir lists an open directory.
func (w *walk) dir(d *dir) error {
	entries, err := w.entries(d)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		if strings.HasSuffix(entry, "/") {
			err = w.sub(d, entry[:len(entry)-1])
		} else {
			err = w.file(d, entry)
		}
		if err := w.vanished(err); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) sub(parent *dir, name string) error {
	d, err := parent.openSub(name)
	if err != nil {
		return err
	}
	defer d.Close()
	return w.dir(d)
}

func (w *walk) file(d *dir, name string) error {
	st, err := d.stat(name)
	if err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return err
	}
	path := join(d.path, name)
	w.after = path
	if !w.yield(newInfo(path, &st), nil) {
		w.stopped = true
		return errStopped
	}
	return nil
}

// entries reads the names of d that the listing wants, directories with a
// slash behind, so that they sort as the paths below them do.
func (w *walk) entries(d *dir) ([]string, error) {
	var names []string
	for {
		batch, err := d.file().ReadDir(1024)
		for _, entry := range batch {
			if name, ok := w.wants(d.path, entry); ok {
				names = append(names, name)
			}
		}
		if err == io.EOF {
			slices.Sort(names)
			return names, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// wants reports whether an entry of the directory dir belongs to the listing,
// and its name there.
func (w *walk) wants(dir string, entry fs.DirEntry) (string, bool) {
	name := entry.Name()
	if !utf8.ValidString(name) || strings.HasPrefix(name, backends.StagedPrefix) {
		return "", false
	}
	path := join(dir, name)
	switch {
	case path == w.b.trash:
		return "", false
	case entry.IsDir():
		path += "/"
		below := strings.HasPrefix(path, w.prefix) || strings.HasPrefix(w.prefix, path)
		return name + "/", below && (path > w.after || strings.HasPrefix(w.after, path))
	case entry.Type().IsRegular():
		return name, strings.HasPrefix(path, w.prefix) && path > w.after && !isSillyName(name)
	}
	return "", false
}
