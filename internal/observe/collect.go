package observe

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"example.com/ezdfs/events"
	"example.com/ezdfs/gateway"
	"example.com/ezdfs/internal/accesslog"
	"example.com/ezdfs/internal/server"
)

// metric is a metric that is read off a snapshot of counters at every scrape.
type metric[S any] struct {
	name, help string
	kind       prometheus.ValueType
	value      func(S) float64
}

// collector makes metrics of snapshots, each with the values of the labels that
// label returns.
type collector[S any] struct {
	descs     []*prometheus.Desc
	metrics   []metric[S]
	snapshots func() []S
	label     func(S) []string
}

func newCollector[S any](snapshots func() []S, labels []string, label func(S) []string, metrics ...metric[S]) *collector[S] {
	c := &collector[S]{metrics: metrics, snapshots: snapshots, label: label}
	for _, m := range metrics {
		c.descs = append(c.descs, prometheus.NewDesc(namespace+"_"+m.name, m.help, labels, nil))
	}
	return c
}

// Describe implements prometheus.Collector.
func (c *collector[S]) Describe(out chan<- *prometheus.Desc) {
	for _, desc := range c.descs {
		out <- desc
	}
}

// Collect implements prometheus.Collector.
func (c *collector[S]) Collect(out chan<- prometheus.Metric) {
	for _, s := range c.snapshots() {
		for i, m := range c.metrics {
			out <- prometheus.MustNewConstMetric(c.descs[i], m.kind, m.value(s), c.label(s)...)
		}
	}
}

// one makes a single snapshot without labels of a function.
func one[S any](snapshot func() S) (func() []S, []string, func(S) []string) {
	return func() []S { return []S{snapshot()} }, nil, func(S) []string { return nil }
}

const (
	counter = prometheus.CounterValue
	gauge   = prometheus.GaugeValue
)

// Server adds the counters of a server.
func (m *Metrics) Server(stats func() server.Stats) {
	type S = server.Stats
	snapshots, labels, label := one(stats)
	m.Registry.MustRegister(newCollector(snapshots, labels, label,
		metric[S]{"http_connections", "Connections that are open.", gauge, func(s S) float64 { return float64(s.Connections) }},
		metric[S]{"http_connections_busy", "Connections with a request, or that have not sent their first one.", gauge, func(s S) float64 { return float64(s.Busy) }},
		metric[S]{"http_connections_accepted_total", "Connections accepted.", counter, func(s S) float64 { return float64(s.Accepted) }},
		metric[S]{"http_requests_in_flight", "Requests that are being answered.", gauge, func(s S) float64 { return float64(s.Requests) }},
		metric[S]{"http_requests_refused_total", "Requests refused because too many were in flight, of all or of one client.", counter, func(s S) float64 { return float64(s.Refused) }},
	))
}

// AccessLog adds what a full disk costs.
func (m *Metrics) AccessLog(stats func() accesslog.Stats) {
	type S = accesslog.Stats
	snapshots, labels, label := one(stats)
	m.Registry.MustRegister(newCollector(snapshots, labels, label,
		metric[S]{"access_log_lost_lines_total", "Lines of the access log that were lost because they could not be written.", counter, func(s S) float64 { return float64(s.Lost) }},
	))
}

// Gateway adds the counters of a gateway's caches, and which services it
// leaves alone.
func (m *Metrics) Gateway(stats func() gateway.Stats) {
	type S = gateway.Stats
	snapshots, labels, label := one(stats)
	m.Registry.MustRegister(newCollector(snapshots, labels, label,
		metric[S]{"row_cache_hits_total", "Rows that were remembered.", counter, func(s S) float64 { return float64(s.RowHits) }},
		metric[S]{"row_cache_misses_total", "Rows that were asked for.", counter, func(s S) float64 { return float64(s.RowMisses) }},
		metric[S]{"row_cache_stale_total", "Rows served beyond their time because the database was down.", counter, func(s S) float64 { return float64(s.RowStale) }},
		metric[S]{"body_cache_hits_total", "Bodies served from memory.", counter, func(s S) float64 { return float64(s.Bodies.MemoryHits) }},
		metric[S]{"body_cache_misses_total", "Bodies that were small enough, but not in memory.", counter, func(s S) float64 { return float64(s.Bodies.Misses) }},
		metric[S]{"body_cache_bytes", "Bytes of bodies in memory.", gauge, func(s S) float64 { return float64(s.Bodies.MemoryBytes) }},
	))
	type V = gateway.ServiceStats
	m.Registry.MustRegister(newCollector(func() []V { return stats().Services }, []string{"service"}, func(s V) []string { return []string{s.Name} },
		metric[V]{"service_down", "1 while a service failed so often that it is left alone.", gauge, func(s V) float64 {
			if s.Down {
				return 1
			}
			return 0
		}},
	))
}

// Listeners adds the counters of the listeners of a cluster. Of several with
// one name the later ones get a number.
func (m *Metrics) Listeners(stats func() []events.Stats) {
	type S = events.Stats
	distinct := func() []S {
		list, seen := stats(), map[string]int{}
		for i := range list {
			name := list[i].Listener
			if seen[name]++; seen[name] > 1 {
				list[i].Listener += "#" + strconv.Itoa(seen[name])
			}
		}
		return list
	}
	m.Registry.MustRegister(newCollector(distinct, []string{"listener"}, func(s S) []string { return []string{s.Listener} },
		metric[S]{"listener_delivered_total", "Notifications that were handled.", counter, func(s S) float64 { return float64(s.Delivered) }},
		metric[S]{"listener_pending", "Notifications that wait.", gauge, func(s S) float64 { return float64(s.Pending) }},
		metric[S]{"listener_dropped_total", "Notifications that were lost: the queue was full, or the listener refused them.", counter, func(s S) float64 { return float64(s.Dropped) }},
		metric[S]{"listener_failed_total", "Calls of the listener that failed.", counter, func(s S) float64 { return float64(s.Failed) }},
	))
}
