package cloudfront

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

	"example.com/ezdfs/cdn"
	"example.com/ezdfs/cdn/cdntest"
	standin "example.com/ezdfs/cdn/cdntest/cloudfront"
	"example.com/ezdfs/cdn/internal/tags"
	"example.com/ezdfs/settings"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	distribution = "EDFDVBD6EXAMPLE"
	key          = "AKIDEXAMPLE"
	secret       = "cloudfront-s3cret"
)

// newTarget returns a target of a stand-in.
func newTarget(t *testing.T, cfg settings.CloudFront) (*Target, *standin.Server, *cdntest.Faults) {
	t.Helper()
	api := standin.New(distribution, key, secret)
	api.Denied = "AKIDDENIED"
	faults := cdntest.NewFaults(api)
	server := httptest.NewServer(faults)
	t.Cleanup(server.Close)
	cfg.Name, cfg.Endpoint, cfg.Timeout = "cloudfront:main", server.URL, cmp.Or(cfg.Timeout, time.Minute)
	if cfg.DistributionID == "" {
		cfg.DistributionID = distribution
	}
	if cfg.AccessKeyID == "" {
		cfg.AccessKeyID = key
	}
	if cfg.SecretAccessKey == "" {
		cfg.SecretAccessKey = secret
	}
	target, err := New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { target.Close() })
	return target, api, faults
}

func TestConformance(t *testing.T) {
	for name, cfg := range map[string]settings.CloudFront{
		"Paths": {}, "Below": {Path: "/media/é/"}, "Tags": {PurgeBy: "tag", Tags: true}, "Both": {Tags: true},
	} {
		t.Run(name, func(t *testing.T) {
			fixture := func(timeout time.Duration) func(t *testing.T) cdntest.Fixture {
				return func(t *testing.T) cdntest.Fixture {
					cfg := cfg
					cfg.Timeout = timeout
					target, api, faults := newTarget(t, cfg)
					return cdntest.Fixture{Target: target, Faults: faults, Took: func(item cdn.Item) bool { return took(api, target, item) }}
				}
			}
			cdntest.Run(t, cdntest.Harness{New: fixture(0), Impatient: fixture(200 * time.Millisecond), Secrets: []string{secret, "Signature="}})
		})
	}
}

// took asks the stand-in for an item: a file by the path that a visitor asks
// for, a family by one that is in it.
func took(api *standin.Server, target *Target, item cdn.Item) bool {
	api.Finish() // the next batch finds nothing in progress
	keys, exact := tags.Of(item)
	byTag := exact && (item.Extent == cdn.Path && target.cfg.PurgeBy == "tag" || item.Extent != cdn.Path && target.cfg.Tags)
	switch {
	case byTag:
		return !slices.ContainsFunc(keys, func(key string) bool { return !api.Invalidated("#" + key) })
	case item.Extent == cdn.Path:
		return api.Invalidated(target.base + "/" + escape(item.Subject))
	}
	return api.Invalidated(target.base + "/" + escape(item.Subject) + "any%20one")
}

func paths(n int) []cdn.Item {
	list := make([]cdn.Item, n)
	for i := range list {
		list[i] = cdntest.PathItem(fmt.Sprintf("var/%d", i))
	}
	return list
}

// TestPaths: how names are written, by the rules of the Developer Guide.
func TestPaths(t *testing.T) {
	target, _, _ := newTarget(t, settings.CloudFront{})
	for name, want := range map[string]string{
		"a/b.png":                          "/a/b.png",
		"a b":                              "/a%20b",
		"a+b=c&d;e,f":                      "/a+b=c&d;e,f",
		"(1)!$'@:-_":                       "/(1)!$'@:-_",
		"100%":                             "/100%25",
		"a?b#c":                            "/a%3Fb%23c",
		"~[{^`|\\}]<>":                     "/%7E%5B%7B%5E%60%7C%5C%7D%5D%3C%3E",
		`"`:                                "/%22",
		"ü":                                "/%C3%BC",
		"a*":                               "/a*",
		"a*b*c":                            "/a*",
		strings.Repeat("n", 3999):          "/" + strings.Repeat("n", 3999),
		strings.Repeat("n", 4000):          "/" + strings.Repeat("n", 3998) + "*",
		strings.Repeat("n", 3997) + "ü/aa": "/" + strings.Repeat("n", 3997) + "*",
		strings.Repeat("n", 3996) + "ü/aa": "/" + strings.Repeat("n", 3996) + "*",
		strings.Repeat("n", 3995) + "ü/aa": "/" + strings.Repeat("n", 3995) + "%C3*",
		strings.Repeat("n", 3999) + "*":    "/" + strings.Repeat("n", 3998) + "*",
	} {
		if got := target.path(name); got != want || len(got) > maxPath {
			t.Errorf("%.20q…: %q, want %q", name, got[max(0, len(got)-30):], want[max(0, len(want)-30):])
		}
	}
}

