package webhook_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/ezdfs/events"
	"example.com/ezdfs/events/webhook"
	"example.com/ezdfs/metadata"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var now = time.Unix(1_700_000_000, 0).UTC()

// request is one that a receiver got.
type request struct {
	header http.Header
	body   []byte
	path   string
}

// receiver answers with one status after the other, the last for ever.
type receiver struct {
	*httptest.Server
	mu       sync.Mutex
	requests []request
}

func newReceiver(tb testing.TB, answers ...http.HandlerFunc) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, got *http.Request) {
		body, _ := io.ReadAll(got.Body)
		r.mu.Lock()
		r.requests = append(r.requests, request{got.Header, body, got.URL.Path})
		n := min(len(r.requests), len(answers))
		r.mu.Unlock()
		if n > 0 {
			answers[n-1](w, got)
		}
	}))
	tb.Cleanup(r.Close)
	return r
}

// status is an answer with nothing but a status and perhaps a header.
func status(code int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
	}
}

// newListener returns one that the test closes.
func newListener(tb testing.TB, o webhook.Options) *webhook.Listener {
	tb.Helper()
	o.Host, o.Now = "web1", func() time.Time { return now }
	l, err := webhook.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { l.Close() })
	return l
}

var deleted = events.Event{Kind: events.DeleteFile, Subject: "var/ü", Seq: 7, Time: now}

