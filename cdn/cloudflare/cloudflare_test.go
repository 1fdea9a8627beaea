package cloudflare

import (
	"cmp"
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
	standin "example.com/ezdfs/cdn/cdntest/cloudflare"
	"example.com/ezdfs/cdn/internal/tags"
	"example.com/ezdfs/settings"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	zone  = "023e105f4ecef8ad9ca31a8372d0c353"
	token = "cloudflare-s3cret"
)

var urls = []string{"https://www.example.com", "https://m.example.com/media/"}

// newTarget returns a target of a stand-in.
func newTarget(t *testing.T, cfg settings.Cloudflare) (*Target, *standin.Server, *cdntest.Faults) {
	t.Helper()
	api := standin.New(zone, token, "www.example.com", "m.example.com")
	if cfg.Plan == "enterprise" {
		api.MaxFiles = 500
	}
	faults := cdntest.NewFaults(api)
	server := httptest.NewServer(faults)
	t.Cleanup(server.Close)
	cfg.Name, cfg.Endpoint, cfg.Timeout = "cloudflare:main", server.URL+"/client/v4", cmp.Or(cfg.Timeout, time.Minute)
	if cfg.ZoneID == "" {
		cfg.ZoneID = zone
	}
	if cfg.Token == "" {
		cfg.Token = token
	}
	target, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { target.Close() })
	return target, api, faults
}

