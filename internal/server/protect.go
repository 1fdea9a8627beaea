package server

import (
	"net/http"
	"strconv"
	"time"

	"example.com/ezdfs/internal/errorpage"
)

// Protect bounds what a handler is asked to do: longer URLs are refused, and
// requests beyond MaxRequests, or beyond a client's share of them, are told to
// come again. A request with a body, which nothing here reads, has as long to
// send it as it had for its header.
func (s *Server) Protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inFlight := s.inFlight.Add(1)
		defer s.inFlight.Add(-1)
		if s.draining.Load() {
			w.Header()["Connection"] = []string{"close"}
		}
		if len(r.RequestURI) > s.o.MaxURLBytes {
			refuse(w, r, http.StatusRequestURITooLong)
			return
		}
		if s.o.MaxRequests > 0 && inFlight > int64(s.o.MaxRequests) {
			s.refused.Add(1)
			refuse(w, r, http.StatusServiceUnavailable)
			return
		}
		if s.shares.each > 0 && inFlight > s.shares.free {
			leave, ok := s.shares.enter(s.o.Proxies.Client(r))
			if !ok {
				s.refused.Add(1)
				refuse(w, r, http.StatusTooManyRequests)
				return
			}
			if leave != nil {
				defer leave()
			}
		}
		if r.ContentLength != 0 {
			w.Header()["Connection"] = []string{"close"}
			http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.o.ReadHeaderTimeout))
		}
		if r.ProtoMajor >= 2 && s.o.StallTimeout > 0 {
			w = &streamWriter{ResponseWriter: w, stall: s.o.StallTimeout}
		}
		next.ServeHTTP(w, r)
	})
}

// retryAfter is what refused requests are told, in seconds.
const retryAfter = 1

// refuse answers without asking the handler.
func refuse(w http.ResponseWriter, r *http.Request, status int) {
	header := w.Header()
	if status != http.StatusRequestURITooLong {
		header["Retry-After"] = []string{strconv.Itoa(retryAfter)}
	}
	header["X-Content-Type-Options"] = []string{"nosniff"}
	header["Cache-Control"] = []string{"no-store"}
	errorpage.Write(w, r, status)
}

// streamWriter gives each part of a body on HTTP/2 its own time: there the
// connection goes on while a client leaves one of its streams unread.
type streamWriter struct {
	http.ResponseWriter
	stall time.Duration
	set   time.Time
}

// Write implements http.ResponseWriter.
func (w *streamWriter) Write(p []byte) (int, error) {
	if now := time.Now(); now.Sub(w.set) > w.stall/8 {
		w.set = now
		http.NewResponseController(w.ResponseWriter).SetWriteDeadline(now.Add(w.stall))
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController find what it wraps.
func (w *streamWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
