// Command embed is a small web server that keeps a page in the cluster's cache:
// a program to copy from. It opens the cluster of a site, serves one page that
// is slow to make, and hears of every change that this process makes.
//
//	dfsctl quickstart demo
//	go run ./examples/embed -root demo
//	curl -i localhost:8080/         # made, which takes two seconds
//	curl -i localhost:8080/         # from the cache
//	curl -X DELETE localhost:8080/  # as the kernel does when a node is published
//
// However many ask at the same time, on however many hosts, PHP's frontends
// included, the page is made once; all others get the one before.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"example.com/ezdfs/cluster"
	"example.com/ezdfs/events"
	"example.com/ezdfs/settings"
)

// pagePath is where the page lies in the cluster. A cache file of this form
// has a trunk, var/site/cache/content/embed/2-, which stands for all views of
// node 2.
const (
	pagePath  = "var/site/cache/content/embed/2-full.cache"
	pageTrunk = "var/site/cache/content/embed/2-"
)

func main() {
	root := flag.String("root", ".", "site root `DIR`, with its settings below")
	listen := flag.String("listen", "127.0.0.1:8080", "`ADDRESS` to serve on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if err := run(ctx, *root, *listen, logger); err != nil {
		logger.Error("embed ends", "error", err)
		os.Exit(1)
	}
}

// run serves until ctx is done.
func run(ctx context.Context, root, listen string, logger *slog.Logger) error {
	s, err := settings.Load(settings.Options{Root: root})
	if err != nil {
		return err
	}
	c, err := cluster.Open(ctx, s, cluster.WithLogger(logger), cluster.WithListeners(listener{logger}))
	if err != nil {
		return err
	}
	listening, err := net.Listen("tcp", listen)
	if err != nil {
		return errors.Join(err, c.Close())
	}
	logger.Info("serving", "url", "http://"+listening.Addr().String()+"/")
	p := &page{cluster: c, slow: 2 * time.Second}
	server := &http.Server{Handler: p.routes(), ReadHeaderTimeout: 5 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listening) }()
	select {
	case err = <-ended:
	case <-ctx.Done():
		err = server.Shutdown(context.WithoutCancel(ctx)) // requests under way are answered
	}
	return errors.Join(err, c.Close())
}

// page serves the cached page.
type page struct {
	cluster *cluster.Cluster
	slow    time.Duration // what it takes to make it
}

func (p *page) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.show)
	mux.HandleFunc("DELETE /{$}", p.expire)
	return mux
}

// show answers with the page, no older than a minute unless it is being made.
func (p *page) show(w http.ResponseWriter, r *http.Request) {
	entry, err := p.cluster.GetOrGenerate(r.Context(), pagePath, p.make, cluster.GenerateOptions{
		Scope: "viewcache", DataType: "text/html", TTL: time.Minute,
	})
	if err != nil {
		http.Error(w, "the page cannot be made", http.StatusInternalServerError)
		return
	}
	defer entry.Close()
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("X-Cache", string(entry.Origin)) // hit, stale or generated
	w.Header().Set("Last-Modified", entry.Row.ModTime().UTC().Format(http.TimeFormat))
	entry.WriteTo(w)
}

// make writes the page. A real one would ask a database and fill a template.
func (p *page) make(ctx context.Context, w io.Writer) error {
	select {
	case <-time.After(p.slow):
	case <-ctx.Done():
		return ctx.Err()
	}
	_, err := fmt.Fprintf(w, "<h1>Hello</h1><p>Made at %s.</p>\n", time.Now().Format(time.TimeOnly))
	return err
}

// expire makes all views of the node stale, on every host.
func (p *page) expire(w http.ResponseWriter, r *http.Request) {
	n, err := p.cluster.ExpireTrunk(r.Context(), pageTrunk)
	if err != nil {
		http.Error(w, "the page cannot be expired", http.StatusInternalServerError)
		return
	}
	fmt.Fprintf(w, "expired %d\n", n)
}

// listener logs what it is told. It may be as slow as it likes: nobody waits
// for it.
type listener struct{ logger *slog.Logger }

// Name implements events.Listener.
func (l listener) Name() string { return "embed" }

// Notify implements events.Listener.
func (l listener) Notify(ctx context.Context, batch []events.Event) error {
	for _, e := range batch {
		if e.Kind != events.StoreMetadata { // a row was read
			l.logger.InfoContext(ctx, "changed", "event", e.Kind, "subject", e.Subject)
		}
	}
	return nil
}

// Close implements events.Listener.
func (l listener) Close() error { return nil }