func TestConformance(t *testing.T) {
	for name, cfg := range map[string]settings.Cloudflare{
		"Files":      {URLs: urls[:1], Tags: true},
		"Tags":       {PurgeBy: "tag", Tags: true},
		"Prefixes":   {URLs: urls, All: "hosts"},
		"Enterprise": {URLs: urls, Tags: true, Plan: "enterprise"},
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
func took(api *standin.Server, cfg settings.Cloudflare, item cdn.Item) bool {
	below := func(by, scheme, path string) bool {
		return !slices.ContainsFunc(cfg.URLs, func(base string) bool {
			base = strings.TrimSuffix(strings.TrimPrefix(base, "https://"), "/")
			return !api.Purged(by, scheme+base+"/"+path)
		})
	}
	keys, _ := tags.Of(item)
	switch {
	case item.Extent == cdn.All && cfg.All == "hosts":
		return api.Purged("hosts", "www.example.com") && api.Purged("hosts", "m.example.com")
	case item.Extent == cdn.All:
		return api.Purged("purge_everything", "")
	case item.Extent == cdn.Path && cfg.PurgeBy != "tag":
		return below("files", "https://", backends.EscapePath(item.Subject))
	case item.Extent == cdn.Prefix && !cfg.Tags:
		return below("prefixes", "", strings.TrimSuffix(backends.EscapePath(item.Subject), "/"))
	}
	return len(keys) > 0 && !slices.ContainsFunc(keys, func(key string) bool { return !api.Purged("tags", key) })
}

func paths(n int) []cdn.Item {
	list := make([]cdn.Item, n)
	for i := range list {
		list[i] = cdntest.PathItem(fmt.Sprintf("var/%d", i))
	}
	return list
}

// TestFullBatchIsOneCall, whatever the plan and the number of bases.
func TestFullBatchIsOneCall(t *testing.T) {
	for _, test := range []struct {
		cfg  settings.Cloudflare
		want standin.Call
	}{
		{settings.Cloudflare{URLs: urls[:1]}, standin.Call{By: "files", Objects: 100}},
		{settings.Cloudflare{URLs: urls, Plan: "enterprise"}, standin.Call{By: "files", Objects: 500}},
		{settings.Cloudflare{URLs: urls[:1], FilesPerCall: 30}, standin.Call{By: "files", Objects: 30}},
		{settings.Cloudflare{PurgeBy: "tag", Tags: true}, standin.Call{By: "tags", Objects: 100}},
		{settings.Cloudflare{PurgeBy: "tag", Tags: true, FamiliesPerCall: 30}, standin.Call{By: "tags", Objects: 30}},
	} {
		target, api, _ := newTarget(t, test.cfg)
		if err := errors.Join(target.Deliver(t.Context(), paths(target.Limits().Items))...); err != nil {
			t.Error(err)
		}
		if got := api.Calls(); !slices.Equal(got, []standin.Call{test.want}) {
			t.Errorf("%v, want %v", got, test.want)
		}
	}
}

// TestFamilies: a batch of as many trunks as fit, of two tags each, is one call.
func TestFamilies(t *testing.T) {
	target, api, _ := newTarget(t, settings.Cloudflare{PurgeBy: "tag", Tags: true})
	list := paths(target.Limits().Families)
	for i := range list {
		list[i] = cdntest.Item(cdn.Trunk, list[i].Subject)
	}
	if err := errors.Join(target.Deliver(t.Context(), list)...); err != nil {
		t.Error(err)
	}
	if got := api.Calls(); !slices.Equal(got, []standin.Call{{By: "tags", Objects: 100}}) {
		t.Errorf("%v", got)
	}
}

// TestLimitsOfPlans are those that Cloudflare documents.
func TestLimitsOfPlans(t *testing.T) {
	for _, test := range []struct {
		cfg         settings.Cloudflare
		perMinute   float64
		bucket      int
		perSecond   float64
		itemsOfCall int
	}{
		{settings.Cloudflare{}, 5, 25, 800, 100},
		{settings.Cloudflare{Plan: "pro"}, 300, 25, 1500, 100},
		{settings.Cloudflare{Plan: "business"}, 600, 50, 1500, 100},
		{settings.Cloudflare{Plan: "enterprise"}, 3000, 500, 3000, 500},
		{settings.Cloudflare{Plan: "pro", RequestsPerMinute: 60, FilesPerSecond: 10, FilesPerCall: 30}, 60, 25, 10, 30},
	} {
		test.cfg.URLs = urls[:1]
		target, _, _ := newTarget(t, test.cfg)
		l := target.Limits()
		if l.FamilyRate*60 != test.perMinute || l.FamilyBurst != test.bucket || l.ItemRate != test.perSecond || l.Items != test.itemsOfCall || l.Rate != 0 {
			t.Errorf("%+v: %+v", test.cfg, l)
		}
		test.cfg.PurgeBy = "tag"
		target, _, _ = newTarget(t, test.cfg)
		if l := target.Limits(); l.Rate*60 != test.perMinute || l.Burst != test.bucket || l.ItemRate != 0 {
			t.Errorf("by tag: %+v", l)
		}
	}
}

// TestSmallerLimits: where an account may purge less at a time than is
// documented, batches are halved.
func TestSmallerLimits(t *testing.T) {
	target, api, _ := newTarget(t, settings.Cloudflare{URLs: urls[:1]})
	api.MaxFiles = 30
	if err := errors.Join(target.Deliver(t.Context(), paths(100))...); err != nil {
		t.Error(err)
	}
	if got := len(api.Calls()); got != 4 {
		t.Errorf("%d calls", got)
	}
}

// TestOneBad: a file that is refused does not take the others with it.
func TestOneBad(t *testing.T) {
	target, api, faults := newTarget(t, settings.Cloudflare{URLs: urls[:1]})
	api.Refuses = "/var/37"
	for i, err := range target.Deliver(t.Context(), paths(100)) {
		if bad := i == 37; bad != errors.Is(err, cdn.ErrRefused) || !bad && err != nil {
			t.Errorf("item %d: %v", i, err)
		} else if bad && !strings.Contains(err.Error(), "/var/37") {
			t.Errorf("which file? %v", err)
		}
	}
	if n := faults.Calls(); n > 16 {
		t.Errorf("%d calls", n)
	}
}

func TestThrottled(t *testing.T) {
	target, api, _ := newTarget(t, settings.Cloudflare{URLs: urls[:1], Tags: true})
	api.Tokens, api.RetryAfter = 1, 12
	family := cdntest.Item(cdn.Scope, "image")
	if err := target.Deliver(t.Context(), []cdn.Item{family})[0]; err != nil {
		t.Fatal(err)
	}
	var e *cdn.Error
	errs := target.Deliver(t.Context(), []cdn.Item{family, cdntest.PathItem("a")})
	if !errors.As(errs[0], &e) || e.Kind != cdn.ErrThrottled || e.RetryAfter != 12*time.Second || !strings.Contains(e.Reason, "code 971") {
		t.Errorf("%v", errs[0])
	}
	if errs[1] != nil {
		t.Errorf("the file beside it: %v", errs[1])
	}
}

// TestNoSuccess: an answer of 200 that says that it failed.
func TestNoSuccess(t *testing.T) {
	target, api, _ := newTarget(t, settings.Cloudflare{URLs: urls[:1]})
	api.Fails = true
	if err := target.Deliver(t.Context(), paths(1))[0]; !errors.Is(err, cdn.ErrUnavailable) || !strings.Contains(err.Error(), "Unable to purge") {
		t.Errorf("%v", err)
	}
}

// TestRefusals: the reason says what to mend.
func TestRefusals(t *testing.T) {
	for _, test := range []struct {
		cfg    settings.Cloudflare
		status int
		want   string
	}{
		{settings.Cloudflare{Token: "wrong-s3cret"}, http.StatusForbidden, "Cache Purge"},
		{settings.Cloudflare{ZoneID: "other"}, http.StatusNotFound, "ZoneID"},
	} {
		test.cfg.URLs = urls[:1]
		target, _, faults := newTarget(t, test.cfg)
		_, err := target.Test(t.Context())
		for _, err := range append(target.Deliver(t.Context(), paths(8)), err) {
			var e *cdn.Error
			if !errors.As(err, &e) || e.Kind != cdn.ErrRefused || e.Status != test.status || !strings.Contains(e.Reason, test.want) ||
				strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%v, want %s", err, test.want)
			}
		}
		if n := faults.Calls(); n != 2 {
			t.Errorf("%d calls: what is not about the files is not tried one by one", n)
		}
	}
}

func TestNewNamesWhatIsWrong(t *testing.T) {
	for _, test := range []struct {
		cfg  settings.Cloudflare
		want string
	}{
		{settings.Cloudflare{Token: "s3cret", URLs: urls}, "ZoneID"},
		{settings.Cloudflare{ZoneID: "a", URLs: urls}, "Token"},
		{settings.Cloudflare{ZoneID: "a", Token: "s3cret"}, "URLs is empty"},
		{settings.Cloudflare{ZoneID: "a", Token: "s3cret", PurgeBy: "tag", All: "hosts"}, "All=hosts"},
		{settings.Cloudflare{ZoneID: "a", Token: "s3cret", URLs: []string{"x"}}, "URLs[]=x"},
		{settings.Cloudflare{ZoneID: "a", Token: "s3cret", URLs: urls, FilesPerCall: 1}, "more than the 1"},
		{settings.Cloudflare{ZoneID: "a", Token: "s3cret", URLs: urls, Endpoint: "api"}, "Endpoint"},
	} {
		test.cfg.Name = "cloudflare:main"
		_, err := New(test.cfg)
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "cloudflare:main") || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%v, want %s", err, test.want)
		}
	}
}
