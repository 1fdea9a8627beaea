package check

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/metadata"
)

// run is one check.
type run struct {
	Options
	c      *cluster.Cluster
	layout metadata.Layout
	span   span
	start  time.Time

	stores []*store
	up     []backends.Backend // of the stores that could be listed
	bodies *spool
	loose  *spool // bodies that no row named
	looked bool   // those were looked at
	folded *spool // live rows by their names in lower case; nil to leave those out

	mu      sync.Mutex
	summary Summary
	broken  error           // of Found
	meant   map[hash]bool   // by rows whose names are not clean
	tops    map[string]bool // first elements of paths, whether rows begin with them
}

// store is a backend to be checked and what became of its listing.
type store struct {
	Store
	index  uint8
	failed error // it could not be listed, or not to the end
}

func newRun(c *cluster.Cluster, o Options) *run {
	r := &run{
		Options: o, c: c, layout: c.Metadata().Layout(), start: o.Now(),
		bodies: &spool{dir: o.TempDir}, loose: &spool{dir: o.TempDir},
		meant: make(map[hash]bool), tops: make(map[string]bool),
		summary: Summary{Kinds: make(map[Kind]int64)},
	}
	r.span, _ = o.span()
	switch {
	case !r.Database:
	case r.span.whole():
		r.folded = &spool{dir: o.TempDir}
	default:
		r.summary.Notes = append(r.summary.Notes, "case twins are only looked for in a whole check: the hash of one says nothing of the other's")
	}
	for i, s := range o.Stores {
		r.stores = append(r.stores, &store{Store: s, index: uint8(i), failed: s.Err})
	}
	return r
}

// wants reports whether a kind is of the half that is asked for.
func (r *run) wants(k Kind) bool {
	if meaning(k).side == storage {
		return r.Storage
	}
	return r.Database
}

// allows reports whether a kind may be mended.
func (r *run) allows(k Kind) bool {
	switch meaning(k).Fix {
	case Repair:
		return r.Repair
	case Delete:
		return r.Delete
	}
	return false
}

// found tells a finding.
func (r *run) found(f Finding) {
	if f.Fix == Nothing && f.Action == "" {
		f.Fix = meaning(f.Kind).Fix
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.summary.Found++
	r.summary.Kinds[f.Kind]++
	if f.Mended() {
		r.summary.Mended++
	}
	r.Progress.found.Add(1)
	if r.broken == nil {
		r.broken = r.Found(f)
	}
}

// maxFailures is how many failures are kept with their reasons.
const maxFailures = 100

// unchecked notes what could not be looked at.
func (r *run) unchecked(what string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.summary.Unchecked++
	if len(r.summary.Failures) < maxFailures {
		r.summary.Failures = append(r.summary.Failures, Failure{what, err.Error()})
	}
}

func (r *run) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.summary.Notes = append(r.summary.Notes, fmt.Sprintf(format, args...))
}

func (r *run) young() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.summary.Young++
}

// stopped is why the check cannot go on.
func (r *run) stopped(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.broken
}

// close removes the temporary files.
func (r *run) close() {
	for _, s := range []*spool{r.bodies, r.loose, r.folded} {
		if s != nil {
			s.close()
		}
	}
}

// end completes the summary.
func (r *run) end() Summary {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.summary.Rows, r.summary.Bodies = r.Progress.rows.Load(), r.Progress.bodies.Load()
	r.summary.Read = r.Progress.bytes.Load()
	return r.summary
}

// storeOf finds the store of a backend, nil if it is none of those to check.
func (r *run) storeOf(b backends.Backend) *store {
	i := slices.IndexFunc(r.stores, func(s *store) bool { return s.Backend == b })
	if i < 0 {
		return nil
	}
	return r.stores[i]
}

// homes are where readers look for the body of a path: where the rules send
// it, and where it may still lie because it migrates, nil for most.
func (r *run) homes(name string) (home, from *store) {
	route := r.c.Stores().Route(name)
	home = r.storeOf(route.Backend)
	if route.From != nil {
		from = r.storeOf(route.From)
	}
	return home, from
}

// reachable reports whether what is said about the bodies of a path is sure:
// every store where readers look could be listed.
func reachable(home, from *store) bool {
	return home != nil && home.failed == nil && (from == nil || from.failed == nil)
}
