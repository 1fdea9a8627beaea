package main

import (
	"net/http"
	"net/http/pprof"

	"example.com/ezdfs/cluster"
	"example.com/ezdfs/internal/health"
	"example.com/ezdfs/internal/observe"
	"example.com/ezdfs/internal/server"
)

// adminHandler answers health checks, metrics, and profiles if asked to.
func adminHandler(c *cluster.Cluster, front *server.Server, metrics *observe.Metrics, profiles bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", health.Live)
	mux.Handle("GET /readyz", readiness(c, front))
	mux.Handle("GET /metrics", metrics.Handler())
	if profiles {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return mux
}

// readiness asks the database, without which nothing can be served, and the
// stores, each of which takes only its own files along.
func readiness(c *cluster.Cluster, front *server.Server) *health.Checks {
	checks := &health.Checks{Draining: front.Draining, List: []health.Check{
		{Name: "database", Vital: func() bool { return true }, Ping: c.Metadata().Ping},
	}}
	for _, b := range c.Stores().Backends() {
		checks.List = append(checks.List, health.Check{Name: b.Name(), Ping: b.Ping})
	}
	return checks
}

// watch adds what the server and the listeners of the cluster count.
func watch(metrics *observe.Metrics, front *server.Server, c *cluster.Cluster) {
	metrics.Server(func() observe.ServerStats {
		s := front.Stats()
		return observe.ServerStats{Connections: s.Connections, Accepted: s.Accepted, Requests: s.Requests, Refused: s.Refused}
	})
	metrics.Listeners(c.Listeners)
}
