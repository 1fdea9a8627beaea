package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/backends/backendtest"
	"example.com/ezdfs/backends/gcs"
	"example.com/ezdfs/backends/s3"
	"example.com/ezdfs/internal/testservice"
	"example.com/ezdfs/settings"
)

// The emulator's metrics start a goroutine with the process.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("go.opencensus.io/stats/view.(*worker).start"))
}

// start starts services that end with the test, unless stop ends them before.
func start(t *testing.T, file string, want Addresses) (s *Services, stop func()) {
	t.Helper()
	s, err := Start(t.Context(), file, want)
	if err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return s, stop
}

func openS3(t *testing.T, s *Services) backends.Backend {
	t.Helper()
	set := settings.S3{Name: "s3", Bucket: Bucket, Region: "us-east-1", AccessKeyID: "k", SecretAccessKey: "s",
		Endpoint: s.S3.URL(), UsePathStyleEndpoint: true, PartSize: 5 << 20, Concurrency: 2, AbortUploads: true}
	b, err := s3.New(t.Context(), set)
	return opened(t, b, err)
}

func openGCS(t *testing.T, s *Services) backends.Backend {
	t.Helper()
	b, err := gcs.New(t.Context(), settings.GCS{Name: "gcs", Bucket: Bucket, Endpoint: s.GCS.URL()})
	return opened(t, b, err)
}

func opened(t *testing.T, b backends.Backend, err error) backends.Backend {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// harness opens a backend over fresh services for each test of the suite.
func harness(open func(*testing.T, *Services) backends.Backend) backendtest.Harness {
	return backendtest.Harness{
		New: func(t *testing.T) backends.Backend {
			s, _ := start(t, filepath.Join(t.TempDir(), "objects.sqlite"), Addresses{})
			return open(t, s)
		},
		ManyPaths:         200,
		LargeBody:         9 << 20, // more than one part or chunk
		KeepsModTime:      true,
		KeepsContentType:  true,
		StagesInMemory:    true,
		FetchesPublicURLs: true,
	}
}

func TestS3Conformance(t *testing.T) {
	h := harness(openS3)
	h.Unsupported = func(path string) bool { // XML cannot list it
		return strings.ContainsFunc(path, func(r rune) bool { return r < ' ' })
	}
	h.ManyPaths = 1100 // more than a page: pages are our own
	backendtest.Run(t, h)
}

// unsigned is a backend without the key that signing needs.
type unsigned struct {
	backends.Backend
	backends.Copier
	backends.PublicURLer
}

func TestGCSConformance(t *testing.T) {
	h := harness(func(t *testing.T, s *Services) backends.Backend {
		b := openGCS(t, s).(*gcs.Backend)
		return unsigned{b, b, b}
	})
	h.ListsModTime = true
	h.Unsupported = func(path string) bool { return strings.ContainsAny(path, "\r\n") } // by the service itself
	backendtest.Run(t, h)
}

func store(t *testing.T, b backends.Backend, path, body string) {
	t.Helper()
	staged, err := b.Stage(t.Context(), path, strings.NewReader(body), backends.Attributes{
		Size: int64(len(body)), ModTime: time.Unix(1700000000, 0), ContentType: "text/x-test"})
	if err == nil {
		err = staged.Publish(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, b backends.Backend, path string) (string, backends.Info) {
	t.Helper()
	r, err := b.Open(t.Context(), path, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	body, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(body), r.Info()
}

// What was stored, replaced, copied and deleted is so after a restart, on the
// same addresses.
func TestRestart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "objects.sqlite")
	const odd = "a/b c+d%25 \u00fc.txt"
	infos := func(s *Services) map[string]backends.Info {
		t.Helper()
		all := map[string]backends.Info{}
		for _, b := range []backends.Backend{openS3(t, s), openGCS(t, s)} {
			for path, want := range map[string]string{"a": "second", odd: "odd", "copy": "odd", "empty": ""} {
				body, info := read(t, b, path)
				if body != want || info.ModTime.Unix() != 1700000000 || info.ContentType != "text/x-test" {
					t.Errorf("%s: %s is %q, %+v", b.Name(), path, body, info)
				}
				all[b.Name()+" "+path] = info
			}
			if _, err := b.Stat(t.Context(), "gone"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: a deleted body is %v", b.Name(), err)
			}
		}
		return all
	}

	// Ports that nobody takes between the two.
	want := Addresses{S3: fmt.Sprint("127.0.0.1:", testservice.FreePort(t)), GCS: fmt.Sprint("127.0.0.1:", testservice.FreePort(t))}
	first, stop := start(t, file, want)
	for _, b := range []backends.Backend{openS3(t, first), openGCS(t, first)} {
		for _, put := range [][2]string{{"a", "first"}, {odd, "odd"}, {"gone", "gone"}, {"a", "second"}, {"empty", ""}} {
			store(t, b, put[0], put[1])
		}
		if err := errors.Join(backends.Copy(t.Context(), b, odd, "copy"), b.Delete(t.Context(), []string{"gone"})); err != nil {
			t.Fatal(err)
		}
	}
	before := infos(first)
	stop()
	second, _ := start(t, file, want)
	if second.S3.Address != first.S3.Address || second.GCS.Address != first.GCS.Address {
		t.Errorf("the services moved to %s and %s", second.S3.Address, second.GCS.Address)
	}
	if after := infos(second); !maps.Equal(after, before) {
		t.Errorf("after a restart\n%+v\nbefore\n%+v", after, before)
	}
}

func TestAnotherProcessHasTheFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "objects.sqlite")
	for _, state := range []string{"new", "old"} {
		_, stop := start(t, file, Addresses{})
		second, err := Start(t.Context(), file, Addresses{})
		if err == nil {
			second.Close(t.Context())
		}
		if err == nil || !strings.Contains(err.Error(), file+" is in use") {
			t.Errorf("%s file: error %v does not say that %s is in use", state, err, file)
		}
		stop()
	}
}

