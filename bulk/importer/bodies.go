package importer

import (
	"context"
	"iter"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/bulk"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/metadata"
)

// bodiesBatch is how many rows a transaction makes.
const bodiesBatch = 200

// BodiesOptions say which bodies get rows, and how. The zero value is usable.
type BodiesOptions struct {
	// Prefix is what the paths begin with.
	Prefix string
	// Scope is that of every row; by default bulk.ScopeOf tells it.
	Scope string
	// Cache imports cache files, too. They make themselves anew, and some had
	// been expired, which without the rows nobody knows: those come back.
	Cache bool
	// Settled, Revive and DryRun are those of cluster.AdoptOptions.
	Settled        time.Time
	Revive, DryRun bool
	// Limits are for batches of two hundred bodies.
	Limits bulk.Limits
	// Counts, when set, counts along.
	Counts *Counts
}

// Bodies makes rows for the bodies that lie on a backend of the cluster and
// have none, by cluster.Adopt: the tables are made of the stores. What lies
// there and is found nowhere, since the rules send its path elsewhere, gets
// none.
//
// It is for tables that were lost. Where they are not, a body without a row is
// what a purge or a crash left behind, and package check's.
func Bodies(ctx context.Context, c *cluster.Cluster, backend backends.Backend, options BodiesOptions) error {
	m := &bodyImport{c: c, backend: backend, options: options, counts: options.Counts}
	if m.counts == nil {
		m.counts = NewCounts(nil)
	}
	m.progress = m.counts.progress
	m.pool = bulk.NewPool(options.Limits, m.progress)
	if err := bulk.Batches(ctx, m.pool, bodiesBatch, m.bodies(ctx), m.adopt); err != nil {
		return err
	}
	return m.progress.Err("import")
}

type bodyImport struct {
	c        *cluster.Cluster
	backend  backends.Backend
	options  BodiesOptions
	counts   *Counts
	progress *bulk.Progress
	pool     *bulk.Pool
}

// bodies yields what can have a row.
func (m *bodyImport) bodies(ctx context.Context) iter.Seq2[cluster.FoundBody, error] {
	return func(yield func(cluster.FoundBody, error) bool) {
		for info, err := range m.backend.List(ctx, m.options.Prefix, "") {
			if err != nil {
				yield(cluster.FoundBody{}, err)
				return
			}
			if reason := m.refuses(info.Path); reason != "" {
				m.counts.skip(reason)
				continue
			}
			if !yield(m.found(info), nil) {
				return
			}
		}
	}
}

// refuses says why a path gets no row, or nothing.
func (m *bodyImport) refuses(path string) Reason {
	route := m.c.Stores().Route(path)
	clean, err := metadata.CleanName(path)
	switch {
	case route.Backend != m.backend && route.From != m.backend:
		return Elsewhere
	case metadata.IsGenerating(path):
		return Lock
	case err != nil || clean != path:
		return Unclean
	case !m.options.Cache && m.c.Metadata().Layout().Cache(path):
		return Cache
	}
	return ""
}

func (m *bodyImport) found(info backends.Info) cluster.FoundBody {
	body := cluster.FoundBody{Info: info, Scope: m.options.Scope}
	if body.Scope == "" {
		body.Scope = bulk.ScopeOf(m.c.Metadata().Layout(), info.Path)
	}
	if m.c.Stores().Route(info.Path).Backend != m.backend {
		body.Info.Stored = time.Time{} // it may have been replaced where it migrates to: have it looked at
	}
	return body
}

// adopt makes the rows of a batch.
func (m *bodyImport) adopt(ctx context.Context, bodies []cluster.FoundBody) error {
	start := time.Now()
	results, err := m.c.Adopt(ctx, bodies, cluster.AdoptOptions{
		Settled: m.options.Settled, Revive: m.options.Revive, DryRun: m.options.DryRun,
	})
	if err != nil {
		return err
	}
	took := time.Since(start) / time.Duration(len(bodies))
	for i, result := range results {
		m.count(bodies[i].Info, result, took)
	}
	return nil
}

func (m *bodyImport) count(info backends.Info, result cluster.AdoptResult, took time.Duration) {
	switch result.Outcome {
	case cluster.Revived:
		m.counts.revive()
		fallthrough
	case cluster.Adopted:
		m.progress.Add(info.Path, result.Row.Size, took)
	case cluster.AlreadyLive:
		if result.Row.Size != info.Size {
			m.counts.skip(Differs)
		} else {
			m.counts.skip(Equal)
		}
	case cluster.StaysExpired:
		m.counts.skip(Expired)
	case cluster.Vanished:
		m.counts.skip(Gone)
	default:
		m.progress.Fail(info.Path, result.Err)
	}
}
