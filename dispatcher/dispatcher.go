// Package dispatcher makes one store of several: ordered rules send each path
// to a backend, the first match wins (contract section 4).
//
// A [Router] is the rules alone; a [Dispatcher] is a router with its backends
// and is itself a [backends.Backend], so whatever works on one store works on
// all of them. It knows nothing of rows: copying a body across two backends is
// done here, deciding whether a path exists is not.
package dispatcher

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"example.com/ezdfs/backends"
)

// Dispatcher routes every call to the backend of its path. Closing it closes
// the backends.
type Dispatcher struct {
	router *Router
	byRule []backends.Backend
	other  backends.Backend   // of the paths that no rule matches
	all    []backends.Backend // each backend that is routed to, or migrated from, once

	wanted     []Migration // the options'
	migrations []migration
	logger     *slog.Logger
}

var (
	_ backends.Backend     = (*Dispatcher)(nil)
	_ backends.Copier      = (*Dispatcher)(nil)
	_ backends.Renamer     = (*Dispatcher)(nil)
	_ backends.PublicURLer = (*Dispatcher)(nil)
	_ backends.URLSigner   = (*Dispatcher)(nil)
)

// New returns a dispatcher over the named backends; fallback names the one of
// the paths that no rule of router matches. A rule or a migration that names a
// backend which is not in stores is an error. Backends nothing routes to are not
// used and not closed.
func New(router *Router, fallback string, stores map[string]backends.Backend, options ...Option) (*Dispatcher, error) {
	d := &Dispatcher{router: router, logger: slog.New(slog.DiscardHandler)}
	for _, option := range options {
		option(d)
	}
	find := func(name string) backends.Backend {
		b := stores[name]
		if b != nil && !slices.Contains(d.all, b) {
			d.all = append(d.all, b)
		}
		return b
	}
	var errs []error
	unknown := func(name, what string) {
		errs = append(errs, fmt.Errorf("dispatcher: %s names the unknown backend %q (known: %q)",
			what, name, slices.Sorted(maps.Keys(stores))))
	}
	for _, rule := range router.rules {
		b := find(rule.Backend)
		if b == nil {
			unknown(rule.Backend, fmt.Sprintf("rule %q", rule.Key))
		}
		d.byRule = append(d.byRule, b)
	}
	if d.other = find(fallback); d.other == nil {
		unknown(fallback, "the default")
	}
	for _, m := range d.wanted {
		from := find(m.From)
		if from == nil {
			unknown(m.From, fmt.Sprintf("the migration of %q", m.Prefix))
			continue
		}
		if to := d.backend(m.Prefix); to != from {
			d.migrations = append(d.migrations, migration{m.Prefix, to, from})
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return d, nil
}

// Route says where a path goes and why.
type Route struct {
	Backend backends.Backend
	// Rule is the index of the rule that matched, or DefaultRule.
	Rule int
	// Key is the key of that rule, "" for the default.
	Key string
	// From is where a body may still lie that is not on Backend, because the
	// path migrates; nil for most. See [Migration].
	From backends.Backend
}

// Route returns the backend of path.
func (d *Dispatcher) Route(path string) Route {
	i := d.router.Lookup(path)
	if i == DefaultRule {
		return Route{Backend: d.other, Rule: i, From: d.second(path, d.other)}
	}
	return Route{Backend: d.byRule[i], Rule: i, Key: d.router.rules[i].Key, From: d.second(path, d.byRule[i])}
}

func (d *Dispatcher) backend(path string) backends.Backend {
	if i := d.router.Lookup(path); i != DefaultRule {
		return d.byRule[i]
	}
	return d.other
}

// Backends returns every backend that is routed to, once each, in the order of
// the rules, then the default, then those that are only migrated from.
func (d *Dispatcher) Backends() []backends.Backend { return slices.Clone(d.all) }

// Name implements backends.Backend.
func (d *Dispatcher) Name() string { return "dispatcher" }

// Ping asks all backends at once and names each that is not there.
func (d *Dispatcher) Ping(ctx context.Context) error {
	return d.each(func(b backends.Backend) error { return b.Ping(ctx) })
}

// Close closes all backends.
func (d *Dispatcher) Close() error {
	return d.each(backends.Backend.Close)
}

// each calls do for all backends at once and joins what they say.
func (d *Dispatcher) each(do func(backends.Backend) error) error {
	errs := make([]error, len(d.all))
	var group errgroup.Group
	for i, b := range d.all {
		group.Go(func() error {
			errs[i] = do(b)
			return nil
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// Stat implements backends.Backend.
func (d *Dispatcher) Stat(ctx context.Context, path string) (backends.Info, error) {
	return find(d, path, func(b backends.Backend) (backends.Info, error) { return b.Stat(ctx, path) })
}

// Open implements backends.Backend.
func (d *Dispatcher) Open(ctx context.Context, path string, offset, length int64) (backends.Reader, error) {
	return find(d, path, func(b backends.Backend) (backends.Reader, error) { return b.Open(ctx, path, offset, length) })
}

// PublicURL returns "" where the path's backend has no public URLs, and while
// the path migrates: nobody could tell a store's address before it was asked.
func (d *Dispatcher) PublicURL(path string) string {
	first, second := d.pair(path)
	if b, ok := backends.As[backends.PublicURLer](first); ok && second == nil {
		return b.PublicURL(path)
	}
	return ""
}

// SignURL fails with errors.ErrUnsupported where the path's backend signs
// nothing. Of a path that migrates it signs the body where it lies now.
func (d *Dispatcher) SignURL(ctx context.Context, path string, expires time.Duration) (string, error) {
	if err := backends.CheckPath(d.Name(), "sign", path); err != nil {
		return "", err
	}
	if _, second := d.pair(path); second == nil {
		return signURL(ctx, d.backend(path), path, expires)
	}
	return find(d, path, func(b backends.Backend) (string, error) {
		if _, err := b.Stat(ctx, path); err != nil {
			return "", err
		}
		return signURL(ctx, b, path, expires)
	})
}

func signURL(ctx context.Context, b backends.Backend, path string, expires time.Duration) (string, error) {
	if signer, ok := backends.As[backends.URLSigner](b); ok {
		return signer.SignURL(ctx, path, expires)
	}
	return "", &backends.Error{Backend: b.Name(), Op: "sign", Path: path, Err: errors.ErrUnsupported}
}
