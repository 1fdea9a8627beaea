// Package gateway serves the files of a cluster over HTTP. It takes the place
// of the legacy's index_cluster.php (contract section 8) and is an
// [http.Handler], so that any program can embed it:
//
//	options, err := gateway.OptionsFrom(s) // or a gateway.Options of its own
//	...
//	http.ListenAndServe(address, gateway.New(c, options))
//
// It answers GET, HEAD and OPTIONS by RFC 9110: conditional requests, single
// and multiple ranges, errors as HTML or JSON. Only what may be served is:
// storage files, what a rule opens, and private files with a signed URL. A
// body is streamed; one that ends early breaks the connection off instead of
// ending it cleanly.
//
// Rows are believed for a moment, and served on while the database is down
// ([NewRows]); small bodies are kept in memory. A store or a database that is
// down, or hangs, takes nothing along but its own files.
//
// The package listens nowhere: listeners, limits and logs of requests are the
// server's.
package gateway

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"

	"example.com/ezdfs/cluster"
	"example.com/ezdfs/localcache"
	"example.com/ezdfs/metadata"
)

// Files is what the gateway needs of a cluster. Errors are those of
// [cluster.Cluster], whose methods these are.
type Files interface {
	// Stat returns the row of a path, live or not.
	Stat(ctx context.Context, path string) (metadata.Row, error)
	// Open opens a live file; the caller closes it.
	Open(ctx context.Context, path string, options ...cluster.ReadOption) (*cluster.File, error)
	// OpenRow opens the file of a row that Stat returned.
	OpenRow(ctx context.Context, row metadata.Row, options ...cluster.ReadOption) (*cluster.File, error)
	// Backend returns the name of the store that holds a path.
	Backend(path string) string
	// URL returns where the public finds the file; one that begins with a
	// slash means the gateway itself.
	URL(path string) (string, error)
	// SignURL returns a URL of the store that is good until expires from now.
	SignURL(ctx context.Context, path string, expires time.Duration) (string, error)
}

var _ Files = (*cluster.Cluster)(nil)

// Handler serves the files of a cluster. It may be used concurrently and by
// several servers.
type Handler struct {
	files   Files
	o       Options
	rules   []rule
	origins map[string]bool // CORS; "*" for any
	// Headers that are the same in every answer; shared and never changed.
	poweredBy, servedBy, acceptRanges, nosniff, maxAge []string

	bodies   *localcache.Cache
	buffers  sync.Pool // of *[]byte, for bodies from the network
	database *guard
	stores   sync.Map // name → *guard
	count    counters

	described *otter.Cache[string, *described] // by path
	seconds   atomic.Pointer[second]
}

var _ http.Handler = (*Handler)(nil)

// New returns a handler that serves files. The zero Options serve the storage
// files of a cluster with the legacy's directory names.
func New(files Files, o Options) *Handler {
	o = o.withDefaults()
	h := &Handler{
		files: files, o: o, rules: newRules(o.PublicPrefixes, o.PrivatePrefixes), origins: map[string]bool{},
		acceptRanges: []string{"bytes"}, nosniff: []string{"nosniff"},
		maxAge:    []string{"max-age=" + seconds(o.MaxAge)},
		described: otter.Must(&otter.Options[string, *described]{MaximumSize: maxDescribed}),
	}
	h.bodies, _ = localcache.Open(localcache.Options{MemorySize: o.BodyCacheSize, Now: o.Now}) // without a directory nothing fails
	h.buffers.New = func() any { buffer := make([]byte, bufferSize); return &buffer }
	h.database = newGuard("database", o.DBTimeout, o.RetryAfter, databaseQueries, o.Logger, databaseFault)
	for _, origin := range o.AllowOrigins {
		h.origins[origin] = true
	}
	if o.PoweredBy != "" {
		h.poweredBy = []string{o.PoweredBy}
	}
	if o.ServedBy != "" {
		h.servedBy = []string{o.ServedBy}
	}
	return h
}

// bufferSize is how much of a body from the network is read at once.
const bufferSize = 64 << 10

// maxDescribed is how many rows have their headers at hand, about 2 KB each.
const maxDescribed = 8192

// databaseQueries is how many questions to the database are under way at once.
// Its connections are fewer.
const databaseQueries = 1024

// exchange is one request and its answer.
type exchange struct {
	*Handler
	w      http.ResponseWriter
	r      *http.Request
	now    time.Time
	access access
	said   *described // see describe
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{Handler: h, w: w, r: r, now: h.o.Now()}
	x.cors(w.Header())
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		if err := x.serve(); err != nil {
			x.fail(err)
		}
	case http.MethodOptions:
		x.options()
	default:
		x.fail(&fault{status: http.StatusMethodNotAllowed})
	}
}

// always sets what every answer has, errors too.
func (x *exchange) always(header http.Header) {
	header["X-Content-Type-Options"] = x.nosniff
	if x.poweredBy != nil {
		header["X-Powered-By"] = x.poweredBy
	}
	if x.servedBy != nil {
		header["Served-By"] = x.servedBy
	}
}

// serve finds the file and sends it, or says where it is.
func (x *exchange) serve() error {
	name, err := requestName(x.r.URL)
	if err != nil {
		return err
	}
	if x.access, err = x.permit(name, x.r.URL, x.now); err != nil {
		return err
	}
	if done, err := x.elsewhere(name); done || err != nil {
		return err
	}
	return x.file(name)
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}

// discard is the logger of a handler that was given none.
func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
