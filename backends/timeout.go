package backends

import (
	"context"
	"errors"
	"net/http"
)

// OwnTimeouts returns the transport of a store's client, rt, so that its own
// timeouts, of dialling or of waiting for an answer, are not taken for the end of
// the caller's context: net and net/http call both context.DeadlineExceeded. They
// are errors of a store that does not answer.
func OwnTimeouts(rt http.RoundTripper) http.RoundTripper { return timeouts{rt} }

type timeouts struct{ http.RoundTripper }

func (t timeouts) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.RoundTripper.RoundTrip(req)
	if err != nil && errors.Is(err, context.DeadlineExceeded) && req.Context().Err() == nil {
		err = timeout{err.Error()}
	}
	return resp, err
}

// timeout is a net.Error that wraps nothing.
type timeout struct{ reason string }

func (e timeout) Error() string { return e.reason }
func (timeout) Timeout() bool   { return true }
func (timeout) Temporary() bool { return true } // or clients do not try again
