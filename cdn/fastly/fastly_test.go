package fastly

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/cdn"
	"example.com/ezdfs/cdn/cdntest"
	standin "example.com/ezdfs/cdn/cdntest/fastly"
	"example.com/ezdfs/cdn/internal/tags"
	"example.com/ezdfs/settings"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	service = "SU1Z0isxPaozGVKXdv0eY"
	token   = "fastly-s3cret"
)

// newTarget returns a target of a stand-in.
func newTarget(t *testing.T, cfg settings.Fastly) (*Target, *standin.Server, *cdntest.Faults) {
	t.Helper()
	api := standin.New(service, token)
	faults := cdntest.NewFaults(api)
	server := httptest.NewServer(faults)
	t.Cleanup(server.Close)
	cfg.Name, cfg.Endpoint, cfg.Timeout = "fastly:main", server.URL, cmp.Or(cfg.Timeout, time.Minute)
	if cfg.ServiceID == "" {
		cfg.ServiceID, cfg.Token = service, token
	}
	target, err := New(cfg, WithClock(func() time.Time { return time.Unix(1_700_000_000, 0) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { target.Close() })
	return target, api, faults
}

func TestConformance(t *testing.T) {
	for name, cfg := range map[string]settings.Fastly{
		"Keys": {PurgeBy: "key", Keys: true},
		"URLs": {PurgeBy: "url", URLs: []string{"https://www.example.com", "https://m.example.com/media/"}},
		"Both": {PurgeBy: "url", URLs: []string{"https://www.example.com"}, Keys: true, Soft: true},
	} {
		t.Run(name, func(t *testing.T) {
			fixture := func(timeout time.Duration) func(t *testing.T) cdntest.Fixture {
				return func(t *testing.T) cdntest.Fixture {
					cfg := cfg
					cfg.Timeout = timeout
					target, api, faults := newTarget(t, cfg)
					return cdntest.Fixture{Target: target, Faults: faults, Took: func(item cdn.Item) bool { return took(api, cfg, item) }}
				}
			}
			cdntest.Run(t, cdntest.Harness{New: fixture(0), Impatient: fixture(200 * time.Millisecond), Secrets: []string{token}})
		})
	}
}

// took asks the stand-in for an item.
func took(api *standin.Server, cfg settings.Fastly, item cdn.Item) bool {
	kind := "hard"
	if cfg.Soft {
		kind = "soft"
	}
	switch {
	case item.Extent == cdn.All:
		return api.All() > 0
	case item.Extent == cdn.Path && cfg.PurgeBy == "url":
		missing := slices.ContainsFunc(cfg.URLs, func(base string) bool {
			base = strings.TrimSuffix(strings.TrimPrefix(base, "https://"), "/")
			return api.URL(base+"/"+backends.EscapePath(item.Subject)) != kind
		})
		return !missing
	}
	keys, _ := tags.Of(item)
	return len(keys) > 0 && !slices.ContainsFunc(keys, func(key string) bool { return api.Key(key) != kind })
}

func paths(n int) []cdn.Item {
	list := make([]cdn.Item, n)
	for i := range list {
		list[i] = cdntest.PathItem(fmt.Sprintf("var/%d", i))
	}
	return list
}

// TestBatches: a full batch is one call, with what trunks need two.
func TestBatches(t *testing.T) {
	target, api, _ := newTarget(t, settings.Fastly{Keys: true})
	full := paths(standin.MaxKeys)
	if err := errors.Join(target.Deliver(t.Context(), full)...); err != nil {
		t.Fatal(err)
	}
	for i := range full {
		full[i] = cdntest.Item(cdn.Trunk, full[i].Subject)
	}
	if err := errors.Join(target.Deliver(t.Context(), full)...); err != nil {
		t.Fatal(err)
	}
	if got := api.Batches(); !slices.Equal(got, []int{256, 256, 256}) {
		t.Errorf("calls of %v keys", got)
	}
	if _, err := target.keys(t.Context(), make([]string, standin.MaxKeys+1)); !errors.Is(err, cdn.ErrRefused) {
		t.Errorf("the stand-in takes one key too many: %v", err)
	}
}

// TestHalfTaken: keys that the answer does not name are tried again.
func TestHalfTaken(t *testing.T) {
	target, api, _ := newTarget(t, settings.Fastly{Keys: true})
	api.Forgets = true
	for i, err := range target.Deliver(t.Context(), paths(5)) {
		if (err == nil) != (i%2 == 0) || err != nil && !errors.Is(err, cdn.ErrUnavailable) {
			t.Errorf("item %d: %v", i, err)
		}
	}
}

// TestRateLimit: the end of the limit is told in Unix seconds.
func TestRateLimit(t *testing.T) {
	target, api, _ := newTarget(t, settings.Fastly{Keys: true})
	api.Budget, api.Reset = 2, time.Unix(1_700_000_090, 0)
	batch := paths(2)
	if err := errors.Join(target.Deliver(t.Context(), batch)...); err != nil {
		t.Fatal(err)
	}
	var e *cdn.Error
	if err := target.Deliver(t.Context(), batch)[0]; !errors.As(err, &e) || e.Kind != cdn.ErrThrottled || e.RetryAfter != 90*time.Second {
		t.Errorf("%v, %v", err, e)
	}
	limits := target.Limits()
	if hour := limits.ItemRate * 3600; hour < 99_999 || hour > 100_001 {
		t.Errorf("%v purges an hour", hour)
	}
}

// TestURLsStopWhenThrottled: what is left is not sent to be refused.
func TestURLsStopWhenThrottled(t *testing.T) {
	target, api, faults := newTarget(t, settings.Fastly{PurgeBy: "url", URLs: []string{"https://www.example.com"}})
	api.Budget, api.Reset = 0, time.Unix(1_700_000_060, 0)
	for _, err := range target.Deliver(t.Context(), paths(maxURLs)) {
		if !errors.Is(err, cdn.ErrThrottled) {
			t.Errorf("%v", err)
		}
	}
	if n := faults.Calls(); n > urlCalls {
		t.Errorf("%d calls", n)
	}
}

// TestRefusals: the reason says what to mend.
func TestRefusals(t *testing.T) {
	for _, test := range []struct {
		cfg    settings.Fastly
		status int
		want   string
	}{
		{settings.Fastly{ServiceID: service, Token: "wrong-s3cret"}, http.StatusUnauthorized, "purge_select"},
		{settings.Fastly{ServiceID: "other", Token: token}, http.StatusNotFound, "ServiceID"},
		{settings.Fastly{ServiceID: "o/t?h#er", Token: token}, http.StatusNotFound, "ServiceID"},
	} {
		target, _, _ := newTarget(t, test.cfg)
		_, err := target.Test(t.Context())
		for _, err := range append(target.Deliver(t.Context(), paths(1)), err) {
			var e *cdn.Error
			if !errors.As(err, &e) || e.Kind != cdn.ErrRefused || e.Status != test.status || !strings.Contains(e.Reason, test.want) ||
				strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%v, want %s", err, test.want)
			}
		}
	}
}

// TestMixed: what fails in one call does not hinder another.
func TestMixed(t *testing.T) {
	target, api, _ := newTarget(t, settings.Fastly{Keys: true, Soft: true})
	api.Budget, api.Reset = 1, time.Unix(1_700_000_001, 0)
	errs := target.Deliver(context.WithoutCancel(t.Context()),
		[]cdn.Item{cdntest.PathItem("a"), cdntest.Item(cdn.All, ""), cdntest.Item(cdn.Prefix, "no-directory")})
	if !errors.Is(errs[0], cdn.ErrThrottled) || errs[1] != nil || !errors.Is(errs[2], cdn.ErrRefused) || api.All() != 1 {
		t.Errorf("%v", errs)
	}
}

func TestNewNamesWhatIsWrong(t *testing.T) {
	for _, test := range []struct {
		cfg  settings.Fastly
		want string
	}{
		{settings.Fastly{Token: "a"}, "ServiceID"},
		{settings.Fastly{ServiceID: "a"}, "Token"},
		{settings.Fastly{ServiceID: "a", Token: "s3cret", PurgeBy: "url"}, "URLs is empty"},
		{settings.Fastly{ServiceID: "a", Token: "s3cret", URLs: []string{"x"}}, "URLs[]=x"},
		{settings.Fastly{ServiceID: "a", Token: "s3cret", Endpoint: "api.fastly.com"}, "Endpoint"},
	} {
		test.cfg.Name = "fastly:main"
		_, err := New(test.cfg)
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "fastly:main") || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%v, want %s", err, test.want)
		}
	}
}
