package akamai_test

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
	"example.com/ezdfs/cdn/akamai"
	"example.com/ezdfs/cdn/cdntest"
	stub "example.com/ezdfs/cdn/cdntest/akamai"
	"example.com/ezdfs/gateway/surrogate"
	"example.com/ezdfs/settings"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newTarget returns one that the test closes.
func newTarget(tb testing.TB, cfg settings.Akamai, opts ...akamai.Option) *akamai.Target {
	tb.Helper()
	target, err := akamai.New(cfg, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { target.Close() })
	return target
}

func TestConformance(t *testing.T) {
	for _, by := range []string{"url", "tag"} {
		t.Run(by, func(t *testing.T) {
			fixture := func(timeout time.Duration) func(t *testing.T) cdntest.Fixture {
				return func(t *testing.T) cdntest.Fixture {
					s := stub.Start(t)
					cfg := s.Settings()
					cfg.PurgeBy, cfg.CPCodes, cfg.Timeout = by, []string{"12345"}, timeout
					return cdntest.Fixture{Target: newTarget(t, cfg), Faults: s.Faults, Took: func(item cdn.Item) bool { return took(s, by, item) }}
				}
			}
			cdntest.Run(t, cdntest.Harness{New: fixture(time.Minute), Impatient: fixture(300 * time.Millisecond), Secrets: stub.Start(t).Secrets()})
		})
	}
}

// took finds what an item must have become.
func took(s *stub.Server, by string, item cdn.Item) bool {
	want := ""
	switch {
	case item.Extent == cdn.All:
		want = "12345"
	case item.Extent == cdn.Prefix:
		want = surrogate.Directory(item.Subject)
	case item.Extent == cdn.Trunk:
		want = surrogate.Trunk(item.Subject)
	case item.Extent == cdn.Scope:
		want = surrogate.Scope(item.Subject)
	case by == "tag":
		want = surrogate.Path(item.Subject)
	}
	return slices.ContainsFunc(s.Purged(), func(p stub.Purge) bool {
		if p.Kind == "url" {
			u, err := url.Parse(p.Object)
			return err == nil && want == "" && u.Path == "/"+item.Subject && u.RawQuery == ""
		}
		return p.Object == want
	})
}

func paths(names ...string) []cdn.Item {
	var batch []cdn.Item
	for i, name := range names {
		batch = append(batch, cdn.Item{ID: fmt.Sprint(i), Action: cdn.Invalidate, Extent: cdn.Path, Subject: name})
	}
	return batch
}

func numbered(n int) []string {
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("var/%d.png", i))
	}
	return names
}

func objects(s *stub.Server, kind string) []string {
	var list []string
	for _, p := range s.Purged() {
		if p.Kind == kind {
			list = append(list, p.Object)
		}
	}
	return list
}

// Each item becomes what the settings and its extent say.
func TestObjects(t *testing.T) {
	item := func(extent cdn.Extent, subject string) cdn.Item {
		return cdn.Item{Action: cdn.Invalidate, Extent: extent, Subject: subject}
	}
	for _, test := range []struct {
		name string
		set  func(*settings.Akamai)
		item cdn.Item
		want string // of the purges; "" for an item that is left to the ledger
	}{
		{"url", nil, item(cdn.Path, "var/a.png"), "[{invalidate url production https://www.example.com/var/a.png}]"},
		{"two bases", func(c *settings.Akamai) { c.URLs = append(c.URLs, "https://b.example/m/") }, item(cdn.Path, "a"),
			"[{invalidate url production https://www.example.com/a} {invalidate url production https://b.example/m/a}]"},
		{"delete on staging", func(c *settings.Akamai) { c.Method, c.Network = "delete", "staging" }, item(cdn.Path, "a"),
			"[{delete url staging https://www.example.com/a}]"},
		{"path by tag", func(c *settings.Akamai) { c.PurgeBy = "tag" }, item(cdn.Path, "a"), "[{invalidate tag production p-0cc175b9c0f1}]"},
		{"directory", nil, item(cdn.Prefix, "a/"), "[{invalidate tag production d-0cc175b9c0f1}]"},
		{"scope", nil, item(cdn.Scope, "a"), "[{invalidate tag production s-0cc175b9c0f1}]"},
		{"trunk", nil, item(cdn.Trunk, "a"), "[{invalidate tag production t-0cc175b9c0f1} {invalidate tag production p-0cc175b9c0f1}]"},
		{"no directory", nil, item(cdn.Prefix, "a"), ""},
		{"no tags", func(c *settings.Akamai) { c.Tags = false }, item(cdn.Prefix, "a/"), ""},
		{"no codes", nil, item(cdn.All, ""), ""},
		{"codes", func(c *settings.Akamai) { c.CPCodes = []string{"12345", "6"} }, item(cdn.All, ""),
			"[{invalidate cpcode production 12345} {invalidate cpcode production 6}]"},
		{"push", nil, cdn.Item{Action: cdn.Push, Extent: cdn.Path, Subject: "a"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := stub.Start(t)
			cfg := s.Settings()
			if test.set != nil {
				test.set(&cfg)
			}
			target := newTarget(t, cfg)
			if takes := target.Limits().Takes(test.item); takes != (test.want != "") {
				t.Errorf("takes it: %v", takes)
			}
			errs := target.Deliver(t.Context(), []cdn.Item{test.item})
			if test.want == "" {
				if !errors.Is(errs[0], cdn.ErrRefused) || s.Faults.Calls() != 0 {
					t.Errorf("%v after %d calls", errs, s.Faults.Calls())
				}
			} else if got := fmt.Sprint(s.Purged()); errs[0] != nil || got != test.want {
				t.Errorf("%s, want %s (%v)", got, test.want, errs)
			}
		})
	}
}

