package s3

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// roundTripper is a function as a transport.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// answer is a response the service never gave.
func answer(req *http.Request, status int, body string) *http.Response {
	if req.Body != nil {
		io.Copy(io.Discard, req.Body)
		req.Body.Close()
	}
	if req.Method == http.MethodHead {
		body = ""
	}
	return &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req,
		Header: http.Header{"Content-Type": {"application/xml"}}, ContentLength: int64(len(body)),
		Body: io.NopCloser(strings.NewReader(body)),
	}
}

// refuse answers with an error of the API.
func refuse(req *http.Request, status int, code string) *http.Response {
	return answer(req, status, fmt.Sprintf("<Error><Code>%s</Code><Message>made up by the test</Message></Error>", code))
}

// quick makes retries wait next to nothing.
func quick(o *options) { o.limits.maxBackoff = time.Millisecond }

// withLimits changes the limits of a backend.
func withLimits(change func(*limits)) Option { return func(o *options) { change(&o.limits) } }
