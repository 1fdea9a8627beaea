package gateway

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"strconv"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/internal/errorpage"
	"example.com/ezdfs/metadata"
)

// allow lists the methods that are answered.
const allow = "GET, HEAD, OPTIONS"

// fault is an answer other than the file. The client sees the status alone.
type fault struct {
	status int
	size   int64 // of the file, for 416
	err    error
}

func (f *fault) Error() string {
	if f.err != nil {
		return f.err.Error()
	}
	return http.StatusText(f.status)
}

func (f *fault) Unwrap() error { return f.err }

// faultOf says how to answer what went wrong. A store or a database that is
// down says nothing about the file: 503, try again. A live row without its
// body is damage that trying again does not mend.
func faultOf(err error) *fault {
	var known *fault
	var damaged *cluster.BodyMissingError
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &damaged):
		return &fault{status: http.StatusInternalServerError, err: err}
	case unavailable(err):
		return &fault{status: http.StatusServiceUnavailable, err: err}
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrInvalid):
		return &fault{status: http.StatusNotFound, err: err}
	}
	return &fault{status: http.StatusInternalServerError, err: err}
}

func unavailable(err error) bool {
	for _, kind := range []error{
		metadata.ErrUnavailable, metadata.ErrLocked, metadata.ErrSchema,
		backends.ErrUnavailable, backends.ErrChanged, context.DeadlineExceeded, errUnsettled,
	} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return backends.IsRetryable(err) || metadata.IsRetryable(err)
}

// fail answers what went wrong, unless nobody is there any more to be told.
func (x *exchange) fail(err error) {
	if x.r.Context().Err() != nil {
		panic(http.ErrAbortHandler)
	}
	f := faultOf(err)
	header := x.w.Header()
	x.always(header)
	switch f.status {
	case http.StatusMethodNotAllowed:
		header.Set("Allow", allow)
	case http.StatusRequestedRangeNotSatisfiable:
		header.Set("Content-Range", "bytes */"+strconv.FormatInt(f.size, 10))
	case http.StatusServiceUnavailable:
		header.Set("Retry-After", strconv.Itoa(max(1, int(x.o.RetryAfter.Seconds()))))
	}
	if f.status >= http.StatusInternalServerError {
		level := slog.LevelError
		if errors.Is(f.err, errLeftAlone) { // which was logged once
			level = slog.LevelDebug
		}
		x.o.Logger.LogAttrs(x.r.Context(), level, "cannot serve a file",
			slog.String("path", x.r.URL.Path), slog.Int("status", f.status), slog.Any("error", f.err))
	}
	header.Set("Cache-Control", "no-store")
	errorpage.Write(x.w, x.r, f.status)
}