// TestFullBatches: a batch is one call, three of them can be in progress, and
// one path more than 3,000 is throttled until the others are done.
func TestFullBatches(t *testing.T) {
	target, api, _ := newTarget(t, settings.CloudFront{})
	all := paths(standin.MaxPaths + 1)
	for full := range slices.Chunk(all[:standin.MaxPaths], target.Limits().Items) {
		if err := errors.Join(target.Deliver(t.Context(), full)...); err != nil {
			t.Fatal(err)
		}
	}
	if got := api.Sizes(); !slices.Equal(got, []int{1000, 1000, 1000}) {
		t.Errorf("calls of %v", got)
	}
	one := all[standin.MaxPaths:]
	var e *cdn.Error
	if err := target.Deliver(t.Context(), one)[0]; !errors.As(err, &e) || e.Kind != cdn.ErrThrottled || e.RetryAfter == 0 {
		t.Errorf("%v", err)
	}
	api.Finish()
	if err := target.Deliver(t.Context(), one)[0]; err != nil {
		t.Errorf("%v", err)
	}
}

// TestTooLargeABatch of 3,001 paths is split all the same.
func TestTooLargeABatch(t *testing.T) {
	target, api, _ := newTarget(t, settings.CloudFront{})
	errs := target.Deliver(t.Context(), paths(standin.MaxPaths+1))
	if err := errors.Join(errs[:standin.MaxPaths]...); err != nil {
		t.Error(err)
	}
	if !errors.Is(errs[standin.MaxPaths], cdn.ErrThrottled) || !slices.Equal(api.Sizes(), []int{3000}) {
		t.Errorf("%v, calls of %v", errs[standin.MaxPaths], api.Sizes())
	}
}

// TestWildcards: fifteen at once, whatever they come from; files go on.
func TestWildcards(t *testing.T) {
	target, api, _ := newTarget(t, settings.CloudFront{})
	var list []cdn.Item
	for i := range standin.MaxWildcards + 1 {
		list = append(list, cdntest.PathItem(string(rune('a'+i))+"*"))
	}
	list = append(list, cdntest.PathItem("z"))
	for i, err := range target.Deliver(t.Context(), list) {
		if late := i == standin.MaxWildcards; late != errors.Is(err, cdn.ErrThrottled) || !late && err != nil {
			t.Errorf("item %d: %v", i, err)
		}
	}
	if !api.Invalidated("/z") || api.Invalidated("/p") {
		t.Error("the wrong ones were left")
	}
	if err := target.Deliver(t.Context(), []cdn.Item{cdntest.Item(cdn.Prefix, "q")})[0]; !errors.Is(err, cdn.ErrThrottled) {
		t.Errorf("a sixteenth: %v", err)
	}
	if err := target.Deliver(t.Context(), []cdn.Item{cdntest.PathItem("y")})[0]; err != nil {
		t.Errorf("files are counted apart: %v", err)
	}
}

// TestIdempotence: the same items in any order are the same invalidation, and
// are not counted twice; other items are another.
func TestIdempotence(t *testing.T) {
	target, api, _ := newTarget(t, settings.CloudFront{})
	list := append(paths(5), paths(2)...)
	for range 3 {
		if err := errors.Join(target.Deliver(t.Context(), list)...); err != nil {
			t.Fatal(err)
		}
		slices.Reverse(list)
	}
	if got := api.Sizes(); !slices.Equal(got, []int{5}) {
		t.Errorf("invalidations of %v paths", got)
	}
	list[0].ID = "the same path, changed again"
	if err := errors.Join(target.Deliver(t.Context(), list)...); err != nil {
		t.Fatal(err)
	}
	if got := api.Sizes(); !slices.Equal(got, []int{5, 5}) {
		t.Errorf("invalidations of %v paths", got)
	}
	moved := list[0]
	moved.Subject = "elsewhere" // the same ID, as after a change of Path
	if err := target.Deliver(t.Context(), []cdn.Item{moved})[0]; err != nil {
		t.Errorf("%v", err)
	}
}

