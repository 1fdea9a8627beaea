package frontends

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/fcgi"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/ezdfs/cluster"
	"example.com/ezdfs/gateway"
	"example.com/ezdfs/gateway/gatewaytest"
	"example.com/ezdfs/internal/testservice"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// stack is what stands behind a front end: a gateway over a cluster on one
// directory and SQLite, its admin listener, and the rest of the site.
type stack struct {
	cluster *cluster.Cluster
	options gateway.Options
	mount   string

	gatewayAddr, adminAddr, siteAddr, phpAddr string

	ready atomic.Bool // what /readyz says

	mu   sync.Mutex
	seen []*http.Request // by the gateway
}

// newStack starts everything until the end of the test. Lines go to file.ini.
func newStack(t *testing.T, lines string) *stack {
	t.Helper()
	root := t.TempDir()
	s := &stack{mount: filepath.Join(root, "mount")}
	set := loadSettings(t, root, gatewaytest.Settings+lines)
	s.cluster = openCluster(t, set)
	var err error
	if s.options, err = gateway.OptionsFrom(set); err != nil {
		t.Fatal(err)
	}
	s.ready.Store(true)
	s.gatewayAddr = listen(t, s.record(gateway.New(s.cluster, s.options)))
	s.adminAddr = listen(t, http.HandlerFunc(s.readyz))
	s.siteAddr = listen(t, http.HandlerFunc(site))
	s.phpAddr = listenFCGI(t, http.HandlerFunc(site))
	return s
}

func loadSettings(t *testing.T, root, lines string) settings.Settings {
	t.Helper()
	for _, dir := range []string{"settings", "mount"} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	ini := "[eZDFSClusteringSettings]\nMountPointPath=mount\nDBBackend=SQLite\nDBName=" + filepath.Join(root, "cluster.db") + "\n" + lines
	if err := os.WriteFile(filepath.Join(root, "settings", "file.ini"), []byte(ini), 0o666); err != nil {
		t.Fatal(err)
	}
	s, err := settings.Load(settings.Options{Root: root, Getenv: func(string) (string, bool) { return "", false }})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func openCluster(t *testing.T, s settings.Settings) *cluster.Cluster {
	t.Helper()
	config, err := metadata.ConfigFrom(s)
	if err != nil {
		t.Fatal(err)
	}
	config.Create = true
	rows, err := metadata.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	if err := rows.CreateSchema(t.Context()); err != nil {
		t.Fatal(err)
	}
	c, err := cluster.Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// site is the rest of the site.
func site(w http.ResponseWriter, r *http.Request) {
	io.WriteString(w, "site:"+r.URL.Path)
}

func (s *stack) readyz(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/readyz" || !s.ready.Load() {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

// record keeps the requests that reach the gateway.
func (s *stack) record(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.seen = append(s.seen, r.Clone(context.WithoutCancel(r.Context())))
		s.mu.Unlock()
		h.ServeHTTP(w, r)
	})
}

// requests returns what reached the gateway since the last call.
func (s *stack) requests() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := s.seen
	s.seen = nil
	return seen
}

// store stores a file of long ago.
func (s *stack) store(t *testing.T, name, body string) {
	t.Helper()
	_, err := s.cluster.Store(t.Context(), name, strings.NewReader(body), cluster.StoreOptions{
		Scope: "image", DataType: "text/plain", ModTime: time.Unix(1_700_000_000, 0)})
	if err != nil {
		t.Fatal(err)
	}
}

// listen serves on a port of 127.0.0.1 until the end of the test.
func listen(t *testing.T, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// listenFCGI serves FastCGI, as PHP-FPM does.
func listenFCGI(t *testing.T, h http.Handler) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); fcgi.Serve(l, h) }()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}

// answer is what came back for a request.
type answer struct {
	*http.Response
	body string
}

