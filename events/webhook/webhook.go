// Package webhook is a listener that posts events as JSON to a URL.
//
//	listener, err := webhook.New(webhook.Options{URL: "https://example.com/hook", Secret: secret, Host: host})
//
// One request carries one batch:
//
//	{"host": "web1", "time": "2026-11-21T06:00:00Z", "events": [
//	  {"event": "cluster/deleteFile", "seq": 12, "time": "…", "path": "var/site/storage/a.png"},
//	  {"event": "cluster/deleteByNametrunk", "seq": 13, "time": "…", "trunk": "var/site/cache/content/2-"}]}
//
// The other arguments are prefix and like (deleteByLike), prefix, common, dir
// and suffix (deleteByDirList), wildcard, scope, hash instead of path, and
// count for cluster/lost: so many events could not be sent. Rows that were
// read (storeMetadata) are not sent.
//
// # What the receiver has to do
//
// Any 2xx status takes the batch. A request that fails for the moment (no
// answer, 408, 425, 429, 5xx) is repeated with the same Idempotency-Key, not
// before its Retry-After; any other status is final, and the events are lost.
//
// With a secret, the header X-Ezdfs-Signature is "sha256=" and the hexadecimal
// HMAC-SHA256 of the body. The time in the body, repeated in Unix seconds by
// the header X-Ezdfs-Timestamp, is when the request was made: refuse what is
// older than a few minutes, by the body, which is signed. [Verify] does both.
package webhook

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"example.com/ezdfs/events"
	"example.com/ezdfs/internal/signed"
)

// Options say where events go.
type Options struct {
	// URL is http or https.
	URL string
	// Secret is the key of the signature; empty signs nothing.
	Secret string
	// Timeout is for one request; 5 seconds where it is 0.
	Timeout time.Duration
	// Host is the name of this host, for the receiver.
	Host string
	// Transport makes the requests; nil is one of the listener's own.
	Transport http.RoundTripper
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// The headers of a request.
const (
	SignatureHeader   = signed.SignatureHeader
	TimestampHeader   = signed.TimestampHeader
	IdempotencyHeader = signed.IdempotencyHeader
)

// Listener posts events.
type Listener struct {
	options Options
	host    string // of the URL, with its port
	client  *http.Client
}

var _ events.Listener = (*Listener)(nil)

// New returns a listener that posts to a URL. An URL that cannot be one is an
// error. The hub that gets the listener closes it.
func New(o Options) (*Listener, error) {
	target, err := url.Parse(o.URL)
	if err != nil { // it repeats the URL, which may hold a password
		return nil, errors.New("webhook: [Webhook] URL is not a URL")
	}
	if target.Scheme != "http" && target.Scheme != "https" || target.Host == "" {
		return nil, fmt.Errorf("webhook: [Webhook] URL=%s: it has to begin with http:// or https:// and name a host", target.Redacted())
	}
	if o.Timeout <= 0 {
		o.Timeout = 5 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Transport == nil {
		o.Transport = http.DefaultTransport.(*http.Transport).Clone()
	}
	l := &Listener{options: o, host: target.Host}
	l.client = &http.Client{Transport: o.Transport, Timeout: o.Timeout, CheckRedirect: l.checkRedirect}
	return l, nil
}

// maxRedirects is how many redirects one request follows.
const maxRedirects = 5

// checkRedirect follows redirects to the same scheme and host alone: another
// one would get what was meant for the first. What is not followed is the
// answer.
func (l *Listener) checkRedirect(next *http.Request, via []*http.Request) error {
	first := via[0].URL
	if len(via) > maxRedirects || next.URL.Scheme != first.Scheme || next.URL.Host != first.Host || next.Method != http.MethodPost {
		return http.ErrUseLastResponse
	}
	return nil
}

// Ping connects to the host and says nothing: whoever listens there takes each
// request for an event.
func (l *Listener) Ping(ctx context.Context) error {
	target, err := url.Parse(l.options.URL)
	if err != nil {
		return err
	}
	port := cmp.Or(target.Port(), map[string]string{"http": "80", "https": "443"}[target.Scheme])
	dialer := net.Dialer{Timeout: l.options.Timeout}
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(target.Hostname(), port))
	if err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	return conn.Close()
}

// Name returns "webhook".
func (l *Listener) Name() string { return "webhook" }

// Close closes idle connections.
func (l *Listener) Close() error {
	l.client.CloseIdleConnections()
	return nil
}

// Notify posts a batch.
func (l *Listener) Notify(ctx context.Context, batch []events.Event) error {
	now := l.options.Now()
	body, err := encode(l.options.Host, now, batch)
	if err != nil {
		return events.Permanent(fmt.Errorf("webhook: encode: %w", err))
	}
	if body == nil {
		return nil
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, l.options.URL, bytes.NewReader(body))
	if err != nil {
		return events.Permanent(errors.New("webhook: the URL of [Webhook] cannot be posted to"))
	}
	signed.Set(request.Header, l.options.Secret, body, now, idempotencyKey(l.options.Host, batch))
	response, err := l.client.Do(request)
	if err != nil {
		return l.unreached(err)
	}
	defer response.Body.Close()
	io.Copy(io.Discard, io.LimitReader(response.Body, 1<<16)) // lets the connection be used again
	return l.verdict(response)
}

// unreached says why there was no answer, without the URL, whose query may be
// secret.
func (l *Listener) unreached(err error) error {
	var e *url.Error
	if errors.As(err, &e) {
		err = e.Err
	}
	return fmt.Errorf("webhook: post to %s: %w", l.host, err)
}

// verdict turns an answer into an error.
func (l *Listener) verdict(response *http.Response) error {
	if response.StatusCode/100 == 2 {
		return nil
	}
	err := fmt.Errorf("webhook: %s answered %s", l.host, response.Status)
	if !retryable(response.StatusCode) {
		return events.Permanent(err)
	}
	if wait := l.retryAfter(response.Header.Get("Retry-After")); wait > 0 {
		return events.RetryAfter(err, wait)
	}
	return err
}

// retryable tells the answers that may be others a moment later.
func retryable(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return status >= 500
}

// retryAfter reads the header: seconds or a date.
func (l *Listener) retryAfter(value string) time.Duration {
	if seconds, err := strconv.ParseUint(value, 10, 16); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return at.Sub(l.options.Now())
	}
	return 0
}
