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
	"example.com/ezdfs/internal/server"
	"example.com/ezdfs/internal/testservice"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// stack is what stands behind a front end: a gateway over a cluster on one
// directory and SQLite, its admin listener, and the rest of the site.
type stack struct {
	cluster *cluster.Cluster
	options gateway.Options
	network server.Options
	mount   string

	gatewayAddr, adminAddr, siteAddr, phpAddr string

	ready atomic.Bool // what /readyz says
	stop  func()      // ends the gateway, after it has finished what it has

	mu   sync.Mutex
	seen []request
}

// request is what the gateway saw of one.
type request struct {
	path, query string
	client      string // who it says sent it
	header      http.Header
}

// newStack starts everything until the end of the test. Lines go to [Gateway]
// of file.ini.
func newStack(t *testing.T, lines ...string) *stack {
	t.Helper()
	root := publicDir(t)
	s := &stack{mount: filepath.Join(root, "mount"), gatewayAddr: address(testservice.FreePort(t))}
	set := loadSettings(t, root, gatewaytest.Settings+"Listen="+s.gatewayAddr+"\nTrustedProxies[]=127.0.0.1\n"+strings.Join(lines, "\n"))
	s.cluster = openCluster(t, set)
	var err error
	if s.options, err = gateway.OptionsFrom(set); err != nil {
		t.Fatal(err)
	}
	if s.network, err = server.OptionsFrom(set); err != nil {
		t.Fatal(err)
	}
	s.network.ReusePort = true // as a restart takes them over
	s.network.AdminListen = "" // stays when the gateway does not
	s.ready.Store(true)
	s.start(t)
	t.Cleanup(func() { s.stop() })
	s.adminAddr = listen(t, http.HandlerFunc(s.readyz))
	s.siteAddr = listen(t, http.HandlerFunc(site))
	s.phpAddr = listenFCGI(t, http.HandlerFunc(site))
	return s
}

// start starts a gateway, beside the one that there may be.
func (s *stack) start(t *testing.T) {
	t.Helper()
	front, err := server.Listen(t.Context(), s.network)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done, handler := make(chan struct{}), front.Protect(s.record(gateway.New(s.cluster, s.options)))
	go func() {
		defer close(done)
		if err := front.Serve(ctx, handler, nil); err != nil {
			t.Errorf("the gateway ended: %v", err)
		}
	}()
	s.stop = func() { cancel(); <-done }
}

// publicDir returns a temporary directory that any user may enter, such as the
// one that Apache runs as.
func publicDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
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
		s.seen = append(s.seen, request{r.URL.EscapedPath(), r.URL.RawQuery, s.network.Proxies.Client(r).String(), r.Header.Clone()})
		s.mu.Unlock()
		h.ServeHTTP(w, r)
	})
}

// requests returns what reached the gateway since the last call.
func (s *stack) requests() []request {
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
