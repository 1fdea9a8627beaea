// Package googlecdn is a target that invalidates Google's Cloud CDN, by the
// method urlMaps.invalidateCache of the Compute Engine API. (Media CDN is
// another service.)
//
//	target, err := googlecdn.New(s.Targets.GoogleCDN["googlecdn:media"])
//	// ...
//	defer target.Close()
//	errs := target.Deliver(ctx, batch)
//
// A request names one path, or one directory with everything below it, or up
// to ten cache tags (reference, CacheInvalidationRule): by tag a minute's quota
// of requests goes ten times as far, and trunks and scopes have a name. The
// gateway sends the tags in the header Cache-Tag. Paths are escaped as RFC 3986
// has it, and have to be asked for like that.
//
// An invalidation counts as delivered once Google has accepted it: it is an
// operation there from then on, and takes effect within seconds. With the
// setting Wait it counts once the operation is done.
//
// Every request has a requestId of its own, never that of an earlier one:
// Google takes no notice of a request whose id it knows, but what the path
// holds may have changed since. Invalidating twice is harmless.
//
// The credentials need compute.urlMaps.invalidateCache, compute.urlMaps.get
// for Test, and compute.globalOperations.get with Wait.
package googlecdn

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/cdn"
	"example.com/ezdfs/cdn/internal/httpcall"
	"example.com/ezdfs/cdn/internal/tags"
	"example.com/ezdfs/settings"
)

// What the API takes: CacheInvalidationRule ("up to 10 tags"), and Cloud CDN,
// "Cache invalidation overview" (500 requests a minute).
const (
	maxTags = 10
	perMin  = 500
	service = "https://compute.googleapis.com"
)

// Target invalidates what changed. Create it with New.
type Target struct {
	cfg    settings.GoogleCDN
	api    string // of the project: …/compute/v1/projects/p/global
	base   string // put before paths, without a slash at the end
	tokens tokens
	client *httpcall.Client
}

var _ cdn.Target = (*Target)(nil)

// Option changes how a target works.
type Option func(*options)

type options struct{ transport http.RoundTripper }

// WithTransport makes the calls by way of another transport than the target's
// own. It sees the tokens.
func WithTransport(t http.RoundTripper) Option { return func(o *options) { o.transport = t } }

// names are those of projects, with a domain perhaps, and of URL maps.
var (
	projectName = regexp.MustCompile(`^([a-z0-9.-]+:)?[a-z0-9][a-z0-9-]*$`)
	urlMapName  = regexp.MustCompile(`^[a-z]([-a-z0-9]*[a-z0-9])?$`)
)

// New returns the target of a group of settings and finds its credentials.
// Errors name the setting that is wrong.
func New(cfg settings.GoogleCDN, opts ...Option) (*Target, error) {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	t := &Target{cfg: cfg, client: httpcall.New(cfg.Name, cmp.Or(cfg.Timeout, time.Minute), o.transport)}
	err := t.readSettings()
	if err == nil {
		t.tokens, err = newTokens(cfg, t.client)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cfg.Name, err)
	}
	return t, nil
}

func (t *Target) readSettings() error {
	switch {
	case !projectName.MatchString(t.cfg.Project):
		return fmt.Errorf("setting Project %q is not a project ID", t.cfg.Project)
	case !urlMapName.MatchString(t.cfg.URLMap):
		return fmt.Errorf("setting URLMap %q is not the name of a URL map", t.cfg.URLMap)
	case strings.ContainsAny(t.cfg.Host, "/ *"):
		return fmt.Errorf("setting Host %q is not the name of a host", t.cfg.Host)
	}
	if path := strings.Trim(t.cfg.Path, "/"); path != "" {
		if !backends.ValidPath(path) {
			return fmt.Errorf("setting Path %q is not a path", t.cfg.Path)
		}
		t.base = "/" + backends.EscapePath(path)
	}
	api, err := httpcall.Base(cmp.Or(t.cfg.Endpoint, service))
	if err != nil {
		return fmt.Errorf("setting Endpoint %w", err)
	}
	t.api = api + "/compute/v1/projects/" + url.PathEscape(t.cfg.Project) + "/global"
	return nil
}

