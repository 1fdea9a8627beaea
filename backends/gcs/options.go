package gcs

import (
	"net/http"
	"time"

	"cloud.google.com/go/storage"
	"github.com/googleapis/gax-go/v2"
)

// Option changes how a Backend works.
type Option func(*options)

type options struct {
	chunkSize int
	pageSize  int // objects in one answer of a listing
	wrap      func(http.RoundTripper) http.RoundTripper
	backoff   gax.Backoff
}

// quantum is the unit of the chunks of a resumable upload.
const quantum = 256 << 10

func newOptions(opts []Option) options {
	o := options{
		chunkSize: 8 << 20,
		pageSize:  1000, // the service gives no more
		wrap:      func(rt http.RoundTripper) http.RoundTripper { return rt },
		backoff:   gax.Backoff{Initial: 200 * time.Millisecond, Max: 5 * time.Second, Multiplier: 2},
	}
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

// WithChunkSize sets how many bytes go in one request of an upload; it is
// rounded up to a multiple of 256 KiB and 8 MiB by default. Each staged body
// holds up to one chunk in memory until it is published or discarded.
func WithChunkSize(bytes int) Option {
	return func(o *options) { o.chunkSize = max(quantum, roundUp(bytes)) }
}

// WithTransport puts a RoundTripper of the caller's around the one that sends
// the requests, to trace or to count them. It sees the credentials that are
// sent.
func WithTransport(wrap func(http.RoundTripper) http.RoundTripper) Option {
	return func(o *options) { o.wrap = wrap }
}

func roundUp(bytes int) int { return (bytes + quantum - 1) / quantum * quantum }

// maxAttempts is how often a request is sent at most. With the default backoff
// the last attempt comes some seconds after the first.
const maxAttempts = 6

// retryRequests makes the client repeat every kind of request; see the package
// comment for why that is safe.
func (o options) retryRequests() []storage.RetryOption {
	return []storage.RetryOption{
		storage.WithPolicy(storage.RetryAlways),
		storage.WithMaxAttempts(maxAttempts),
		storage.WithBackoff(o.backoff),
	}
}

// uploadRetry bounds the attempts of one upload, for which the client knows no
// maximum: maxAttempts for each request, counted anew when a chunk got
// through. The client calls both methods from one goroutine.
type uploadRetry struct{ failures int }

func (u *uploadRetry) again(err error) bool {
	if !storage.ShouldRetry(err) {
		return false
	}
	u.failures++
	return u.failures < maxAttempts
}

func (u *uploadRetry) progress(int64) { u.failures = 0 }
