// Package fastly is a CDN target that purges a Fastly service
// (fastly.com/documentation/reference/api/purging).
//
//	target, err := fastly.New(s.Targets.Fastly["fastly:main"])
//	// ...
//	defer target.Close()
//	errs := target.Deliver(ctx, batch)
//
// Files, directories, trunks and scopes are purged by the keys that the gateway
// sends in Surrogate-Key, 256 in one call. A prefix that is no directory has no
// key and is left to the ledger to expand. With PurgeBy=url a file is purged
// under its URLs, in a call for each: for a service whose origin is not the
// gateway. A URL that is written in another way has a copy of its own, which
// only a purge by key reaches.
package fastly

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"example.com/ezdfs/cdn"
	"example.com/ezdfs/cdn/internal/batch"
	"example.com/ezdfs/cdn/internal/httpcall"
	"example.com/ezdfs/cdn/internal/tags"
	"example.com/ezdfs/settings"
)

const (
	// maxKeys is what one call takes ("Purge multiple surrogate key tags").
	maxKeys = 256
	// maxURLs bounds a batch of which each item is a call or more.
	maxURLs = 64
	// urlCalls are under way at once.
	urlCalls = 8
)

// Target purges a service. Create it with New.
type Target struct {
	cfg    settings.Fastly
	api    string
	bases  []string // host and path, without a scheme
	client *httpcall.Client
	now    func() time.Time
}

var _ cdn.Target = (*Target)(nil)

// Option changes how a target works.
type Option func(*options)

type options struct {
	transport http.RoundTripper
	now       func() time.Time
}

// WithTransport makes the calls by way of another transport than the target's
// own. It sees the token.
func WithTransport(t http.RoundTripper) Option { return func(o *options) { o.transport = t } }

// WithClock sets the clock that a rate limit's end is held against.
func WithClock(now func() time.Time) Option { return func(o *options) { o.now = now } }

// New returns the target of a group of settings. Errors name the setting that
// is wrong.
func New(cfg settings.Fastly, opts ...Option) (*Target, error) {
	o := options{now: time.Now}
	for _, opt := range opts {
		opt(&o)
	}
	cfg.PurgesPerHour = cmp.Or(cfg.PurgesPerHour, 100_000)
	t := &Target{cfg: cfg, now: o.now}
	if err := t.readSettings(); err != nil {
		return nil, fmt.Errorf("%s: %w", cfg.Name, err)
	}
	t.client = httpcall.New(cfg.Name, cmp.Or(cfg.Timeout, 15*time.Second), o.transport, cfg.Token)
	return t, nil
}

func (t *Target) readSettings() error {
	switch {
	case t.cfg.ServiceID == "":
		return errors.New("cdn.ini: ServiceID is not set")
	case t.cfg.Token == "":
		return errors.New("cdn.ini: Token is not set")
	case t.cfg.PurgeBy == "url" && len(t.cfg.URLs) == 0:
		return errors.New("cdn.ini: URLs is empty: name the URLs under which files are cached, or set PurgeBy=key")
	}
	for _, text := range t.cfg.URLs {
		base, err := httpcall.Base(text)
		if err != nil {
			return fmt.Errorf("cdn.ini: URLs[]=%s %w", text, err)
		}
		_, withoutScheme, _ := strings.Cut(base, "://")
		t.bases = append(t.bases, withoutScheme)
	}
	var err error
	if t.api, err = httpcall.Base(cmp.Or(t.cfg.Endpoint, "https://api.fastly.com")); err != nil {
		return fmt.Errorf("cdn.ini: Endpoint %w", err)
	}
	return nil
}

// Name is the instance's.
func (t *Target) Name() string { return t.cfg.Name }

// Close closes idle connections.
func (t *Target) Close() error { return t.client.Close() }

// Limits: 256 keys a call, and as many purges as the settings allow in an hour,
// a tenth of them at once (reference, "Rate limiting").
func (t *Target) Limits() cdn.Limits {
	l := cdn.Limits{
		Actions:    []cdn.Action{cdn.Invalidate},
		Extents:    []cdn.Extent{cdn.All},
		Takes:      func(item cdn.Item) bool { _, _, ok := t.objects(item); return ok },
		Items:      maxKeys,
		ItemRate:   float64(t.cfg.PurgesPerHour) / 3600,
		Concurrent: 4,
	}
	if t.cfg.PurgeBy == "url" {
		l.Items = maxURLs
		l.ItemRate /= float64(len(t.bases))
	}
	l.ItemBurst = max(t.cfg.PurgesPerHour/10, l.Items)
	if t.cfg.Keys {
		l.Extents = append(l.Extents, cdn.Prefix, cdn.Trunk, cdn.Scope)
	}
	return l
}

// how an item is purged.
type how int

const (
	byAll how = iota
	byKey
	byURL
)

// objects returns what an item is to Fastly, false where it is nothing.
func (t *Target) objects(item cdn.Item) (how, []string, bool) {
	switch {
	case item.Action != cdn.Invalidate:
	case item.Extent == cdn.All:
		return byAll, []string{"purge_all"}, true
	case item.Extent == cdn.Path && t.cfg.PurgeBy == "url":
		var urls []string
		for _, base := range t.bases {
			urls = append(urls, httpcall.Join(base, item.Subject))
		}
		return byURL, urls, true
	case item.Extent == cdn.Path || t.cfg.Keys:
		keys, ok := tags.Of(item)
		return byKey, keys, ok
	}
	return 0, nil, false
}

// Deliver purges a batch: all its keys in a call, or two where trunks have two
// keys, each URL in one of its own.
func (t *Target) Deliver(ctx context.Context, items []cdn.Item) []error {
	errs := make([]error, len(items))
	parts := map[how][]batch.Part{}
	for i, item := range items {
		h, objects, ok := t.objects(item)
		if !ok {
			errs[i] = t.client.Refused(fmt.Sprintf("Fastly has no name for the %s %q", item.Extent, item.Subject))
			continue
		}
		parts[h] = append(parts[h], batch.Part{Item: i, Objects: objects})
	}
	if all := parts[byAll]; len(all) > 0 {
		batch.Set(errs, all, t.purgeAll(ctx))
	}
	for _, chunk := range batch.Chunks(parts[byKey], maxKeys) {
		t.purgeKeys(ctx, errs, chunk)
	}
	t.purgeURLs(ctx, errs, parts[byURL])
	return errs
}

// Test purges a key that no file has, which proves the token and the service.
func (t *Target) Test(ctx context.Context) (string, error) {
	if _, err := t.keys(ctx, []string{"ezdfs-test"}); err != nil {
		return "", err
	}
	return "Fastly took the token and purged a key of service " + url.PathEscape(t.cfg.ServiceID), nil
}
