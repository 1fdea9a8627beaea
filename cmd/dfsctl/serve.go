package main

import (
	"context"
	"errors"
	"maps"
	"net"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"example.com/ezdfs/cluster"
	"example.com/ezdfs/gateway"
	"example.com/ezdfs/internal/health"
	"example.com/ezdfs/internal/observe"
	"example.com/ezdfs/internal/server"
	"example.com/ezdfs/internal/systemd"
	"example.com/ezdfs/phpconfig"
	"example.com/ezdfs/settings"
)

// serveFlags are what serve is told beside the settings.
type serveFlags struct {
	listen, adminListen string
	configPHP           []string
	reusePort           bool
	pprof, noCDN        bool
}

func newServe(a *app) *cobra.Command {
	var f serveFlags
	c := &cobra.Command{
		Use: "serve", Short: "Serve files over HTTP, in place of index_cluster.php", Args: arguments(0, 0),
		Long: `Serve the storage files of the cluster over HTTP until SIGTERM or Ctrl-C, then
finish the requests in flight. The settings are those of file.ini [Gateway];
--config-php puts the define()s of an installed config.php over them.

A store that cannot be used, such as a share that is not mounted, takes only its
own files along: they are 503 until it can. Without the database serve does not
start.

The admin address answers /healthz (the process lives), /readyz (200 while
requests are welcome, with a report as JSON) and /metrics (for Prometheus).

SIGHUP reads the certificate again and opens the access log anew. To restart
without a gap start the new process with --reuse-port, wait until it is ready,
then end the old one. Sockets and notifications of systemd are understood; a
socket named admin is the admin address.

Where cdn.ini has rules, changes are pushed to its caches and CDNs as well, as
dfsctl cdn run does, unless [CDN] Serve=disabled or --no-cdn says otherwise. A
target that is down changes nothing about /readyz.

Traces go where the variables of OpenTelemetry say, such as
OTEL_EXPORTER_OTLP_ENDPOINT, over HTTP.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.serveSettings(cmd, &f)
			if err != nil {
				return err
			}
			return a.serve(cmd.Context(), s, f)
		},
	}
	flags := c.Flags()
	flags.StringVar(&f.listen, "listen", "", "`ADDRESS` to serve on: host:port, :port, unix:/path; several separated by commas")
	flags.StringVar(&f.adminListen, "admin-listen", "", "`ADDRESS` of health checks and metrics; none for nowhere")
	flags.StringArrayVar(&f.configPHP, "config-php", nil, configPHPUsage)
	flags.BoolVar(&f.noCDN, "no-cdn", false, "push no changes to caches and CDNs")
	flags.BoolVar(&f.reusePort, "reuse-port", false, "take the addresses over from the process that listens there, which is to end then")
	flags.BoolVar(&f.pprof, "pprof", false, "serve profiles under /debug/pprof/ on the admin address")
	return c
}

// serveSettings are those of the site with what the flags say in their place.
func (a *app) serveSettings(cmd *cobra.Command, f *serveFlags) (settings.Settings, error) {
	s, err := a.settings()
	if err != nil {
		return s, err
	}
	if len(f.configPHP) > 0 {
		warnings, err := phpconfig.Apply(&s, f.configPHP...)
		for _, warning := range warnings {
			a.note("%v", warning)
		}
		if err != nil {
			return s, &usageError{err}
		}
	}
	if cmd.Flags().Changed("listen") {
		s.Gateway.Listen = f.listen
	}
	if cmd.Flags().Changed("admin-listen") {
		s.Gateway.AdminListen = f.adminListen
	}
	if f.noCDN {
		s.CDN.Serve = false
	}
	if s.Gateway.AdminListen == "none" {
		s.Gateway.AdminListen = ""
	}
	return s, nil
}

// serve runs the gateway until ctx is done. It listens only when all else is
// ready: from then on it gets requests.
func (a *app) serve(ctx context.Context, s settings.Settings, f serveFlags) (err error) {
	options, err := a.serverOptions(s)
	if err != nil {
		return &usageError{err}
	}
	options.ReusePort = f.reusePort
	gatewayOptions, err := gateway.OptionsFrom(s)
	if err != nil {
		return &usageError{err}
	}
	w, err := a.openWatch(ctx, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close(context.WithoutCancel(ctx))) }()
	defer runtime.KeepAlive(make([]byte, headroom))
	rows := gateway.NewRows(s)
	c, err := cluster.Open(ctx, s, cluster.WithLogger(a.logger()), cluster.WithListeners(rows), cluster.WithLateStores(),
		cluster.WithBackendWrapper(w.services.Backend), cluster.WithDatabaseObserver(w.services.Database))
	if err != nil {
		return openError(ctx, s, err)
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	stopCDN, err := a.startCDN(ctx, s, c, w.services.Metrics.Registry)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stopCDN()) }()
	front, err := server.Listen(ctx, options)
	if err != nil {
		return listenError(err)
	}
	gatewayOptions.Logger, gatewayOptions.Rows = a.logger(), rows
	gatewayOptions.AddHeader, gatewayOptions.BeforeBody = server.AddHeader, server.HoldNext
	files := gateway.New(c, gatewayOptions)
	handler := &observe.Handler{
		Next: front.Protect(files), Proxies: options.Proxies,
		Log: w.log, Metrics: w.services.Metrics, Tracer: w.services.Tracer, Logger: a.logger(),
		Backend: func(path string) string { return c.Stores().Route(path).Backend.Name() },
	}
	w.add(front, files, c)
	defer a.onHangup(func() error { return errors.Join(front.Reload(), w.log.Reopen()) })()
	a.sayWhere(front)
	a.sayWhatIsDown(readiness(s, c, front, w.log).Report(ctx))
	a.tellManager("READY=1")
	defer a.tellStopping(ctx)()
	return front.Serve(ctx, handler, adminHandler(readiness(s, c, front, w.log), w.services.Metrics, f.pprof))
}

// headroom is bytes that are never touched, and so cost no memory, but count as
// in use: without them the collector would run for every few megabytes that
// requests leave behind, up to sixty times a second.
const headroom = 64 << 20

// serverOptions are those of the settings, with the sockets of the service
// manager.
func (a *app) serverOptions(s settings.Settings) (server.Options, error) {
	options, err := server.OptionsFrom(s)
	if err != nil {
		return options, err
	}
	options.Logger = a.logger()
	sockets, err := systemd.Sockets(a.getenv)
	for _, socket := range sockets {
		if socket.Name == "admin" {
			options.AdminSockets = append(options.AdminSockets, socket.Listener)
			continue
		}
		options.Sockets = append(options.Sockets, socket.Listener)
	}
	return options, err
}

// listenError is wrong configuration where an address is none or a certificate
// cannot be used; that another program is there already is a failure.
func listenError(err error) error {
	var address *server.AddressError
	var certificate *server.CertificateError
	var dns *net.DNSError
	if errors.As(err, &address) || errors.As(err, &certificate) || errors.As(err, &dns) || errors.Is(err, os.ErrNotExist) {
		return &usageError{err}
	}
	return err
}

// sayWhere tells where requests are answered.
func (a *app) sayWhere(front *server.Server) {
	scheme := "http"
	if front.Secure() {
		scheme = "https"
	}
	for _, addr := range front.Addresses() {
		a.note("serving on %s", where(scheme, addr))
	}
	for _, addr := range front.AdminAddresses() {
		a.note("health checks and metrics on %s", where("http", addr))
	}
}

// sayWhatIsDown tells which files cannot be served yet, and why.
func (a *app) sayWhatIsDown(report health.Report) {
	for _, name := range slices.Sorted(maps.Keys(report.Components)) {
		if component := report.Components[name]; component.Status != health.OK {
			a.note("%s cannot be used yet: %s", name, component.Error)
		}
	}
}

func where(scheme string, addr net.Addr) string {
	if text := server.FormatAddress(addr); addr.Network() == "unix" {
		return text
	}
	return scheme + "://" + addr.String()
}

// tellManager tells the service manager a state, if there is one.
func (a *app) tellManager(state string) {
	if err := systemd.Notify(a.getenv, state); err != nil {
		a.logger().Warn("the service manager cannot be told", "state", state, "error", err)
	}
}

// tellStopping tells the service manager once ctx is done. The function that it
// returns waits until that was said, if it is to be.
func (a *app) tellStopping(ctx context.Context) (wait func()) {
	said := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(said)
		a.tellManager("STOPPING=1")
	})
	return func() {
		if !stop() {
			<-said
		}
	}
}

// onHangup calls do at each SIGHUP until the function that it returns is
// called.
func (a *app) onHangup(do func() error) (stop func()) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range hangups {
			if err := do(); err != nil {
				a.logger().Error("cannot reload; what was there stays", "error", err)
				continue
			}
			a.note("reloaded")
		}
	}()
	return func() {
		signal.Stop(hangups)
		close(hangups)
		<-done
	}
}
