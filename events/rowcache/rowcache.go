// Package rowcache keeps rows of the metadata store in this process's memory:
// a listener that hears at once what the process changes, and answers for the
// database.
//
//	cache := rowcache.New(rowcache.Options{TTL: time.Minute, NegativeTTL: 5 * time.Second})
//	hub := events.New([]events.Listener{cache}, events.Options{})
//
// What it answers is never older than its TTL, and never older than a deletion
// it was told of. Deletions by other processes reach it from the change feed,
// through [events.Hub.Invalidate]; without a feed the TTL alone bounds how
// long it may be wrong.
//
// It does not share anything between processes; package memcached does.
package rowcache

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"

	"example.com/ezdfs/events"
	"example.com/ezdfs/metadata"
)

// Options are the bounds of a [Cache].
type Options struct {
	// TTL is for how long a row is believed; one minute where it is 0.
	TTL time.Duration
	// NegativeTTL is for how long it is believed that a path has no row; 0
	// keeps no such knowledge.
	NegativeTTL time.Duration
	// MaxEntries is how many paths are kept at most, about 500 bytes each;
	// 100000 where it is 0.
	MaxEntries int
	// StaleIfError is for how long after its TTL an entry can be had from
	// Stale.
	StaleIfError time.Duration
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Cache is a listener, told inline, and a filter. All methods may be called
// concurrently.
type Cache struct {
	options Options
	entries *otter.Cache[string, *entry]
	stamps  stamps
	hits    atomic.Uint64
	misses  atomic.Uint64
}

var (
	_ events.Inline          = (*Cache)(nil)
	_ events.MetadataFilter  = (*Cache)(nil)
	_ events.ExistenceFilter = (*Cache)(nil)
)

// entry is what was read of a path. Only checked ever changes.
type entry struct {
	row     metadata.Row
	missing bool
	asked   time.Time // when the database was asked
	seq     uint64    // the newest deletion that the database had seen for sure
	path    uint64    // where deletions of the path, the trunk and the scope
	trunk   uint64    // leave their stamps
	scope   uint64
	checked atomic.Uint64 // how many deletions by prefix were found to be of other paths
}

// New returns an empty cache.
func New(o Options) *Cache {
	if o.TTL <= 0 {
		o.TTL = time.Minute
	}
	if o.MaxEntries <= 0 {
		o.MaxEntries = 100_000
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Cache{
		options: o,
		// No expiry of its own: entries have two ages, and one that is too old
		// is either read again, and replaced, or the first to be evicted.
		entries: otter.Must(&otter.Options[string, *entry]{MaximumSize: o.MaxEntries}),
		stamps:  newStamps(o.MaxEntries),
	}
}

// Name returns "rowcache".
func (c *Cache) Name() string { return "rowcache" }

// NotifyInline keeps a row that was read, or forgets what a deletion is about:
// once it returns nothing from before the deletion is answered. The events are
// numbered by a hub.
func (c *Cache) NotifyInline(e events.Event) {
	if e.Kind == events.StoreMetadata {
		c.keep(&e)
		return
	}
	c.stamps.mark(&e)
	if e.Kind == events.DeleteFile && e.Subject != "" {
		c.entries.Invalidate(e.Subject) // out of date already; this frees it
	}
}

// Notify handles a batch as NotifyInline does.
func (c *Cache) Notify(_ context.Context, batch []events.Event) error {
	for _, e := range batch {
		c.NotifyInline(e)
	}
	return nil
}

// Close forgets everything.
func (c *Cache) Close() error {
	c.entries.InvalidateAll()
	return nil
}

// keep stores what was read, unless a deletion came since, or what is there
// was read later. Should one come at this moment, the entry is found to be out
// of date whenever it is read.
func (c *Cache) keep(e *events.Event) {
	if c.ttl(e.Missing) <= 0 {
		return
	}
	fresh := &entry{row: e.Row, missing: e.Missing, asked: e.Time, seq: e.Seq}
	fresh.path = c.stamps.pathSlot(e.PathKey())
	fresh.trunk = c.stamps.slot(trunks, e.Row.Trunk)
	fresh.scope = c.stamps.slot(scopes, e.Row.Scope)
	if !c.stamps.current(fresh) {
		return
	}
	c.entries.Compute(e.Row.Name, func(old *entry, found bool) (*entry, otter.ComputeOp) {
		if found && (old.seq > fresh.seq || old.asked.After(fresh.asked)) {
			return old, otter.CancelOp
		}
		return fresh, otter.WriteOp
	})
}

// LoadMetadata answers from memory (cluster/loadMetadata).
func (c *Cache) LoadMetadata(_ context.Context, name string) (events.Answer, error) {
	answer, age, ok := c.find(name)
	if !ok || !answer.Known || age >= c.ttl(!answer.Exists) {
		c.misses.Add(1)
		return events.Answer{}, nil
	}
	c.hits.Add(1)
	return answer, nil
}

// FileExists answers from memory (cluster/fileExists), with the whole row.
func (c *Cache) FileExists(ctx context.Context, name string) (events.Answer, error) {
	return c.LoadMetadata(ctx, name)
}

// Stale returns what is remembered of a path, and how old that is, up to
// StaleIfError beyond its TTL: for when the database cannot be asked. It is
// not older than any deletion the cache was told of. answer.Known says whether
// it may be believed otherwise, if it is young enough: not after an
// [events.Lost], such as when the change feed breaks off.
func (c *Cache) Stale(name string) (answer events.Answer, age time.Duration, ok bool) {
	answer, age, ok = c.find(name)
	if !ok || age >= c.ttl(!answer.Exists)+c.options.StaleIfError {
		return events.Answer{}, 0, false
	}
	return answer, age, true
}

// find returns an entry that no deletion has touched, of whatever age.
func (c *Cache) find(name string) (answer events.Answer, age time.Duration, ok bool) {
	e, found := c.entries.GetIfPresent(name)
	if !found || !c.stamps.current(e) {
		return events.Answer{}, 0, false
	}
	return events.Answer{Known: e.seq >= c.stamps.lost.Load(), Exists: !e.missing, Row: e.row}, c.options.Now().Sub(e.asked), true
}

func (c *Cache) ttl(missing bool) time.Duration {
	if missing {
		return c.options.NegativeTTL
	}
	return c.options.TTL
}

// Stats are counters since New.
type Stats struct {
	Hits, Misses uint64
	Size         int // entries, those included that are out of date
}

// Stats returns the counters.
func (c *Cache) Stats() Stats {
	return Stats{Hits: c.hits.Load(), Misses: c.misses.Load(), Size: c.entries.EstimatedSize()}
}
