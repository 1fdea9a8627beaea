package webhook_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/ezdfs/cdn"
	"example.com/ezdfs/cdn/cdntest"
	stub "example.com/ezdfs/cdn/cdntest/webhook"
	"example.com/ezdfs/cdn/webhook"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newTarget returns one that the test closes.
func newTarget(tb testing.TB, cfg settings.WebhookTarget, opts ...webhook.Option) *webhook.Target {
	tb.Helper()
	target, err := webhook.New(cfg, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { target.Close() })
	return target
}

func TestConformance(t *testing.T) {
	for _, families := range []bool{true, false} {
		t.Run(fmt.Sprintf("families=%v", families), func(t *testing.T) {
			fixture := func(timeout time.Duration) func(t *testing.T) cdntest.Fixture {
				return func(t *testing.T) cdntest.Fixture {
					s := stub.Start(t)
					cfg := s.Settings()
					cfg.Families, cfg.Timeout = families, timeout
					took := func(item cdn.Item) bool {
						return slices.Contains(s.Items(), stub.Item{ID: item.ID, Action: string(item.Action), Extent: string(item.Extent), Subject: item.Subject})
					}
					return cdntest.Fixture{Target: newTarget(t, cfg), Faults: s.Faults, Took: took}
				}
			}
			cdntest.Run(t, cdntest.Harness{
				New: fixture(time.Minute), Impatient: fixture(300 * time.Millisecond),
				IgnoresGarbage: true, Secrets: stub.Start(t).Secrets(),
			})
		})
	}
}

// The body is what the package promises.
func TestBody(t *testing.T) {
	s := stub.Start(t)
	now := time.Now().Truncate(time.Second)
	cfg := s.Settings()
	cfg.Push = true
	target := newTarget(t, cfg, webhook.WithHost("web1"), webhook.WithClock(func() time.Time { return now }))
	errs := target.Deliver(t.Context(), []cdn.Item{
		{ID: "81", Action: cdn.Push, Extent: cdn.Path, Subject: "var/ü&\"", Row: metadata.Row{
			Name: "var/ü&\"", Trunk: "var/ü&\"", Scope: "image", DataType: "image/png", Size: 10, MTime: -1_700_000_000}},
		{ID: "82", Action: cdn.Invalidate, Extent: cdn.Prefix, Subject: "var/"},
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	var got, want any
	json.Unmarshal([]byte(s.Bodies()[0]), &got)
	json.Unmarshal([]byte(`{"target": "webhook:test", "host": "web1", "time": "`+now.UTC().Format(time.RFC3339)+`", "items": [
		{"id": "81", "action": "push", "extent": "path", "subject": "var/ü&\"",
		 "row": {"trunk": "var/ü&\"", "scope": "image", "datatype": "image/png", "size": 10, "mtime": 1700000000, "live": false}},
		{"id": "82", "action": "invalidate", "extent": "prefix", "subject": "var/"}]}`), &want)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s", s.Bodies()[0])
	}
}

// A receiver takes a part of a batch and says what becomes of the rest.
func TestPartial(t *testing.T) {
	s := stub.Start(t)
	s.Judge = func(i stub.Item) stub.Result {
		switch i.ID {
		case "0":
			return stub.Result{ID: i.ID, Status: "delivered"}
		case "1":
			return stub.Result{ID: i.ID, Status: "refused", Reason: "not ours, " + s.Secrets()[0]}
		case "2":
			return stub.Result{ID: i.ID, Status: "retry", Reason: "locked", RetryAfter: 30}
		case "3":
			return stub.Result{ID: i.ID, Status: "perhaps"}
		case "4":
			return stub.Result{ID: "another", Status: "refused"}
		}
		return stub.Result{}
	}
	var batch []cdn.Item
	for i := range 6 {
		batch = append(batch, cdn.Item{ID: fmt.Sprint(i), Action: cdn.Invalidate, Extent: cdn.Path, Subject: fmt.Sprint("var/", i)})
	}
	errs := newTarget(t, s.Settings()).Deliver(t.Context(), batch)
	for i, want := range []string{
		"<nil>", "webhook:test: refused for good: not ours, ********", "webhook:test: unavailable: locked",
		"webhook:test: unavailable", "<nil>", "<nil>",
	} {
		if got := fmt.Sprint(errs[i]); got != want {
			t.Errorf("%d: %s, want %s", i, got, want)
		}
	}
	var e *cdn.Error
	if !errors.As(errs[2], &e) || e.RetryAfter != 30*time.Second {
		t.Errorf("%+v", e)
	}
}

// The same batch has the same key, another one has another.
func TestIdempotencyKey(t *testing.T) {
	s := stub.Start(t)
	item := func(id, subject string) cdn.Item {
		return cdn.Item{ID: id, Action: cdn.Invalidate, Extent: cdn.Path, Subject: subject}
	}
	for i, batch := range [][]cdn.Item{
		{item("1", "a"), item("2", "b")}, {item("1", "a"), item("2", "b")}, {item("1", "a")}, {item("3", "a"), item("2", "b")},
	} {
		target := newTarget(t, s.Settings(), webhook.WithClock(func() time.Time { return time.Now().Add(time.Duration(i) * time.Second) }))
		if err := errors.Join(target.Deliver(t.Context(), batch)...); err != nil {
			t.Fatal(err)
		}
	}
	keys := s.Keys()
	if keys[0] != keys[1] || keys[0] == keys[2] || keys[0] == keys[3] || len(keys[0]) != 32 {
		t.Errorf("%q", keys)
	}
}

// A receiver that does not know the secret refuses for good, without quoting it.
func TestWrongSecret(t *testing.T) {
	s := stub.Start(t)
	cfg := s.Settings()
	cfg.Secret = "another-secret"
	err := newTarget(t, cfg).Deliver(t.Context(), []cdn.Item{cdntest.PathItem("a")})[0]
	if !errors.Is(err, cdn.ErrRefused) || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
}

// Names that JSON cannot say are refused; the others arrive.
func TestNotUTF8(t *testing.T) {
	s := stub.Start(t)
	errs := newTarget(t, s.Settings()).Deliver(t.Context(), []cdn.Item{cdntest.PathItem("var/\xff"), cdntest.PathItem("var/a")})
	if !errors.Is(errs[0], cdn.ErrRefused) || errs[1] != nil || len(s.Items()) != 1 {
		t.Errorf("%v, %v", errs, s.Items())
	}
}

func TestNew(t *testing.T) {
	for _, text := range []string{"", "hook", "ftp://a/", "http://u:pass\x7f@a"} {
		if _, err := webhook.New(settings.WebhookTarget{Name: "webhook:a", URL: text}); err == nil || strings.Contains(err.Error(), "pass") {
			t.Errorf("%q: %v", text, err)
		}
	}
	l := newTarget(t, settings.WebhookTarget{Name: "webhook:a", URL: "http://a", Rate: 5, Concurrency: 3, MaxItems: 7}).Limits()
	if l.Rate != 5 || l.Burst != 5 || l.Concurrent != 3 || l.Items != 7 || len(l.Extents) != 0 || len(l.Actions) != 1 {
		t.Errorf("%+v", l)
	}
}
