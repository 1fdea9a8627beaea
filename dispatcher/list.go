package dispatcher

import (
	"context"
	"iter"

	"example.com/ezdfs/backends"
)

// Located is a body and the backend it lies on.
type Located struct {
	backends.Info
	Backend backends.Backend
	// Stray says that the rules route this path to another backend, so no
	// reader will find the body here.
	Stray bool
	// Second says that the path migrates and this is the backend it migrates
	// from: readers find the body here unless the rules' backend has one too.
	// Such a body is no stray.
	Second bool
}

// List yields the bodies that the rules route to where they lie, or that have
// yet to migrate there, each path once and each backend read once, merged in
// byte order. A body that migrates during the listing may not be part of it.
func (d *Dispatcher) List(ctx context.Context, prefix, after string) iter.Seq2[backends.Info, error] {
	return func(yield func(backends.Info, error) bool) {
		var held *backends.Info // of a second backend, until the first one's turn is over
		for body, err := range d.ListAll(ctx, prefix, after) {
			if held != nil && (err != nil || body.Path != held.Path) {
				if !yield(*held, nil) {
					return
				}
				held = nil
			}
			switch {
			case err != nil:
				yield(backends.Info{}, err)
				return
			case body.Second:
				held = &body.Info
			case !body.Stray:
				held = nil
				if !yield(body.Info, nil) {
					return
				}
			}
		}
		if held != nil {
			yield(*held, nil)
		}
	}
}

// ListAll yields every body of every backend, strays included, merged in byte
// order of the path. Where two backends hold one path, both appear, the one
// that a path migrates from before the one that the rules name.
func (d *Dispatcher) ListAll(ctx context.Context, prefix, after string) iter.Seq2[Located, error] {
	return func(yield func(Located, error) bool) {
		var heads []*head
		for _, b := range d.all {
			next, stop := iter.Pull2(b.List(ctx, prefix, after))
			defer stop()
			h := &head{backend: b, next: next}
			if h.advance() {
				heads = append(heads, h)
			}
		}
		for len(heads) > 0 {
			first := 0
			for i, h := range heads {
				if h.err != nil {
					yield(Located{Backend: h.backend}, h.err)
					return
				}
				if h.info.Path < heads[first].info.Path ||
					h.info.Path == heads[first].info.Path && d.backend(h.info.Path) == heads[first].backend {
					first = i
				}
			}
			h := heads[first]
			if !yield(d.locate(h.info, h.backend), nil) {
				return
			}
			if !h.advance() {
				heads = append(heads[:first], heads[first+1:]...)
			}
		}
	}
}

// head is the listing of one backend and its current entry.
type head struct {
	backend backends.Backend
	next    func() (backends.Info, error, bool)
	info    backends.Info
	err     error
}

func (h *head) advance() (ok bool) {
	h.info, h.err, ok = h.next()
	return ok
}

// locate says what a body means where it lies.
func (d *Dispatcher) locate(info backends.Info, b backends.Backend) Located {
	first, second := d.pair(info.Path)
	return Located{Info: info, Backend: b, Stray: b != first && b != second, Second: b == second}
}
