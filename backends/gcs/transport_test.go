package gcs

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"syscall"
)

// wire is a RoundTripper that remembers the requests and lets a test disturb
// them.
type wire struct {
	mu       sync.Mutex
	requests []*http.Request
	// disturb, when set, answers in place of next; n counts the requests from 1.
	disturb func(n int, r *http.Request, next http.RoundTripper) (*http.Response, error)
	next    http.RoundTripper
}

func (w *wire) option() Option {
	return WithTransport(func(next http.RoundTripper) http.RoundTripper {
		w.next = next
		return w
	})
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path == "/token" {
		return w.next.RoundTrip(r)
	}
	w.mu.Lock()
	w.requests = append(w.requests, r.Clone(r.Context())) // the client reuses some
	n, disturb := len(w.requests), w.disturb
	w.mu.Unlock()
	if disturb == nil {
		return w.next.RoundTrip(r)
	}
	return disturb(n, r, w.next)
}

// reset forgets the requests so far and sets what happens to the next ones.
func (w *wire) reset(disturb func(n int, r *http.Request, next http.RoundTripper) (*http.Response, error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.requests, w.disturb = nil, disturb
}

// sent returns method and path of each request.
func (w *wire) sent() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var sent []string
	for _, r := range w.requests {
		sent = append(sent, r.Method+" "+r.URL.Path)
	}
	return sent
}

// answer is a response of the service that it never gave.
func answer(r *http.Request, status int, body string) (*http.Response, error) {
	if r.Body != nil {
		io.Copy(io.Discard, r.Body)
		r.Body.Close()
	}
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}}, Request: r,
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}, nil
}

var errReset = &netError{syscall.ECONNRESET}

// netError is a broken connection as package net reports it.
type netError struct{ error }

func (e *netError) Temporary() bool { return true }
func (e *netError) Timeout() bool   { return false }
func (e *netError) Unwrap() error   { return e.error }

// lost lets a request through and loses its answer.
func lost(r *http.Request, next http.RoundTripper) (*http.Response, error) {
	resp, err := next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	io.Copy(io.Discard, resp.Body)
	return nil, errors.Join(errReset, resp.Body.Close())
}

// breaking is a body that breaks off with err after n bytes.
type breaking struct {
	io.ReadCloser
	n   int
	err error
}

func (b *breaking) Read(p []byte) (int, error) {
	if b.n == 0 {
		return 0, b.err
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.n)])
	b.n -= n
	return n, err
}
