// Package cloudflare is a CDN target that purges a zone of Cloudflare
// (developers.cloudflare.com/cache/how-to/purge-cache).
//
//	target, err := cloudflare.New(s.Targets.Cloudflare["cloudflare:main"])
//	// ...
//	defer target.Close()
//	errs := target.Deliver(ctx, batch)
//
// Files are purged by their URLs, of which a plan allows far more than of any
// other purge; directories, trunks and scopes by the tags that the gateway
// sends in Cache-Tag. Without tags directories are purged by prefix. A prefix
// that is no directory is left to the ledger to expand: Cloudflare's prefixes
// end at slashes ("Purge cache by prefix").
//
// A URL that is written in another way may have a copy of its own, which only a
// purge by tag reaches: PurgeBy=tag.
package cloudflare

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/cdn"
	"example.com/ezdfs/cdn/internal/batch"
	"example.com/ezdfs/cdn/internal/httpcall"
	"example.com/ezdfs/cdn/internal/tags"
	"example.com/ezdfs/settings"
)

// plan is what an account may do ("Availability and limits").
type plan struct {
	requestsPerMinute, bucket    int // by tag, prefix, host, or of everything
	filesPerSecond, filesPerCall int
}

// planOf returns the limits of an account, which settings may change.
func planOf(cfg settings.Cloudflare) plan {
	p := map[string]plan{
		"free":       {5, 25, 800, 100},
		"pro":        {300, 25, 1500, 100},
		"business":   {600, 50, 1500, 100},
		"enterprise": {3000, 500, 3000, 500},
	}[cmp.Or(cfg.Plan, "free")]
	p.requestsPerMinute = cmp.Or(cfg.RequestsPerMinute, p.requestsPerMinute)
	p.filesPerSecond = cmp.Or(cfg.FilesPerSecond, p.filesPerSecond)
	p.filesPerCall = cmp.Or(cfg.FilesPerCall, p.filesPerCall)
	return p
}

// Target purges a zone. Create it with New.
type Target struct {
	cfg    settings.Cloudflare
	plan   plan
	api    string
	bases  []string
	hosts  []string // of bases, each once
	client *httpcall.Client
}

var _ cdn.Target = (*Target)(nil)

// Option changes how a target works.
type Option func(*options)

type options struct{ transport http.RoundTripper }

// WithTransport makes the calls by way of another transport than the target's
// own. It sees the token.
func WithTransport(t http.RoundTripper) Option { return func(o *options) { o.transport = t } }

// New returns the target of a group of settings. Errors name the setting that
// is wrong.
func New(cfg settings.Cloudflare, opts ...Option) (*Target, error) {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	cfg.FamiliesPerCall = cmp.Or(cfg.FamiliesPerCall, 100)
	t := &Target{cfg: cfg, plan: planOf(cfg)}
	if err := t.readSettings(); err != nil {
		return nil, fmt.Errorf("%s: %w", cfg.Name, err)
	}
	t.client = httpcall.New(cfg.Name, cmp.Or(cfg.Timeout, 15*time.Second), o.transport, cfg.Token)
	return t, nil
}

func (t *Target) readSettings() error {
	for _, text := range t.cfg.URLs {
		base, err := httpcall.Base(text)
		if err != nil {
			return fmt.Errorf("cdn.ini: URLs[]=%s %w", text, err)
		}
		_, rest, _ := strings.Cut(base, "://")
		host, _, _ := strings.Cut(rest, "/")
		t.bases, t.hosts = append(t.bases, base), append(t.hosts, host)
	}
	var err error
	switch {
	case t.cfg.ZoneID == "":
		return errors.New("cdn.ini: ZoneID is not set")
	case t.cfg.Token == "":
		return errors.New("cdn.ini: Token is not set")
	case len(t.bases) == 0 && !t.byTag():
		return errors.New("cdn.ini: URLs is empty: name the URLs under which files are cached, or set PurgeBy=tag")
	case len(t.bases) == 0 && t.cfg.All == "hosts":
		return errors.New("cdn.ini: All=hosts purges the hosts of URLs, which is empty")
	case len(t.bases) > t.plan.filesPerCall:
		return fmt.Errorf("cdn.ini: URLs has more than the %d of one call", t.plan.filesPerCall)
	}
	if t.api, err = httpcall.Base(cmp.Or(t.cfg.Endpoint, "https://api.cloudflare.com/client/v4")); err != nil {
		return fmt.Errorf("cdn.ini: Endpoint %w", err)
	}
	return nil
}

