package varnish

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/cdn"
	"example.com/ezdfs/cdn/cdntest"
	"example.com/ezdfs/cdn/internal/tags"
	"example.com/ezdfs/gateway/surrogate"
	"example.com/ezdfs/internal/testservice"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "varnish-s3cret"

// newOrigin stands for the gateway: every file exists and is sent with its
// keys.
func newOrigin(t *testing.T) *httptest.Server {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		row := metadata.Row{Name: strings.TrimPrefix(r.URL.Path, "/"), Scope: "image"}
		if base, _, ok := strings.Cut(row.Name, "-trunk"); ok {
			row.Trunk = base
		}
		w.Header().Set("Cache-Control", "public, max-age=3600")
		w.Header().Set("xkey", surrogate.Header(row))
		fmt.Fprint(w, row.Name)
	}))
	t.Cleanup(origin.Close)
	return origin
}

var backendPort = regexp.MustCompile(`\.port = "[0-9]+";`)

// newVarnish starts Varnish with examples/varnish/ezdfs.vcl, or what change
// makes of it, before an origin, and returns its address.
func newVarnish(t *testing.T, origin *httptest.Server, change func(string) string) *url.URL {
	t.Helper()
	const examples = "../../examples/varnish"
	dir := t.TempDir()
	for _, name := range []string{"ezdfs.vcl", "keys-ban.vcl", "keys-xkey.vcl"} {
		data, err := os.ReadFile(filepath.Join(examples, name))
		if err != nil {
			t.Fatal(err)
		}
		at, _ := url.Parse(origin.URL)
		text := backendPort.ReplaceAllString(string(data), fmt.Sprintf(`.port = "%s";`, at.Port()))
		if change != nil && name == "ezdfs.vcl" {
			before := text
			if text = change(text); text == before {
				t.Fatal("the example is not what this test changes")
			}
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	port := testservice.FreePort(t)
	testservice.StartVarnish(t, filepath.Join(dir, "ezdfs.vcl"), port)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	u, _ := url.Parse(fmt.Sprintf("http://127.0.0.1:%d", port))
	return u
}

// proxy passes requests on to Varnish and remembers what Varnish took.
type proxy struct {
	*httputil.ReverseProxy
	mu    sync.Mutex
	urls  map[string]bool // purged
	bans  []string        // prefixes
	keys  map[string]bool // purged
	heads []http.Header
}

func newProxy(to *url.URL) *proxy {
	p := &proxy{urls: map[string]bool{}, keys: map[string]bool{}}
	p.ReverseProxy = &httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = r.In.Host },
		ModifyResponse: func(r *http.Response) error { p.note(r); return nil },
	}
	return p
}

func (p *proxy) note(r *http.Response) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.heads = append(p.heads, r.Request.Header)
	if r.StatusCode != http.StatusOK {
		return
	}
	switch prefix := r.Request.Header.Get("X-Ban-Prefix"); {
	case r.Request.Method == "BAN":
		decoded, _ := url.PathUnescape(prefix)
		p.bans = append(p.bans, decoded)
	case r.Request.Header.Get("xkey") != "":
		for key := range strings.SplitSeq(r.Request.Header.Get("xkey"), " ") {
			p.keys[key] = true
		}
	default:
		p.urls[r.Request.URL.Path] = true
	}
}

// took reports whether Varnish was told of an item.
func (p *proxy) took(item cdn.Item) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	keys, _ := tags.Of(item)
	byKey := len(keys) > 0 && !slices.ContainsFunc(keys, func(key string) bool { return !p.keys[key] })
	isPath := item.Extent == cdn.Path
	return byKey || isPath && p.urls["/"+item.Subject] || !isPath && slices.Contains(p.bans, "/"+item.Subject)
}

// newTarget returns a target that is closed at the end of the test.
func newTarget(t *testing.T, cfg settings.Varnish) *Target {
	t.Helper()
	cfg.Name, cfg.SecretHeader, cfg.Secret = "varnish:front", "X-Purge-Token", secret
	if cfg.Timeout == 0 {
		cfg.Timeout = time.Minute
	}
	target, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { target.Close() })
	return target
}

// TestConformance runs the suite against a real Varnish, whose requests pass a
// proxy that can fail: for URLs and bans, for keys, and for two hosts of which
// one fails.
func TestConformance(t *testing.T) {
	origin := newOrigin(t)
	at := newVarnish(t, origin, nil)
	for name, cfg := range map[string]settings.Varnish{
		"URL": {}, "Keys": {PurgeBy: "key", Keys: true}, "Both": {Keys: true}, "TwoHosts": {Servers: []string{at.String()}},
	} {
		t.Run(name, func(t *testing.T) {
			fixture := func(timeout time.Duration) func(t *testing.T) cdntest.Fixture {
				return func(t *testing.T) cdntest.Fixture {
					p := newProxy(at)
					faults := cdntest.NewFaults(p)
					server := httptest.NewServer(faults)
					t.Cleanup(server.Close)
					cfg := cfg
					cfg.Servers = append([]string{server.URL}, cfg.Servers...)
					cfg.Timeout, cfg.Concurrency = timeout, 8
					return cdntest.Fixture{Target: newTarget(t, cfg), Faults: faults, Took: p.took}
				}
			}
			cdntest.Run(t, cdntest.Harness{
				New: fixture(time.Minute), Impatient: fixture(200 * time.Millisecond),
				Secrets: []string{secret}, IgnoresGarbage: true,
			})
		})
	}
}

// cache is a Varnish seen by its visitors.
type cache struct {
	t  *testing.T
	at string
}

// hit asks for a file and reports whether Varnish had it.
func (c cache) hit(name string) bool {
	c.t.Helper()
	response, err := http.Get(c.at + "/" + backends.EscapePath(name))
	if err != nil {
		c.t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		c.t.Fatalf("%s: %s", name, response.Status)
	}
	return response.Header.Get("X-Cache") == "hit"
}

// fill has Varnish cache files.
func (c cache) fill(names []string) {
	c.t.Helper()
	for _, name := range names {
		c.hit(name)
		if !c.hit(name) {
			c.t.Fatalf("%q is not cached", name)
		}
	}
}

// want asks for files, and wants those that gone means to be gone, no others.
func (c cache) want(names []string, gone func(string) bool) {
	c.t.Helper()
	for _, name := range names {
		if got := !c.hit(name); got != gone(name) {
			c.t.Errorf("%q gone: %v, want %v", name, got, !got)
		}
	}
}
