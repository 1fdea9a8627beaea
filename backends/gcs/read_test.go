package gcs

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/internal/testservice"
	"example.com/ezdfs/settings"
)

func mustRead(t *testing.T, b *Backend, path string, offset, length int64) ([]byte, backends.Info) {
	t.Helper()
	r, err := b.Open(t.Context(), path, offset, length)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	body, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return body, r.Info()
}

// TestOpenIsOneRequest: times and all.
func TestOpenIsOneRequest(t *testing.T) {
	w := new(wire)
	b := newBackend(t, startService(t).config(t), w.option())
	mtime := time.Unix(1234567890, 0)
	put(t, b, "a b", []byte("0123456789"), backends.Attributes{Size: 10, ModTime: mtime, ContentType: "image/png"})
	stat, err := b.Stat(t.Context(), "a b")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		offset, length int64
		want           string
		requests       int
	}{{0, -1, "0123456789", 1}, {3, 4, "3456", 1}, {9, 9, "9", 1}, {4, 0, "", 1}, {10, -1, "", 2}, {99, 1, "", 2}} {
		w.reset(nil)
		body, info := mustRead(t, b, "a b", test.offset, test.length)
		if string(body) != test.want || info != stat || !info.ModTime.Equal(mtime) {
			t.Errorf("Open(%d, %d) = %q of %+v, Stat says %+v", test.offset, test.length, body, info, stat)
		}
		if got := w.sent(); len(got) != test.requests {
			t.Errorf("Open(%d, %d) took the requests %q", test.offset, test.length, got)
		}
	}
}

// TestGzip: an object stored with Content-Encoding gzip, as foreign tools do,
// is read as it is stored, whole and in ranges, and copied as such.
func TestGzip(t *testing.T) {
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	zip.Write(bytes.Repeat([]byte("text "), 1000))
	zip.Close()
	stored := packed.Bytes()
	b := newBackend(t, startService(t).config(t))
	foreign := b.bucket.Object("a.css").NewWriter(t.Context())
	foreign.ContentEncoding = "gzip"
	foreign.ContentType = "text/css"
	foreign.Write(stored)
	if err := foreign.Close(); err != nil {
		t.Fatal(err)
	}
	if err := backends.Copy(t.Context(), b, "a.css", "copy.css"); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"a.css", "copy.css"} {
		if got, info := mustRead(t, b, path, 0, -1); !bytes.Equal(got, stored) || info.Size != int64(len(stored)) {
			t.Errorf("%s: read %d bytes of %d, the object has %d", path, len(got), info.Size, len(stored))
		}
		if got, info := mustRead(t, b, path, 5, 20); !bytes.Equal(got, stored[5:25]) || info.Size != int64(len(stored)) {
			t.Errorf("%s: a range has %d bytes of %d", path, len(got), info.Size)
		}
		attrs, err := b.object(path).Attrs(t.Context())
		if err != nil || attrs.ContentEncoding != "gzip" {
			t.Errorf("%s: encoding %q, %v", path, attrs.ContentEncoding, err)
		}
	}
}

