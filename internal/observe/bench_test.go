package observe

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"example.com/ezdfs/internal/accesslog"
)

// nowhere is a response that is thrown away.
type nowhere struct{ header http.Header }

func (w nowhere) Header() http.Header         { return w.header }
func (w nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (w nowhere) WriteHeader(int)             {}

// BenchmarkHandler is what it costs to watch a request, with metrics and an
// access log.
//
//	go test -run - -bench Handler ./internal/observe
func BenchmarkHandler(b *testing.B) {
	log, err := accesslog.Open("stdout", accesslog.Combined, io.Discard, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer log.Close()
	body := []byte("hello")
	h := &Handler{
		Log: log, Metrics: NewMetrics(), Backend: func(string) string { return "nfs" },
		Next: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(body) }),
	}
	r := httptest.NewRequest("GET", "/var/site/storage/images/a.png", nil)
	r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		w := nowhere{http.Header{}}
		for pb.Next() {
			h.ServeHTTP(w, r)
		}
	})
}
