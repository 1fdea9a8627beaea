package observe

import (
	"github.com/prometheus/client_golang/prometheus"

	"example.com/ezdfs/events"
)

// ServerStats are the counters of a server.
type ServerStats struct {
	Connections, Requests int64  // now
	Accepted, Refused     uint64 // so far
}

// Server adds the counters of a server, asked for at every scrape.
func (m *Metrics) Server(stats func() ServerStats) {
	gauge := func(name, help string, value func(ServerStats) float64) {
		m.Registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "ezdfs", Name: name, Help: help},
			func() float64 { return value(stats()) }))
	}
	counter := func(name, help string, value func(ServerStats) float64) {
		m.Registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: "ezdfs", Name: name, Help: help},
			func() float64 { return value(stats()) }))
	}
	gauge("http_connections", "Connections that are open.", func(s ServerStats) float64 { return float64(s.Connections) })
	gauge("http_requests_in_flight", "Requests that are being answered.", func(s ServerStats) float64 { return float64(s.Requests) })
	counter("http_connections_accepted_total", "Connections accepted.", func(s ServerStats) float64 { return float64(s.Accepted) })
	counter("http_requests_refused_total", "Requests refused because too many were in flight.",
		func(s ServerStats) float64 { return float64(s.Refused) })
}

// Listeners adds the counters of the listeners of a cluster.
func (m *Metrics) Listeners(stats func() []events.Stats) {
	m.Registry.MustRegister(&listeners{stats})
}

// listeners collects what the events hub counts.
type listeners struct{ stats func() []events.Stats }

// listenerMetrics are the metrics of each listener.
func listenerMetrics() []struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(events.Stats) float64
} {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName("ezdfs", "listener", name), help, []string{"listener"}, nil)
	}
	return []struct {
		desc  *prometheus.Desc
		kind  prometheus.ValueType
		value func(events.Stats) float64
	}{
		{desc("delivered_total", "Notifications that were handled."), prometheus.CounterValue,
			func(s events.Stats) float64 { return float64(s.Delivered) }},
		{desc("pending", "Notifications that wait."), prometheus.GaugeValue,
			func(s events.Stats) float64 { return float64(s.Pending) }},
		{desc("dropped_total", "Notifications that were lost: the queue was full, or the listener refused them."), prometheus.CounterValue,
			func(s events.Stats) float64 { return float64(s.Dropped) }},
		{desc("failed_total", "Calls of the listener that failed."), prometheus.CounterValue,
			func(s events.Stats) float64 { return float64(s.Failed) }},
	}
}

// Describe implements prometheus.Collector.
func (l *listeners) Describe(out chan<- *prometheus.Desc) {
	for _, m := range listenerMetrics() {
		out <- m.desc
	}
}

// Collect implements prometheus.Collector.
func (l *listeners) Collect(out chan<- prometheus.Metric) {
	all := listenerMetrics()
	for _, s := range l.stats() {
		for _, m := range all {
			out <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(s), s.Listener)
		}
	}
}
