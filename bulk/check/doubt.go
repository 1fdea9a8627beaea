package check

import (
	"context"
	"fmt"

	"example.com/ezdfs/metadata"
)

// probes is how many live rows are asked for to tell a store that lost some
// bodies from one that is another's: an empty bucket, a share that is not
// mounted, or the wrong one.
const probes = 20

// untold reports, and counts, that nothing can be said about the body of a live
// row: a store where readers look could not be listed, or has no body of any of
// its rows.
func (r *run) untold(ctx context.Context, row metadata.Row, bodies []body) bool {
	if !row.Live() || metadata.IsGenerating(row.Name) {
		return false
	}
	home, from := r.homes(row.Name)
	if reachable(home, from) && (r.isHere(bodies, home, from) || !r.suspectAny(ctx, home, from)) {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.summary.Skipped++
	return true
}

// isHere reports whether one of the bodies lies where readers look.
func (r *run) isHere(bodies []body, home, from *store) bool {
	for _, b := range bodies {
		if s := r.stores[b.store]; s == home || s == from {
			return true
		}
	}
	return false
}

// trusted reports whether a body that a store does not have is missing. Until
// suspect has looked into it, it is not.
func trusted(home, from *store) bool {
	return home.trusted.Load() && (from == nil || from.trusted.Load())
}

// suspectAny reports whether one of the stores is suspect where readers look.
func (r *run) suspectAny(ctx context.Context, home, from *store) bool {
	bad := r.suspect(ctx, home)
	return from != nil && r.suspect(ctx, from) || bad
}

// suspect reports whether a store has no body of any of its rows, and says so
// once. It is asked when a row has none.
func (r *run) suspect(ctx context.Context, s *store) bool {
	s.looked.Do(func() {
		err := s.Backend.Ping(ctx)
		if err == nil && !r.AcceptLoss {
			err = r.strange(ctx, s)
		}
		if err != nil {
			r.unchecked(s.Name, err)
			return
		}
		s.trusted.Store(true)
	})
	return !s.trusted.Load()
}

// strange says why a store may not be the one that the rows mean, nil if it is.
func (r *run) strange(ctx context.Context, s *store) error {
	const advice = "its live rows are left alone; look for the wrong bucket, prefix or mount, " +
		"or, if the bodies are lost indeed, check again with --accept-loss"
	if !s.holds.Load() && !r.holdsAny(ctx, s) {
		return fmt.Errorf("it holds no body at all, though live rows are routed to it: %s", advice)
	}
	asked := 0
	for row, err := range r.c.Metadata().Rows(ctx, metadata.Filter{PageSize: sampleSize}) {
		if err != nil {
			return err
		}
		home, from := r.homes(row.Name)
		if !row.Live() || metadata.IsGenerating(row.Name) || home != s && from != s {
			continue
		}
		if _, err := r.c.Stores().Stat(ctx, row.Name); err == nil {
			return nil
		}
		if asked++; asked == probes {
			return fmt.Errorf("it holds no body of the %d live rows that were tried: %s", asked, advice)
		}
	}
	return nil // too few to tell
}

// holdsAny reports whether a store has any body that is its own, whatever the
// check was told to look at.
func (r *run) holdsAny(ctx context.Context, s *store) bool {
	for info, err := range s.Backend.List(ctx, "", "") {
		if err != nil {
			return false
		}
		if !s.skips(info.Path) {
			return true
		}
	}
	return false
}
