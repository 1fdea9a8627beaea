package check

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/bulk"
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

	listers int           // directories or listings at a time
	pool    *bulk.Pool    // of those who look again
	pace    *rate.Limiter // nil for no limit
	rows    atomic.Int64
	listed  atomic.Int64
	size    atomic.Int64 // of the bodies listed
	read    atomic.Int64

	stores []*store
	bodies *spool
	loose  *spool // bodies that no row named
	looked bool   // those were looked at
	folded *spool // live rows by their names in lower case; nil to leave those out

	mu      sync.Mutex
	summary Summary
	broken  error           // of Found
	meant   map[hash]bool   // by rows whose names are not clean
	damage  map[string]bool // names whose bodies were told to be damaged
	tops    map[string]bool // first elements of paths, whether rows begin with them
}

// store is a backend to be checked and what became of its listing.
type store struct {
	Store
	index  uint8
	same   *store // itself, or that of which this is another name
	failed error  // it could not be listed, or not to the end

	holds atomic.Bool // a body was listed
	belief
	outage  outage
	refusal refusal
}

func newRun(c *cluster.Cluster, o Options) *run {
	r := &run{
		Options: o, c: c, layout: c.Metadata().Layout(), start: o.Now(),
		bodies: &spool{dir: o.TempDir}, loose: &spool{dir: o.TempDir},
		meant: make(map[hash]bool), tops: make(map[string]bool), damage: make(map[string]bool),
		summary: Summary{Kinds: make(map[Kind]int64)},
	}
	r.span, _ = o.span()
	r.listers = o.Limits.Workers
	if r.listers <= 0 {
		r.listers = 4 * runtime.GOMAXPROCS(0)
	}
	if o.Limits.Rate > 0 {
		r.pace = rate.NewLimiter(rate.Limit(o.Limits.Rate), max(1, int(o.Limits.Rate/4)))
	}
	r.pool = bulk.NewPool(bulk.Limits{Workers: o.Limits.Workers, Bandwidth: o.Limits.Bandwidth}, o.Progress)
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
	for _, s := range r.stores {
		s.same = s
		if i := slices.IndexFunc(r.stores, func(other *store) bool { return other.Name == s.Same }); i >= 0 {
			s.same = r.stores[i]
		}
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

// allows reports whether that permission was given.
func (r *run) allows(fix Fix) bool {
	switch fix {
	case Repair:
		return r.Repair
	case Delete:
		return r.Delete
	}
	return false
}

// found tells a finding.
func (r *run) found(f Finding) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.summary.Found++
	r.summary.Kinds[f.Kind]++
	if f.Mended() {
		r.summary.Mended++
	}
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

// wait keeps the pace that was asked for.
func (r *run) wait(ctx context.Context) error {
	if r.pace == nil {
		return nil
	}
	return r.pace.Wait(ctx)
}

// end completes the summary.
func (r *run) end() Summary {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.summary.Rows, r.summary.Bodies = r.rows.Load(), r.listed.Load()
	r.summary.Bytes, r.summary.Read = r.size.Load(), r.read.Load()
	return r.summary
}

// storeOf finds the store of a backend, under the name by which it is listed;
// nil if it is none of those to check.
func (r *run) storeOf(b backends.Backend) *store {
	i := slices.IndexFunc(r.stores, func(s *store) bool { return s.Backend == b })
	if i < 0 {
		return nil
	}
	return r.stores[i].same
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
