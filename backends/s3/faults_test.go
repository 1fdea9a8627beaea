package s3

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/internal/testservice"
)

func random(n int) []byte {
	body := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(body)
	return body
}

func put(t *testing.T, b *Backend, path string, body []byte) {
	t.Helper()
	staged, err := b.Stage(t.Context(), path, bytes.NewReader(body), backends.Attributes{Size: int64(len(body))})
	if err == nil {
		err = staged.Publish(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// read returns what came before the error, if any.
func read(t *testing.T, b *Backend, path string, offset, length int64) ([]byte, error) {
	t.Helper()
	r, err := b.Open(t.Context(), path, offset, length)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// faulty returns a backend on versitygw whose answers f spoils.
func faulty(t *testing.T, opts ...Option) (*Backend, *faults) {
	f := &faults{}
	return newBackend(t, testSettings(t), append([]Option{quick, WithTransport(f.wrap)}, opts...)...), f
}

func TestBrokenDownloadIsResumed(t *testing.T) {
	b, f := faulty(t)
	body := random(300_000)
	put(t, b, "a", body)
	for _, test := range []struct {
		name           string
		offset, length int64
		times          int
		err            error
		after          int64
	}{
		{"reset at once", 0, -1, 1, errReset, 0},
		{"reset midway", 0, -1, 1, errReset, 100_000},
		{"reset again and again, each time further on", 0, -1, 7, errReset, 40_000},
		{"truncated", 0, -1, 2, io.EOF, 120_000},
		{"reset within a range", 1000, 250_000, 2, errReset, 100_000},
		{"truncated within a range", 299_000, -1, 1, io.EOF, 999},
	} {
		t.Run(test.name, func(t *testing.T) {
			f.set("GetObject", test.times, cutBody(test.after, test.err))
			got, err := read(t, b, "a", test.offset, test.length)
			want := body[test.offset:]
			if test.length >= 0 {
				want = want[:test.length]
			}
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("read %d bytes, %v; want all %d", len(got), err, len(want))
			}
			if n := f.count("GetObject"); n != test.times+1 {
				t.Errorf("%d requests, want %d", n, test.times+1)
			}
		})
	}
}

func TestDownloadThatNeverComes(t *testing.T) {
	b, f := faulty(t)
	body := random(1000)
	put(t, b, "a", body)
	for name, cause := range map[string]error{"reset": errReset, "truncated": io.EOF} {
		t.Run(name, func(t *testing.T) {
			// The rest never comes: after the first 600 bytes nothing does.
			f.set("GetObject", 1, cutBody(600, cause))
			r, err := b.Open(t.Context(), "a", 0, -1)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			f.set("GetObject", 100, cutBody(0, cause))
			got, err := io.ReadAll(r)
			if !bytes.Equal(got, body[:600]) || !errors.Is(err, backends.ErrUnavailable) || !backends.IsRetryable(err) {
				t.Errorf("read %d bytes, %v; want 600 and ErrUnavailable", len(got), err)
			}
			if cause == io.EOF && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("error %v, want io.ErrUnexpectedEOF", err)
			}
			if _, again := r.Read(make([]byte, 1)); again != err {
				t.Errorf("the next Read: %v, want the same error", again)
			}
			if n := f.count("GetObject"); n != b.limits.resumes {
				t.Errorf("resumed %d times, want %d", n, b.limits.resumes)
			}
		})
	}
}

func TestReplacedOrDeletedWhileResuming(t *testing.T) {
	b, f := faulty(t)
	for name, change := range map[string]func() error{
		"replaced": func() error { put(t, b, "a", []byte("another body")); return nil },
		"deleted":  func() error { return b.Delete(t.Context(), []string{"a"}) },
	} {
		t.Run(name, func(t *testing.T) {
			body := random(1000)
			put(t, b, "a", body)
			f.set("GetObject", 1, cutBody(600, errReset))
			r, err := b.Open(t.Context(), "a", 0, -1)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if err := change(); err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			if !bytes.Equal(got, body[:600]) || !errors.Is(err, backends.ErrChanged) || errors.Is(err, fs.ErrNotExist) {
				t.Errorf("read %d bytes, %v; want 600 and ErrChanged", len(got), err)
			}
		})
	}
}

func TestDamagedDownload(t *testing.T) {
	b, f := faulty(t)
	b.verify = true // as on Amazon
	put(t, b, "a", random(1000))
	f.set("GetObject", 1, changeBody(func(body io.Reader) io.Reader {
		all, _ := io.ReadAll(body)
		all[500] ^= 1
		return bytes.NewReader(all)
	}))
	if got, err := read(t, b, "a", 0, -1); !errors.Is(err, backends.ErrDamaged) || errors.Is(err, backends.ErrUnavailable) || !backends.IsRetryable(err) {
		t.Errorf("read %d bytes with a flipped bit: %v, want ErrDamaged", len(got), err)
	}
}

// Requests that may be repeated are, a few times.
func TestRetries(t *testing.T) {
	small, large := random(1000), random(5<<20+1000)
	for op, do := range map[string]func(t *testing.T, b *Backend) error{
		"HeadObject":              func(t *testing.T, b *Backend) error { _, err := b.Stat(t.Context(), "small"); return err },
		"GetObject":               func(t *testing.T, b *Backend) error { _, err := read(t, b, "small", 5, 10); return err },
		"PutObject":               func(t *testing.T, b *Backend) error { return stageAndPublish(t, b, "new", small) },
		"CreateMultipartUpload":   func(t *testing.T, b *Backend) error { return stageAndPublish(t, b, "new", large) },
		"UploadPart":              func(t *testing.T, b *Backend) error { return stageAndPublish(t, b, "new", large) },
		"CompleteMultipartUpload": func(t *testing.T, b *Backend) error { return stageAndPublish(t, b, "new", large) },
		"CopyObject":              func(t *testing.T, b *Backend) error { return backends.Copy(t.Context(), b, "small", "new") },
		"UploadPartCopy":          func(t *testing.T, b *Backend) error { return backends.Copy(t.Context(), b, "large", "new") },
		"DeleteObjects":           func(t *testing.T, b *Backend) error { return b.Delete(t.Context(), []string{"missing"}) },
		"ListObjectsV2":           func(t *testing.T, b *Backend) error { return b.Ping(t.Context()) },
	} {
		t.Run(op, func(t *testing.T) {
			b, f := faulty(t, withLimits(func(l *limits) { l.maxCopy, l.copyPart = 5<<20, 5<<20 }))
			put(t, b, "small", small)
			put(t, b, "large", large)
			for name, spoil := range map[string]spoiler{
				"reset": reset, "500": respond(500, "InternalError"), "503": respond(503, "SlowDown"),
			} {
				f.set(op, 2, spoil)
				if err := do(t, b); err != nil || f.count(op) < 3 {
					t.Errorf("%s twice: %v after %d requests", name, err, f.count(op))
				}
				f.set(op, 1000, spoil)
				if err := do(t, b); !errors.Is(err, backends.ErrUnavailable) || !retryable(err) {
					t.Errorf("%s for ever: %v, want a retryable ErrUnavailable", name, err)
				}
			}
		})
	}
}

// retryable looks into a DeleteError too.
func retryable(err error) bool {
	var failed *backends.DeleteError
	if errors.As(err, &failed) {
		for _, err := range failed.Failed {
			return backends.IsRetryable(err)
		}
	}
	return backends.IsRetryable(err)
}

func stageAndPublish(t *testing.T, b *Backend, path string, body []byte) error {
	t.Helper()
	staged, err := b.Stage(t.Context(), path, bytes.NewReader(body), backends.Attributes{Size: -1})
	if err != nil {
		return err
	}
	defer staged.Discard(t.Context())
	if err := staged.Publish(t.Context()); err != nil {
		return err
	}
	if got, err := read(t, b, path, 0, -1); err != nil || !bytes.Equal(got, body) {
		t.Errorf("%q: read %d bytes, %v, want the %d written", path, len(got), err, len(body))
	}
	return nil
}

// A copy may fail after the service has begun to answer 200.
func TestCopyThatFailsWith200(t *testing.T) {
	b, f := faulty(t, withLimits(func(l *limits) { l.maxCopy, l.copyPart = 5<<20, 5<<20 }))
	put(t, b, "CopyObject", []byte("small"))
	put(t, b, "UploadPartCopy", random(5<<20+1))
	for _, op := range []string{"CopyObject", "UploadPartCopy"} {
		f.set(op, 1, respond(200, "InternalError"))
		if err := backends.Copy(t.Context(), b, op, "copy"); err != nil || f.count(op) < 2 {
			t.Errorf("%s failed once: %v after %d requests, want a retry", op, err, f.count(op))
		}
		f.set(op, 1000, respond(200, "InternalError"))
		if err := backends.Copy(t.Context(), b, op, "never"); !errors.Is(err, backends.ErrUnavailable) {
			t.Errorf("%s failed for ever: %v, want ErrUnavailable", op, err)
		}
		if _, err := b.Stat(t.Context(), "never"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Stat of what was never copied: %v", err)
		}
	}
}

func TestCompletionWithLostAnswer(t *testing.T) {
	b, f := faulty(t)
	body := random(5<<20 + 1)
	put(t, b, "large", []byte("the old body"))
	f.set("CompleteMultipartUpload", 1, loseAnswer)
	if err := stageAndPublish(t, b, "large", body); err != nil {
		t.Errorf("completed, answer lost: %v, want success", err)
	}

	// The upload is gone and the object is another's.
	f.set("CompleteMultipartUpload", 1, respond(404, "NoSuchUpload"))
	err := stageAndPublish(t, b, "large", body)
	if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, backends.ErrChanged) {
		t.Errorf("upload gone: %v, want an error that says nothing of the body", err)
	}
}

// In a bucket with versions a broken download goes on with its own version,
// whatever has replaced it.
func TestResumeOfAVersion(t *testing.T) {
	const body = "0123456789"
	b := stub(t, func(req *http.Request) (*http.Response, error) {
		switch operation(req) {
		case "GetObject":
			resp := answer(req, 200, body)
			resp.Header.Set("Etag", `"e"`)
			resp.Header.Set("X-Amz-Version-Id", "v1")
			resp.Header.Set("Content-Length", "10")
			resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(body[:4]), iotest.ErrReader(errReset)))
			return resp, nil
		case "GetObjectVersion":
			if got := req.URL.Query().Get("versionId") + req.Header.Get("Range") + req.Header.Get("If-Match"); got != `v1bytes=4-9"e"` {
				t.Errorf("resumed with %s", got)
			}
			resp := answer(req, 206, body[4:])
			resp.Header.Set("Content-Length", "6")
			resp.Header.Set("Content-Range", "bytes 4-9/10")
			return resp, nil
		}
		return refuse(req, 400, "Unexpected"), nil
	})
	if got, err := read(t, b, "a", 0, -1); err != nil || string(got) != body {
		t.Errorf("read %q, %v", got, err)
	}
}

