// Package observe watches requests, the database and the stores, and tells
// what it saw: metrics for Prometheus, an access log, OpenTelemetry traces.
//
//	m := observe.NewMetrics()
//	h := &observe.Handler{Next: gateway, Metrics: m, Log: accessLog}
//	// and m.Registry for /metrics
//
// Nothing is global: two of each can live in one process. What is left out
// costs nothing.
package observe

import (
	"context"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"example.com/ezdfs/internal/accesslog"
	"example.com/ezdfs/internal/trusted"
)

// Handler watches the requests that it hands to Next. Every field but Next may
// be left out.
type Handler struct {
	Next    http.Handler
	Proxies trusted.Proxies
	Log     *accesslog.Log
	Metrics *Metrics
	Tracer  *Tracer
	// Backend names the backend of a path, without its leading slash.
	Backend func(path string) string
	// Logger gets what made Next panic.
	Logger *slog.Logger
}

var _ http.Handler = (*Handler)(nil)

// statusGone is logged for a request whose client left before there was an
// answer, as nginx does.
const statusGone = 499

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e := accesslog.Entry{Begin: time.Now(), Client: h.Proxies.Client(r)}
	e.RequestID = requestID(r, h.Proxies.Contains(trusted.Peer(r)))
	if h.Backend != nil && len(r.URL.Path) > 1 {
		e.Backend = h.Backend(r.URL.Path[1:])
	}
	w.Header()["X-Request-Id"] = []string{e.RequestID}
	rec := &recorder{ResponseWriter: w, begin: e.Begin, head: r.Method == http.MethodHead}
	var end func(*accesslog.Entry)
	r, end = h.Tracer.start(r, &e)
	e.Request = r
	e.Aborted = true // until it returns
	defer func() {
		cause := recover()
		h.done(rec, &e, cause)
		if end != nil {
			end(&e)
		}
		if cause != nil {
			panic(http.ErrAbortHandler)
		}
	}()
	h.Next.ServeHTTP(rec, r)
	e.Aborted = false
}

// done tells how a request ended. A panic that means to break the connection
// off is none to be told of.
func (h *Handler) done(rec *recorder, e *accesslog.Entry, cause any) {
	if cause != nil && cause != http.ErrAbortHandler && h.Logger != nil {
		h.Logger.LogAttrs(context.WithoutCancel(e.Request.Context()), slog.LevelError, "a request made the program panic",
			slog.String("path", e.Request.URL.Path), slog.Any("panic", cause), slog.String("stack", string(debug.Stack())))
	}
	e.Took, e.Status, e.Bytes, e.FirstByte = time.Since(e.Begin), rec.status, rec.bytes, rec.first
	if e.Status == 0 {
		e.Status, e.FirstByte = http.StatusOK, e.Took
		if e.Aborted {
			e.Status = statusGone
		}
	}
	h.Metrics.request(e)
	h.Log.Write(e)
}