// ask sends a request on a new connection, with header lines "Key: value".
func ask(t *testing.T, method, url string, lines ...string) answer {
	t.Helper()
	a, err := try(t, method, url, lines...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func try(t *testing.T, method, url string, lines ...string) (answer, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Close = true
	for _, line := range lines {
		key, value, _ := strings.Cut(line, ": ")
		r.Header.Set(key, value)
	}
	client := http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return answer{response, string(body)}, err
}

// eventually waits until something holds that another process brings about.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// front is a front end that was started with an example.
type front struct {
	name, url string
}

// A starter starts a front end in front of a stack and returns its URL.
// Further replacements are made in the example.
type starter func(t *testing.T, s *stack, more ...replacement) string

func startNginx(file string) starter {
	return func(t *testing.T, s *stack, more ...replacement) string {
		t.Helper()
		port := testservice.FreePort(t)
		config := example(t, "nginx/"+file, append(more,
			replacement{"listen 80;", "listen " + address(port) + ";"},
			replacement{"server 127.0.0.1:8080;", "server " + s.gatewayAddr + ";"},
			replacement{"server unix:/run/php/php-fpm.sock;", "server " + s.phpAddr + ";"})...)
		testservice.StartNginx(t, config, port)
		return "http://" + address(port)
	}
}

func startNginxCache(t *testing.T, s *stack, more ...replacement) string {
	t.Helper()
	return startNginx("ezdfs-cache.conf")(t, s, append(more, replacement{"/var/cache/nginx/ezdfs", t.TempDir()})...)
}

func startVarnish(t *testing.T, s *stack, more ...replacement) string {
	t.Helper()
	url, _ := varnish(t, s, more...)
	return url
}

func varnish(t *testing.T, s *stack, more ...replacement) (string, *testservice.Varnish) {
	t.Helper()
	port := testservice.FreePort(t)
	at := func(addr string) string {
		_, p, _ := strings.Cut(addr, ":")
		return `.port = "` + p + `";`
	}
	vcl := example(t, "varnish/ezdfs.vcl", append(more,
		replacement{`.port = "8080";`, at(s.gatewayAddr)},
		replacement{`.port = "9090";`, at(s.adminAddr)},
		replacement{`.port = "8000";`, at(s.siteAddr)})...)
	return "http://" + address(port), testservice.StartVarnish(t, vcl, port)
}

func startApache(file string, modules ...string) starter {
	return func(t *testing.T, s *stack, more ...replacement) string {
		t.Helper()
		port := testservice.FreePort(t)
		config := example(t, "apache/"+file, append(more,
			replacement{"<VirtualHost *:80>", "<VirtualHost *:" + address(port)[len("127.0.0.1:"):] + ">"},
			replacement{"http://127.0.0.1:8080", "http://" + s.gatewayAddr},
			replacement{"/var/www/site", t.TempDir()},
			replacement{"proxy:unix:/run/php/php-fpm.sock|fcgi://localhost/", "proxy:fcgi://" + s.phpAddr})...)
		testservice.StartApache(t, config, port, append(modules, "rewrite", "proxy", "proxy_http", "proxy_fcgi")...)
		return "http://" + address(port)
	}
}

func startHAProxy(t *testing.T, s *stack, more ...replacement) string {
	t.Helper()
	port := testservice.FreePort(t)
	_, admin, _ := strings.Cut(s.adminAddr, ":")
	config := example(t, "haproxy/ezdfs.cfg", append(more,
		replacement{"bind :80", "bind " + address(port)},
		replacement{"server gateway1 127.0.0.1:8080", "server gateway1 " + s.gatewayAddr},
		replacement{"server gateway1-unready 127.0.0.1:8080", "server gateway1-unready " + s.gatewayAddr},
		replacement{"check port 9090", "check port " + admin},
		replacement{"server site1 127.0.0.1:8000", "server site1 " + s.siteAddr})...)
	testservice.StartHAProxy(t, config, port)
	return "http://" + address(port)
}
