package main

import (
	"context"
	"net/http"
	"net/http/pprof"

	"example.com/ezdfs/cluster"
	"example.com/ezdfs/internal/accesslog"
	"example.com/ezdfs/internal/health"
	"example.com/ezdfs/internal/observe"
	"example.com/ezdfs/internal/server"
	"example.com/ezdfs/settings"
)

// adminHandler answers health checks, metrics, and profiles if asked to.
func adminHandler(ready http.Handler, metrics *observe.Metrics, profiles bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", health.Live)
	mux.Handle("GET /readyz", ready)
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

// readiness asks the database, without which files are served only as long as
// their rows are remembered, and the stores, each of which takes only its own
// files along: all, where it is the only one. An access log that cannot be
// written takes nothing along, but somebody should know.
func readiness(s settings.Settings, c *cluster.Cluster, front *server.Server, log *accesslog.Log) *health.Checks {
	checks := &health.Checks{Draining: front.Draining, List: []health.Check{
		{Name: "database", Vital: true, Grace: s.Gateway.StaleIfError, Ping: c.Metadata().Ping},
	}}
	stores := c.Stores().Backends()
	for _, b := range stores {
		checks.List = append(checks.List, health.Check{Name: b.Name(), Vital: len(stores) == 1, Ping: b.Ping})
	}
	if log != nil {
		checks.List = append(checks.List, health.Check{Name: "access log", Ping: func(context.Context) error { return log.Stats().Error }})
	}
	return checks
}