func (t *Target) byTag() bool { return t.cfg.PurgeBy == "tag" }

// Name is the instance's.
func (t *Target) Name() string { return t.cfg.Name }

// Close closes idle connections.
func (t *Target) Close() error { return t.client.Close() }

// Limits are those of the plan. Calls by URL are counted by their URLs, all
// others by calls.
func (t *Target) Limits() cdn.Limits {
	l := cdn.Limits{
		Actions:     []cdn.Action{cdn.Invalidate},
		Extents:     []cdn.Extent{cdn.Prefix, cdn.All},
		Takes:       func(item cdn.Item) bool { _, _, ok := t.objects(item); return ok },
		FamilyRate:  float64(t.plan.requestsPerMinute) / 60,
		FamilyBurst: t.plan.bucket,
		Concurrent:  2,
	}
	if t.cfg.Tags {
		l.Extents = append(l.Extents, cdn.Trunk, cdn.Scope)
	}
	families := max(t.cfg.FamiliesPerCall/max(len(t.bases), 2), 1) // a trunk has two tags
	if t.byTag() {
		l.Items, l.Families = t.cfg.FamiliesPerCall, families
		l.Rate, l.Burst = l.FamilyRate, l.FamilyBurst
		return l
	}
	l.Items = t.plan.filesPerCall / len(t.bases)
	l.Families = min(families, l.Items)
	l.ItemRate = float64(t.plan.filesPerSecond) / float64(len(t.bases))
	l.ItemBurst = max(int(l.ItemRate), l.Items)
	return l
}

// objects returns what an item is purged by, a field of the request's body,
// and as what, false where it is nothing.
func (t *Target) objects(item cdn.Item) (by string, objects []string, ok bool) {
	keys, exact := tags.Of(item)
	switch {
	case item.Action != cdn.Invalidate:
	case item.Extent == cdn.All && t.cfg.All == "hosts":
		return "hosts", t.hosts, true
	case item.Extent == cdn.All:
		return "purge_everything", []string{""}, true
	case item.Extent == cdn.Path && !t.byTag():
		for _, base := range t.bases {
			objects = append(objects, httpcall.Join(base, item.Subject))
		}
		return "files", objects, true
	case item.Extent == cdn.Path || t.cfg.Tags:
		return "tags", keys, exact
	case item.Extent == cdn.Prefix:
		objects, ok = t.prefixes(item.Subject)
		return "prefixes", objects, ok
	}
	return "", nil, false
}

// prefixes returns a directory as it stands below each base, without a scheme
// and a slash at its end, false for a prefix that is no directory.
func (t *Target) prefixes(prefix string) ([]string, bool) {
	dir, isDirectory := strings.CutSuffix(prefix, "/")
	var list []string
	for _, base := range t.bases {
		_, rest, _ := strings.Cut(base, "://")
		list = append(list, rest+"/"+backends.EscapePath(dir))
	}
	return list, isDirectory && dir != "" && len(list) > 0
}

// Deliver purges a batch, with a call for each way of purging in it.
func (t *Target) Deliver(ctx context.Context, items []cdn.Item) []error {
	errs := make([]error, len(items))
	parts := map[string][]batch.Part{}
	for i, item := range items {
		by, objects, ok := t.objects(item)
		if !ok {
			errs[i] = t.client.Refused(fmt.Sprintf("Cloudflare has no name for the %s %q", item.Extent, item.Subject))
			continue
		}
		parts[by] = append(parts[by], batch.Part{Item: i, Objects: objects})
	}
	for _, by := range []string{"purge_everything", "hosts", "tags", "prefixes", "files"} {
		most := t.cfg.FamiliesPerCall
		if by == "files" {
			most = t.plan.filesPerCall
		}
		for _, chunk := range batch.Chunks(parts[by], most) {
			batch.Send(errs, chunk, func(parts []batch.Part) error {
				return t.purge(ctx, by, batch.Objects(parts))
			}, func(e *cdn.Error) bool { return e.Status == http.StatusBadRequest })
		}
	}
	return errs
}

// Test purges a file or a tag that there is not, which proves the token and
// the zone.
func (t *Target) Test(ctx context.Context) (string, error) {
	by, object := "tags", "ezdfs-test"
	if !t.byTag() {
		by, object = "files", httpcall.Join(t.bases[0], ".ezdfs-test")
	}
	if err := t.purge(ctx, by, []string{object}); err != nil {
		return "", err
	}
	return "Cloudflare took the token and a purge of " + object, nil
}