// TestTestIsChargedOnce, however often it runs.
func TestTestIsChargedOnce(t *testing.T) {
	target, api, _ := newTarget(t, settings.CloudFront{})
	for range 3 {
		if said, err := target.Test(t.Context()); err != nil || said == "" {
			t.Errorf("%q %v", said, err)
		}
	}
	if got := api.Sizes(); !slices.Equal(got, []int{1}) {
		t.Errorf("%v", got)
	}
}

// TestOneBad: a path that is refused does not take the others with it.
func TestOneBad(t *testing.T) {
	target, api, faults := newTarget(t, settings.CloudFront{})
	api.Refuses = "/37"
	list := paths(100)
	for i, err := range target.Deliver(t.Context(), list) {
		if bad := i == 37; bad != errors.Is(err, cdn.ErrRefused) || !bad && (err != nil || !api.Invalidated("/"+list[i].Subject)) {
			t.Errorf("item %d: %v", i, err)
		}
	}
	if n := faults.Calls(); n > 16 {
		t.Errorf("%d calls", n)
	}
}

// TestRefusals: the reason says what to mend, and the secret is not in it.
func TestRefusals(t *testing.T) {
	for _, test := range []struct {
		cfg    settings.CloudFront
		status int
		want   string
	}{
		{settings.CloudFront{DistributionID: "other"}, http.StatusNotFound, "DistributionID"},
		{settings.CloudFront{AccessKeyID: "AKIDOTHER"}, http.StatusForbidden, "AccessKeyID"},
		{settings.CloudFront{AccessKeyID: "AKIDDENIED"}, http.StatusForbidden, "cloudfront:CreateInvalidation"},
		{settings.CloudFront{SecretAccessKey: "wrong-s3cret"}, http.StatusForbidden, "SecretAccessKey"},
	} {
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
			t.Errorf("%d calls: what is not about the paths is not tried one by one", n)
		}
	}
}

// TestCodes: what Amazon says means the same whatever the status.
func TestCodes(t *testing.T) {
	var code string
	status := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprintf(w, "<ErrorResponse><Error><Code>%s</Code><Message>no</Message></Error></ErrorResponse>", code)
	}))
	defer server.Close()
	target, err := New(t.Context(), settings.CloudFront{
		Name: "cloudfront:a", DistributionID: "E", AccessKeyID: "a", SecretAccessKey: "b", Endpoint: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	for _, test := range []struct {
		status int
		code   string
		want   error
	}{
		{400, "Throttling", cdn.ErrThrottled}, {503, "Throttling", cdn.ErrThrottled}, {400, "ThrottlingException", cdn.ErrThrottled},
		{400, "TooManyInvalidationsInProgress", cdn.ErrThrottled}, {429, "Anything", cdn.ErrThrottled},
		{403, "ExpiredToken", cdn.ErrUnavailable}, {403, "RequestExpired", cdn.ErrUnavailable}, {500, "InternalError", cdn.ErrUnavailable},
		{503, "ServiceUnavailable", cdn.ErrUnavailable}, {301, "Moved", cdn.ErrRefused}, {403, "AccessDenied", cdn.ErrRefused},
		{413, "BatchTooLarge", cdn.ErrRefused}, {400, "InvalidArgument", cdn.ErrRefused},
	} {
		status, code = test.status, test.code
		if err := target.Deliver(t.Context(), paths(1))[0]; !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.code) {
			t.Errorf("%d %s: %v, want %v", test.status, test.code, err, test.want)
		}
	}
}

// TestNoCredentials: the default chain has nothing, which is no item's fault.
func TestNoCredentials(t *testing.T) {
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", "/dev/null")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
	target, err := New(t.Context(), settings.CloudFront{Name: "cloudfront:a", DistributionID: "E", Endpoint: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	if err := target.Deliver(context.WithoutCancel(t.Context()), paths(1))[0]; !errors.Is(err, cdn.ErrUnavailable) || !strings.Contains(err.Error(), "credentials") {
		t.Errorf("%v", err)
	}
}

func TestNewNamesWhatIsWrong(t *testing.T) {
	for _, test := range []struct {
		cfg  settings.CloudFront
		want string
	}{
		{settings.CloudFront{}, "DistributionID"},
		{settings.CloudFront{DistributionID: "a", AccessKeyID: "b"}, "SecretAccessKey is not"},
		{settings.CloudFront{DistributionID: "a", SecretAccessKey: "s3cret"}, "AccessKeyID is not"},
		{settings.CloudFront{DistributionID: "a", Endpoint: "localhost"}, "Endpoint=localhost"},
	} {
		test.cfg.Name = "cloudfront:main"
		_, err := New(t.Context(), test.cfg)
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "cloudfront:main") || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%v, want %s", err, test.want)
		}
	}
}
