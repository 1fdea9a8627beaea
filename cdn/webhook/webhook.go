// Package webhook is a target that posts what changed, as signed JSON, to a
// program of the administrator's own: for any cache that has no target here.
//
//	target, err := webhook.New(s.Targets.Webhook["webhook:purger"], webhook.WithHost(host))
//	// ...
//	defer target.Close()
//	errs := target.Deliver(ctx, batch)
//
// One request carries one batch:
//
//	{"target": "webhook:purger", "host": "web1", "time": "2026-11-21T06:00:00Z", "items": [
//	  {"id": "81", "action": "invalidate", "extent": "path", "subject": "var/site/storage/a.png",
//	   "row": {"trunk": "var/site/storage/a.png", "scope": "image", "datatype": "image/png", "size": 10, "mtime": 1700000000, "live": true}},
//	  {"id": "82", "action": "invalidate", "extent": "prefix", "subject": "var/site/cache/"}]}
//
// The extents are path, prefix, trunk, scope and all. A row is that of the
// path, where it is known. A request without items and with "test": true asks
// whether the receiver is there.
//
// # What the receiver has to do
//
// Any 2xx status takes the batch. To take only a part, answer a 2xx with JSON
// that names the items which are not taken, by their ids:
//
//	{"results": [{"id": "81", "status": "retry", "reason": "zone is locked", "retry_after": 30},
//	             {"id": "82", "status": "refused", "reason": "not our prefix"}]}
//
// "retry" has an item sent again, after so many seconds; "refused" sets it
// aside for the administrator; "delivered" is what is said of all others. For
// the whole batch, 429 and 503, with Retry-After, mean later; 408, 425 and 5xx
// mean again; anything else is final.
//
// What fails is sent again, with the same ids, perhaps in another batch. The
// same batch has the same Idempotency-Key. The header X-Ezdfs-Signature is
// "sha256=" and the hexadecimal HMAC-SHA256 of the body, as in package
// events/webhook, whose Verify checks it.
package webhook

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
	"unicode/utf8"

	"example.com/ezdfs/cdn"
	"example.com/ezdfs/cdn/internal/httpcall"
	"example.com/ezdfs/internal/signed"
	"example.com/ezdfs/settings"
)

// Target posts what changed. Create it with New.
type Target struct {
	cfg    settings.WebhookTarget
	o      options
	client *httpcall.Client
}

var _ cdn.Target = (*Target)(nil)

// Option changes how a target works.
type Option func(*options)

type options struct {
	transport http.RoundTripper
	now       func() time.Time
	host      string
}

// WithTransport makes the calls by way of another transport than the target's
// own.
func WithTransport(t http.RoundTripper) Option { return func(o *options) { o.transport = t } }

// WithClock sets the clock of the requests' times.
func WithClock(now func() time.Time) Option { return func(o *options) { o.now = now } }

// WithHost names this host to the receiver.
func WithHost(name string) Option { return func(o *options) { o.host = name } }

// New returns the target of a group of settings. A URL that cannot be one is
// an error; it is not repeated, as its query may be secret.
func New(cfg settings.WebhookTarget, opts ...Option) (*Target, error) {
	o := options{now: time.Now}
	for _, opt := range opts {
		opt(&o)
	}
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New(cfg.Name + ": URL is not one such as https://host/purge")
	}
	t := &Target{cfg: cfg, o: o}
	t.client = httpcall.New(cfg.Name, cmp.Or(cfg.Timeout, 10*time.Second), o.transport, cfg.Secret)
	return t, nil
}

// Name is the instance's.
func (t *Target) Name() string { return t.cfg.Name }

// Close closes idle connections.
func (t *Target) Close() error { return t.client.Close() }

// Limits are the settings'.
func (t *Target) Limits() cdn.Limits {
	l := cdn.Limits{
		Actions: []cdn.Action{cdn.Invalidate}, Items: cmp.Or(t.cfg.MaxItems, 500),
		Rate: float64(t.cfg.Rate), Burst: t.cfg.Rate, Concurrent: max(t.cfg.Concurrency, 1),
	}
	if t.cfg.Push {
		l.Actions = append(l.Actions, cdn.Push)
	}
	if t.cfg.Families {
		l.Extents = []cdn.Extent{cdn.Prefix, cdn.Trunk, cdn.Scope, cdn.All}
	}
	return l
}

// takes says why an item cannot be sent, "" where it can.
func (t *Target) takes(item cdn.Item) string {
	switch {
	case item.Action != cdn.Invalidate && (item.Action != cdn.Push || !t.cfg.Push):
		return fmt.Sprintf("does not %s", item.Action)
	case !utf8.ValidString(item.Subject):
		return "JSON cannot say a name that is not UTF-8"
	case item.Extent == cdn.Path:
		return ""
	case t.cfg.Families && (item.Extent == cdn.Prefix || item.Extent == cdn.Trunk || item.Extent == cdn.Scope || item.Extent == cdn.All):
		return ""
	}
	return fmt.Sprintf("takes no item of the extent %s", item.Extent)
}

// Deliver posts a batch in one request.
func (t *Target) Deliver(ctx context.Context, batch []cdn.Item) []error {
	errs := make([]error, len(batch))
	places := map[string][]int{} // of the items that are sent, by id
	var sent []cdn.Item
	for i, item := range batch {
		if why := t.takes(item); why != "" {
			errs[i] = t.client.Refused(why)
			continue
		}
		sent = append(sent, item)
		places[item.ID] = append(places[item.ID], i)
	}
	if len(sent) == 0 {
		return errs
	}
	answer, err := t.post(ctx, t.message(sent))
	if err == nil && answer.OK() {
		t.partial(answer, places, errs)
		return errs
	}
	if err == nil {
		err = t.client.Error(answer, "")
	}
	for _, at := range places {
		for _, i := range at {
			errs[i] = err
		}
	}
	return errs
}

// Test posts a request without items.
func (t *Target) Test(ctx context.Context) (string, error) {
	m := t.message(nil)
	m.Test = true
	answer, err := t.post(ctx, m)
	if err != nil {
		return "", err
	}
	if !answer.OK() {
		return "", t.client.Error(answer, "")
	}
	return fmt.Sprintf("the receiver took a test with status %d", answer.Status), nil
}

func (t *Target) post(ctx context.Context, m message) (*httpcall.Answer, error) {
	body, err := m.encode()
	if err != nil {
		return nil, t.client.Refused(err.Error())
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.cfg.URL, bytes.NewReader(body))
	if err != nil {
		return nil, t.client.Refused("the URL cannot be posted to")
	}
	signed.Set(req.Header, t.cfg.Secret.Reveal(), body, m.Time, m.key())
	return t.client.Do(req)
}
