package varnish

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/cdn"
	"example.com/ezdfs/cdn/cdntest"
	"example.com/ezdfs/settings"
)

const images = "var/site/storage/images/"

// withXkey uses vmod xkey instead of bans.
func withXkey(vcl string) string {
	return strings.Replace(vcl, `include "./keys-ban.vcl"`, `include "./keys-xkey.vcl"`, 1)
}

// names are files that look alike to a pattern that is not escaped.
func names() []string {
	list := []string{
		images + "a.b/1.png", images + "a.b/2.png", images + "aXb/1.png", images + "a.bc/1.png",
		images + "(a|b)/1.png", images + "a/1.png", images + "b/1.png", images + "[x]/1.png", images + "x/1.png",
		images + "1+1/1.png", images + "11/1.png", images + "ü/1.png", images + "%C3%BC/1.png", images + "^$/1.png",
		images + "2-trunk-a.png", images + "2-trunk-b.png", images + "2",
	}
	for _, name := range cdntest.OddPaths() {
		list = append(list, strings.Replace(name, "var/site/storage/", images, 1))
	}
	return list
}

// TestDropsExactlyThat asks a real Varnish what is left in it.
func TestDropsExactlyThat(t *testing.T) {
	origin := newOrigin(t)
	hasPrefix := func(prefix string) func(string) bool {
		return func(name string) bool { return strings.HasPrefix(name, prefix) }
	}
	modes := map[string]struct {
		cfg    settings.Varnish
		change func(string) string
	}{
		"URL":      {cfg: settings.Varnish{}},
		"KeysBan":  {cfg: settings.Varnish{Keys: true, PurgeBy: "key"}},
		"KeysXkey": {settings.Varnish{Keys: true, PurgeBy: "key"}, withXkey},
	}
	for mode, m := range modes {
		t.Run(mode, func(t *testing.T) {
			at := newVarnish(t, origin, m.change)
			m.cfg.Servers = []string{at.String()}
			target := newTarget(t, m.cfg)
			c := cache{t, at.String()}
			all := names()
			c.fill(all)
			check := func(item cdn.Item, gone func(string) bool) {
				t.Helper()
				limits := target.Limits()
				if item.Extent != cdn.Path && limits.Takes != nil && !limits.Takes(item) {
					return
				}
				if err := target.Deliver(t.Context(), []cdn.Item{item})[0]; err != nil {
					t.Fatalf("%s %q: %v", item.Extent, item.Subject, err)
				}
				c.want(all, gone)
			}
			for _, name := range all {
				check(cdntest.PathItem(name), func(other string) bool { return other == name })
			}
			for _, prefix := range []string{"a.b", "a.b/", "(a|b)/", "[x]/", "1+1/", "ü/", "%C3", "^$/", `"`, "^a.*"} {
				check(cdntest.Item(cdn.Prefix, images+prefix), hasPrefix(images+prefix))
			}
			check(cdntest.Item(cdn.Trunk, images+"2"), hasPrefix(images+"2"))
			check(cdntest.Item(cdn.Scope, "binaryfile"), func(string) bool { return false })
			check(cdntest.Item(cdn.Scope, "image"), func(string) bool { return true })
			check(cdntest.Item(cdn.All, ""), func(string) bool { return true })
		})
	}
}

// TestSoft: what is purged softly is fetched again, and was not lost meanwhile.
func TestSoft(t *testing.T) {
	origin := newOrigin(t)
	at := newVarnish(t, origin, withXkey)
	p := newProxy(at)
	front := httptest.NewServer(p)
	defer front.Close()
	target := newTarget(t, settings.Varnish{Servers: []string{front.URL}, PurgeBy: "key", Soft: true})
	name := images + "soft.png"
	cache{t, at.String()}.fill([]string{name})
	if err := target.Deliver(t.Context(), []cdn.Item{cdntest.PathItem(name)})[0]; err != nil {
		t.Fatal(err)
	}
	if got := p.heads[len(p.heads)-1].Get("Xkey-Soft"); got != "1" {
		t.Errorf("xkey-soft: %q", got)
	}
	origin.Close() // a hard purge would leave nothing to serve
	response, err := http.Get(at.String() + "/" + name)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("%s: the old copy is gone", response.Status)
	}
}

