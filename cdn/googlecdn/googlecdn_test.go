package googlecdn_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/ezdfs/cdn"
	"example.com/ezdfs/cdn/cdntest"
	stub "example.com/ezdfs/cdn/cdntest/googlecdn"
	"example.com/ezdfs/cdn/googlecdn"
	"example.com/ezdfs/gateway/surrogate"
	"example.com/ezdfs/settings"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newTarget returns one that the test closes.
func newTarget(tb testing.TB, cfg settings.GoogleCDN, opts ...googlecdn.Option) *googlecdn.Target {
	tb.Helper()
	target, err := googlecdn.New(cfg, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { target.Close() })
	return target
}

func TestConformance(t *testing.T) {
	for _, tagged := range []bool{false, true} {
		t.Run(fmt.Sprintf("tags=%v", tagged), func(t *testing.T) {
			fixture := func(timeout time.Duration) func(t *testing.T) cdntest.Fixture {
				return func(t *testing.T) cdntest.Fixture {
					s := stub.Start(t)
					cfg := s.Settings(t)
					cfg.Tags, cfg.Timeout = tagged, timeout
					return cdntest.Fixture{Target: newTarget(t, cfg), Faults: s.Faults, Took: func(item cdn.Item) bool { return took(s, tagged, item) }}
				}
			}
			cdntest.Run(t, cdntest.Harness{New: fixture(time.Minute), Impatient: fixture(500 * time.Millisecond), Secrets: stub.Start(t).Secrets()})
		})
	}
}

// took finds the rule that an item must have become.
func took(s *stub.Server, tagged bool, item cdn.Item) bool {
	key := map[cdn.Extent]func(string) string{
		cdn.Path: surrogate.Path, cdn.Prefix: surrogate.Directory, cdn.Trunk: surrogate.Trunk, cdn.Scope: surrogate.Scope,
	}[item.Extent]
	return slices.ContainsFunc(s.Rules(), func(r stub.Rule) bool {
		if tagged && item.Extent != cdn.All {
			return slices.Contains(r.CacheTags, key(item.Subject))
		}
		path, star := strings.CutSuffix(r.Path, "*")
		decoded, err := url.PathUnescape(path)
		return err == nil && decoded == "/"+item.Subject && star == (item.Extent != cdn.Path)
	})
}

func item(extent cdn.Extent, subject string) cdn.Item { return cdntest.Item(extent, subject) }

// Each item becomes what the settings and its extent say.
func TestRules(t *testing.T) {
	deep := strings.Repeat("d/", surrogate.MaxDirectories+1)
	tagged := func(c *settings.GoogleCDN) { c.Tags = true }
	for _, test := range []struct {
		name string
		set  func(*settings.GoogleCDN)
		item cdn.Item
		want string // "" for an item that is left to the ledger
	}{
		{"path", nil, item(cdn.Path, "var/a b*?#.png"), "[{ /var/a%20b%2A%3F%23.png []}]"},
		{"host and path", func(c *settings.GoogleCDN) { c.Host, c.Path = "www.example.com", "/media/ä/" }, item(cdn.Path, "a"), "[{www.example.com /media/%C3%A4/a []}]"},
		{"directory", nil, item(cdn.Prefix, "var/a/"), "[{ /var/a/* []}]"},
		{"no directory", nil, item(cdn.Prefix, "var/a"), ""},
		{"all", nil, item(cdn.All, ""), "[{ /* []}]"},
		{"trunk", nil, item(cdn.Trunk, "a"), ""},
		{"path by tag", tagged, item(cdn.Path, "a"), "[{  [p-0cc175b9c0f1]}]"},
		{"trunk by tags", tagged, item(cdn.Trunk, "a"), "[{  [t-0cc175b9c0f1 p-0cc175b9c0f1]}]"},
		{"scope by tag", tagged, item(cdn.Scope, "a"), "[{  [s-0cc175b9c0f1]}]"},
		{"directory by tag", tagged, item(cdn.Prefix, "a/"), "[{  [d-0cc175b9c0f1]}]"},
		{"directory without a tag", tagged, item(cdn.Prefix, deep), "[{ /" + deep + "* []}]"},
		{"all without a tag", tagged, item(cdn.All, ""), "[{ /* []}]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := stub.Start(t)
			cfg := s.Settings(t)
			if test.set != nil {
				test.set(&cfg)
			}
			target := newTarget(t, cfg)
			if takes := target.Limits().Takes(test.item); takes != (test.want != "") {
				t.Errorf("takes it: %v", takes)
			}
			err := target.Deliver(t.Context(), []cdn.Item{test.item})[0]
			if test.want == "" {
				if !errors.Is(err, cdn.ErrRefused) {
					t.Error(err)
				}
			} else if got := fmt.Sprint(s.Rules()); got != test.want || err != nil {
				t.Errorf("%s, want %s: %v", got, test.want, err)
			}
		})
	}
}

