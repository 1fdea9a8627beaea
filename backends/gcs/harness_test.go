package gcs

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/googleapis/gax-go/v2"
	"go.uber.org/goleak"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/backends/backendtest"
	"example.com/ezdfs/internal/testservice/fakegcs"
	"example.com/ezdfs/settings"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction(fakegcs.LeaksBy))
}

// service is the emulator behind a front that hands out tokens, requires them,
// and can be told to answer as if the bucket were missing.
type service struct {
	*fakegcs.Server
	bucketGone atomic.Bool
	open       bool // requests without a token are let through
}

const testToken = "token-of-the-test"

func startService(t testing.TB) *service {
	s := new(service)
	s.Server = fakegcs.Start(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/token" {
				w.Header().Set("Content-Type", "application/json")
				io.WriteString(w, `{"access_token":"`+testToken+`","token_type":"Bearer","expires_in":3600}`)
				return
			}
			authorized := r.Header.Get("Authorization") == "Bearer "+testToken || r.URL.Query().Has("X-Goog-Signature")
			switch {
			case !s.open && !authorized:
				http.Error(w, `{"error":{"code":401,"message":"no token"}}`, http.StatusUnauthorized)
			case s.bucketGone.Load():
				io.Copy(io.Discard, r.Body)
				http.Error(w, `{"error":{"code":404,"message":"The specified bucket does not exist."}}`, http.StatusNotFound)
			default:
				next.ServeHTTP(w, r)
			}
		})
	})
	s.Bucket("media")
	return s
}

// config has credentials, as a real one would.
func (s *service) config(t testing.TB) settings.GCS {
	return settings.GCS{Name: "gcs:media", Bucket: "media", Endpoint: s.URL, CredentialsFile: keyFile(t, s.URL)}
}

// newBackend opens a backend that wastes no time between attempts.
func newBackend(t testing.TB, cfg settings.GCS, opts ...Option) *Backend {
	t.Helper()
	quick := func(o *options) {
		o.backoff = gax.Backoff{Initial: time.Microsecond, Max: time.Millisecond, Multiplier: 2}
	}
	b, err := New(t.Context(), cfg, append([]Option{quick}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// privateKey is one RSA key for all tests; making one takes a while.
var privateKey = sync.OnceValue(func() []byte {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
})

// keyFile writes the key of a service account whose tokens come from url.
func keyFile(t testing.TB, url string) string {
	t.Helper()
	data, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "p", "private_key_id": "1", "private_key": string(privateKey()),
		"client_email": "ezdfs@p.iam.gserviceaccount.com", "client_id": "1", "token_uri": url + "/token",
	})
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestConformance(t *testing.T) {
	s := startService(t)
	var n atomic.Int64
	backendtest.Run(t, backendtest.Harness{
		New: func(t *testing.T) backends.Backend {
			cfg := s.config(t)
			cfg.Bucket = fmt.Sprintf("bucket-%d", n.Add(1))
			cfg.Prefix = "site one/"
			s.Bucket(cfg.Bucket)
			return newBackend(t, cfg, WithChunkSize(quantum), func(o *options) { o.pageSize = 50 })
		},
		Break: func(t *testing.T, b backends.Backend) func() {
			s.bucketGone.Store(true)
			return func() { s.bucketGone.Store(false) }
		},
		LargeBody:         3*quantum + 1,
		ManyPaths:         220, // several pages; the emulator takes time that is quadratic
		KeepsModTime:      true,
		ListsModTime:      true,
		KeepsContentType:  true,
		StagesInMemory:    true,
		FetchesPublicURLs: false, // the front wants a token
		Unsupported: func(path string) bool {
			return strings.ContainsAny(path, "\r\n") // by the service itself
		},
	})
}
