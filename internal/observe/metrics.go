package observe

import (
	"maps"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"example.com/ezdfs/internal/accesslog"
)

// Metrics are the metrics of one server. A nil *Metrics counts nothing.
type Metrics struct {
	// Registry is where they can be had, and where others may be added.
	Registry *prometheus.Registry

	requests  *prometheus.CounterVec
	seconds   *prometheus.HistogramVec
	firstByte *prometheus.HistogramVec
	bytes     *prometheus.CounterVec
	aborted   *prometheus.CounterVec

	operations operations // of database and stores

	mu     sync.Mutex
	series atomic.Pointer[map[seriesKey]*series] // replaced whole, so that reading takes no lock
}

// namespace begins the names of all metrics but those of Go and the process.
const namespace = "ezdfs"

// buckets reach from a row in memory to a download, in seconds.
var buckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300}

// NewMetrics returns metrics with a registry of their own.
func NewMetrics() *Metrics {
	opts := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}
	}
	hist := func(name, help string) prometheus.HistogramOpts {
		return prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}
	}
	m := &Metrics{
		Registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(opts("http_requests_total",
			"Requests answered, by method, class of the status (499 for clients that left is 4xx) and backend of the path."),
			[]string{"method", "status", "backend"}),
		seconds: prometheus.NewHistogramVec(hist("http_request_duration_seconds",
			"Time from the header of a request to the end of its answer."), []string{"backend"}),
		firstByte: prometheus.NewHistogramVec(hist("http_first_byte_seconds",
			"Time from the header of a request to that of its answer."), []string{"backend"}),
		bytes: prometheus.NewCounterVec(opts("http_response_body_bytes_total", "Bytes of bodies sent."), []string{"backend"}),
		aborted: prometheus.NewCounterVec(opts("http_aborted_total",
			"Answers that broke off: the client left, or the body did not arrive from its store."), []string{"backend"}),
		operations: newOperations(hist),
	}
	m.series.Store(&map[seriesKey]*series{})
	m.Registry.MustRegister(m.requests, m.seconds, m.firstByte, m.bytes, m.aborted,
		m.operations.seconds, m.operations.errors,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler answers /metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.Registry, promhttp.HandlerOpts{})
}

// seriesKey is what tells requests apart.
type seriesKey struct{ method, status, backend string }

// series are the metrics of alike requests, found once.
type series struct {
	requests, bytes, aborted prometheus.Counter
	seconds, firstByte       prometheus.Observer
}

// request counts one request.
func (m *Metrics) request(e *accesslog.Entry) {
	if m == nil {
		return
	}
	s := m.find(seriesKey{methodLabel(e.Request.Method), statusLabel(e.Status), e.Backend})
	s.requests.Inc()
	s.bytes.Add(float64(e.Bytes))
	s.seconds.Observe(e.Took.Seconds())
	s.firstByte.Observe(e.FirstByte.Seconds())
	if e.Aborted {
		s.aborted.Inc()
	}
}

// find returns the series of a key. There are few keys: methods, statuses and
// backends that clients cannot invent.
func (m *Metrics) find(key seriesKey) *series {
	if s, ok := (*m.series.Load())[key]; ok {
		return s
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s := &series{
		m.requests.WithLabelValues(key.method, key.status, key.backend), m.bytes.WithLabelValues(key.backend),
		m.aborted.WithLabelValues(key.backend), m.seconds.WithLabelValues(key.backend), m.firstByte.WithLabelValues(key.backend),
	}
	more := maps.Clone(*m.series.Load())
	more[key] = s
	m.series.Store(&more)
	return s
}

func methodLabel(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return method
	}
	return "other"
}

// statusLabels are the classes of statuses.
var statusLabels = [...]string{1: "1xx", 2: "2xx", 3: "3xx", 4: "4xx", 5: "5xx"}

func statusLabel(status int) string {
	if class := status / 100; class >= 1 && class < len(statusLabels) {
		return statusLabels[class]
	}
	return strconv.Itoa(status)
}

// operations are metrics of what the database and the stores are asked.
type operations struct {
	seconds *prometheus.HistogramVec
	errors  *prometheus.CounterVec
}

func newOperations(hist func(name, help string) prometheus.HistogramOpts) operations {
	labels := []string{"service", "operation"}
	return operations{
		seconds: prometheus.NewHistogramVec(hist("operation_duration_seconds",
			"Time that the database or a store took, by service (database, or the backend's name) and operation."), labels),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: "operation_errors_total",
			Help: "Operations of the database or a store that failed. That something does not exist is no failure."}, labels),
	}
}

// operation counts one operation.
func (m *Metrics) operation(service, operation string, took time.Duration, failed bool) {
	if m == nil {
		return
	}
	m.operations.seconds.WithLabelValues(service, operation).Observe(took.Seconds())
	if failed {
		m.operations.errors.WithLabelValues(service, operation).Inc()
	}
}
