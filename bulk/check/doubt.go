package check

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/metadata"
)

const (
	// probes is how many live rows without a body tell that a store is not the
	// one that the rows mean: an empty bucket, a share that is not mounted, or
	// the wrong one. Where there are fewer rows, all of them do.
	probes = 20
	// maxProbes is how many rows are asked for at most, those that have their
	// body elsewhere included.
	maxProbes = 10 * probes
)

// belief is what a store that lacks a body has shown of itself.
type belief struct {
	mu      sync.Mutex
	sampled bool
	lacks   int   // rows that were asked for, and lie nowhere where readers look
	failed  error // it could not be asked
	told    bool

	trusted atomic.Bool // it has a body of a row, or need not: what it lacks is missing
	vacant  atomic.Bool // it can be used and holds nothing, so nothing of others
	cleared atomic.Bool // what it holds may be deleted
}

// errLeftOut is that a path is left out since a store cannot tell, which was
// told already.
var errLeftOut = errors.New("left out")

// skip counts what is left out.
func (r *run) skip(paths int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.summary.Skipped += int64(paths)
}

// untold reports, and counts, that nothing can be said about the body of a live
// row: a store where readers look could not be listed, or has no body of any of
// its rows.
func (r *run) untold(ctx context.Context, row metadata.Row, bodies []body) bool {
	if !row.Live() || metadata.IsGenerating(row.Name) {
		return false
	}
	home, from := r.homes(row.Name)
	fits := func(b body) bool { return b.size == row.Size }
	if reachable(home, from) && (r.isHere(bodies, home, from) || !r.doubted(ctx, home, from, slices.ContainsFunc(bodies, fits))) {
		return false
	}
	r.skip(1)
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

// unfounded is untold of a name as it is now.
func (r *run) unfounded(ctx context.Context, s cluster.Subject) bool {
	if len(s.Rows) == 0 || !s.Rows[0].Live() || metadata.IsGenerating(s.Name) {
		return false
	}
	home, from := r.homes(s.Name)
	if !reachable(home, from) {
		return false
	}
	here, others := split(s.Bodies, home, from)
	_, fits := ofSize(others, s.Rows[0].Size)
	return len(here) == 0 && r.doubted(ctx, home, from, fits)
}

// doubted reports, and says once, that nothing can be said about a path that
// has no body where readers look, since one of these stores may not be the one
// that is meant. That its body lies elsewhere can be said, as long as it may be
// moved.
func (r *run) doubted(ctx context.Context, home, from *store, elsewhere bool) bool {
	bad := r.suspect(ctx, home, true)
	if from != nil && r.suspect(ctx, from, true) {
		bad = true
	}
	if !bad || elsewhere && home.takes() {
		return false
	}
	r.tellDoubt(home)
	if from != nil {
		r.tellDoubt(from)
	}
	return true
}

// trusted reports whether a body that a store does not have is missing. Until
// suspect has looked into it, it is not.
func trusted(home, from *store) bool {
	return home.trusted.Load() && (from == nil || from.trusted.Load())
}

// takes reports whether a body that lies elsewhere may be moved to a store: it
// is the one that is meant, or it is empty, as it is after the rules were
// changed. Among what is somebody else's nobody would look for it.
func (s *store) takes() bool { return s.trusted.Load() || s.vacant.Load() }

// suspect reports whether a store may not be the one that the rows mean. Its
// own row is one that has no body: then it has to have that of another. What
// has the name and the size of no row is no sign that it is the right one.
func (r *run) suspect(ctx context.Context, s *store, own bool) bool {
	if !r.answers(ctx, s) {
		return true
	}
	s.belief.mu.Lock()
	defer s.belief.mu.Unlock()
	if !s.sampled {
		has, err := r.sampleStore(ctx, s)
		switch {
		case ctx.Err() != nil || r.silent(ctx, err):
			return true // for now
		case err == nil && !has:
			s.vacant.Store(!s.holds.Load() && !r.holdsAny(ctx, s))
		}
		s.sampled, s.belief.failed = true, err
		s.trusted.Store(has)
	}
	return !s.trusted.Load() && (own || s.lacks > 0 || s.belief.failed != nil)
}

// sampleStore asks a store for the bodies of some of its rows, and reports
// whether it has any of them. Those that lie on the other store of a migration
// it need not have.
func (r *run) sampleStore(ctx context.Context, s *store) (has bool, err error) {
	if err := s.Backend.Ping(ctx); err != nil || r.AcceptLoss {
		return err == nil, err
	}
	asked := 0
	for row, err := range r.c.Metadata().Rows(ctx, metadata.Filter{PageSize: sampleSize}) {
		if err != nil {
			return false, err
		}
		home, from := r.homes(row.Name)
		if home != s && from != s || metadata.IsGenerating(row.Name) || !backends.ValidPath(row.Name) {
			continue
		}
		if has, err := hasBody(ctx, s, row); has || err != nil {
			return has, err
		}
		other := home
		if home == s {
			other = from
		}
		if row.Live() && !r.liesOn(ctx, other, row) {
			s.lacks++
		}
		if asked++; s.lacks == probes || asked == maxProbes {
			break
		}
	}
	return false, nil
}

// hasBody reports whether a store has a body of a row, and of its size: other
// trees have files of the same names.
func hasBody(ctx context.Context, s *store, row metadata.Row) (bool, error) {
	info, err := s.Backend.Stat(ctx, row.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && info.Size == row.Size, err
}

// liesOn reports whether a body is known to lie on another store, if there is
// one.
func (r *run) liesOn(ctx context.Context, s *store, row metadata.Row) bool {
	if s == nil || s.failed != nil || !r.answers(ctx, s) {
		return false
	}
	has, err := hasBody(ctx, s, row)
	return has && err == nil
}

// tellDoubt says once why a store is not believed.
func (r *run) tellDoubt(s *store) {
	s.belief.mu.Lock()
	defer s.belief.mu.Unlock()
	if !s.sampled || s.told || s.trusted.Load() {
		return
	}
	s.told = true
	const advice = "its live rows are left alone, and no row is expired; look for the wrong bucket, prefix or mount, " +
		"or, if the bodies are lost indeed, check again with --accept-loss"
	switch {
	case s.belief.failed != nil:
		r.unchecked(s.Name, s.belief.failed)
	case s.vacant.Load():
		r.unchecked(s.Name, fmt.Errorf("it holds no body at all, though live rows are routed to it: %s", advice))
	default:
		r.unchecked(s.Name, fmt.Errorf("it holds none of the bodies of its rows that were tried: %s", advice))
	}
}

// holdsAny reports whether a store has any body that is its own, whatever the
// check was told to look at. It says yes in doubt.
func (r *run) holdsAny(ctx context.Context, s *store) bool {
	for info, err := range s.Backend.List(ctx, "", "") {
		if err != nil || !s.skips(info.Path) {
			return true
		}
	}
	return false
}

// incomplete says which store cannot tell what it has, so that a body that the
// others have not may lie there; "" for none. Where nothing is to be done about
// a name for which that matters, it does not look.
func (r *run) incomplete(ctx context.Context, subject cluster.Subject, asked []backends.Backend) (why string) {
	matters := false
	for _, f := range r.diagnose(subject) {
		switch {
		case !r.allows(f.Fix):
		case f.Kind == StrayBody:
			r.clear(ctx, r.storeOf(f.place.Store))
		case f.Kind == MissingBody || f.Kind == WrongSize:
			matters = true
		}
	}
	if !matters {
		return "it changed while it was looked at"
	}
	for _, s := range r.stores {
		if s.same == s && (s.failed != nil || !slices.Contains(asked, s.Backend) || !r.clear(ctx, s)) {
			return "its body may lie on " + s.Name + ", which cannot tell"
		}
	}
	return ""
}

// clear reports whether a store shows no sign that it is not the one that the
// rows mean, and tells if it does. One that no rule names has no rows that could
// tell. Nothing is deleted on a store that is not cleared.
func (r *run) clear(ctx context.Context, s *store) bool {
	if !r.named(s) || !r.suspect(ctx, s, false) {
		s.cleared.Store(true)
		return true
	}
	r.tellDoubt(s)
	return false
}

// named reports whether a rule names a store, by whichever of its names.
func (r *run) named(s *store) bool {
	named := r.c.Stores().Backends()
	return slices.ContainsFunc(r.stores, func(other *store) bool {
		return other.same == s && other.Backend != nil && slices.Contains(named, other.Backend)
	})
}
