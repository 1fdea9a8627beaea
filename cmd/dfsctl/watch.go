package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"example.com/ezdfs/cluster"
	"example.com/ezdfs/gateway"
	"example.com/ezdfs/internal/accesslog"
	"example.com/ezdfs/internal/observe"
	"example.com/ezdfs/internal/server"
	"example.com/ezdfs/settings"
)

// watch is what looks on while serve serves.
type watch struct {
	log      *accesslog.Log
	services observe.Services
}

// openWatch opens the access log and the tracer that are asked for. The caller
// closes both.
func (a *app) openWatch(ctx context.Context, s settings.Settings) (watch, error) {
	tracer, err := observe.TracerFromEnvironment(ctx, a.getenv)
	if err != nil {
		return watch{}, &usageError{err}
	}
	name := s.Gateway.AccessLog
	if name != "" && name != accesslog.Stdout && !filepath.IsAbs(name) {
		name = filepath.Join(s.Root, name)
	}
	log, err := accesslog.Open(name, accesslog.Format(s.Gateway.AccessLogFormat), a.unbuffered, a.logger())
	if err != nil {
		return watch{}, errors.Join(&usageError{fmt.Errorf("[Gateway] AccessLog: %w", err)}, tracer.Shutdown(ctx))
	}
	return watch{log, observe.Services{Metrics: observe.NewMetrics(), Tracer: tracer}}, nil
}

func (w watch) close(ctx context.Context) error {
	return errors.Join(w.log.Close(), w.services.Tracer.Shutdown(ctx))
}

// add has the metrics show what the server, the gateway and the listeners of
// the cluster count.
func (w watch) add(front *server.Server, files *gateway.Handler, c *cluster.Cluster) {
	w.services.Metrics.Server(front.Stats)
	w.services.Metrics.Gateway(files.Stats)
	w.services.Metrics.Listeners(c.Listeners)
	w.services.Metrics.AccessLog(w.log.Stats)
}