// The service ends while a backend is in use, and comes back.
func TestOutage(t *testing.T) {
	g := testservice.StartVersityGW(t)
	b := newBackend(t, settingsOn(t, g), quick)
	put(t, b, "a", []byte("body"))
	g.Stop()
	_, statErr := b.Stat(t.Context(), "missing")
	_, openErr := b.Open(t.Context(), "a", 0, -1)
	for op, err := range map[string]error{
		"stat": statErr, "open": openErr, "ping": b.Ping(t.Context()),
		"publish": stageAndPublish(t, b, "a", []byte("new")), "delete": b.Delete(t.Context(), []string{"a"}),
	} {
		if !errors.Is(err, backends.ErrUnavailable) || errors.Is(err, fs.ErrNotExist) || !retryable(err) {
			t.Errorf("%s while the service is down: %v, want a retryable ErrUnavailable", op, err)
		}
	}
	g.Start(t)
	if got, err := read(t, b, "a", 0, -1); err != nil || string(got) != "body" {
		t.Errorf("after the outage: %q, %v", got, err)
	}
}

func TestDoneContextWhileResuming(t *testing.T) {
	b, f := faulty(t)
	put(t, b, "a", random(1000))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	f.set("GetObject", 1, cutBody(10, errReset))
	r, err := b.Open(ctx, "a", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cancel()
	if _, err := io.ReadAll(r); !errors.Is(err, context.Canceled) || errors.Is(err, backends.ErrUnavailable) {
		t.Errorf("read after cancel: %v, want context.Canceled alone", err)
	}
	if n := f.count("GetObject"); n != 1 {
		t.Errorf("%d requests, want no further one", n)
	}
}
