package main

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"example.com/ezdfs/cdn/service"
	"example.com/ezdfs/changes"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/internal/health"
	"example.com/ezdfs/internal/observe"
	"example.com/ezdfs/internal/server"
	"example.com/ezdfs/settings"
)

func newCDNRun(a *app) *cobra.Command {
	var admin string
	c := &cobra.Command{
		Use: "run", Short: "Deliver changes until Ctrl-C", Args: arguments(0, 0),
		Long: `Follow the change feed and deliver what the rules of cdn.ini say, until SIGTERM or
Ctrl-C; then finish what is under way. dfsctl serve does the same; this is for
hosts that serve nothing.

Run it on as many hosts as you like: one of them reads the changes, all of them
deliver, and what a host leaves behind when it dies is taken over by the others.

The admin address, [CDN] AdminListen, answers /healthz, /readyz (200 while there
is a database) and /metrics (for Prometheus). Notifications of systemd are sent.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.settings()
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("admin-listen") {
				s.CDN.AdminListen = admin
			}
			if err := needRules(s); err != nil {
				return err
			}
			return a.withLedgerOf(cmd.Context(), s, func(l cdnLedger) error { return a.runCDN(cmd.Context(), l) })
		},
	}
	c.Flags().StringVar(&admin, "admin-listen", "", "`ADDRESS` of health checks and metrics")
	return c
}

// runCDN delivers until ctx is done.
func (a *app) runCDN(ctx context.Context, l cdnLedger) (err error) {
	metrics := observe.NewMetrics()
	c, err := service.New(ctx, l.settings, service.Options{Store: l.Store, Logger: a.logger(), Registerer: metrics.Registry})
	if err != nil {
		return wrongCDN(err)
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	stop, err := a.serveAdmin(ctx, l, metrics)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	a.note("delivering to %s", strings.Join(c.Rules().Targets(), ", "))
	a.tellManager("READY=1")
	defer context.AfterFunc(ctx, func() { a.tellManager("STOPPING=1") })()
	err = c.Run(ctx)
	if errors.Is(err, changes.ErrUnavailable) {
		return &usageError{err}
	}
	return advised(ctx, l.settings, err)
}

// serveAdmin answers on the admin address, if there is one, until the function
// that it returns is called.
func (a *app) serveAdmin(ctx context.Context, l cdnLedger, metrics *observe.Metrics) (stop func() error, err error) {
	address := l.settings.CDN.AdminListen
	if address == "" || address == "none" {
		return func() error { return nil }, nil
	}
	front, err := server.Listen(ctx, server.Options{Listen: []string{address}, Settle: time.Millisecond, DrainTimeout: time.Second, Logger: a.logger()})
	if err != nil {
		return nil, listenError(err)
	}
	for _, addr := range front.Addresses() {
		a.note("health checks and metrics on %s", where("http", addr))
	}
	ready := &health.Checks{Draining: front.Draining, List: []health.Check{{Name: "database", Vital: true, Ping: l.Ping}}}
	return background(ctx, func(ctx context.Context) error {
		return front.Serve(ctx, adminHandler(ready, metrics, false), http.NotFoundHandler())
	}), nil
}

// background runs do until its context is done, or until the function that it
// returns is called, which waits for its end.
func background(ctx context.Context, do func(context.Context) error) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- do(ctx) }()
	return func() error {
		cancel()
		return <-ended
	}
}

// startCDN delivers beside what else a cluster is open for, until ctx is done.
// The function that it returns waits for the end of it.
func (a *app) startCDN(ctx context.Context, s settings.Settings, c *cluster.Cluster, registry prometheus.Registerer) (stop func() error, err error) {
	if !s.CDN.Serve || !service.Configured(s) {
		return func() error { return nil }, nil
	}
	push, err := service.New(ctx, s, service.Options{Store: c.Metadata(), Bodies: c.Stores(), Logger: a.logger(), Registerer: registry})
	if err != nil {
		return nil, wrongCDN(err)
	}
	return background(ctx, func(ctx context.Context) error {
		push.Keep(ctx)
		return push.Close()
	}), nil
}
