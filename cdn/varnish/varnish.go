// Package varnish is a CDN target that purges Varnish hosts.
//
//	target, err := varnish.New(s.Targets.Varnish["varnish:front"])
//	// ...
//	defer target.Close()
//	errs := target.Deliver(ctx, batch)
//
// It speaks what the VCL of examples/varnish understands (Varnish user guide,
// "Purging and banning"):
//
//	PURGE /var/a.png                      this URL, of each of the sites
//	PURGE / with xkey: p-… d-…            every file with one of these keys
//	BAN / with X-Ban-Prefix: /var/site/   every URL that begins so
//
// A prefix is sent as text, percent-encoded as it stands in URLs; what in it
// means something in a regular expression is escaped by the VCL, once, for
// every sender. A URL that is written in another way has a copy of its own,
// which only a purge by key reaches.
//
// Every host has to take an item, or none has: an item that one of them did not
// take is delivered again to all, which is harmless.
package varnish

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"example.com/ezdfs/cdn"
	"example.com/ezdfs/cdn/internal/batch"
	"example.com/ezdfs/cdn/internal/httpcall"
	"example.com/ezdfs/settings"
)

const (
	maxItems = 256
	// maxKeys bounds the header xkey well below http_req_hdr_len, 8 KB
	// (varnishd's parameters).
	maxKeys = 256
)

// Target purges some Varnish hosts, which hold the same sites. Create it with
// New.
type Target struct {
	cfg     settings.Varnish
	servers []server
	sites   []site
	client  *httpcall.Client
}

var _ cdn.Target = (*Target)(nil)

// server is one Varnish host.
type server struct{ base, name string }

// site is what distinguishes the copies of one path: the Host header, "" for
// the server's own, and what stands before the path.
type site struct{ host, path string }

// Option changes how a target works.
type Option func(*options)

type options struct{ transport http.RoundTripper }

// WithTransport makes the requests by way of another transport than the
// target's own. It sees the secret.
func WithTransport(t http.RoundTripper) Option { return func(o *options) { o.transport = t } }

// New returns the target of a group of settings. Errors name the setting that
// is wrong.
func New(cfg settings.Varnish, opts ...Option) (*Target, error) {
	cfg.Concurrency = max(cfg.Concurrency, 1)
	o := options{transport: transport(cfg.Concurrency)}
	for _, opt := range opts {
		opt(&o)
	}
	t := &Target{cfg: cfg}
	if err := errors.Join(t.readServers(), t.readSites()); err != nil {
		return nil, fmt.Errorf("%s: %w", cfg.Name, err)
	}
	t.client = httpcall.New(cfg.Name, cmp.Or(cfg.Timeout, 5*time.Second), o.transport, cfg.Secret)
	return t, nil
}

// transport keeps as many connections as are used, and uses no proxy: the ACL
// of the VCL goes by this host's address.
func transport(concurrency int) http.RoundTripper {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = nil
	t.MaxIdleConnsPerHost = concurrency
	return t
}

func (t *Target) readServers() error {
	for _, text := range t.cfg.Servers {
		base, err := httpcall.Base(text)
		if err != nil {
			return fmt.Errorf("cdn.ini: Servers[]=%s %w", text, err)
		}
		u, _ := url.Parse(base)
		t.servers = append(t.servers, server{base, u.Host})
	}
	if len(t.servers) == 0 {
		return errors.New("cdn.ini: Servers is empty: name the Varnish hosts, Servers[]=http://10.0.0.5:6081")
	}
	return nil
}

func (t *Target) readSites() error {
	for _, text := range t.cfg.URLs {
		base, err := httpcall.Base(text)
		if err != nil {
			return fmt.Errorf("cdn.ini: URLs[]=%s %w", text, err)
		}
		u, _ := url.Parse(base)
		t.sites = append(t.sites, site{u.Host, u.EscapedPath()})
	}
	if len(t.sites) == 0 {
		t.sites = []site{{}}
	}
	return nil
}

// Name is the instance's.
func (t *Target) Name() string { return t.cfg.Name }

// Close closes idle connections.
func (t *Target) Close() error { return t.client.Close() }

// Limits: Varnish has none but what its hosts can do at once.
func (t *Target) Limits() cdn.Limits {
	l := cdn.Limits{
		Actions:    []cdn.Action{cdn.Invalidate},
		Extents:    []cdn.Extent{cdn.Prefix, cdn.All},
		Takes:      func(item cdn.Item) bool { _, ok := t.plan(item); return ok },
		Items:      maxItems,
		Cheap:      true,
		Concurrent: 2,
	}
	if t.cfg.Keys {
		l.Extents = append(l.Extents, cdn.Trunk, cdn.Scope)
	}
	return l
}

// Deliver sends a batch to every host.
func (t *Target) Deliver(ctx context.Context, items []cdn.Item) []error {
	errs := make([]error, len(items))
	var requests []request
	var keys []batch.Part
	for i, item := range items {
		p, ok := t.plan(item)
		if !ok {
			errs[i] = t.client.Refused(fmt.Sprintf("Varnish has no name for the %s %q", item.Extent, item.Subject))
			continue
		}
		for _, r := range p.requests {
			r.items = []int{i}
			requests = append(requests, r)
		}
		if len(p.keys) > 0 {
			keys = append(keys, batch.Part{Item: i, Objects: p.keys})
		}
	}
	requests = append(requests, t.byKey(keys)...)
	failures := t.send(ctx, requests, len(items))
	for i := range items {
		if errs[i] == nil {
			errs[i] = t.join(failures[i])
		}
	}
	return errs
}

// Test purges something that there is not, in each way that the settings use.
func (t *Target) Test(ctx context.Context) (string, error) {
	const name = ".ezdfs-test"
	requests := t.banPrefix(name + "/")
	if !t.byKeyAlone() {
		requests = append(requests, t.purgeURL(name)...)
	}
	if t.byKeyAlone() || t.cfg.Keys {
		requests = append(requests, t.byKey([]batch.Part{{Objects: []string{"p-ezdfs-test"}}})...)
	}
	for i := range requests {
		requests[i].items = []int{0}
	}
	if err := t.join(t.send(ctx, requests, 1)[0]); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d of %d Varnish hosts take purges and bans", len(t.servers), len(t.servers)), nil
}
