package check

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"example.com/ezdfs/backends"
)

// askAgain is how long a store that fell silent is left alone before it is
// asked again.
const askAgain = 10 * time.Second

// outage is a store that was listed and then fell silent. It is told once, not
// for each of its paths.
type outage struct {
	mu    sync.Mutex
	down  bool
	again time.Time // when to ask it again
}

// answers reports whether a store is worth asking. Now and then it asks one
// that fell silent.
func (r *run) answers(ctx context.Context, s *store) bool {
	o := &s.outage
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.down {
		return true
	}
	if r.Now().Before(o.again) {
		return false
	}
	o.again = r.Now().Add(askAgain)
	o.mu.Unlock()
	err := s.Backend.Ping(ctx)
	o.mu.Lock()
	if err == nil && o.down {
		o.down = false
		r.note("%s answers again; check again what was left out meanwhile", s.Name)
	}
	return err == nil
}

// silent reports whether an error is that of a store that does not answer any
// more, and tells of it the first time.
func (r *run) silent(ctx context.Context, err error) bool {
	var failed *backends.Error
	if !errors.Is(err, backends.ErrUnavailable) || !errors.As(err, &failed) || ctx.Err() != nil {
		return false
	}
	i := slices.IndexFunc(r.stores, func(s *store) bool { return s.Name == failed.Backend })
	if i < 0 {
		return false
	}
	s := r.stores[i].same
	s.outage.mu.Lock()
	defer s.outage.mu.Unlock()
	if s.outage.down {
		return true
	}
	if s.Backend.Ping(ctx) == nil || ctx.Err() != nil {
		return false // of this path only
	}
	s.outage.down, s.outage.again = true, r.Now().Add(askAgain)
	r.unchecked(s.Name, fmt.Errorf("it fell silent, and what it is needed for is left out: %w", err))
	return true
}

// asked are the stores to be asked for the bodies of a name: those that could be
// listed and answer. Without one of those where readers look nothing can be
// said.
func (r *run) asked(ctx context.Context, name string) (asked []backends.Backend, err error) {
	home, from := r.homes(name)
	for _, s := range r.stores {
		if s.same != s || s.failed != nil {
			continue
		}
		if r.answers(ctx, s) {
			asked = append(asked, s.Backend)
		} else if s == home || s == from {
			return nil, errLeftOut
		}
	}
	return asked, nil
}