func TestTakenAddress(t *testing.T) {
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	taken := other.Addr().String()
	s, _ := start(t, filepath.Join(t.TempDir(), "objects.sqlite"), Addresses{S3: taken})
	if s.S3.Taken != taken || s.S3.Address == taken || s.GCS.Taken != "" {
		t.Errorf("S3 is on %s, taken is %q; GCS's taken is %q", s.S3.Address, s.S3.Taken, s.GCS.Taken)
	}
	if err := openS3(t, s).Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestWait(t *testing.T) {
	s, _ := start(t, filepath.Join(t.TempDir(), "objects.sqlite"), Addresses{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Wait(ctx); err != nil {
		t.Errorf("after the context's end: %v", err)
	}
	s.GCS.listener.Close()
	if err := s.Wait(t.Context()); err == nil || !strings.Contains(err.Error(), s.GCS.Address) {
		t.Errorf("after the end of GCS: error %v does not name %s", err, s.GCS.Address)
	}
}

func TestGuard(t *testing.T) {
	s, _ := start(t, filepath.Join(t.TempDir(), "objects.sqlite"), Addresses{})
	store(t, openGCS(t, s), "a", "body")
	object := "/" + Bucket + "/a"
	tests := []struct {
		name, method, path, host, origin string
		want                             int
	}{
		{"a reader", "GET", object, "", "", http.StatusOK},
		{"a page that shows it", "GET", object, "", "http://page.example", http.StatusOK},
		{"a rebound name", "GET", object, "page.example", "", http.StatusMisdirectedRequest},
		{"a page that deletes it", "DELETE", "/storage/v1/b/" + Bucket + "/o/a", "", "http://page.example", http.StatusForbidden},
		{"the emulator's controls", "POST", "/_internal/delete_all", "", "", http.StatusNotFound},
		{"a reader afterwards", "GET", object, "", "", http.StatusOK},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), test.method, s.GCS.URL()+test.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if r.Host = s.GCS.Address; test.host != "" {
				r.Host = test.host
			}
			if test.origin != "" {
				r.Header.Set("Origin", test.origin)
			}
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			resp, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != test.want {
				t.Errorf("status %d, want %d", resp.StatusCode, test.want)
			}
		})
	}
}
