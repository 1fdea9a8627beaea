package s3

import (
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/backends/backendtest"
	"example.com/ezdfs/settings"
)

// The suite on the service that the quick start embeds.
func TestConformanceInProcess(t *testing.T) {
	backendtest.Run(t, backendtest.Harness{
		IgnoresCreate: true, // of uploads in parts
		New: func(t *testing.T) backends.Backend {
			store := s3mem.New()
			if err := store.CreateBucket("bucket"); err != nil {
				t.Fatal(err)
			}
			server := httptest.NewServer(withCopyCondition(store, gofakes3.New(store).Server()))
			t.Cleanup(server.Close)
			return newBackend(t, settings.S3{
				Name: "s3:fake", AccessKeyID: "key", SecretAccessKey: "secret", Bucket: "bucket", Region: "us-east-1",
				Endpoint: server.URL, UsePathStyleEndpoint: true, PartSize: 5 << 20, Concurrency: 4, AbortUploads: true,
			}, quick)
		},
		ManyPaths:         1100,
		KeepsModTime:      true,
		KeepsContentType:  true,
		StagesInMemory:    true,
		FetchesPublicURLs: true,
		Unsupported:       func(path string) bool { return strings.ContainsAny(path, "\a") },
	})
}

// withCopyCondition adds the condition of a copy, which gofakes3 ignores.
func withCopyCondition(store *s3mem.Backend, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		source, err := url.PathUnescape(r.Header.Get("X-Amz-Copy-Source"))
		if bucket, key, ok := strings.Cut(source, "/"); ok && err == nil {
			object, err := store.HeadObject(bucket, key)
			if err == nil && `"`+hex.EncodeToString(object.Hash)+`"` != r.Header.Get("X-Amz-Copy-Source-If-Match") {
				w.WriteHeader(http.StatusPreconditionFailed)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}