// Name is the instance's.
func (t *Target) Name() string { return t.cfg.Name }

// Close closes idle connections.
func (t *Target) Close() error { return t.client.Close() }

// Limits are Google's. A tenth of the minute's quota may come at once, so that
// no minute gets more than it has.
func (t *Target) Limits() cdn.Limits {
	rate := float64(cmp.Or(t.cfg.RatePerMinute, perMin))
	l := cdn.Limits{
		Actions: []cdn.Action{cdn.Invalidate}, Extents: []cdn.Extent{cdn.Prefix, cdn.All},
		Takes: func(item cdn.Item) bool { _, ok := t.rule(item); return ok },
		Items: 1, Families: 1, Rate: rate * 0.9 / 60, Burst: max(int(rate/10), 1), Concurrent: 4,
	}
	if t.cfg.Tags {
		l.Extents = append(l.Extents, cdn.Trunk, cdn.Scope)
		l.Items = maxTags
	}
	return l
}

// rule is the body of a request (reference, CacheInvalidationRule).
type rule struct {
	Host string   `json:"host,omitempty"`
	Path string   `json:"path,omitempty"`
	Tags []string `json:"cacheTags,omitempty"`
}

// rule says what is to be invalidated for an item; false where that has no
// name. A path pattern ends in "/*" or has no asterisk at all.
func (t *Target) rule(item cdn.Item) (rule, bool) {
	r := rule{Host: t.cfg.Host}
	if item.Action != cdn.Invalidate {
		return r, false
	}
	if t.cfg.Tags {
		if keys, ok := tags.Of(item); ok {
			r.Tags = keys
			return r, true
		}
	}
	switch {
	case item.Extent == cdn.Path && item.Subject != "":
		r.Path = t.base + "/" + backends.EscapePath(item.Subject)
	case item.Extent == cdn.Prefix && strings.HasSuffix(item.Subject, "/"):
		r.Path = t.base + "/" + backends.EscapePath(item.Subject) + "*"
	case item.Extent == cdn.All:
		r.Path = t.base + "/*"
	}
	return r, r.Path != ""
}

// call is one request and the items that it is for.
type call struct {
	rule
	items []int
}

// Deliver makes one request for each path, and one for every ten tags. After
// one that says that it is too much, or that nobody is there, no other is made.
func (t *Target) Deliver(ctx context.Context, batch []cdn.Item) []error {
	errs := make([]error, len(batch))
	var stop error
	for _, c := range t.calls(batch, errs) {
		err := stop
		if err == nil {
			err = t.invalidate(ctx, c.rule)
		}
		for _, i := range c.items {
			errs[i] = err
		}
		if errors.Is(err, cdn.ErrThrottled) || errors.Is(err, cdn.ErrUnavailable) {
			stop = err
		}
	}
	return errs
}

// calls sorts a batch into requests and refuses what has no name.
func (t *Target) calls(batch []cdn.Item, errs []error) []call {
	var list []call
	tagged := -1 // the request that takes more tags
	for i, item := range batch {
		r, ok := t.rule(item)
		switch {
		case !ok:
			errs[i] = t.client.Refused(fmt.Sprintf("Cloud CDN has no name for the %s %q", item.Extent, item.Subject))
		case len(r.Tags) > 0 && tagged >= 0 && len(list[tagged].Tags)+len(r.Tags) <= maxTags:
			list[tagged].Tags = append(list[tagged].Tags, r.Tags...)
			list[tagged].items = append(list[tagged].items, i)
		default:
			if len(r.Tags) > 0 {
				tagged = len(list)
			}
			list = append(list, call{r, []int{i}})
		}
	}
	return list
}
