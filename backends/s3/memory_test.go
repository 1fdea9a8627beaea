package s3

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"testing"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/settings"
)

// sink is a service that takes a multipart upload and forgets the bytes.
type sink struct {
	mu    sync.Mutex
	sizes map[string]int64 // by part number
	done  int              // parts that the completion named
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch operation(r) {
	case "CreateMultipartUpload":
		fmt.Fprint(w, "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>")
	case "UploadPart":
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			return
		}
		s.mu.Lock()
		s.sizes[r.URL.Query().Get("partNumber")] = n
		s.mu.Unlock()
		w.Header().Set("Etag", `"1"`)
	case "CompleteMultipartUpload":
		var list struct{ Part []struct{ PartNumber int } }
		if err := xml.NewDecoder(r.Body).Decode(&list); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		s.done = len(list.Part)
		fmt.Fprint(w, "<CompleteMultipartUploadResult/>")
	default:
		w.WriteHeader(http.StatusNotImplemented)
	}
}

// zeroes is a long body that looks at the heap after each MB.
type zeroes struct {
	left, since int64
	peak        uint64
}

func (z *zeroes) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), z.left)]
	clear(p)
	z.left -= int64(len(p))
	if z.since += int64(len(p)); z.since >= 1<<20 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		z.since, z.peak = 0, max(z.peak, m.HeapInuse)
	}
	return len(p), nil
}

// A body of 1 GB goes through less than 100 MB, announced or not, with the
// settings' defaults.
func TestMemoryOfALongUpload(t *testing.T) {
	const size = 1 << 30
	for _, announced := range []int64{-1, size} {
		t.Run(fmt.Sprint(announced), func(t *testing.T) {
			service := &sink{sizes: map[string]int64{}}
			server := httptest.NewServer(service)
			defer server.Close()
			b := newBackend(t, settings.S3{
				AccessKeyID: "key", SecretAccessKey: "secret", Bucket: "bucket", Region: "us-east-1",
				Endpoint: server.URL, UsePathStyleEndpoint: true, PartSize: 8 << 20, Concurrency: 4,
			})
			runtime.GC()
			body := &zeroes{left: size}
			staged, err := b.Stage(t.Context(), "long", body, backends.Attributes{Size: announced})
			if err == nil {
				err = staged.Publish(t.Context())
			}
			if err != nil {
				t.Fatal(err)
			}
			total := int64(0)
			for _, n := range service.sizes {
				total += n
			}
			if total != size || service.done != len(service.sizes) || staged.Size() != size {
				t.Errorf("%d bytes in %d parts arrived, %d parts completed, Size %d", total, len(service.sizes), service.done, staged.Size())
			}
			t.Logf("peak of the heap: %d MB", body.peak>>20)
			if body.peak > 100<<20 {
				t.Errorf("the heap grew to %d MB, want less than 100", body.peak>>20)
			}
			b.Close()
		})
	}
}
