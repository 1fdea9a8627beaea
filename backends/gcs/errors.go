package gcs

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"slices"

	"cloud.google.com/go/auth"
	"cloud.google.com/go/storage"
	"google.golang.org/api/googleapi"

	"example.com/ezdfs/backends"
)

// wrap makes a *backends.Error of an error of the client, which says itself
// whether a 404 means an object; else it means the bucket.
func (b *Backend) wrap(ctx context.Context, op, path string, err error) error {
	var e *backends.Error
	if err == nil || errors.As(err, &e) {
		return err
	}
	return b.newError(ctx, op, path, err)
}

// unavailable is wrap for requests that fail only when the store cannot be
// used, whatever the reason.
func (b *Backend) unavailable(ctx context.Context, op, path string, err error) error {
	e := b.newError(ctx, op, path, err)
	if e.Kind != nil {
		e.Kind = backends.ErrUnavailable
	}
	return e
}

// newError classifies err. When the context ended the attempts, the client
// reports the last failure; to the caller the end of the context is the reason.
func (b *Backend) newError(ctx context.Context, op, path string, err error) *backends.Error {
	kind, retry := classify(err)
	if retry && ctx.Err() != nil {
		kind, retry, err = nil, false, ctx.Err()
	}
	return &backends.Error{Backend: b.cfg.Name, Op: op, Path: path, Kind: kind, Err: err, Retry: retry, Throttled: throttled(err)}
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
	case throttled(err):
		return backends.ErrUnavailable, true
	case code == http.StatusForbidden:
		return fs.ErrPermission, false
	case code == http.StatusBadRequest, code == http.StatusRequestEntityTooLarge:
		return fs.ErrInvalid, false
	case code == http.StatusPreconditionFailed:
		return backends.ErrChanged, false
	case code == http.StatusRequestTimeout, code >= 500:
		return backends.ErrUnavailable, true
	}
	return backends.ErrUnavailable, false // 401, 404 without an object, 410
}

// throttled reports whether an answer says that requests are too many.
func throttled(err error) bool {
	var api *googleapi.Error
	if !errors.As(err, &api) {
		return false
	}
	return api.Code == http.StatusTooManyRequests ||
		api.Code == http.StatusForbidden && slices.ContainsFunc(api.Errors, func(item googleapi.ErrorItem) bool {
			return item.Reason == "rateLimitExceeded" || item.Reason == "userRateLimitExceeded"
		})
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
