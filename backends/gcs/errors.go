package gcs

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"

	"cloud.google.com/go/auth"
	"cloud.google.com/go/storage"
	"google.golang.org/api/googleapi"

	"example.com/ezdfs/backends"
)

// wrap makes a *backends.Error of an error of the client. Whether a 404 means
// the object or the bucket only the caller can know; here it is the object
// where the client says so and else the bucket.
func (b *Backend) wrap(op, path string, err error) error {
	var e *backends.Error
	if err == nil || errors.As(err, &e) {
		return err
	}
	kind, retry := classify(err)
	return &backends.Error{Backend: b.cfg.Name, Op: op, Path: path, Kind: kind, Err: err, Retry: retry}
}

// unavailable is wrap for requests that fail only when the store cannot be
// used, whatever the reason.
func (b *Backend) unavailable(op, path string, err error) error {
	kind, retry := classify(err)
	if kind != nil {
		kind = backends.ErrUnavailable
	}
	return &backends.Error{Backend: b.cfg.Name, Op: op, Path: path, Kind: kind, Err: err, Retry: retry}
}

// classify says what an error of the client means and whether a retry may
// help. A context that is done means nothing.
func classify(err error) (kind error, retry bool) {
	var api *googleapi.Error
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return nil, false
	case errors.Is(err, storage.ErrBucketNotExist):
		return backends.ErrUnavailable, false
	case errors.Is(err, storage.ErrObjectNotExist):
		return fs.ErrNotExist, false
	case errors.As(err, &api):
		return classifyStatus(api)
	}
	return backends.ErrUnavailable, transient(err)
}

// classifyStatus reads the status the service answered with.
func classifyStatus(err *googleapi.Error) (kind error, retry bool) {
	switch code := err.Code; {
	case code == http.StatusForbidden:
		for _, item := range err.Errors {
			if item.Reason == "rateLimitExceeded" || item.Reason == "userRateLimitExceeded" {
				return backends.ErrUnavailable, true
			}
		}
		return fs.ErrPermission, false
	case code == http.StatusBadRequest, code == http.StatusRequestEntityTooLarge:
		return fs.ErrInvalid, false
	case code == http.StatusPreconditionFailed:
		return backends.ErrChanged, false
	case code == http.StatusRequestTimeout, code == http.StatusTooManyRequests, code >= 500:
		return backends.ErrUnavailable, true
	}
	return backends.ErrUnavailable, false // 401, 404 without an object, 410
}

// transient reports whether an error that is no answer of the service may pass:
// the connection failed, or fetching a token did.
func transient(err error) bool {
	var (
		token *auth.Error
		op    *net.OpError
		dns   *net.DNSError
		slow  net.Error
	)
	if errors.As(err, &token) {
		return token.Temporary()
	}
	return storage.ShouldRetry(err) || errors.As(err, &op) || errors.As(err, &dns) ||
		errors.As(err, &slow) && slow.Timeout()
}