// TestNotAllowed: a host that refuses says what to do about it.
func TestNotAllowed(t *testing.T) {
	origin := newOrigin(t)
	at := newVarnish(t, origin, func(vcl string) string {
		return strings.Replace(vcl, `"127.0.0.1";
    "::1";`, `"192.0.2.1";`, 1)
	})
	target := newTarget(t, settings.Varnish{Servers: []string{at.String()}})
	_, err := target.Test(t.Context())
	errs := target.Deliver(t.Context(), []cdn.Item{cdntest.PathItem("a"), cdntest.Item(cdn.Prefix, "b")})
	for _, err := range append(errs, err) {
		var e *cdn.Error
		if !errors.As(err, &e) || e.Kind != cdn.ErrRefused || e.Status != http.StatusMethodNotAllowed ||
			!strings.Contains(err.Error(), "ACL") || !strings.Contains(err.Error(), at.Host) {
			t.Errorf("%v", err)
		}
	}
}

// TestSecret: the VCL may ask for a token besides.
func TestSecret(t *testing.T) {
	origin := newOrigin(t)
	at := newVarnish(t, origin, func(vcl string) string {
		return strings.Replace(vcl, "sub ezdfs_invalidate {", `sub ezdfs_invalidate {
    if (req.http.X-Purge-Token != "`+secret+`") {
        return (synth(403));
    }`, 1)
	})
	cfg := settings.Varnish{Servers: []string{at.String()}}
	if said, err := newTarget(t, cfg).Test(t.Context()); err != nil || said == "" {
		t.Errorf("%q %v", said, err)
	}
	other, err := New(settings.Varnish{Name: "varnish:a", Servers: cfg.Servers})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.Test(t.Context()); !errors.Is(err, cdn.ErrRefused) || !strings.Contains(err.Error(), "Secret") {
		t.Errorf("without the secret: %v", err)
	}
}

// TestHosts: an item is delivered when every host took it, and an error names
// those that did not.
func TestHosts(t *testing.T) {
	type host struct {
		*httptest.Server
		*cdntest.Faults
		name string
	}
	var hosts []host
	var cfg settings.Varnish
	for range 3 {
		faults := cdntest.NewFaults(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		server := httptest.NewServer(faults)
		defer server.Close()
		hosts = append(hosts, host{server, faults, server.Listener.Addr().String()})
		cfg.Servers = append(cfg.Servers, server.URL)
	}
	target := newTarget(t, cfg)
	cfg.Timeout = time.Second
	impatient := newTarget(t, cfg)
	for _, test := range []struct {
		faults [3]cdntest.Fault
		kind   error
		wait   time.Duration
	}{
		{[3]cdntest.Fault{}, nil, 0},
		{[3]cdntest.Fault{1: cdntest.Hang}, cdn.ErrUnavailable, 0},
		{[3]cdntest.Fault{cdntest.Forbid, cdntest.Down, cdntest.None}, cdn.ErrUnavailable, 0},
		{[3]cdntest.Fault{cdntest.Forbid, cdntest.None, cdntest.Throttle}, cdn.ErrThrottled, cdntest.RetryAfter * time.Second},
		{[3]cdntest.Fault{2: cdntest.Forbid}, cdn.ErrRefused, 0},
	} {
		for i, fault := range test.faults {
			hosts[i].Set(fault)
		}
		target := target
		if slices.Contains(test.faults[:], cdntest.Hang) {
			target = impatient
		}
		err := target.Deliver(t.Context(), []cdn.Item{cdntest.PathItem("a")})[0]
		if test.kind == nil && err == nil {
			continue
		}
		var e *cdn.Error
		if !errors.As(err, &e) || e.Kind != test.kind || e.RetryAfter != test.wait {
			t.Errorf("%v: %v", test.faults, err)
			continue
		}
		for i, fault := range test.faults {
			if strings.Contains(err.Error(), hosts[i].name) != (fault != cdntest.None) {
				t.Errorf("%v: host %d in %v", test.faults, i, err)
			}
		}
	}
}

// TestDownHost: a batch does not wait for a silent host with each of its items.
func TestDownHost(t *testing.T) {
	faults := cdntest.NewFaults(nil)
	server := httptest.NewServer(faults)
	defer server.Close()
	faults.Set(cdntest.Hang)
	target := newTarget(t, settings.Varnish{Servers: []string{server.URL}, Concurrency: 2, Timeout: 50 * time.Millisecond})
	var list []cdn.Item
	for i := range maxItems {
		list = append(list, cdntest.PathItem(fmt.Sprint(i)))
	}
	for _, err := range target.Deliver(t.Context(), list) {
		if !errors.Is(err, cdn.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	}
	if n := faults.Calls(); n > 4 {
		t.Errorf("%d requests to a host that does not answer", n)
	}
}

// TestSites: a purge is sent for each site, a ban once for each path.
func TestSites(t *testing.T) {
	var got []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got = append(got, fmt.Sprintf("%s %s%s %s", r.Method, r.Host, r.URL.EscapedPath(), r.Header.Get("X-Ban-Prefix")))
	}))
	defer server.Close()
	target := newTarget(t, settings.Varnish{Servers: []string{server.URL + "/"}, Concurrency: 1,
		URLs: []string{"https://www.example.com", "https://example.com/", "http://m.example.com:8080/media/"}})
	errs := target.Deliver(t.Context(), []cdn.Item{cdntest.PathItem("a b"), cdntest.Item(cdn.Prefix, "c d")})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	want := `PURGE www.example.com/a%20b |PURGE example.com/a%20b |PURGE m.example.com:8080/media/a%20b |` +
		`BAN www.example.com/ /c%20d|BAN m.example.com:8080/ /media/c%20d`
	if strings.Join(got, "|") != want {
		t.Errorf("%q", got)
	}
}

