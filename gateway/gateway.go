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
// The package listens nowhere and keeps nothing: listeners, limits and logs of
// requests are the server's, rows are cached by the cluster.
package gateway

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"time"

	"example.com/ezdfs/cluster"
	"example.com/ezdfs/metadata"
)

// Files is what the gateway needs of a cluster. Errors are those of
// [cluster.Cluster], whose methods these are.
type Files interface {
	// Stat returns the row of a path, live or not.
	Stat(ctx context.Context, path string) (metadata.Row, error)
	// Open opens a live file; the caller closes it.
	Open(ctx context.Context, path string, options ...cluster.ReadOption) (*cluster.File, error)
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
	poweredBy, servedBy, acceptRanges, nosniff []string
}

var _ http.Handler = (*Handler)(nil)

// New returns a handler that serves files. The zero Options serve the storage
// files of a cluster with the legacy's directory names.
func New(files Files, o Options) *Handler {
	o = o.withDefaults()
	h := &Handler{
		files: files, o: o, rules: newRules(o.PublicPrefixes, o.PrivatePrefixes), origins: map[string]bool{},
		acceptRanges: []string{"bytes"}, nosniff: []string{"nosniff"},
	}
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

// exchange is one request and its answer.
type exchange struct {
	*Handler
	w      http.ResponseWriter
	r      *http.Request
	now    time.Time
	access access
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{Handler: h, w: w, r: r, now: h.o.Now()}
	x.always()
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
func (x *exchange) always() {
	header := x.w.Header()
	header["X-Content-Type-Options"] = x.nosniff
	if x.poweredBy != nil {
		header["X-Powered-By"] = x.poweredBy
	}
	if x.servedBy != nil {
		header["Served-By"] = x.servedBy
	}
	x.cors(header)
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

// row returns the row of a live file.
func (x *exchange) row(name string) (metadata.Row, error) {
	row, err := x.files.Stat(x.r.Context(), name)
	if err == nil && !row.Live() {
		err = &cluster.ExpiredError{Path: name}
	}
	return row, err
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
