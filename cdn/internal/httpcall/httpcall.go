// Package httpcall makes the HTTP calls of CDN targets: it reads answers whole,
// sorts statuses into what the ledger asks of an error, and keeps URLs, whose
// queries and user names may be secret, out of every error.
package httpcall

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/cdn"
	"example.com/ezdfs/settings"
)

// maxAnswer bounds what is read of an answer; no API says so much.
const maxAnswer = 4 << 20

// Client makes the calls of one target. It follows no redirect: another place
// would get what was meant, and signed, for the first.
type Client struct {
	target string
	http   *http.Client
	hide   *strings.Replacer
}

// New returns a client whose calls, each with its answer, take at most
// timeout. A nil transport is one of its own. Secrets that a service repeats
// are hidden in errors. The target closes the client.
func New(target string, timeout time.Duration, transport http.RoundTripper, secrets ...settings.Secret) *Client {
	if transport == nil {
		transport = http.DefaultTransport.(*http.Transport).Clone()
	}
	var hide []string
	for _, secret := range secrets {
		if secret != "" {
			hide = append(hide, secret.Reveal(), secret.String())
		}
	}
	return &Client{target, &http.Client{
		Transport: transport, Timeout: timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, strings.NewReplacer(hide...)}
}

// HTTP is the client below, for libraries that want one.
func (c *Client) HTTP() *http.Client { return c.http }

// Close closes idle connections.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// Answer is what a service said.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// OK reports whether the status is a 2xx.
func (a *Answer) OK() bool { return a.Status/100 == 2 }

// Do sends a request and reads the answer, whatever its status. Its errors are
// of type *cdn.Error and of the kind ErrUnavailable.
func (c *Client) Do(req *http.Request) (*Answer, error) {
	req.Header.Set("User-Agent", "ezdfs")
	response, err := c.http.Do(req)
	if err != nil {
		return nil, c.unavailable(req, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, c.unavailable(req, err)
	}
	return &Answer{response.StatusCode, response.Header, body}, nil
}

// unavailable says that a host did not answer, and why. What a URL error
// repeats is left out.
func (c *Client) unavailable(req *http.Request, err error) error {
	var e *url.Error
	if errors.As(err, &e) {
		err = e.Err
		if e.Timeout() && !errors.Is(err, context.DeadlineExceeded) {
			err = context.DeadlineExceeded
		}
	}
	return &cdn.Error{Target: c.target, Kind: cdn.ErrUnavailable, Reason: "no answer from " + req.URL.Host, Err: err}
}

// Refused is an error that no repetition changes.
func (c *Client) Refused(reason string) *cdn.Error {
	return &cdn.Error{Target: c.target, Kind: cdn.ErrRefused, Reason: c.reason(reason)}
}

// Again is an error that another try, after a while, may not meet.
func (c *Client) Again(reason string, wait time.Duration) *cdn.Error {
	return &cdn.Error{Target: c.target, Kind: cdn.ErrUnavailable, Reason: c.reason(reason), RetryAfter: wait}
}

// reason is what a service says, as far as it can be shown.
func (c *Client) reason(text string) string { return Clip(c.hide.Replace(text)) }

// Error is the error of an answer that is none of success: throttled for 429, unavailable for 5xx and
// what else may be different a moment later, refused for all others. A 2xx that
// brings here is one of somebody else's, say a proxy's, and so unavailable. The
// reason is the service's own, as far as it can be shown.
func (c *Client) Error(a *Answer, reason string) *cdn.Error {
	e := &cdn.Error{Target: c.target, Kind: kindOf(a.Status), Status: a.Status, Reason: c.reason(reason)}
	if e.Kind != cdn.ErrRefused {
		e.RetryAfter = RetryAfter(a.Header.Get("Retry-After"), time.Now())
	}
	switch {
	case a.OK():
		e.Reason = "an answer that is not the service's"
	case a.Status/100 == 3:
		e.Reason = "redirected, which is not followed: name the right address"
	}
	return e
}

// kindOf sorts the statuses (RFC 9110 section 15, RFC 6585
// section 4).
func kindOf(status int) error {
	switch {
	case status == http.StatusTooManyRequests:
		return cdn.ErrThrottled
	case status >= 500, status/100 == 2, status == http.StatusRequestTimeout, status == http.StatusTooEarly:
		return cdn.ErrUnavailable
	}
	return cdn.ErrRefused
}

// maxRetryAfter is the longest wait that a service is granted.
const maxRetryAfter = 24 * time.Hour

// RetryAfter reads the header of that name: seconds or a date (RFC 9110
// section 10.2.3). It returns 0 for none.
func RetryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return Wait(float64(seconds))
	}
	if at, err := http.ParseTime(value); err == nil {
		return Wait(at.Sub(now).Seconds())
	}
	return 0
}

// Wait is as many seconds as a service asks for, within bounds.
func Wait(seconds float64) time.Duration {
	return time.Duration(min(max(seconds, 0), maxRetryAfter.Seconds()) * float64(time.Second))
}

// maxReason bounds the reasons in errors, which the ledger keeps.
const maxReason = 300

// Clip makes text of a service fit for an error: one line, not too long.
func Clip(text string) string {
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "?"), func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r)
	}), " ")
	if len(text) <= maxReason {
		return text
	}
	return strings.ToValidUTF8(text[:maxReason], "") + "…"
}

// Base checks a setting that is the base of URLs and returns it without a slash
// at its end. Bases are ASCII, as they stand in requests.
func Base(text string) (string, error) {
	u, err := url.Parse(text)
	odd := strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("\"<>\\^`{|}", r) })
	if err != nil || odd || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("is not a URL such as https://www.example.com, without a user, a query or a fragment")
	}
	return strings.TrimRight(text, "/"), nil
}

// Join returns the URL of a path below a base.
func Join(base, path string) string { return base + "/" + backends.EscapePath(path) }

// All returns the same error for each of n items.
func All(n int, err error) []error {
	errs := make([]error, n)
	for i := range errs {
		errs[i] = err
	}
	return errs
}
