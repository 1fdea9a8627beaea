package gateway

import (
	"slices"
	"strings"
	"sync/atomic"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/localcache"
)

type counters struct{ rowHits, rowMisses, rowStale atomic.Uint64 }

// Stats tells what a handler did since New.
type Stats struct {
	RowHits   uint64 // rows that were young enough to be believed
	RowMisses uint64 // rows that the cluster was asked for
	RowStale  uint64 // older rows that were served because the database was down
	Bodies    localcache.Stats
	Services  []ServiceStats // the database first, then the stores that were asked
}

// ServiceStats tells how the database or a store fares.
type ServiceStats struct {
	Name            string // "database", "nfs", "s3:media"
	Down            bool   // it failed again and again, and is left alone
	Calls, Failures uint64
}

// Stats returns the counters.
func (h *Handler) Stats() Stats {
	s := Stats{
		RowHits: h.count.rowHits.Load(), RowMisses: h.count.rowMisses.Load(), RowStale: h.count.rowStale.Load(),
		Bodies: h.bodies.Stats(),
	}
	h.stores.Range(func(_, g any) bool {
		s.Services = append(s.Services, g.(*guard).stats())
		return true
	})
	slices.SortFunc(s.Services, func(a, b ServiceStats) int { return strings.Compare(a.Name, b.Name) })
	s.Services = slices.Insert(s.Services, 0, h.database.stats())
	return s
}

func (g *guard) stats() ServiceStats {
	return ServiceStats{Name: g.name, Down: g.down(), Calls: g.calls.Load(), Failures: g.failures.Load()}
}

// guardOf returns the guard of the store that holds a path. Paths that migrate have
// one of their own: it is a second store, too, that they may wait for.
func (h *Handler) guardOf(path string) *guard {
	name := h.files.Backend(path)
	if h.migratesFrom(path) != "" {
		name += " while migrating"
	}
	return h.guard(name)
}

// guard returns the guard of a store.
func (h *Handler) guard(name string) *guard {
	if g, ok := h.stores.Load(name); ok {
		return g.(*guard)
	}
	g, _ := h.stores.LoadOrStore(name, newGuard(name, h.o.StoreTimeout, h.o.RetryAfter, h.o.StoreRequests, h.o.Logger,
		func(err error) error {
			return &backends.Error{Backend: name, Op: "open", Kind: backends.ErrUnavailable, Err: err}
		}))
	return g.(*guard)
}
