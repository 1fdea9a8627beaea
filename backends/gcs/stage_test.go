package gcs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/internal/testservice"
	"example.com/ezdfs/settings"
)

// sinkBackend is a backend on a stand-in that forgets the bytes.
func sinkBackend(t testing.TB, opts ...Option) (*testservice.GCSSink, *Backend) {
	sink := testservice.StartGCSSink(t)
	return sink, newBackend(t, settings.GCS{Bucket: "media", Endpoint: sink.URL, Prefix: "p/"}, opts...)
}

// random returns n reproducible bytes.
func random(n int) []byte {
	body := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(body)
	return body
}

func crcOf(body []byte) uint32 { return crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)) }

// TestRequests: a small body is one request in all, at Publish; of a large one
// Publish sends the last chunk only.
func TestRequests(t *testing.T) {
	for _, test := range []struct{ size, staging, publishing int }{
		{0, 0, 1}, {1, 0, 1}, {quantum - 1, 0, 1}, {quantum, 0, 1}, {quantum + 1, 0, 1},
		{4*quantum - 1, 0, 1}, {4 * quantum, 2, 1}, {4*quantum + 1, 2, 1}, {11 * quantum, 3, 1},
	} {
		for _, announced := range []int64{-1, int64(test.size)} {
			t.Run(fmt.Sprint(test.size, announced), func(t *testing.T) {
				w := new(wire)
				sink, b := sinkBackend(t, WithChunkSize(4*quantum), w.option())
				staged, err := b.Stage(t.Context(), "a", bytes.NewReader(random(test.size)), backends.Attributes{Size: announced})
				if err != nil {
					t.Fatal(err)
				}
				// The last full chunk may still be on its way when Stage returns.
				if got := len(w.sent()); got > test.staging {
					t.Errorf("staging took %d requests %q, want %d", got, w.sent(), test.staging)
				}
				if names := sink.Objects(); len(names) > 0 {
					t.Errorf("visible while staged: %q", names)
				}
				if err := staged.Publish(t.Context()); err != nil {
					t.Fatal(err)
				}
				if got, want := len(w.sent()), test.staging+test.publishing; got != want {
					t.Errorf("%d requests %q, want %d", got, w.sent(), want)
				}
				if o, _ := sink.Object("media", "p/a"); o.Size != int64(test.size) {
					t.Errorf("the object is %+v", o)
				}
			})
		}
	}
}

// TestSettingsOfObjects: what the settings say goes with every kind of write.
func TestSettingsOfObjects(t *testing.T) {
	sink := testservice.StartGCSSink(t)
	w := new(wire)
	b := newBackend(t, settings.GCS{Bucket: "media", Endpoint: sink.URL, ACL: "publicRead", ProjectID: "payer",
		StorageClass: "NEARLINE", CacheControl: "max-age=60"}, WithChunkSize(quantum), w.option())
	mtime := time.Unix(1234567890, 0)
	for name, size := range map[string]int{"small": 3, "large": 2 * quantum} {
		put(t, b, name, random(size), backends.Attributes{Size: -1, ModTime: mtime, ContentType: "image/png"})
		if err := backends.Copy(t.Context(), b, name, "copy of "+name); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"small", "copy of small", "large", "copy of large"} {
		o, _ := sink.Object("media", name)
		if o.StorageClass != "NEARLINE" || o.CacheControl != "max-age=60" || o.ContentType != "image/png" || o.Metadata["mtime"] != "1234567890" {
			t.Errorf("%s: %+v", name, o)
		}
	}
	for _, r := range w.requests {
		q := r.URL.Query()
		if q.Get("userProject") != "payer" && !q.Has("upload_id") {
			t.Errorf("%s %s is not billed to the project", r.Method, r.URL)
		}
		write := r.Method == http.MethodPost && !q.Has("upload_id")
		if acl := q.Get("predefinedAcl") + q.Get("destinationPredefinedAcl"); write && acl != "publicRead" {
			t.Errorf("%s %s has ACL %q", r.Method, r.URL, acl)
		}
	}
}

