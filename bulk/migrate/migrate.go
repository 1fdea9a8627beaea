package migrate

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/semaphore"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/bulk"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/metadata"
)

// Options say how files are moved. The zero value is usable.
type Options struct {
	// Ahead copies to a store that the rules do not name yet; see the package.
	Ahead bool
	// VerifyContents has Verify read both bodies of every file that the source
	// still has.
	VerifyContents bool
	// Limits are for batches of up to a hundred files.
	Limits bulk.Limits
	// Lease is for how long a range is reserved for who is not heard of any
	// more; 30 seconds by default.
	Lease time.Duration
	// Patience is how long a store or database may be down before the work is
	// given up; 15 minutes by default.
	Patience time.Duration
	// Progress, when set, counts along.
	Progress *bulk.Progress
	// Logger, when set, is told what is waited for.
	Logger *slog.Logger
}

// Migration moves the bodies of a prefix. Its methods are called one at a time.
type Migration struct {
	c        *cluster.Cluster
	meta     *metadata.Store
	prefix   string
	from, to backends.Backend
	ahead    bool
	grace    time.Duration // of bodies on the source without a row
	options  Options
	creates  bool // the target publishes on condition that there is no body
	owner    string
	pool     *bulk.Pool
	memory   *semaphore.Weighted // of bodies on their way
}

// RouteError says that the rules do not fit a migration. The caller knows the
// files in which they stand.
type RouteError struct {
	Prefix, From, To string // as asked for
	// Backend is where the rules send the prefix, and Second where it migrates
	// from, "" for nowhere.
	Backend, Second string
	Ahead           bool // it is to be copied ahead of the rules
}

func (e *RouteError) Error() string {
	first, second := e.To, e.From
	if e.Ahead {
		first, second = second, first
	}
	have := "nothing else"
	if e.Second != "" {
		have = "MigrateFrom[" + e.Prefix + "]=" + e.Second
	}
	return fmt.Sprintf("%s goes to %s with %s; to migrate from %s to %s it takes PathBackends[%s]=%s and MigrateFrom[%s]=%s",
		e.Prefix, e.Backend, have, e.From, e.To, e.Prefix, first, e.Prefix, second)
}

// New prepares to move the files whose path begins with prefix. The rules have to
// name both stores: the target first and the source as what it migrates from,
// or the other way round for Options.Ahead. If they do not the error is a
// *RouteError.
func New(c *cluster.Cluster, prefix, from, to string, options Options) (*Migration, error) {
	clean, err := metadata.CleanName(prefix)
	if err != nil {
		return nil, err
	}
	if strings.HasSuffix(prefix, "/") {
		clean += "/"
	}
	if clean != prefix {
		return nil, &metadata.NameError{Name: prefix, Reason: "is not clean; it would be " + clean}
	}
	route := c.Stores().Route(prefix)
	wrong := &RouteError{Prefix: prefix, From: from, To: to, Backend: route.Backend.Name(), Ahead: options.Ahead}
	if route.From == nil {
		return nil, wrong
	}
	wrong.Second = route.From.Name()
	m := &Migration{c: c, meta: c.Metadata(), prefix: prefix, from: route.From, to: route.Backend, ahead: options.Ahead, grace: sourceGrace}
	if m.ahead {
		m.from, m.to = m.to, m.from
	}
	if m.from.Name() != from || m.to.Name() != to {
		return nil, wrong
	}
	m.options = options.withDefaults()
	m.owner, m.memory = newOwner(), semaphore.NewWeighted(memoryBytes)
	m.pool = bulk.NewPool(m.options.Limits, m.options.Progress)
	return m, nil
}

func (o Options) withDefaults() Options {
	o.Lease = cmp.Or(o.Lease, 30*time.Second)
	o.Patience = cmp.Or(o.Patience, 15*time.Minute)
	if o.Progress == nil {
		o.Progress = new(bulk.Progress)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// newOwner names this process for those who look who is at work. Each lease adds
// a number.
func newOwner() string {
	host, _ := os.Hostname()
	return fmt.Sprintf("%.60s:%d:%x", host, os.Getpid(), time.Now().UnixNano())
}

// Workers are those who have leased ranges of a migration, as host:pid.
func Workers(m metadata.Migration) (workers []string) {
	for _, r := range m.Ranges {
		if !r.Leased {
			continue
		}
		owner := r.Owner // host:pid:time:number
		for range 2 {
			owner = owner[:max(strings.LastIndexByte(owner, ':'), 0)]
		}
		workers = append(workers, owner)
	}
	slices.Sort(workers)
	return slices.Compact(workers)
}

// covers reports whether a path is part of the migration: another rule may take
// some of what begins with the prefix.
func (m *Migration) covers(path string) bool {
	route := m.c.Stores().Route(path)
	first, second := m.to, m.from
	if m.ahead {
		first, second = second, first
	}
	return route.Backend == first && route.From == second
}

// record is the migration in its table.
func (m *Migration) record(kind metadata.MigrationKind) metadata.Migration {
	return metadata.Migration{Kind: kind, Prefix: m.prefix, Source: m.from.Name(), Target: m.to.Name()}
}

// Copy copies what the target lacks and returns the counts of the whole pass,
// which this and other calls have worked on. Ahead of the rules it also copies
// what differs. Files that fail are told to Progress and do not stop the
// others; the next pass tries them again.
func (m *Migration) Copy(ctx context.Context) (metadata.MigrationCounts, error) {
	if err := m.reach(ctx); err != nil {
		return metadata.MigrationCounts{}, err
	}
	if err := m.persist(ctx, func(ctx context.Context) (err error) {
		m.creates, err = m.probe(ctx)
		return err
	}); err != nil {
		return metadata.MigrationCounts{}, err
	}
	return m.pass(ctx, metadata.MigrationCopy, m.copyBatch)
}