// TestForeignObject: without our metadata the time is when it was stored.
func TestForeignObject(t *testing.T) {
	b := newBackend(t, startService(t).config(t))
	for name, metadata := range map[string]map[string]string{
		"none": nil, "other": {"mtime": "yesterday", "owner": "x"}, "ours": {"mtime": "86400"},
	} {
		w := b.bucket.Object(name).NewWriter(t.Context())
		w.Metadata = metadata
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		stat, err := b.Stat(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if _, info := mustRead(t, b, name, 0, -1); info != stat {
			t.Errorf("%s: Open says %+v, Stat %+v", name, info, stat)
		}
		if ours := name == "ours"; ours != stat.ModTime.Equal(time.Unix(86400, 0)) || !ours && stat.ModTime != stat.Stored {
			t.Errorf("%s: ModTime %v, Stored %v", name, stat.ModTime, stat.Stored)
		}
	}
}

// TestReadGoesOn: a connection that breaks is taken up again where it broke.
func TestReadGoesOn(t *testing.T) {
	for name, broken := range map[string]error{"reset": errReset, "closed early": io.ErrUnexpectedEOF} {
		t.Run(name, func(t *testing.T) {
			sink := testservice.StartGCSSink(t)
			sink.Content = pattern{}
			w := new(wire)
			b := newBackend(t, settings.GCS{Bucket: "media", Endpoint: sink.URL}, w.option())
			want := make([]byte, 1<<20)
			pattern{}.ReadAt(want, 0)
			put(t, b, "a", want, backends.Attributes{Size: 1 << 20})
			w.reset(func(n int, r *http.Request, next http.RoundTripper) (*http.Response, error) {
				resp, err := next.RoundTrip(r)
				if err == nil && n <= 3 {
					resp.Body = &breaking{resp.Body, 100_000, broken}
				}
				return resp, err
			})
			if got, _ := mustRead(t, b, "a", 0, -1); !bytes.Equal(got, want) {
				t.Errorf("read %d bytes that differ", len(got))
			}
			if got := len(w.sent()); got != 4 {
				t.Errorf("%d requests, want 4", got)
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			for i, r := range w.requests[1:] {
				if r.URL.Query().Get("generation") == "" || r.Header.Get("Range") != fmt.Sprintf("bytes=%d-", (i+1)*100_000) {
					t.Errorf("resumed with %s and range %q", r.URL, r.Header.Get("Range"))
				}
			}
		})
	}
}

// TestReadReplaced: when the object is replaced and the connection breaks, the
// reader does not go on with the new one.
func TestReadReplaced(t *testing.T) {
	w := new(wire)
	b := newBackend(t, startService(t).config(t), w.option())
	put(t, b, "a", random(1<<20), backends.Attributes{Size: -1})
	w.reset(func(n int, r *http.Request, next http.RoundTripper) (*http.Response, error) {
		resp, err := next.RoundTrip(r)
		if n == 1 {
			resp.Body = &breaking{resp.Body, 1000, errReset}
		}
		return resp, err
	})
	r, err := b.Open(t.Context(), "a", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	put(t, b, "a", make([]byte, 1<<20), backends.Attributes{Size: -1})
	_, err = io.ReadAll(r)
	if !errors.Is(err, backends.ErrChanged) || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("read on after a replacement: %v, want ErrChanged", err)
	}
}

// TestShortBody: fewer bytes than the answer announced are an error even when
// the connection ends cleanly.
// TestDamagedDownload: the client compares the checksum of what it reads.
func TestDamagedDownload(t *testing.T) {
	w := new(wire)
	b := newBackend(t, startService(t).config(t), w.option())
	put(t, b, "a", random(1000), backends.Attributes{Size: -1})
	w.reset(func(n int, r *http.Request, next http.RoundTripper) (*http.Response, error) {
		resp, err := next.RoundTrip(r)
		if err == nil {
			resp.Header.Set("X-Goog-Hash", "crc32c=AAAAAA==")
		}
		return resp, err
	})
	r, err := b.Open(t.Context(), "a", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if n, err := io.Copy(io.Discard, r); !errors.Is(err, backends.ErrDamaged) || errors.Is(err, backends.ErrUnavailable) || n != 1000 {
		t.Errorf("read %d bytes, %v, want ErrDamaged", n, err)
	}
}

func TestShortBody(t *testing.T) {
	w := new(wire)
	b := newBackend(t, startService(t).config(t), w.option())
	put(t, b, "a", random(1000), backends.Attributes{Size: -1})
	for _, offset := range []int64{0, 10} {
		w.reset(func(n int, r *http.Request, next http.RoundTripper) (*http.Response, error) {
			resp, err := next.RoundTrip(r)
			resp.Body = &breaking{resp.Body, 500, io.EOF}
			resp.Header.Del("X-Goog-Hash") // or else the checksum tells
			return resp, err
		})
		r, err := b.Open(t.Context(), "a", offset, -1)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, r); !errors.Is(err, io.ErrUnexpectedEOF) || n != 500 {
			t.Errorf("from %d: read %d bytes, %v", offset, n, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestUnservedObject: an endpoint without the XML API is not a store without
// bodies.
func TestUnservedObject(t *testing.T) {
	w := new(wire)
	b := newBackend(t, startService(t).config(t), w.option())
	put(t, b, "a", []byte("x"), backends.Attributes{Size: -1})
	w.reset(func(_ int, r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if strings.HasPrefix(r.URL.Path, "/media/") {
			return answer(r, http.StatusNotFound, "")
		}
		return next.RoundTrip(r)
	})
	if _, err := b.Open(t.Context(), "a", 0, -1); !errors.Is(err, backends.ErrUnavailable) || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open where only the JSON API answers: %v, want ErrUnavailable", err)
	}
	if _, err := b.Open(t.Context(), "b", 0, -1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open of a missing body: %v", err)
	}
}

// TestOpenRace: a body that grows between a range past its end and the second
// look at it is not called empty.
func TestOpenRace(t *testing.T) {
	w := new(wire)
	b := newBackend(t, startService(t).config(t), w.option())
	put(t, b, "a", []byte("x"), backends.Attributes{Size: -1})
	w.reset(func(n int, r *http.Request, next http.RoundTripper) (*http.Response, error) {
		resp, err := next.RoundTrip(r)
		if n == 1 {
			grown := b.bucket.Object("a").NewWriter(context.WithoutCancel(r.Context()))
			io.WriteString(grown, "longer than before")
			err = errors.Join(err, grown.Close())
		}
		return resp, err
	})
	_, err := b.Open(t.Context(), "a", 5, -1)
	if !errors.Is(err, backends.ErrChanged) || !backends.IsRetryable(err) {
		t.Errorf("Open: %v, want ErrChanged and a retry", err)
	}
}

func TestObjectNames(t *testing.T) {
	b := newBackend(t, settings.GCS{Bucket: "media", Endpoint: "http://127.0.0.1:1", Prefix: "p/"})
	for _, path := range []string{"a\nb", "a\rb", strings.Repeat("x", 1023)} {
		if _, err := b.Stat(t.Context(), path); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("Stat(%.20q): %v, want fs.ErrInvalid without asking the service", path, err)
		}
	}
	if err := b.check("stat", strings.Repeat("x", 1022)); err != nil {
		t.Errorf("a name of 1024 bytes: %v", err)
	}
	if b.object("a").ObjectName() != "p/a" || b.object("a").BucketName() != "media" {
		t.Errorf("object of \"a\" is %q", b.object("a").ObjectName())
	}
}
