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
}

// List yields the bodies that the rules route to where they lie, each backend
// read once, merged in byte order.
func (d *Dispatcher) List(ctx context.Context, prefix, after string) iter.Seq2[backends.Info, error] {
	return func(yield func(backends.Info, error) bool) {
		for body, err := range d.ListAll(ctx, prefix, after) {
			if !body.Stray && !yield(body.Info, err) {
				return
			}
		}
	}
}

// ListAll yields every body of every backend, strays included, merged in byte
// order of the path. Where two backends hold one path, both appear.
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
				if h.info.Path < heads[first].info.Path {
					first = i
				}
			}
			h := heads[first]
			if !yield(Located{h.info, h.backend, d.backend(h.info.Path) != h.backend}, nil) {
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
