package observe

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"go.uber.org/goleak"

	"example.com/ezdfs/events"
	"example.com/ezdfs/gateway"
	"example.com/ezdfs/internal/accesslog"
	"example.com/ezdfs/internal/server"
	"example.com/ezdfs/internal/trusted"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// logged is what the access log says of a request.
type logged struct {
	Client    string  `json:"client"`
	Method    string  `json:"method"`
	Status    int     `json:"status"`
	Bytes     int64   `json:"bytes"`
	Backend   string  `json:"backend"`
	RequestID string  `json:"request_id"`
	Aborted   bool    `json:"aborted"`
	Seconds   float64 `json:"seconds"`
	FirstByte float64 `json:"first_byte_seconds"`
}

// watched sends a request through a Handler around next, over the network,
// and returns the answer, the log and the metrics.
func watched(t *testing.T, proxies string, request *http.Request, next http.HandlerFunc) (*http.Response, logged, string) {
	t.Helper()
	var lines, messages bytes.Buffer
	log, err := accesslog.Open("stdout", accesslog.JSON, &lines, nil)
	if err != nil {
		t.Fatal(err)
	}
	trust, err := trusted.Parse([]string{proxies})
	if err != nil {
		t.Fatal(err)
	}
	m := NewMetrics()
	s := httptest.NewServer(&Handler{
		Next: next, Proxies: trust, Log: log, Metrics: m, Logger: slog.New(slog.NewTextHandler(&messages, nil)),
		Backend: func(path string) string { return strings.Split(path, "/")[0] },
	})
	request.URL.Scheme, request.URL.Host = "http", s.Listener.Addr().String()
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := transport.RoundTrip(request)
	if err == nil {
		io.Copy(io.Discard, response.Body)
		response.Body.Close()
	}
	s.Close()
	if err := log.Close(); err != nil {
		t.Error(err)
	}
	var line logged
	if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
		t.Errorf("logged %q: %v", &lines, err)
	}
	return response, line, scrape(t, m) + messages.String()
}

func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Errorf("metrics: %d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func get(t *testing.T, method, path string, header ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, "http://x"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

// TestWatch follows requests that end in every way.
func TestWatch(t *testing.T) {
	for name, test := range map[string]struct {
		method string
		next   http.HandlerFunc
		want   logged
		metric string
		lost   bool // no whole answer
	}{
		"a body": {"GET", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") },
			logged{Status: 200, Bytes: 5}, `ezdfs_http_requests_total{backend="nfs",method="GET",status="2xx"} 1`, false},
		"a stream": {"GET", func(w http.ResponseWriter, r *http.Request) { io.Copy(w, strings.NewReader("hello")) },
			logged{Status: 200, Bytes: 5}, `ezdfs_http_response_body_bytes_total{backend="nfs"} 5`, false},
		"nothing": {"GET", func(w http.ResponseWriter, r *http.Request) {},
			logged{Status: 200}, `ezdfs_http_request_duration_seconds_count{backend="nfs"} 1`, false},
		"a status": {"GET", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(304); w.WriteHeader(500) },
			logged{Status: 304}, `ezdfs_http_requests_total{backend="nfs",method="GET",status="3xx"} 1`, false},
		"hints before": {"GET", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(103); w.WriteHeader(404) },
			logged{Status: 404}, `ezdfs_http_requests_total{backend="nfs",method="GET",status="4xx"} 1`, false},
		"no body for HEAD": {"HEAD", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") },
			logged{Status: 200}, `ezdfs_http_response_body_bytes_total{backend="nfs"} 0`, false},
		"an invented method": {"BREW", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(405) },
			logged{Status: 405}, `ezdfs_http_requests_total{backend="nfs",method="other",status="4xx"} 1`, false},
		"broken off": {"GET", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "10")
			io.WriteString(w, "hello")
			panic(http.ErrAbortHandler)
		}, logged{Status: 200, Bytes: 5, Aborted: true}, `ezdfs_http_aborted_total{backend="nfs"} 1`, true},
		"nobody there": {"GET", func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) },
			logged{Status: 499, Aborted: true}, `ezdfs_http_requests_total{backend="nfs",method="GET",status="4xx"} 1`, true},
		"a bug": {"GET", func(w http.ResponseWriter, r *http.Request) { panic(errors.New("impossible")) },
			logged{Status: 499, Aborted: true}, `panic=impossible`, true},
	} {
		t.Run(name, func(t *testing.T) {
			response, got, metrics := watched(t, "10.0.0.0/8", get(t, test.method, "/nfs/a"), test.next)
			want := test.want
			want.Client, want.Method, want.Backend = "127.0.0.1", test.method, "nfs"
			want.RequestID, want.Seconds, want.FirstByte = got.RequestID, got.Seconds, got.FirstByte
			if got != want {
				t.Errorf("logged %+v\nwant %+v", got, want)
			}
			if got.FirstByte > got.Seconds {
				t.Errorf("the first byte after %v s, the last after %v s", got.FirstByte, got.Seconds)
			}
			if !strings.Contains(metrics, test.metric) {
				t.Errorf("no %s", test.metric)
			}
			if !test.lost && response.Header.Get("X-Request-Id") != got.RequestID {
				t.Errorf("told %q, logged %q", response.Header.Get("X-Request-Id"), got.RequestID)
			}
		})
	}
}