// A batch of exactly Limits is one call; one byte more would be refused.
func TestBatchAtTheLimit(t *testing.T) {
	s := stub.Start(t)
	target := newTarget(t, s.Settings())
	limits := target.Limits()
	const overhead = len(`"https://www.example.com/",`)
	batch, left := []cdn.Item{}, limits.Bytes
	for left > 0 {
		length := 500
		if left < 2*(length+overhead) { // a last one of exactly the rest
			length = left - overhead
		}
		batch = append(batch, paths(strings.Repeat("x", length))...)
		left -= limits.Size(batch[len(batch)-1])
	}
	if left != 0 {
		t.Fatalf("the batch misses the limit by %d bytes", left)
	}
	if errs := target.Deliver(t.Context(), batch); errors.Join(errs...) != nil || s.Faults.Calls() != 1 {
		t.Errorf("%d calls, %v", s.Faults.Calls(), errors.Join(errs...))
	}
	// Beyond it two calls are made, none of them too large.
	batch = append(batch, paths("x")...)
	if errs := target.Deliver(t.Context(), batch); errors.Join(errs...) != nil || s.Faults.Calls() != 3 {
		t.Errorf("%d calls, %v", s.Faults.Calls(), errors.Join(errs...))
	}
}

// One request holds 1,000 objects, and one kind of them.
func TestManyItems(t *testing.T) {
	s := stub.Start(t)
	target := newTarget(t, s.Settings())
	batch := append(paths(numbered(target.Limits().Items)...),
		cdn.Item{Action: cdn.Invalidate, Extent: cdn.Prefix, Subject: "var/"}, cdn.Item{Action: cdn.Invalidate, Extent: cdn.Scope, Subject: "image"})
	if errs := target.Deliver(t.Context(), batch); errors.Join(errs...) != nil || s.Faults.Calls() != 2 {
		t.Errorf("%d calls, %v", s.Faults.Calls(), errors.Join(errs...))
	}
	if urls, tags := len(objects(s, "url")), len(objects(s, "tag")); urls != 1000 || tags != 2 {
		t.Errorf("%d URLs, %d tags", urls, tags)
	}
}

// Bad objects are told apart from the good ones around them, whether or not
// the answer names them.
func TestBadObjects(t *testing.T) {
	bad := func(object string) bool { return strings.Contains(object, "bad") }
	for _, test := range []struct {
		name           string
		refuse, forbid func(string) bool
		quiet          bool
		maxCalls       int
	}{
		{"named", bad, nil, false, 4},
		{"not named", bad, nil, true, 64},
		{"forbidden", nil, bad, false, 4},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := stub.Start(t)
			s.Refuse, s.Forbid, s.Quiet = test.refuse, test.forbid, test.quiet
			names := numbered(300)
			names[0], names[150], names[299] = "var/bad1", "var/bad2", "var/bad3"
			for i, err := range newTarget(t, s.Settings()).Deliver(t.Context(), paths(names...)) {
				if bad(names[i]) != errors.Is(err, cdn.ErrRefused) || !bad(names[i]) && err != nil {
					t.Errorf("%s: %v", names[i], err)
				}
			}
			if n := len(objects(s, "url")); n != 297 || s.Faults.Calls() > test.maxCalls {
				t.Errorf("%d purged in %d calls", n, s.Faults.Calls())
			}
		})
	}
}

