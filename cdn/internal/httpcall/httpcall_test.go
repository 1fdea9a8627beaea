package httpcall

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/ezdfs/cdn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newClient(t *testing.T, timeout time.Duration) *Client {
	c := New("webhook:a", timeout, nil)
	t.Cleanup(func() { c.Close() })
	return c
}

func get(t *testing.T, ctx context.Context, url string) *http.Request {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// Every status means one thing to the ledger.
func TestKinds(t *testing.T) {
	for status, want := range map[int]error{
		200: cdn.ErrUnavailable, 301: cdn.ErrRefused, 400: cdn.ErrRefused, 401: cdn.ErrRefused, 403: cdn.ErrRefused, 404: cdn.ErrRefused,
		413: cdn.ErrRefused, 408: cdn.ErrUnavailable, 425: cdn.ErrUnavailable, 429: cdn.ErrThrottled,
		500: cdn.ErrUnavailable, 502: cdn.ErrUnavailable, 503: cdn.ErrUnavailable, 507: cdn.ErrUnavailable,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://elsewhere.example/")
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(status)
		}))
		c := newClient(t, time.Minute)
		answer, err := c.Do(get(t, t.Context(), server.URL))
		server.Close()
		if err != nil {
			t.Fatal(err)
		}
		got := c.Error(answer, "why")
		if !errors.Is(got, want) || got.Status != status {
			t.Errorf("%d: %v, want %v", status, got, want)
		}
		if wait := got.RetryAfter; (wait == 7*time.Second) == errors.Is(got, cdn.ErrRefused) {
			t.Errorf("%d: try again after %v", status, wait)
		}
	}
}

// What does not answer is unavailable, and its error names neither the path nor
// the query nor the user.
func TestUnavailable(t *testing.T) {
	hang := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/hang":
			<-hang
		case "/cut":
			w.Header().Set("Content-Length", "100")
			w.Write([]byte("some"))
		case "/drop":
			panic(http.ErrAbortHandler)
		}
	}))
	defer server.Close()
	defer close(hang)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, test := range map[string]struct {
		ctx  context.Context
		path string
		want error
	}{
		"hangs":     {t.Context(), "/hang", context.DeadlineExceeded},
		"cut":       {t.Context(), "/cut", nil},
		"dropped":   {t.Context(), "/drop", nil},
		"cancelled": {cancelled, "/", context.Canceled},
	} {
		url := strings.Replace(server.URL, "http://", "http://user:s3cret@", 1) + test.path + "?token=s3cret"
		_, err := newClient(t, 100*time.Millisecond).Do(get(t, test.ctx, url))
		if !errors.Is(err, cdn.ErrUnavailable) || test.want != nil && !errors.Is(err, test.want) {
			t.Errorf("%s: %v", name, err)
		}
		if strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), test.path+"?") {
			t.Errorf("%s: the error tells too much: %v", name, err)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Unix(1_700_000_000, 0).UTC()
	for value, want := range map[string]time.Duration{
		"": 0, "0": 0, "30": 30 * time.Second, "-1": 0, "soon": 0, "99999999": maxRetryAfter,
		now.Add(time.Minute).Format(http.TimeFormat):  time.Minute,
		now.Add(-time.Minute).Format(http.TimeFormat): 0,
	} {
		if got := RetryAfter(value, now); got != want {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
	}
}

func TestClip(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "",
		" a\r\n\tb\x00c\xff ":    "a b c?",
		strings.Repeat("ü", 200): strings.Repeat("ü", 150) + "…",
	} {
		if got := Clip(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// A secret that a service repeats does not reach the ledger.
func TestSecretsAreHidden(t *testing.T) {
	c := New("a", time.Minute, nil, "s3cret", "")
	defer c.Close()
	err := c.Error(&Answer{Status: 401}, "your token s3cret is bad")
	if got, want := err.Error(), "a: refused for good (401): your token ******** is bad"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestBase(t *testing.T) {
	for text, want := range map[string]string{
		"https://www.example.com": "https://www.example.com", "http://a:8080/media/": "http://a:8080/media",
		"": "", "www.example.com": "", "ftp://a": "", "https://u:p@a": "", "https://a/?q": "", "https://ä.example": "", "http://a/\"": "",
	} {
		got, err := Base(text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q %v, want %q", text, got, err, want)
		}
	}
	if got, want := Join("http://a", "var/a b+%ü?"), "http://a/var/a%20b%2B%25%C3%BC%3F"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
