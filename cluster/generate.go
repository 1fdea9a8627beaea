package cluster

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"
	"time"

	"example.com/ezdfs/metadata"
)

// Handling says what a reader does who finds nothing at all to show while
// somebody else generates the file (NonExistantStaleCacheHandling).
type Handling string

// The handlings.
const (
	Wait        Handling = "wait"     // until it is there, or the generation can be taken over
	GenerateOwn Handling = "generate" // generate too, and store nothing
)

// GenerateOptions say when a cache file is fresh and what it is stored as. The
// zero value is usable: what is not expired is fresh.
type GenerateOptions struct {
	// Scope and DataType are those of StoreOptions.
	Scope, DataType string
	// TTL is how long after it was stored the file is fresh, in whole seconds;
	// 0 is for ever.
	TTL time.Duration
	// Expiry makes files that were stored before it stale.
	Expiry time.Time
	// NoStale waits for fresh contents in any case.
	NoStale bool
	// Handling is by default what the settings say for this kind of path.
	Handling Handling
}

// fresh reports whether a row's contents may be shown without ado (contract
// section 3).
func (o GenerateOptions) fresh(row metadata.Row, exists bool, now time.Time) bool {
	switch {
	case !exists || row.Expired || row.MTime <= 0:
		return false
	case !o.Expiry.IsZero() && row.MTime < o.Expiry.Unix():
		return false
	case o.TTL > 0 && row.MTime < now.Unix()-int64(o.TTL/time.Second):
		return false
	}
	return true
}

// GenerateFunc writes the contents of a cache file. It should end when ctx is
// done. What it has written counts only if it returns nil. It may get or
// generate other files, but not its own: that would wait for itself.
type GenerateFunc func(ctx context.Context, w io.Writer) error

// GetOrGenerate returns the contents of a cache file. When it is not fresh,
// exactly one caller, of all goroutines, processes and hosts, PHP's included,
// generates it; the others get the stale contents at once. Where there are
// none they wait for the one, or do as handling says. The caller closes the
// entry.
//
// The error of generate is returned to its caller and to those of this process
// who wait for it; others try themselves. When it fails, panics, or its caller
// gives up, nothing is stored. Contents that cannot be stored, since a store is
// down, are returned all the same and the failure is logged. While the database
// is down a local copy is served where there is one.
//
// Calls of one process at the same time share the look at the row: what another
// process changes within that query's time may be seen by the next call only.
func (c *Cluster) GetOrGenerate(ctx context.Context, path string, generate GenerateFunc, options GenerateOptions) (*Entry, error) {
	name, err := metadata.CleanName(path)
	if err != nil {
		return nil, err
	}
	if options.Handling == "" {
		options.Handling = c.handling(name)
	}
	r := &request{c: c, name: name, generate: generate, options: options}
	for {
		entry, err := r.try(ctx)
		if !errors.Is(err, errAlone) {
			return entry, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
}

// handling is what the settings say for the kind of a path.
func (c *Cluster) handling(name string) Handling {
	kind := "misc"
	switch {
	case strings.Contains(name, "/cache/content/"):
		kind = "viewcache"
	case strings.Contains(name, "/cache/template-block/"):
		kind = "cacheblock"
	}
	if Handling(c.staleHandling[kind]) == GenerateOwn {
		return GenerateOwn
	}
	return Wait
}

// request is one call of GetOrGenerate.
type request struct {
	c        *Cluster
	name     string
	generate GenerateFunc
	options  GenerateOptions
	damaged  metadata.Row // fresh, but its body is gone
}

// try looks at the file once and gets its contents in whichever way. The error
// is errAlone when it is worth another look.
func (r *request) try(ctx context.Context) (*Entry, error) {
	c := r.c
	row, exists, err := c.cachedRow(ctx, r.name)
	if errors.Is(err, metadata.ErrUnavailable) {
		if entry, ok := r.stale(ctx, metadata.Row{Name: r.name}, false); ok {
			return entry, nil // better than no page until the database is back
		}
	}
	if err != nil {
		return nil, err
	}
	if r.fresh(row, exists) {
		entry, err := r.hit(ctx, row)
		if !errors.Is(err, fs.ErrNotExist) && !isMissing(err) {
			return entry, err
		}
		exists = false // its body is gone, or it expired just now
		r.damaged = row
	}
	if c.flights.isAway(r.name, c.now()) {
		if entry, ok := r.stale(ctx, row, exists); ok {
			return entry, nil
		}
	}
	one, leads := c.flights.join(r.name)
	defer c.flights.leave(one)
	if leads {
		defer c.flights.land(r.name, one)
		return r.lead(ctx, one, row, exists)
	}
	if entry, ok := r.stale(ctx, row, exists); ok {
		return entry, nil
	}
	select {
	case <-one.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if one.err != nil {
		return nil, one.err
	}
	if one.lost && r.options.NoStale || one.origin != Unstored && !r.fresh(one.row, true) {
		return nil, errAlone // fresh enough for its caller, not for this one
	}
	return one.entry(), nil
}

func (r *request) fresh(row metadata.Row, exists bool) bool {
	return r.options.fresh(row, exists, r.c.now())
}

func (r *request) hit(ctx context.Context, row metadata.Row) (*Entry, error) {
	body, row, err := r.c.openFresh(ctx, row)
	if err != nil {
		return nil, err
	}
	return &Entry{Row: row, Origin: Hit, body: body}, nil
}

func (r *request) stale(ctx context.Context, row metadata.Row, exists bool) (*Entry, bool) {
	if r.options.NoStale {
		return nil, false
	}
	return r.c.openStale(ctx, row, exists)
}

// isMissing reports whether a live row turned out to have no body.
func isMissing(err error) bool {
	_, missing := errors.AsType[*BodyMissingError](err)
	return missing
}