// TestKeysFitIntoTheHeader: a full batch of trunks has twice as many keys.
func TestKeysFitIntoTheHeader(t *testing.T) {
	var sizes []int
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		sizes = append(sizes, len(r.Header.Get("xkey")))
	}))
	defer server.Close()
	target := newTarget(t, settings.Varnish{Servers: []string{server.URL}, Keys: true, Concurrency: 1})
	var batch []cdn.Item
	for i := range maxItems {
		batch = append(batch, cdntest.Item(cdn.Trunk, fmt.Sprint(i)))
	}
	if err := errors.Join(target.Deliver(t.Context(), batch)...); err != nil {
		t.Fatal(err)
	}
	if len(sizes) != 2 || sizes[0] > 4096 {
		t.Errorf("headers of %v bytes", sizes)
	}
}

// TestStatuses: what VCLs of others answer.
func TestStatuses(t *testing.T) {
	status := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	defer server.Close()
	target := newTarget(t, settings.Varnish{Servers: []string{server.URL}})
	batch := []cdn.Item{cdntest.PathItem("a"), cdntest.Item(cdn.Prefix, "a")}
	for code, want := range map[int][2]error{
		204: {nil, nil}, 404: {nil, cdn.ErrRefused}, 501: {cdn.ErrUnavailable, cdn.ErrUnavailable},
		401: {cdn.ErrRefused, cdn.ErrRefused}, 400: {cdn.ErrRefused, cdn.ErrRefused}, 503: {cdn.ErrUnavailable, cdn.ErrUnavailable},
	} {
		status = code
		for i, err := range target.Deliver(context.WithoutCancel(t.Context()), batch) {
			if (err == nil) != (want[i] == nil) || !errors.Is(err, want[i]) {
				t.Errorf("%d: %v, want %v", code, err, want[i])
			}
		}
	}
}

func TestNewNamesWhatIsWrong(t *testing.T) {
	for _, test := range []struct {
		cfg  settings.Varnish
		want string
	}{
		{settings.Varnish{}, "Servers"},
		{settings.Varnish{Servers: []string{"10.0.0.1:6081"}}, "Servers[]=10.0.0.1:6081"},
		{settings.Varnish{Servers: []string{"http://a"}, URLs: []string{"www.example.com"}}, "URLs[]=www.example.com"},
	} {
		test.cfg.Name = "varnish:a"
		if _, err := New(test.cfg); err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "varnish:a") {
			t.Errorf("%v, want %s", err, test.want)
		}
	}
}
