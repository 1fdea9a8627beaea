package backends

import (
	"context"
	"errors"
	"net/http"
)

// IsThrottled reports whether err says that a store refused a request because
// there were too many: S3's SlowDown, Google's 429 and their like.
func IsThrottled(err error) bool {
	var e *Error
	if errors.As(err, &e) && e.Throttled {
		return true
	}
	var perPath *DeleteError
	if errors.As(err, &perPath) {
		for _, err := range perPath.Failed {
			if IsThrottled(err) {
				return true
			}
		}
	}
	return false
}

type throttleKey struct{}

// WithThrottleNotice returns a context whose requests call notice whenever a
// store throttles one of them, also where repeating it succeeds and nobody
// would see an error. Notice may be called by several goroutines at once.
func WithThrottleNotice(ctx context.Context, notice func()) context.Context {
	return context.WithValue(ctx, throttleKey{}, notice)
}

// NoticeThrottling returns the transport of a store's client, rt, so that it
// tells whoever asked by WithThrottleNotice of answers that mean "too many":
// 429, and 503, which S3 and Google send when requests must slow down.
func NoticeThrottling(rt http.RoundTripper) http.RoundTripper { return noticer{rt} }

type noticer struct{ http.RoundTripper }

func (n noticer) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := n.RoundTripper.RoundTrip(req)
	if err == nil && (resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable) {
		if notice, ok := req.Context().Value(throttleKey{}).(func()); ok {
			notice()
		}
	}
	return resp, err
}
