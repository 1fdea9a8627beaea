package importer

import (
	"context"
	"iter"
	"slices"
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
	// Waiting is for stores and databases that do not answer.
	Waiting bulk.Waiting
	// Counts, when set, counts along.
	Counts *Counts
}

// Bodies makes rows for the bodies that lie on a backend of the cluster and
// have none, by cluster.Adopt: the tables are made of the stores. What lies
// there and is found nowhere, since the rules send its path elsewhere, gets
// none. A store that falls silent is waited for, and listed from the last path on; what
// could not be had is a *bulk.OutageError.
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
	m.outages = bulk.NewOutages(c, options.Waiting, m.progress)
	bodies := bulk.Present(m.outages, m.bodies(ctx), func(body cluster.FoundBody) string { return body.Info.Path })
	return m.outages.Result(ctx, "import", bulk.Batches(ctx, m.pool, bodiesBatch, bodies, m.adopt))
}

type bodyImport struct {
	c        *cluster.Cluster
	backend  backends.Backend
	options  BodiesOptions
	counts   *Counts
	progress *bulk.Progress
	pool     *bulk.Pool
	outages  *bulk.Outages
}

// bodies yields what can have a row.
func (m *bodyImport) bodies(ctx context.Context) iter.Seq2[cluster.FoundBody, error] {
	list := func(after string) iter.Seq2[backends.Info, error] {
		return m.backend.List(ctx, m.options.Prefix, after)
	}
	return func(yield func(cluster.FoundBody, error) bool) {
		for info, err := range bulk.Resume(ctx, m.outages, list, func(info backends.Info) string { return info.Path }) {
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

// triesTogether is how often a batch fails before its bodies are adopted one by one:
// the store answers, but not for one of them.
const triesTogether = 2

// adopt makes the rows of a batch, at once more where a service failed that answers
// again.
func (m *bodyImport) adopt(ctx context.Context, bodies []cluster.FoundBody) error {
	for tries := 0; ; tries++ {
		bodies = slices.DeleteFunc(bodies, func(body cluster.FoundBody) bool { return m.outages.Leaves(body.Info.Path) })
		if len(bodies) == 0 {
			return ctx.Err()
		}
		if tries == triesTogether && len(bodies) > 1 {
			return m.adoptEach(ctx, bodies)
		}
		begun := time.Now()
		results, err := m.c.Adopt(ctx, bodies, cluster.AdoptOptions{
			Settled: m.options.Settled, Revive: m.options.Revive, DryRun: m.options.DryRun,
		})
		switch {
		case err == nil:
			m.count(ctx, bodies, results, begun)
			return nil
		case ctx.Err() != nil || !m.outages.Silent(err):
			return err
		}
		bodies = slices.DeleteFunc(bodies, func(body cluster.FoundBody) bool {
			return !m.outages.Again(ctx, body.Info.Path, err, begun, tries)
		})
	}
}

func (m *bodyImport) adoptEach(ctx context.Context, bodies []cluster.FoundBody) error {
	for _, body := range bodies {
		if err := m.adopt(ctx, []cluster.FoundBody{body}); err != nil {
			return err
		}
	}
	return nil
}

// count counts what became of a batch.
func (m *bodyImport) count(ctx context.Context, bodies []cluster.FoundBody, results []cluster.AdoptResult, begun time.Time) {
	took := time.Since(begun) / time.Duration(len(bodies))
	for i, result := range results {
		if result.Err != nil {
			m.outages.Again(ctx, bodies[i].Info.Path, result.Err, begun, 0) // no: it answered
			continue
		}
		m.outages.Worked(bodies[i].Info.Path)
		m.countOne(bodies[i].Info, result, took)
	}
}

func (m *bodyImport) countOne(info backends.Info, result cluster.AdoptResult, took time.Duration) {
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
	}
}