func put(t testing.TB, b *Backend, path string, body []byte, attrs backends.Attributes) {
	t.Helper()
	staged, err := b.Stage(t.Context(), path, bytes.NewReader(body), attrs)
	if err != nil {
		t.Fatal(err)
	}
	if err := staged.Publish(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestContentTypeIsNotGuessed(t *testing.T) {
	sink, b := sinkBackend(t)
	put(t, b, "a.html", []byte("<html>"), backends.Attributes{Size: -1})
	if o, _ := sink.Object("media", "p/a.html"); o.ContentType != "application/octet-stream" {
		t.Errorf("ContentType = %q", o.ContentType)
	}
}

// TestUploadFaults disturbs every request of an upload in turn, in every way,
// and the body arrives all the same.
func TestUploadFaults(t *testing.T) {
	faults := map[string]func(*http.Request, http.RoundTripper) (*http.Response, error){
		"busy":   func(r *http.Request, _ http.RoundTripper) (*http.Response, error) { return answer(r, 503, "{}") },
		"slow":   func(r *http.Request, _ http.RoundTripper) (*http.Response, error) { return answer(r, 429, "{}") },
		"reset":  func(*http.Request, http.RoundTripper) (*http.Response, error) { return nil, errReset },
		"lost":   lost,
		"broken": brokenRequest,
	}
	for name, fault := range faults {
		for _, size := range []int{1000, 3*quantum + 1} {
			for at := 1; at <= 5; at++ {
				t.Run(fmt.Sprint(name, size, "at", at), func(t *testing.T) {
					w := new(wire)
					w.reset(func(n int, r *http.Request, next http.RoundTripper) (*http.Response, error) {
						if n == at {
							return fault(r, next)
						}
						return next.RoundTrip(r)
					})
					sink, b := sinkBackend(t, WithChunkSize(quantum), w.option())
					body := random(size)
					put(t, b, "a", body, backends.Attributes{Size: -1})
					if o, _ := sink.Object("media", "p/a"); o.Size != int64(size) || o.CRC32C != testservice.CRC32C(crcOf(body)) {
						t.Errorf("the object is %+v", o)
					}
				})
			}
		}
	}
}

// brokenRequest breaks the connection in the middle of the request's body.
func brokenRequest(r *http.Request, next http.RoundTripper) (*http.Response, error) {
	if r.Body != nil {
		r = r.Clone(r.Context())
		r.Body = &breaking{r.Body, 100, errReset}
	}
	return next.RoundTrip(r)
}

// TestUploadGivesUp: an endpoint that never answers well is given up after
// some attempts even when the context has no end, and the error says that a
// retry may help; another refusal is not repeated.
func TestUploadGivesUp(t *testing.T) {
	for status, wantAttempts := range map[int]int{503: maxAttempts, 401: 1, 400: 1} {
		w := new(wire)
		w.reset(func(_ int, r *http.Request, _ http.RoundTripper) (*http.Response, error) {
			return answer(r, status, "{}")
		})
		sink, b := sinkBackend(t, WithChunkSize(quantum), w.option())
		staged, err := b.Stage(t.Context(), "a", strings.NewReader("small"), backends.Attributes{Size: -1})
		if err != nil {
			t.Fatal(err)
		}
		err = staged.Publish(t.Context())
		if err == nil || backends.IsRetryable(err) != (status == 503) {
			t.Errorf("%d: Publish: %v, IsRetryable %t", status, err, backends.IsRetryable(err))
		}
		if got := len(w.sent()); got != wantAttempts {
			t.Errorf("%d: %d attempts, want %d", status, got, wantAttempts)
		}
		if _, err := b.Stage(t.Context(), "a", bytes.NewReader(random(3*quantum)), backends.Attributes{Size: -1}); err == nil {
			t.Errorf("%d: Stage of a large body succeeded", status)
		}
		if names := sink.Objects(); len(names) > 0 || sink.Unfinished() > 0 {
			t.Errorf("%d: objects %q", status, names)
		}
	}
}

func TestDamagedUpload(t *testing.T) {
	w := new(wire)
	sink, b := sinkBackend(t, WithChunkSize(quantum), w.option())
	for _, size := range []int{1000, quantum + 1} {
		w.reset(func(_ int, r *http.Request, next http.RoundTripper) (*http.Response, error) {
			if r.Body != nil {
				r = r.Clone(r.Context())
				r.Body = flipping{r.Body}
			}
			return next.RoundTrip(r)
		})
		staged, err := b.Stage(t.Context(), "a", bytes.NewReader(random(size)), backends.Attributes{Size: -1})
		if err == nil {
			err = staged.Publish(t.Context())
		}
		if err == nil {
			t.Errorf("a damaged body of %d bytes was published", size)
		}
		if names := sink.Objects(); len(names) > 0 {
			t.Errorf("a damaged body of %d bytes is visible as %q", size, names)
		}
	}
}

// flipping changes the last byte that each Read returns, when it is of a body
// and not of the words around it.
type flipping struct{ io.ReadCloser }

func (f flipping) Read(p []byte) (int, error) {
	n, err := f.ReadCloser.Read(p)
	if n > 500 {
		p[n-400] ^= 1
	}
	return n, err
}

func TestWrongAnswerAfterUpload(t *testing.T) {
	w := new(wire)
	_, b := sinkBackend(t, w.option())
	w.reset(func(_ int, r *http.Request, _ http.RoundTripper) (*http.Response, error) {
		return answer(r, 200, `{"name":"p/a","size":"4","crc32c":"AAAAAA==","generation":"1"}`)
	})
	staged, err := b.Stage(t.Context(), "a", strings.NewReader("body"), backends.Attributes{Size: -1})
	if err != nil {
		t.Fatal(err)
	}
	if err := staged.Publish(t.Context()); err == nil {
		t.Error("Publish takes an object with another checksum for its own")
	}
}

// TestNothingLeft: whatever ends a staged body, no object appears later.
func TestNothingLeft(t *testing.T) {
	for _, size := range []int{10, quantum + 5, 5 * quantum} {
		sink, b := sinkBackend(t, WithChunkSize(quantum))
		staged, err := b.Stage(t.Context(), "a", bytes.NewReader(random(size)), backends.Attributes{Size: -1})
		if err != nil {
			t.Fatal(err)
		}
		if err := staged.Discard(t.Context()); err != nil {
			t.Error(err)
		}
		if err := staged.Publish(t.Context()); err == nil {
			t.Errorf("%d bytes: published after Discard", size)
		}
		if names := sink.Objects(); len(names) > 0 {
			t.Errorf("%d bytes: visible after Discard: %q", size, names)
		}
	}
}

func TestPublishTwice(t *testing.T) {
	_, b := sinkBackend(t)
	staged, err := b.Stage(t.Context(), "a", strings.NewReader("x"), backends.Attributes{Size: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := staged.Publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := staged.Publish(t.Context()); err == nil || errors.Is(err, backends.ErrUnavailable) {
		t.Errorf("second Publish: %v", err)
	}
}

// TestStagedOutlivesItsContext: a body may be published after the context of
// Stage ended.
func TestStagedOutlivesItsContext(t *testing.T) {
	sink, b := sinkBackend(t, WithChunkSize(quantum))
	ctx, cancel := context.WithCancel(t.Context())
	staged, err := b.Stage(ctx, "a", bytes.NewReader(random(2*quantum)), backends.Attributes{Size: -1})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := staged.Publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	if o, _ := sink.Object("media", "p/a"); o.Size != 2*quantum {
		t.Errorf("the object is %+v", o)
	}
}

// TestMemory streams 512 MiB up and down again and looks at the heap meanwhile.
func TestMemory(t *testing.T) {
	const total, limit = int64(512 << 20), 100 << 20
	sink, b := sinkBackend(t)
	sink.Content = pattern{}
	peak := &heapPeak{r: io.NewSectionReader(pattern{}, 0, total)}
	staged, err := b.Stage(t.Context(), "big", peak, backends.Attributes{Size: total})
	if err != nil {
		t.Fatal(err)
	}
	if err := staged.Publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	if staged.Size() != total {
		t.Errorf("Size = %d", staged.Size())
	}
	r, err := b.Open(t.Context(), "big", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	peak.r = r
	if n, err := io.Copy(io.Discard, peak); n != total || err != nil { // the client checks the CRC32C
		t.Errorf("read %d bytes, %v", n, err)
	}
	if peak.max > limit {
		t.Errorf("%d MiB of heap for a body of %d MiB", peak.max>>20, total>>20)
	}
	t.Logf("heap peak %d MiB", peak.max>>20)
}

// pattern is an endless content.
type pattern struct{}

var patternBytes = random(1<<20 + 1)

func (pattern) ReadAt(p []byte, off int64) (int, error) {
	for n := 0; n < len(p); {
		n += copy(p[n:], patternBytes[(off+int64(n))%int64(len(patternBytes)):])
	}
	return len(p), nil
}

// heapPeak samples the heap every 64 MiB of what is read.
type heapPeak struct {
	r    io.Reader
	n    int64
	next int64
	max  uint64
}

func (h *heapPeak) Read(p []byte) (int, error) {
	if h.n >= h.next {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		h.max = max(h.max, m.HeapInuse)
		h.next += 64 << 20
	}
	n, err := h.r.Read(p)
	h.n += int64(n)
	return n, err
}
