// Package fakegcs runs fake-gcs-server, an emulator of Google Cloud Storage,
// inside the test process.
//
// It is a package of its own because the emulator brings along a goroutine
// that never ends (see [LeaksBy]) and many packages to compile.
//
// What the emulator does not do as the service: it keeps every body in memory,
// several times over while it arrives, so 64 MiB are the most it can take; it
// ignores preconditions of deletes and copies; it takes any signature.
package fakegcs

import (
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/fsouza/fake-gcs-server/fakestorage"

	"example.com/ezdfs/internal/testservice"
)

// LeaksBy is the function of the goroutine that the emulator's metrics start
// with the process, for goleak.IgnoreAnyFunction.
const LeaksBy = "go.opencensus.io/stats/view.(*worker).start"

// Server is an emulator that listens on a port of 127.0.0.1.
type Server struct {
	// URL is what to set as the endpoint.
	URL string
	// Store gives access to the buckets and objects without HTTP.
	Store *fakestorage.Server
}

// Start starts an empty emulator, with its objects in memory, that ends with
// the test. Requests pass through wrap, which may be nil, before it sees them.
func Start(tb testing.TB, wrap func(http.Handler) http.Handler) *Server {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		testservice.Missing(tb, "listen on 127.0.0.1: %v", err)
	}
	address := listener.Addr().String()
	store, err := fakestorage.NewServerWithOptions(fakestorage.Options{
		NoListener: true,
		Scheme:     "http",
		PublicHost: address, // without it the XML API does not answer
	})
	if err != nil {
		listener.Close()
		testservice.Missing(tb, "start fake-gcs-server: %v", err)
	}
	handler := store.HTTPHandler()
	if wrap != nil {
		handler = wrap(handler)
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: handler}}
	server.Start()
	tb.Cleanup(func() {
		server.Close()
		store.Stop()
	})
	return &Server{URL: server.URL, Store: store}
}

// Bucket creates a bucket.
func (s *Server) Bucket(name string) {
	s.Store.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: name})
}
