package check

import (
	"context"
	"crypto/md5"
	"encoding/binary"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/metadata"
)

// list lists all stores into the spool. A store that fails is noted and does
// not stop the others.
func (r *run) list(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	sample := sync.OnceValues(func() ([]string, error) { return r.sample(ctx) })
	for _, s := range r.stores {
		if s.same != s {
			continue
		}
		if s.failed != nil {
			r.unchecked(s.Name, s.failed)
			continue
		}
		group.Go(func() error {
			err := r.listStore(ctx, s, sample)
			r.noteRefused(s)
			if stop := r.stopped(ctx); stop != nil {
				return stop
			}
			var ours *spoolError
			if errors.As(err, &ours) {
				return ours.err
			}
			if err != nil {
				s.failed = err
				r.unchecked(s.Name, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// spoolError is one of ours, not of the store.
type spoolError struct{ err error }

func (e *spoolError) Error() string { return e.err.Error() }

// listStore lists one store in the fastest way that it knows.
func (r *run) listStore(ctx context.Context, s *store, sample func() ([]string, error)) error {
	leftover := func(l backends.Leftover) error { return r.leftover(ctx, s, l) }
	if walker, ok := backends.As[backends.Walker](s.Backend); ok {
		if !r.Storage {
			leftover = nil
		}
		return walker.Walk(ctx, r.Prefix, r.listers, func(info backends.Info) error { return r.body(ctx, s, info) }, leftover)
	}
	if err := r.listSegments(ctx, s, sample); err != nil {
		return err
	}
	lister, ok := backends.As[backends.StagedLister](s.Backend)
	if !ok || !r.Storage {
		return nil
	}
	for l, err := range lister.ListStaged(ctx, r.Prefix) {
		switch {
		case errors.Is(err, fs.ErrPermission) || errors.Is(err, errors.ErrUnsupported):
			r.note("unfinished uploads on %s are not looked for: %v", s.Name, err)
			return nil
		case err != nil:
			return err
		}
		if err := leftover(l); err != nil {
			return err
		}
	}
	return nil
}

// sampleSize is how many rows tell how the paths are spread.
const sampleSize = 2000

// sample returns the names of some rows, in order. The order of the hashes is
// as good as random.
func (r *run) sample(ctx context.Context) (names []string, err error) {
	for row, err := range r.c.Metadata().Rows(ctx, metadata.Filter{Prefix: r.Prefix, PageSize: sampleSize}) {
		if err != nil {
			return nil, err
		}
		if names = append(names, row.Name); len(names) == sampleSize {
			break
		}
	}
	slices.Sort(names)
	return names, nil
}

// listSegments lists a store that answers page after page in several places at
// once, which the rows know.
func (r *run) listSegments(ctx context.Context, s *store, sample func() ([]string, error)) error {
	names, err := sample()
	if err != nil {
		return &spoolError{err}
	}
	names = slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		home, _ := r.homes(name)
		return home != s || !backends.ValidPath(name)
	})
	const least = 50 // rows of the sample for a segment; of fewer files one listing is faster
	cuts := []string{""}
	if n := min(r.listers, len(names)/least); n > 1 {
		for i := 1; i < n; i++ {
			cuts = append(cuts, names[i*len(names)/n])
		}
	}
	cuts = slices.Compact(cuts)
	group, ctx := errgroup.WithContext(ctx)
	for i, after := range cuts {
		group.Go(func() error {
			for info, err := range s.Backend.List(ctx, r.Prefix, after) {
				if err != nil {
					return err
				}
				if i+1 < len(cuts) && info.Path > cuts[i+1] {
					return nil
				}
				if err := r.body(ctx, s, info); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// flagKept says in a record that the time of a body was kept with it.
const flagKept = 1

// body spools one body.
func (r *run) body(ctx context.Context, s *store, info backends.Info) error {
	if s.skips(info.Path) {
		return nil
	}
	s.holds.Store(true)
	if err := r.wait(ctx); err != nil {
		return err
	}
	var buffer [512]byte
	h := hash(md5.Sum(append(buffer[:0], info.Path...)))
	if !r.span.has(h) {
		return nil
	}
	fields := append(buffer[:0], s.index, 0)
	if info.Kept {
		fields[1] = flagKept
	}
	fields = binary.AppendUvarint(fields, uint64(info.Size))
	fields = binary.AppendVarint(fields, info.ModTime.Unix())
	if err := r.bodies.add(h, append(fields, info.Path...)); err != nil {
		return &spoolError{err}
	}
	r.listed.Add(1)
	r.size.Add(info.Size)
	r.Progress.Expect(1)
	return nil
}

// skips reports whether a path of a store belongs to another store.
func (s *store) skips(path string) bool {
	return slices.ContainsFunc(s.Skip, func(prefix string) bool { return strings.HasPrefix(path, prefix) })
}

// body is a body as a listing told it.
type body struct {
	hash  hash
	size  int64
	mtime int64
	path  []byte // of the window's text
	store uint8
	kept  bool
	seen  bool // a row names it
}

// window is the bodies of a range of hashes. It is used again for the next, so
// that memory is taken once.
type window struct {
	bodies []body
	text   []byte // the paths, one after the other
}

// load reads the bodies of a range, in the order of their hashes. One that was
// listed twice is there once.
func (w *window) load(r *run, part span) error {
	w.bodies, w.text = w.bodies[:0], w.text[:0]
	err := r.bodies.read(part, func(h hash, fields []byte) error {
		b := body{hash: h, store: fields[0], kept: fields[1]&flagKept != 0}
		if r.stores[b.store].failed != nil {
			return nil
		}
		rest := fields[2:]
		size, n := binary.Uvarint(rest)
		mtime, m := binary.Varint(rest[n:])
		b.size, b.mtime = int64(size), mtime
		from := len(w.text)
		w.text = append(w.text, rest[n+m:]...)
		b.path = w.text[from:] // of what may be an older array, which then stays
		w.bodies = append(w.bodies, b)
		return nil
	})
	slices.SortFunc(w.bodies, func(a, b body) int {
		if c := compareHashes(a.hash, b.hash); c != 0 {
			return c
		}
		return int(a.store) - int(b.store)
	})
	w.bodies = slices.CompactFunc(w.bodies, func(a, b body) bool { return a.hash == b.hash && a.store == b.store })
	return err
}

// old reports whether something of that time is beyond the grace.
func (r *run) old(at time.Time) bool { return at.Before(r.limit()) }

// limit is when the grace began.
func (r *run) limit() time.Time { return r.start.Add(-r.Grace) }
