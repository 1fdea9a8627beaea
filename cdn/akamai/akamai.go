// Package akamai is a CDN target that purges by Akamai's Fast Purge API v3
// (CCU): by URL, by cache tag, or by CP code.
//
//	target, err := akamai.New(s.Targets.Akamai["akamai:media"])
//	// ...
//	defer target.Close()
//	errs := target.Deliver(ctx, batch)
//
// Directories, trunks and scopes are purged by the cache tags that the gateway
// sends; Akamai reads them from the header Edge-Cache-Tag, or from Cache Tag
// behaviours of the property (Purge Cache guide, "Assign cache tags"). A prefix
// that is no directory has no tag and is left to the ledger to expand. When
// everything changed the CP codes of the settings are purged.
//
// A purge by URL drops what is cached under exactly that URL: escaped as RFC
// 3986 has it, every byte but the unreserved ones. Visitors who write a URL
// differently have copies of their own; only a purge by tag reaches those.
//
// The API accepts a request as a whole or refuses it as a whole (reference,
// "Errors"). Where it refuses one for what is in it, Deliver looks for the
// objects at fault and delivers the others. Purging twice is harmless.
package akamai

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"example.com/ezdfs/cdn"
	"example.com/ezdfs/cdn/internal/httpcall"
	"example.com/ezdfs/cdn/internal/tags"
	"example.com/ezdfs/settings"
)

// What the API takes (reference, "Rate limiting" and "413"). The limits are
// those of the whole account: a part of the requests is left to others.
const (
	maxBody       = 50_000
	maxObjects    = 1_000
	requestRate   = 25 // of 50 a second
	requestBurst  = 50 // of 100
	urlRate       = 200.0
	urlBurst      = 10_000
	tagRate       = 500.0 / 60
	tagBurst      = 5_000
	maxFamilies   = 250
	throttleDelay = 5 * time.Second // reference, "429"
)

// Target purges what changed. Create it with New.
type Target struct {
	name    string
	cfg     settings.Akamai
	bases   []string
	api     string // scheme and host
	signer  signer
	client  *httpcall.Client
	network string
}

var _ cdn.Target = (*Target)(nil)

// Option changes how a target works.
type Option func(*options)

type options struct {
	transport http.RoundTripper
	now       func() time.Time
}

// WithTransport makes the calls by way of another transport than the target's
// own. It sees the signatures.
func WithTransport(t http.RoundTripper) Option { return func(o *options) { o.transport = t } }

// WithClock sets the clock of the signatures.
func WithClock(now func() time.Time) Option { return func(o *options) { o.now = now } }

// New returns the target of a group of settings, and reads its credentials.
// Errors name the setting that is wrong.
func New(cfg settings.Akamai, opts ...Option) (*Target, error) {
	o := options{now: time.Now}
	for _, opt := range opts {
		opt(&o)
	}
	t := &Target{name: cfg.Name, cfg: cfg, network: cmp.Or(cfg.Network, "production")}
	creds, err := findCredentials(cfg)
	if err == nil {
		err = t.readSettings(creds)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cfg.Name, err)
	}
	t.signer = signer{creds, o.now}
	t.client = httpcall.New(cfg.Name, cmp.Or(cfg.Timeout, 30*time.Second), o.transport,
		creds.clientToken, creds.clientSecret, creds.accessToken)
	return t, nil
}

// readSettings checks what requests are made of.
func (t *Target) readSettings(creds credentials) error {
	for _, text := range t.cfg.URLs {
		base, err := httpcall.Base(text)
		if err != nil {
			return fmt.Errorf("URLs[]=%s %w", text, err)
		}
		t.bases = append(t.bases, base)
	}
	if len(t.bases) == 0 && !t.byTag() {
		return errors.New("URLs is empty: name the URLs under which files are cached, or set PurgeBy=tag")
	}
	for _, code := range t.cfg.CPCodes {
		if n, err := strconv.ParseUint(code, 10, 32); err != nil || strconv.FormatUint(n, 10) != code {
			return fmt.Errorf("CPCodes[]=%s is not a number", code)
		}
	}
	var err error
	if t.api, err = httpcall.Base(cmp.Or(t.cfg.Endpoint, "https://"+creds.host)); err != nil {
		return fmt.Errorf("setting Endpoint or Host %w", err)
	}
	return nil
}