// A batch of nothing but bad objects that are not named ends: what was not
// looked at is tried again.
func TestTooManyBadObjects(t *testing.T) {
	s := stub.Start(t)
	s.Refuse, s.Quiet = func(string) bool { return true }, true
	errs := newTarget(t, s.Settings()).Deliver(t.Context(), paths(numbered(500)...))
	kinds := map[error]int{}
	for _, err := range errs {
		for _, kind := range []error{cdn.ErrRefused, cdn.ErrUnavailable} {
			if errors.Is(err, kind) {
				kinds[kind]++
			}
		}
	}
	if s.Faults.Calls() > 64 || kinds[cdn.ErrRefused] == 0 || kinds[cdn.ErrRefused]+kinds[cdn.ErrUnavailable] != 500 {
		t.Errorf("%d calls, %v", s.Faults.Calls(), kinds)
	}
}

// says is a transport that answers everything with the same.
type says struct {
	status int
	header http.Header
	body   string
}

func (s says) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: s.status, Header: s.header, Body: io.NopCloser(strings.NewReader(s.body)), Request: req}, nil
}

// What only this API says means what its documentation says, and no error
// tells a secret that it repeats.
func TestFailures(t *testing.T) {
	s := stub.Start(t)
	for _, test := range []struct {
		answer says
		kind   error
		wait   time.Duration
	}{
		{says{status: 429}, cdn.ErrThrottled, 5 * time.Second},
		{says{status: 429, header: http.Header{"Retry-After": {"60"}}}, cdn.ErrThrottled, time.Minute},
		{says{status: 507}, cdn.ErrThrottled, 5 * time.Second},
		{says{status: 500}, cdn.ErrUnavailable, 0},
		{says{status: 503, header: http.Header{"Retry-After": {"9"}}}, cdn.ErrUnavailable, 9 * time.Second},
		{says{status: 403, body: `{"title":"no","detail":"` + strings.Join(s.Secrets(), " ") + `"}`}, cdn.ErrRefused, 0},
		{says{status: 404}, cdn.ErrRefused, 0},
		{says{status: 400, body: `{"title":"Bad request","detail":"Invalid timestamp"}`}, cdn.ErrUnavailable, 0},
		{says{status: 307, header: http.Header{"Location": {"http://127.0.0.1:1/"}}}, cdn.ErrRefused, 0},
		{says{status: 200}, cdn.ErrUnavailable, 0},
	} {
		target := newTarget(t, s.Settings(), akamai.WithTransport(test.answer))
		for _, err := range target.Deliver(t.Context(), paths("a", "b")) {
			var e *cdn.Error
			if !errors.As(err, &e) || !errors.Is(err, test.kind) || e.RetryAfter != test.wait || e.Status != test.answer.status {
				t.Errorf("%d: %v (%+v)", test.answer.status, err, e)
			}
			noSecrets(t, s, err)
		}
	}
}

func noSecrets(t *testing.T, s *stub.Server, err error) {
	t.Helper()
	for _, secret := range s.Secrets() {
		if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), secret) {
			t.Errorf("a secret in %v", err)
		}
	}
}

// Objects beyond the account's rate are refused for now, all of them.
func TestRateLimit(t *testing.T) {
	s := stub.Start(t)
	s.Tokens = 9
	for _, err := range newTarget(t, s.Settings()).Deliver(t.Context(), paths(numbered(10)...)) {
		if !errors.Is(err, cdn.ErrThrottled) {
			t.Error(err)
		}
	}
	if len(s.Purged()) != 0 {
		t.Error("some were purged")
	}
}

// The stand-in, and so the API, notices wrong keys, clocks and repeated nonces.
func TestSignature(t *testing.T) {
	for _, test := range []struct {
		name string
		set  func(*settings.Akamai)
		skew time.Duration
		want error
	}{
		{"right", func(*settings.Akamai) {}, 0, nil},
		{"another secret", func(c *settings.Akamai) { c.ClientSecret = "another" }, 0, cdn.ErrRefused},
		{"another token", func(c *settings.Akamai) { c.AccessToken = "another" }, 0, cdn.ErrRefused},
		{"late clock", func(*settings.Akamai) {}, -time.Minute, cdn.ErrUnavailable},
		{"early clock", func(*settings.Akamai) {}, time.Minute, cdn.ErrUnavailable},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := stub.Start(t)
			cfg := s.Settings()
			test.set(&cfg)
			target := newTarget(t, cfg, akamai.WithClock(func() time.Time { return time.Now().Add(test.skew) }))
			err := target.Deliver(t.Context(), paths("a"))[0]
			if !errors.Is(err, test.want) || (err == nil) != (test.want == nil) {
				t.Errorf("%v, want %v", err, test.want)
			}
			if err != nil {
				noSecrets(t, s, err)
			}
			if _, err := target.Test(t.Context()); (err == nil) != (test.want == nil) {
				t.Errorf("test: %v", err)
			}
		})
	}
}

