package gcs

import (
	"bytes"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/settings"
)

// BenchmarkStore10K stores bodies of 10,000 bytes, by one worker and by 16.
func BenchmarkStore10K(b *testing.B) {
	for _, workers := range []int{1, 16} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			s := startService(b)
			s.open = true
			backend := newBackend(b, settings.GCS{Bucket: "media", Endpoint: s.URL})
			body := random(10_000)
			var n atomic.Int64
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			b.SetParallelism(max(1, workers/runtime.GOMAXPROCS(0)))
			store := func() error {
				// The emulator looks for a name among all: keep them few.
				path := fmt.Sprintf("dir/%d", n.Add(1)%100)
				staged, err := backend.Stage(b.Context(), path, bytes.NewReader(body), backends.Attributes{Size: int64(len(body))})
				if err != nil {
					return err
				}
				return staged.Publish(b.Context())
			}
			if workers == 1 {
				for b.Loop() {
					if err := store(); err != nil {
						b.Fatal(err)
					}
				}
				return
			}
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := store(); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
