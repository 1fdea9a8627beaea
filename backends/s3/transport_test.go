package s3

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"example.com/ezdfs/settings"
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

// stub returns a backend whose service is do alone.
func stub(tb testing.TB, do roundTripper, opts ...Option) *Backend {
	tb.Helper()
	set := settings.S3{
		AccessKeyID: "key", SecretAccessKey: "secret", Bucket: "bucket", Region: "us-east-1",
		Endpoint: "http://s3.invalid", UsePathStyleEndpoint: true, PartSize: 5 << 20, Concurrency: 4,
	}
	wrap := func(http.RoundTripper) http.RoundTripper { return do }
	return newBackend(tb, set, append([]Option{quick, WithTransport(wrap)}, opts...)...)
}

// spoiler answers a request, for instance with what base answers, changed.
type spoiler func(base http.RoundTripper, req *http.Request) (*http.Response, error)

// faults lets a test spoil the answers to some requests of a real service.
type faults struct {
	mu    sync.Mutex
	op    string // the operation to spoil
	times int    // how many more of it
	spoil spoiler
	seen  map[string]int // requests by operation
}

// wrap is an argument for WithTransport.
func (f *faults) wrap(base http.RoundTripper) http.RoundTripper {
	f.seen = map[string]int{}
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		op := operation(req)
		f.mu.Lock()
		f.seen[op]++
		spoil := f.spoil
		if op != f.op || f.times == 0 {
			spoil = nil
		} else {
			f.times--
		}
		f.mu.Unlock()
		if spoil != nil {
			return spoil(base, req)
		}
		return base.RoundTrip(req)
	})
}

// set spoils the next requests of op, and counts anew.
func (f *faults) set(op string, times int, spoil spoiler) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.op, f.times, f.spoil, f.seen = op, times, spoil, map[string]int{}
}

func (f *faults) count(op string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen[op]
}

var errReset = &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}

// cutBody ends the body of an answer with err after n bytes.
func cutBody(n int64, err error) spoiler {
	return changeBody(func(body io.Reader) io.Reader {
		return io.MultiReader(io.LimitReader(body, n), iotest.ErrReader(err))
	})
}

func changeBody(change func(io.Reader) io.Reader) spoiler {
	return func(base http.RoundTripper, req *http.Request) (*http.Response, error) {
		resp, err := base.RoundTrip(req)
		if err == nil {
			resp.Body = struct {
				io.Reader
				io.Closer
			}{change(resp.Body), resp.Body}
		}
		return resp, err
	}
}

// respond answers without asking the service.
func respond(status int, code string) spoiler {
	return func(_ http.RoundTripper, req *http.Request) (*http.Response, error) {
		return refuse(req, status, code), nil
	}
}

func reset(http.RoundTripper, *http.Request) (*http.Response, error) { return nil, errReset }

// loseAnswer does what is asked and keeps the answer back.
func loseAnswer(base http.RoundTripper, req *http.Request) (*http.Response, error) {
	resp, err := base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	return nil, errReset
}