func (t *Target) byTag() bool { return t.cfg.PurgeBy == "tag" }

// Name is the instance's.
func (t *Target) Name() string { return t.name }

// Close closes idle connections.
func (t *Target) Close() error { return t.client.Close() }

// Limits are those that Akamai documents.
func (t *Target) Limits() cdn.Limits {
	l := cdn.Limits{
		Actions: []cdn.Action{cdn.Invalidate},
		Takes:   func(item cdn.Item) bool { _, ok := t.objects(item); return ok },
		Items:   maxObjects / max(len(t.bases), 1), Families: maxFamilies,
		Bytes: maxBody - envelope, Size: t.size,
		Rate: requestRate, Burst: requestBurst,
		ItemRate: urlRate / float64(max(len(t.bases), 1)), ItemBurst: urlBurst / max(len(t.bases), 1),
		Concurrent: 4,
	}
	if t.byTag() {
		l.Items, l.ItemRate, l.ItemBurst = maxObjects, tagRate, tagBurst
	}
	if t.cfg.Tags {
		l.Extents = append(l.Extents, cdn.Prefix, cdn.Trunk, cdn.Scope)
	}
	if len(t.cfg.CPCodes) > 0 {
		l.Extents = append(l.Extents, cdn.All)
	}
	return l
}

// objects returns what is purged for an item: objects of one type. It is false
// for an item that has no name here.
func (t *Target) objects(item cdn.Item) (purge, bool) {
	switch {
	case item.Action != cdn.Invalidate:
	case item.Extent == cdn.All:
		return purge{kind: "cpcode", objects: t.cfg.CPCodes}, len(t.cfg.CPCodes) > 0
	case item.Extent == cdn.Path && !t.byTag():
		p := purge{kind: "url"}
		for _, base := range t.bases {
			p.objects = append(p.objects, httpcall.Join(base, item.Subject))
		}
		return p, true
	case item.Extent == cdn.Path || t.cfg.Tags:
		keys, ok := tags.Of(item)
		return purge{kind: "tag", objects: keys}, ok
	}
	return purge{}, false
}

// Deliver purges a batch, with one request for each type of object in it.
func (t *Target) Deliver(ctx context.Context, batch []cdn.Item) []error {
	errs := make([]error, len(batch))
	byKind := map[string][]purge{}
	for i, item := range batch {
		p, ok := t.objects(item)
		if p.item = i; !ok {
			errs[i] = t.client.Refused(fmt.Sprintf("Akamai has no name for the %s %q", item.Extent, item.Subject))
			continue
		}
		byKind[p.kind] = append(byKind[p.kind], p)
	}
	d := &delivery{t: t, errs: errs, calls: maxCalls}
	for _, kind := range []string{"cpcode", "tag", "url"} {
		for _, chunk := range chunks(byKind[kind]) {
			d.send(ctx, chunk)
		}
	}
	return errs
}

// Test asks for the state of the rate limits, which proves the credentials and
// purges nothing (reference, "Check rate and object limit statuses").
func (t *Target) Test(ctx context.Context) (string, error) {
	kind := "url"
	if t.byTag() {
		kind = "tag"
	}
	answer, err := t.post(ctx, "/ccu/v3/rate-limit-status/"+kind, nil)
	if err != nil {
		return "", err
	}
	if err := t.answerError(answer); err != nil {
		return "", err
	}
	text := "Akamai took the credentials"
	if left := answer.Header.Get("X-Ratelimit-Remaining"); left != "" {
		text += ", " + httpcall.Clip(left) + " requests are left"
	}
	if left := answer.Header.Get("X-Ratelimit-Remaining-Objects"); left != "" {
		text += ", " + httpcall.Clip(left) + " objects"
	}
	return text, nil
}

// chunks splits purges so that each part fits into a request. Batches within
// Limits are rarely split.
func chunks(purges []purge) [][]purge {
	var list [][]purge
	size, count := 0, 0
	for _, p := range purges {
		n := p.size()
		if len(list) == 0 || size+n > maxBody-envelope || count+len(p.objects) > maxObjects {
			list = append(list, nil)
			size, count = 0, 0
		}
		last := len(list) - 1
		list[last] = append(list[last], p)
		size, count = size+n, count+len(p.objects)
	}
	return slices.Clip(list)
}