// replay sends every request twice and returns the second answer.
type replay struct{ http.RoundTripper }

func (r replay) RoundTrip(req *http.Request) (*http.Response, error) {
	again := req.Clone(req.Context())
	again.Body, _ = req.GetBody()
	first, err := r.RoundTripper.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	first.Body.Close()
	return r.RoundTripper.RoundTrip(again)
}

func TestNonceIsNew(t *testing.T) {
	s := stub.Start(t)
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	err := newTarget(t, s.Settings(), akamai.WithTransport(replay{transport})).Deliver(t.Context(), paths("a"))[0]
	if !errors.Is(err, cdn.ErrUnavailable) || !strings.Contains(err.Error(), "Nonce") {
		t.Errorf("a replayed request: %v", err)
	}
	target := newTarget(t, s.Settings())
	for range 2 {
		if err := target.Deliver(t.Context(), paths("a"))[0]; err != nil {
			t.Error(err)
		}
	}
}

func TestTest(t *testing.T) {
	s := stub.Start(t)
	got, err := newTarget(t, s.Settings()).Test(t.Context())
	if want := "Akamai took the credentials, 99 requests are left, 10000 objects"; got != want || err != nil {
		t.Errorf("%q %v", got, err)
	}
	if len(s.Purged()) != 0 {
		t.Error("the test purged something")
	}
}

// Credentials come from the settings, then from the file; errors quote none.
func TestCredentials(t *testing.T) {
	s := stub.Start(t)
	file := filepath.Join(t.TempDir(), ".edgerc")
	full := s.Settings()
	text := fmt.Sprintf("# mine\n[other]\nclient_secret = wrong\n\n[ccu]\nhost = https://akab-x.luna.akamaiapis.net/\nclient_token = %s\n; old\nclient_secret=%s\naccess_token =%s\r\n",
		full.ClientToken.Reveal(), full.ClientSecret.Reveal(), full.AccessToken.Reveal())
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	from := func(section string) settings.Akamai {
		cfg := s.Settings()
		cfg.ClientToken, cfg.ClientSecret, cfg.AccessToken = "", "", ""
		cfg.CredentialsFile, cfg.CredentialsSection = file, section
		return cfg
	}
	if err := newTarget(t, from("ccu")).Deliver(t.Context(), paths("a"))[0]; err != nil {
		t.Error(err)
	}
	for section, want := range map[string]string{"none": "no section [none]", "other": "Missing"} {
		_, err := akamai.New(from(section))
		if err == nil || !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(want)) || strings.Contains(err.Error(), "wrong") {
			t.Errorf("[%s]: %v", section, err)
		}
	}
	cfg := from("ccu")
	cfg.CredentialsFile += "x"
	if _, err := akamai.New(cfg); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// Settings that cannot work are refused at once, by name.
func TestSettings(t *testing.T) {
	s := stub.Start(t)
	for _, test := range []struct {
		set  func(*settings.Akamai)
		want string
	}{
		{func(c *settings.Akamai) { c.URLs = nil }, "URLs"},
		{func(c *settings.Akamai) { c.URLs = []string{"www.example.com"} }, "URLs[]=www.example.com"},
		{func(c *settings.Akamai) { c.CPCodes = []string{"012"} }, "CPCodes"},
		{func(c *settings.Akamai) { c.Endpoint = "nowhere" }, "Endpoint"},
		{func(c *settings.Akamai) { c.Endpoint, c.Host = "", "" }, "Host missing"},
		{func(c *settings.Akamai) { c.ClientSecret = "" }, "ClientSecret missing"},
	} {
		cfg := s.Settings()
		test.set(&cfg)
		if _, err := akamai.New(cfg); err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "akamai:test: ") {
			t.Errorf("%v, want %s", err, test.want)
		}
	}
}

// The limits are what the documentation says, whatever the bases.
func TestLimits(t *testing.T) {
	s := stub.Start(t)
	cfg := s.Settings()
	cfg.URLs = append(cfg.URLs, "https://b.example")
	l := newTarget(t, cfg).Limits()
	if l.Items != 500 || l.ItemRate != 100 || l.ItemBurst != 5000 || !slices.Equal(l.Extents, []cdn.Extent{cdn.Prefix, cdn.Trunk, cdn.Scope}) {
		t.Errorf("%+v", l)
	}
	cfg.PurgeBy, cfg.CPCodes, cfg.Tags = "tag", []string{"1"}, false
	l = newTarget(t, cfg).Limits()
	if l.Items != 1000 || l.ItemBurst != 5000 || !slices.Equal(l.Extents, []cdn.Extent{cdn.All}) {
		t.Errorf("%+v", l)
	}
}
