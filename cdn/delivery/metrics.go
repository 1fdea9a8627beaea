package delivery

import (
	"errors"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"example.com/ezdfs/metadata"
)

// lagBuckets reach from a cache next door to a target that was down for a day,
// in seconds.
var lagBuckets = []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600, 21600, 86400}

// metrics are what one can see of a pipeline. Those of targets carry the
// target's name.
type metrics struct {
	lag        *prometheus.HistogramVec
	seconds    *prometheus.HistogramVec
	deliveries *prometheus.CounterVec
	folded     *prometheus.CounterVec
	unechoed   *prometheus.CounterVec
	warmed     *prometheus.CounterVec
	changes    prometheus.Counter
	lost       prometheus.Counter
	unnamed    prometheus.Counter
	feeding    prometheus.Gauge
	backlog    *backlog
}

func newMetrics(p *Pipeline) *metrics {
	name := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "ezdfs", Subsystem: "cdn", Name: name, Help: help}
	}
	counter := func(n, help string) prometheus.CounterOpts { return prometheus.CounterOpts(name(n, help)) }
	histogram := func(n, help string, buckets []float64) prometheus.HistogramOpts {
		o := name(n, help)
		return prometheus.HistogramOpts{Namespace: o.Namespace, Subsystem: o.Subsystem, Name: o.Name, Help: o.Help, Buckets: buckets}
	}
	target := []string{"target"}
	return &metrics{
		lag: prometheus.NewHistogramVec(histogram("lag_seconds",
			"Time from the commit of the oldest change of a delivery until it was delivered.", lagBuckets), target),
		seconds: prometheus.NewHistogramVec(histogram("call_duration_seconds",
			"Time that a target took for a batch.", prometheus.DefBuckets), target),
		deliveries: prometheus.NewCounterVec(counter("deliveries_total",
			"Deliveries by what became of them: delivered, failed (given up), or retried later."), []string{"target", "result"}),
		folded: prometheus.NewCounterVec(counter("coalesced_total", "Deliveries of paths that a prefix replaced."), target),
		unechoed: prometheus.NewCounterVec(counter("untold_again_total",
			"Deliveries that were too many at a time to tell a cache twice; it may have fetched what a gateway still had from before."), target),
		warmed: prometheus.NewCounterVec(counter("warmed_total",
			"URLs requested to warm a cache, by result: ok, failed, or dropped because too many waited."), []string{"result"}),
		changes: prometheus.NewCounter(counter("changes_total", "Changes that this host turned into deliveries.")),
		lost:    prometheus.NewCounter(counter("feed_lost_total", "Times when changes were lost, and everything was invalidated unless told otherwise.")),
		unnamed: prometheus.NewCounter(counter("unnamed_total", "Changes of files whose names nobody knows any more; no cache was told.")),
		feeding: prometheus.NewGauge(prometheus.GaugeOpts(name("feeding", "1 while this host turns changes into deliveries."))),
		backlog: newBacklog(p),
	}
}

// expect has the counters of a target begin at 0, so that the first failure is
// an increase.
func (m *metrics) expect(target string) {
	for _, state := range []metadata.DeliveryState{metadata.DeliveryDelivered, metadata.DeliveryFailed, metadata.DeliveryPending} {
		m.deliveries.WithLabelValues(target, resultOf(state))
	}
	m.folded.WithLabelValues(target)
	m.unechoed.WithLabelValues(target)
	m.lag.WithLabelValues(target)
	m.seconds.WithLabelValues(target)
}

// resultOf is a state as the label of a delivery.
func resultOf(state metadata.DeliveryState) string {
	if state == metadata.DeliveryPending {
		return "retried"
	}
	return string(state)
}

func (m *metrics) register(r prometheus.Registerer) error {
	var errs []error
	for _, c := range []prometheus.Collector{m.lag, m.seconds, m.deliveries, m.folded, m.unechoed, m.warmed, m.changes, m.lost, m.unnamed, m.feeding, m.backlog} {
		errs = append(errs, r.Register(c))
	}
	return errors.Join(errs...)
}

// called notes that a target was called.
func (m *metrics) called(target string, took time.Duration) {
	m.seconds.WithLabelValues(target).Observe(took.Seconds())
}

// finished notes outcomes that are written down.
func (m *metrics) finished(target string, outcomes []metadata.Outcome) {
	now := time.Now()
	lag := m.lag.WithLabelValues(target)
	for _, o := range outcomes {
		if o.State == metadata.DeliveryDelivered {
			lag.Observe(max(0, now.Sub(o.Delivery.Since).Seconds()))
		}
		m.deliveries.WithLabelValues(target, resultOf(o.State)).Inc()
	}
}

func (m *metrics) setBacklog(stats []metadata.DeliveryStats) { m.backlog.set(stats) }

// backlog tells how the ledger stands, as it was last counted, and the targets'
// breakers, as they are.
type backlog struct {
	p     *Pipeline
	descs map[string]*prometheus.Desc

	mu    sync.Mutex
	stats []metadata.DeliveryStats
}

func newBacklog(p *Pipeline) *backlog {
	b := &backlog{p: p, descs: make(map[string]*prometheus.Desc)}
	for name, help := range map[string]string{
		"pending":                "Deliveries that are pending, in the ledger that all processes share.",
		"failed":                 "Deliveries that were given up and wait for somebody to look, in the ledger that all processes share.",
		"oldest_pending_seconds": "Age of the oldest change that is pending.",
		"target_down":            "1 while a target failed so often that it is left alone.",
	} {
		b.descs[name] = prometheus.NewDesc("ezdfs_cdn_"+name, help, []string{"target"}, nil)
	}
	return b
}

func (b *backlog) set(stats []metadata.DeliveryStats) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stats = stats
}

// Describe implements prometheus.Collector.
func (b *backlog) Describe(out chan<- *prometheus.Desc) {
	for _, d := range b.descs {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (b *backlog) Collect(out chan<- prometheus.Metric) {
	gauge := func(name, target string, value float64) {
		out <- prometheus.MustNewConstMetric(b.descs[name], prometheus.GaugeValue, value, target)
	}
	b.mu.Lock()
	stats := b.stats
	b.mu.Unlock()
	for _, s := range stats {
		gauge("pending", s.Target, float64(s.Pending))
		gauge("failed", s.Target, float64(s.Failed))
		age := 0.0
		if !s.Oldest.IsZero() {
			age = max(0, time.Since(s.Oldest).Seconds())
		}
		gauge("oldest_pending_seconds", s.Target, age)
	}
	for name, w := range b.p.workers {
		down := 0.0
		if !w.breaker.IsClosed() {
			down = 1
		}
		gauge("target_down", name, down)
	}
}
