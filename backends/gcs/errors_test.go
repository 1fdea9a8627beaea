package gcs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"cloud.google.com/go/auth"
	"cloud.google.com/go/storage"
	"google.golang.org/api/googleapi"

	"example.com/ezdfs/backends"
)

func TestClassify(t *testing.T) {
	api := func(code int, reason string) error {
		return fmt.Errorf("wrapped: %w", &googleapi.Error{Code: code, Errors: []googleapi.ErrorItem{{Reason: reason}}})
	}
	for _, test := range []struct {
		err   error
		kind  error
		retry bool
	}{
		{context.Canceled, nil, false},
		{fmt.Errorf("%w: %w", context.DeadlineExceeded, api(503, "")), nil, false},
		{storage.ErrBucketNotExist, backends.ErrUnavailable, false},
		{fmt.Errorf("%w: %w", storage.ErrObjectNotExist, api(404, "notFound")), fs.ErrNotExist, false},
		{api(400, "invalid"), fs.ErrInvalid, false},
		{api(401, "authError"), backends.ErrUnavailable, false},
		{api(403, "forbidden"), fs.ErrPermission, false},
		{api(403, "rateLimitExceeded"), backends.ErrUnavailable, true},
		{api(403, "userRateLimitExceeded"), backends.ErrUnavailable, true},
		{api(404, "notFound"), backends.ErrUnavailable, false},
		{api(408, ""), backends.ErrUnavailable, true},
		{api(410, ""), backends.ErrUnavailable, false},
		{api(412, "conditionNotMet"), backends.ErrChanged, false},
		{api(429, ""), backends.ErrUnavailable, true},
		{api(500, ""), backends.ErrUnavailable, true},
		{api(504, ""), backends.ErrUnavailable, true},
		{&net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, backends.ErrUnavailable, true},
		{&net.DNSError{Name: "storage.invalid", IsNotFound: true}, backends.ErrUnavailable, true},
		{io.ErrUnexpectedEOF, backends.ErrUnavailable, true},
		{&auth.Error{Response: &http.Response{StatusCode: 503}}, backends.ErrUnavailable, true},
		{&auth.Error{Response: &http.Response{StatusCode: 400}}, backends.ErrUnavailable, false},
		{errors.New("something else"), backends.ErrUnavailable, false},
	} {
		if kind, retry := classify(test.err); kind != test.kind || retry != test.retry {
			t.Errorf("classify(%v) = %v, %t, want %v, %t", test.err, kind, retry, test.kind, test.retry)
		}
	}
}

// calls are all methods that ask the service, for one path.
func calls(b *Backend) map[string]func(ctx context.Context) error {
	return map[string]func(ctx context.Context) error{
		"ping":   b.Ping,
		"stat":   func(ctx context.Context) error { _, err := b.Stat(ctx, "a"); return err },
		"open":   func(ctx context.Context) error { _, err := b.Open(ctx, "a", 0, -1); return err },
		"copy":   func(ctx context.Context) error { return backends.Copy(ctx, b, "a", "b") },
		"delete": func(ctx context.Context) error { return b.Delete(ctx, []string{"a"}) },
		"list": func(ctx context.Context) error {
			for _, err := range b.List(ctx, "", "") {
				return err
			}
			return nil
		},
		"publish": func(ctx context.Context) error {
			staged, err := b.Stage(ctx, "a", strings.NewReader("x"), backends.Attributes{Size: 1})
			if err != nil {
				return err
			}
			return staged.Publish(ctx)
		},
	}
}

// TestMissingBucket on the emulator itself: nothing reads as "no such body".
func TestMissingBucket(t *testing.T) {
	cfg := startService(t).config(t)
	cfg.Bucket = "nobody-made-it"
	for name, call := range calls(newBackend(t, cfg)) {
		if err := call(t.Context()); !errors.Is(err, backends.ErrUnavailable) || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v, want ErrUnavailable", name, err)
		}
	}
}

// TestNobodyListens: the endpoint is silent; a retry may help later.
func TestNobodyListens(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	cfg := startService(t).config(t)
	cfg.CredentialsFile, cfg.Endpoint = "", "http://"+listener.Addr().String()
	for name, call := range calls(newBackend(t, cfg)) {
		err := call(t.Context())
		if !errors.Is(err, backends.ErrUnavailable) || !backends.IsRetryable(err) {
			t.Errorf("%s: %v, IsRetryable %t, want ErrUnavailable and a retry", name, err, backends.IsRetryable(err))
		}
	}
}

func TestRefused(t *testing.T) {
	for status, want := range map[int]error{401: backends.ErrUnavailable, 403: fs.ErrPermission} {
		w := new(wire)
		b := newBackend(t, startService(t).config(t), w.option())
		w.reset(func(_ int, r *http.Request, _ http.RoundTripper) (*http.Response, error) {
			return answer(r, status, "{}")
		})
		for name, call := range calls(b) {
			want := want
			if name == "ping" || name == "list" { // those are about the store
				want = backends.ErrUnavailable
			}
			if err := call(t.Context()); !errors.Is(err, want) || backends.IsRetryable(err) {
				t.Errorf("%d: %s: %v, want %v and no retry", status, name, err, want)
			}
		}
	}
}

// TestRequestFaults: every call gets over a failure of each of its requests.
func TestRequestFaults(t *testing.T) {
	s := startService(t)
	w := new(wire)
	b := newBackend(t, s.config(t), w.option())
	for at := range 3 {
		for name, call := range calls(b) {
			for fault, disturb := range map[string]func(*http.Request, http.RoundTripper) (*http.Response, error){
				"busy":  func(r *http.Request, _ http.RoundTripper) (*http.Response, error) { return answer(r, 503, "{}") },
				"reset": func(*http.Request, http.RoundTripper) (*http.Response, error) { return nil, errReset },
				"lost":  lost,
			} {
				w.reset(nil)
				put(t, b, "a", []byte("x"), backends.Attributes{Size: 1})
				w.reset(func(n int, r *http.Request, next http.RoundTripper) (*http.Response, error) {
					if n == at+1 {
						return disturb(r, next)
					}
					return next.RoundTrip(r)
				})
				if err := call(t.Context()); err != nil {
					t.Errorf("%s, %s at request %d: %v", name, fault, at+1, err)
				}
			}
		}
	}
}

// TestRetryEndsWithContext: attempts do not outlast the context.
func TestRetryEndsWithContext(t *testing.T) {
	w := new(wire)
	b := newBackend(t, startService(t).config(t), w.option())
	for name, call := range calls(b) {
		ctx, cancel := context.WithCancel(t.Context())
		w.reset(func(_ int, r *http.Request, _ http.RoundTripper) (*http.Response, error) {
			cancel()
			return answer(r, 503, "{}")
		})
		if err := call(ctx); !errors.Is(err, context.Canceled) || backends.IsRetryable(err) {
			t.Errorf("%s: %v, want context.Canceled", name, err)
		}
		most := 1
		if name == "publish" { // the end of its context arrives by way of another goroutine
			most = maxAttempts
		}
		if got := w.sent(); len(got) > most {
			t.Errorf("%s: went on with %q", name, got)
		}
	}
}