// The body has the events in order with their arguments, without rows that
// were read, and the headers that the package promises.
func TestRequest(t *testing.T) {
	r := newReceiver(t)
	l := newListener(t, webhook.Options{URL: r.URL + "/hook", Secret: "s3cret"})
	err := l.Notify(t.Context(), []events.Event{
		deleted,
		{Kind: events.StoreMetadata, Row: metadata.Row{Name: "var/b"}},
		{Kind: events.DeleteByDirList, Subject: "var/2/x", Common: "var", Dir: "2", Suffix: "x", Seq: 8, Time: now},
		{Kind: events.Lost, Count: 3, Seq: 9, Time: now},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := r.requests[0]
	var body, want any
	if err := json.Unmarshal(got.body, &body); err != nil {
		t.Fatal(err)
	}
	json.Unmarshal([]byte(`{"host": "web1", "time": "2023-11-14T22:13:20Z", "events": [
		{"event": "cluster/deleteFile", "seq": 7, "time": "2023-11-14T22:13:20Z", "path": "var/ü"},
		{"event": "cluster/deleteByDirList", "seq": 8, "time": "2023-11-14T22:13:20Z", "prefix": "var/2/x", "common": "var", "dir": "2", "suffix": "x"},
		{"event": "cluster/lost", "seq": 9, "time": "2023-11-14T22:13:20Z", "count": 3}]}`), &want)
	if !reflect.DeepEqual(body, want) {
		t.Errorf("body %s", got.body)
	}
	for header, want := range map[string]string{
		"Content-Type": "application/json", webhook.TimestampHeader: "1700000000", "User-Agent": "ezdfs",
	} {
		if got.header.Get(header) != want {
			t.Errorf("%s: %q, want %q", header, got.header.Get(header), want)
		}
	}
	if got.path != "/hook" || len(got.header.Get(webhook.IdempotencyHeader)) != 32 {
		t.Errorf("path %q, header %v", got.path, got.header)
	}
	if err := webhook.Verify("s3cret", got.header, got.body, now.Add(time.Minute), time.Minute); err != nil {
		t.Error(err)
	}
}

// The signature is the HMAC that anybody computes.
func TestSignatureIsPlainHMAC(t *testing.T) {
	header := http.Header{}
	// echo -n '{"time":"2023-11-14T22:13:20Z"}' | openssl dgst -sha256 -hmac s3cret
	header.Set(webhook.SignatureHeader, "sha256=73b6ea447797f46c755c0848538e9393bc99f133a21d496d6954be8ec84d2e29")
	if err := webhook.Verify("s3cret", header, []byte(`{"time":"2023-11-14T22:13:20Z"}`), now, time.Minute); err != nil {
		t.Error(err)
	}
}

// What was changed, is too old, or was signed with another secret, is refused.
func TestVerify(t *testing.T) {
	r := newReceiver(t)
	if err := newListener(t, webhook.Options{URL: r.URL, Secret: "s3cret"}).Notify(t.Context(), []events.Event{deleted}); err != nil {
		t.Fatal(err)
	}
	got := r.requests[0]
	tests := []struct {
		name   string
		secret string
		body   string
		at     time.Time
		ok     bool
	}{
		{"as it was sent", "s3cret", string(got.body), now, true},
		{"another secret", "secret", string(got.body), now, false},
		{"another body", "s3cret", strings.Replace(string(got.body), "var", "bar", 1), now, false},
		{"another time", "s3cret", strings.Replace(string(got.body), "22:13", "22:14", 1), now, false},
		{"replayed later", "s3cret", string(got.body), now.Add(2 * time.Minute), false},
		{"made too early", "s3cret", string(got.body), now.Add(-2 * time.Minute), false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := webhook.Verify(test.secret, got.header, []byte(test.body), test.at, time.Minute)
			if (err == nil) != test.ok || err != nil && !errors.Is(err, webhook.ErrSignature) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// Without a secret nothing is signed; without anything to say nothing is sent.
func TestNothing(t *testing.T) {
	r := newReceiver(t)
	l := newListener(t, webhook.Options{URL: r.URL})
	for _, batch := range [][]events.Event{{deleted}, {{Kind: events.StoreMetadata}}, nil} {
		if err := l.Notify(t.Context(), batch); err != nil {
			t.Error(err)
		}
	}
	if len(r.requests) != 1 || r.requests[0].header.Get(webhook.SignatureHeader) != "" {
		t.Errorf("got %d requests, %v", len(r.requests), r.requests[0].header)
	}
}

// Which answers take the batch, which are worth a retry, which are final.
func TestAnswers(t *testing.T) {
	tests := []struct {
		status    int
		ok, final bool
	}{
		{200, true, false}, {202, true, false}, {204, true, false},
		{301, false, true}, {304, false, true}, {400, false, true}, {401, false, true}, {403, false, true},
		{404, false, true}, {410, false, true}, {413, false, true},
		{408, false, false}, {425, false, false}, {429, false, false},
		{500, false, false}, {502, false, false}, {503, false, false}, {507, false, false},
	}
	for _, test := range tests {
		t.Run(fmt.Sprint(test.status), func(t *testing.T) {
			r := newReceiver(t, status(test.status))
			err := newListener(t, webhook.Options{URL: r.URL + "/?token=private"}).Notify(t.Context(), []events.Event{deleted})
			if (err == nil) != test.ok || events.IsPermanent(err) != test.final {
				t.Errorf("got %v, final %v", err, events.IsPermanent(err))
			}
			if err != nil && (!strings.Contains(err.Error(), fmt.Sprint(test.status)) || strings.Contains(err.Error(), "private")) {
				t.Errorf("error %q", err)
			}
		})
	}
}

// A receiver that cannot be reached, or hangs, is worth a retry; its error
// does not repeat the query of the URL.
func TestUnreachable(t *testing.T) {
	free := make(chan struct{})
	hanging := newReceiver(t, func(http.ResponseWriter, *http.Request) { <-free })
	defer close(free)
	closed := httptest.NewServer(nil)
	closed.Close()
	for name, url := range map[string]string{"hanging": hanging.URL, "closed": closed.URL} {
		t.Run(name, func(t *testing.T) {
			l := newListener(t, webhook.Options{URL: url + "/?token=private", Timeout: 50 * time.Millisecond})
			err := l.Notify(t.Context(), []events.Event{deleted})
			if err == nil || events.IsPermanent(err) || strings.Contains(err.Error(), "private") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// Redirects are followed on the same host alone, and never as a GET.
func TestRedirects(t *testing.T) {
	other := newReceiver(t)
	tests := []struct {
		name     string
		answer   http.HandlerFunc
		requests int
		ok       bool
	}{
		{"same host", status(308, "Location", "/elsewhere"), 2, true},
		{"another host", status(308, "Location", other.URL), 1, false},
		{"as a GET", status(303, "Location", "/elsewhere"), 1, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := newReceiver(t, test.answer, status(200))
			err := newListener(t, webhook.Options{URL: r.URL, Secret: "s3cret"}).Notify(t.Context(), []events.Event{deleted})
			if (err == nil) != test.ok || events.IsPermanent(err) == test.ok || len(r.requests) != test.requests {
				t.Errorf("got %v after %d requests", err, len(r.requests))
			}
		})
	}
	round := newReceiver(t, status(307, "Location", "/"))
	err := newListener(t, webhook.Options{URL: round.URL}).Notify(t.Context(), []events.Event{deleted})
	if !events.IsPermanent(err) || len(round.requests) > 10 {
		t.Errorf("in circles: %v after %d requests", err, len(round.requests))
	}
	if len(other.requests) > 0 {
		t.Error("the other host was told")
	}
}

// Through a hub: a batch that failed comes again under the same key, not
// before the time that the receiver named, and is taken once.
func TestThroughAHub(t *testing.T) {
	for _, after := range []string{"", "0", "Tue, 14 Nov 2023 22:13:19 GMT", "nonsense"} {
		t.Run(after, func(t *testing.T) {
			r := newReceiver(t, status(503, "Retry-After", after), status(200))
			var log strings.Builder
			hub := events.New([]events.Listener{newListener(t, webhook.Options{URL: r.URL})}, events.Options{
				MinBackoff: time.Millisecond, Logger: slog.New(slog.NewTextHandler(&log, nil)),
			})
			hub.Publish(events.Event{Kind: events.DeleteFile, Subject: "a"}, events.Event{Kind: events.DeleteByScope, Subject: "b"})
			if err := hub.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			if len(r.requests) != 2 || !strings.Contains(log.String(), "503") {
				t.Fatalf("%d requests, log:\n%s", len(r.requests), log.String())
			}
			first, second := r.requests[0], r.requests[1]
			if first.header.Get(webhook.IdempotencyHeader) != second.header.Get(webhook.IdempotencyHeader) {
				t.Error("the key changed")
			}
		})
	}
}

// The key differs where the events do.
func TestIdempotencyKey(t *testing.T) {
	r := newReceiver(t)
	l := newListener(t, webhook.Options{URL: r.URL})
	later := deleted
	later.Time = later.Time.Add(1)
	for _, batch := range [][]events.Event{{deleted}, {deleted, deleted}, {later}, {{Kind: events.Lost, Count: 1}}, {{Kind: events.Lost, Count: 2}}} {
		if err := l.Notify(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	keys := make(map[string]bool)
	for _, request := range r.requests {
		keys[request.header.Get(webhook.IdempotencyHeader)] = true
	}
	if len(keys) != 5 {
		t.Errorf("%d different keys of 5", len(keys))
	}
}

// How long to wait is passed on to the hub.
func TestRetryAfter(t *testing.T) {
	tests := []struct {
		header string
		want   time.Duration
	}{
		{"7", 7 * time.Second},
		{now.Add(90 * time.Second).Format(http.TimeFormat), 90 * time.Second},
		{now.Add(-time.Hour).Format(http.TimeFormat), 0},
		{"-5", 0},
		{"soon", 0},
		{"", 0},
	}
	for _, test := range tests {
		t.Run(test.header, func(t *testing.T) {
			r := newReceiver(t, status(429, "Retry-After", test.header))
			err := newListener(t, webhook.Options{URL: r.URL}).Notify(t.Context(), []events.Event{deleted})
			if wait, _ := events.RetryDelay(err); err == nil || wait != test.want {
				t.Errorf("got %v, wait %v", err, wait)
			}
		})
	}
}

// URLs that cannot be posted to are refused at once, without being repeated
// with their passwords.
func TestURLs(t *testing.T) {
	for _, url := range []string{"", "example.com/hook", "ftp://u:private@example.com", "http://", "http://u:private@[::1", "http://u:private@a b/"} {
		if _, err := webhook.New(webhook.Options{URL: url}); err == nil || strings.Contains(err.Error(), "private") {
			t.Errorf("%q: %v", url, err)
		}
	}
}

// A request ends with its context.
func TestCancelled(t *testing.T) {
	r := newReceiver(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := newListener(t, webhook.Options{URL: r.URL}).Notify(ctx, []events.Event{deleted})
	if !errors.Is(err, context.Canceled) || events.IsPermanent(err) {
		t.Errorf("got %v", err)
	}
}