// A request takes ten tags, and never an eleventh.
func TestTagsFillRequests(t *testing.T) {
	s := stub.Start(t)
	cfg := s.Settings(t)
	cfg.Tags = true
	batch := []cdn.Item{item(cdn.All, "")}
	for i := range 9 {
		batch = append(batch, item(cdn.Path, fmt.Sprint(i)))
	}
	batch = append(batch, item(cdn.Trunk, "t"), item(cdn.Path, "x")) // the trunk's two keys do not fit
	if err := errors.Join(newTarget(t, cfg).Deliver(t.Context(), batch)...); err != nil {
		t.Fatal(err)
	}
	var counts []int
	for _, r := range s.Rules() {
		counts = append(counts, len(r.CacheTags))
	}
	if !slices.Equal(counts, []int{0, 9, 3}) {
		t.Errorf("tags of the requests: %v", counts)
	}
}

// The same item twice is two requests, none of which the service ignores.
func TestRequestIDs(t *testing.T) {
	s := stub.Start(t)
	target := newTarget(t, s.Settings(t))
	for range 2 {
		if err := target.Deliver(t.Context(), []cdn.Item{item(cdn.Path, "a")})[0]; err != nil {
			t.Fatal(err)
		}
	}
	if len(s.Rules()) != 2 {
		t.Errorf("%v", s.Rules())
	}
}

// A quota that is used up is waited for, and costs no further calls.
func TestQuota(t *testing.T) {
	s := stub.Start(t)
	s.Quota = 1
	errs := newTarget(t, s.Settings(t)).Deliver(t.Context(), []cdn.Item{item(cdn.Path, "a"), item(cdn.Path, "b"), item(cdn.Path, "c")})
	var e *cdn.Error
	if errs[0] != nil || !errors.Is(errs[1], cdn.ErrThrottled) || !errors.As(errs[2], &e) || e.Kind != cdn.ErrThrottled || e.RetryAfter != time.Minute || e.Status != 403 {
		t.Errorf("%v", errs)
	}
	if s.Faults.Calls() != 2 {
		t.Errorf("%d calls", s.Faults.Calls())
	}
}

// Accepted is delivered, unless the end of the operation is to be waited for.
func TestWait(t *testing.T) {
	for _, test := range []struct {
		name      string
		wait      bool
		failure   string
		neverDone bool
		kind      error
		waits     int
	}{
		{"accepted", false, "INVALID", true, nil, 0},
		{"done", true, "", false, nil, 2},
		{"fails", true, "INVALID", false, cdn.ErrRefused, 2},
		{"quota", true, "RATE_LIMIT_EXCEEDED", false, cdn.ErrThrottled, 2},
		{"not ready", true, "RESOURCE_NOT_READY", false, cdn.ErrUnavailable, 2},
		{"never done", true, "", true, cdn.ErrUnavailable, -1},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := stub.Start(t)
			s.OperationError, s.NeverDone = test.failure, test.neverDone
			cfg := s.Settings(t)
			if cfg.Wait = test.wait; test.waits < 0 {
				cfg.Timeout = 300 * time.Millisecond
			}
			err := newTarget(t, cfg).Deliver(t.Context(), []cdn.Item{item(cdn.Path, "a")})[0]
			if !errors.Is(err, test.kind) || (err == nil) != (test.kind == nil) {
				t.Error(err)
			}
			if test.waits >= 0 && s.Waits() != test.waits {
				t.Errorf("%d waits", s.Waits())
			}
		})
	}
}

// says is a transport that answers everything with the same.
type says struct {
	status int
	body   string
}

func (s says) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: s.status, Body: io.NopCloser(strings.NewReader(s.body)), Request: req}, nil
}