// TestRequestID: a proxy's is kept if it is one, nobody else's.
func TestRequestID(t *testing.T) {
	const made = "made"
	for name, test := range map[string]struct{ proxies, given, want string }{
		"trusted":    {"127.0.0.0/8", "a-B_1.2:3=4+5/6@7", "a-B_1.2:3=4+5/6@7"},
		"untrusted":  {"10.0.0.0/8", "abc", made},
		"none":       {"127.0.0.0/8", "", made},
		"blank":      {"127.0.0.0/8", "a b", made},
		"quote":      {"127.0.0.0/8", `a"b`, made},
		"no ASCII":   {"127.0.0.0/8", "ä", made},
		"very long":  {"127.0.0.0/8", strings.Repeat("a", 129), made},
		"quite long": {"127.0.0.0/8", strings.Repeat("a", 128), strings.Repeat("a", 128)},
	} {
		t.Run(name, func(t *testing.T) {
			seen := ""
			_, got, _ := watched(t, test.proxies, get(t, "GET", "/", "X-Request-Id", test.given),
				func(w http.ResponseWriter, r *http.Request) { seen = w.Header().Get("X-Request-Id") })
			if got.RequestID != seen || test.want != made && seen != test.want || test.want == made && (len(seen) != 32 || seen == test.given) {
				t.Errorf("logged %q, told %q", got.RequestID, seen)
			}
		})
	}
	if a, b := requestID(&http.Request{}, false), requestID(&http.Request{}, false); a == b {
		t.Errorf("%q twice", a)
	}
}

// TestForwarded: the log names the client, not the proxy.
func TestForwarded(t *testing.T) {
	for proxies, want := range map[string]string{"127.0.0.0/8": "192.0.2.7", "10.0.0.0/8": "127.0.0.1"} {
		_, got, _ := watched(t, proxies, get(t, "GET", "/", "X-Forwarded-For", "10.6.6.6, 192.0.2.7"),
			func(http.ResponseWriter, *http.Request) {})
		if got.Client != want {
			t.Errorf("with %s trusted: %s", proxies, got.Client)
		}
	}
}

// TestNothingToDo: a handler that watches nothing works.
func TestNothingToDo(t *testing.T) {
	w := httptest.NewRecorder()
	(&Handler{Next: http.NotFoundHandler()}).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != http.StatusNotFound {
		t.Errorf("status %d", w.Code)
	}
}

// TestLint has the metrics follow the conventions.
func TestLint(t *testing.T) {
	m := NewMetrics()
	m.Server(func() server.Stats { return server.Stats{Connections: 3} })
	m.Gateway(func() gateway.Stats {
		return gateway.Stats{RowHits: 7, Services: []gateway.ServiceStats{{Name: "database"}, {Name: "nfs", Down: true}}}
	})
	m.Listeners(func() []events.Stats {
		return []events.Stats{{Listener: "rowcache", Delivered: 5}, {Listener: "rowcache"}, {Listener: "webhook", Pending: 2}}
	})
	m.request(&accesslog.Entry{Request: get(t, "GET", "/"), Status: 200})
	Services{Metrics: m}.Database(t.Context(), "get", 1, nil)
	text := scrape(t, m)
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Error(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	for _, want := range []string{
		"ezdfs_http_connections 3", "ezdfs_row_cache_hits_total 7", `ezdfs_service_down{service="nfs"} 1`,
		`ezdfs_listener_delivered_total{listener="rowcache"} 5`, `ezdfs_listener_delivered_total{listener="rowcache#2"} 0`,
		`ezdfs_listener_pending{listener="webhook"} 2`, "go_goroutines ",
	} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("no %s", want)
		}
	}
}

// TestTwo: two sets of metrics live in one process.
func TestTwo(t *testing.T) {
	a, b := NewMetrics(), NewMetrics()
	a.request(&accesslog.Entry{Request: get(t, "GET", "/"), Status: 200})
	if strings.Contains(scrape(t, b), "ezdfs_http_requests_total{") || !strings.Contains(scrape(t, a), "ezdfs_http_requests_total{") {
		t.Error("what one counts the other shows")
	}
	if a.Registry == prometheus.DefaultRegisterer {
		t.Error("the registry is global")
	}
}