// What the API says means what its documentation says.
func TestFailures(t *testing.T) {
	reason := func(text string) string {
		return `{"error":{"message":"no","errors":[{"reason":"` + text + `"}]}}`
	}
	for _, test := range []struct {
		answer says
		kind   error
	}{
		{says{403, reason("quotaExceeded")}, cdn.ErrThrottled},
		{says{403, reason("forbidden")}, cdn.ErrRefused},
		{says{403, `{"error":{"message":"no","status":"RESOURCE_EXHAUSTED"}}`}, cdn.ErrThrottled},
		{says{429, ""}, cdn.ErrThrottled},
		{says{400, reason("invalid")}, cdn.ErrRefused},
		{says{400, reason("resourceNotReady")}, cdn.ErrUnavailable},
		{says{404, reason("notFound")}, cdn.ErrRefused},
		{says{503, reason("backendError")}, cdn.ErrUnavailable},
		{says{200, `{"status":"DONE"}`}, cdn.ErrUnavailable},
	} {
		cfg := settings.GoogleCDN{Name: "googlecdn:a", Project: "p", URLMap: "m", Endpoint: "http://127.0.0.1:1"}
		err := newTarget(t, cfg, googlecdn.WithTransport(test.answer)).Deliver(t.Context(), []cdn.Item{item(cdn.Path, "a")})[0]
		if !errors.Is(err, test.kind) {
			t.Errorf("%+v: %v", test.answer, err)
		}
	}
}

// Tokens that are refused are for the administrator, others for later; neither
// error repeats what was sent.
func TestTokens(t *testing.T) {
	for status, kind := range map[int]error{400: cdn.ErrRefused, 401: cdn.ErrRefused, 404: cdn.ErrRefused, 429: cdn.ErrUnavailable} {
		s := stub.Start(t)
		s.TokenStatus = status
		target := newTarget(t, s.Settings(t))
		err := target.Deliver(t.Context(), []cdn.Item{item(cdn.Path, "a")})[0]
		if !errors.Is(err, kind) {
			t.Errorf("%d: %v", status, err)
		}
		for _, secret := range append(s.Secrets(), "eyJ") {
			if strings.Contains(fmt.Sprintf("%+v %#v", err, err), secret) {
				t.Errorf("%q in %v", secret, err)
			}
		}
	}
	s := stub.Start(t)
	cfg := s.Settings(t)
	cfg.CredentialsFile = ""
	if err := newTarget(t, cfg).Deliver(t.Context(), []cdn.Item{item(cdn.Path, "a")})[0]; !errors.Is(err, cdn.ErrRefused) {
		t.Errorf("without a token: %v", err)
	}
}

// Settings that cannot work are refused at once, by name.
func TestSettings(t *testing.T) {
	s := stub.Start(t)
	file := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(file, []byte(`{"type":"service_account","private_key":"hush"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		set  func(*settings.GoogleCDN)
		want string
	}{
		{func(c *settings.GoogleCDN) { c.Project = "" }, "Project"},
		{func(c *settings.GoogleCDN) { c.Project = "a/b" }, "Project"},
		{func(c *settings.GoogleCDN) { c.URLMap = "A" }, "URLMap"},
		{func(c *settings.GoogleCDN) { c.Host = "https://a" }, "Host"},
		{func(c *settings.GoogleCDN) { c.Path = "a//b" }, "Path"},
		{func(c *settings.GoogleCDN) { c.Endpoint = "nowhere" }, "Endpoint"},
		{func(c *settings.GoogleCDN) { c.CredentialsFile = "/nowhere/key.json" }, "CredentialsFile"},
		{func(c *settings.GoogleCDN) { c.CredentialsFile = file }, "CredentialsFile"},
	} {
		cfg := s.Settings(t)
		test.set(&cfg)
		_, err := googlecdn.New(cfg)
		if err == nil || !strings.Contains(err.Error(), "setting "+test.want) || strings.Contains(err.Error(), "hush") || !strings.HasPrefix(err.Error(), "googlecdn:test: ") {
			t.Errorf("%v, want %s", err, test.want)
		}
	}
}

// No minute gets more than the quota.
func TestLimits(t *testing.T) {
	s := stub.Start(t)
	for _, quota := range []int{0, 500, 60, 1} {
		cfg := s.Settings(t)
		cfg.RatePerMinute = quota
		l := newTarget(t, cfg).Limits()
		if want := max(quota, 1); quota > 10 && l.Rate*60+float64(l.Burst) > float64(want) || l.Burst < 1 || l.Rate <= 0 {
			t.Errorf("%d: %+v", quota, l)
		}
	}
}
