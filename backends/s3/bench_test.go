package s3

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"golang.org/x/sync/errgroup"

	"example.com/ezdfs/backends"
)

// workers runs do from several goroutines until the benchmark is over.
func workers(b *testing.B, n int, do func(i int) error) {
	b.Run(fmt.Sprintf("workers=%d", n), func(b *testing.B) {
		var group errgroup.Group
		group.SetLimit(n)
		for i := 0; b.Loop(); i++ {
			group.Go(func() error { return do(i) })
		}
		if err := group.Wait(); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "files/s")
	})
}

func BenchmarkStore10K(b *testing.B) {
	backend := newBackend(b, testSettings(b))
	body := random(10_000)
	for _, n := range []int{1, 16} {
		workers(b, n, func(i int) error {
			staged, err := backend.Stage(b.Context(), fmt.Sprintf("bench/%02d/%d", i%100, i), bytes.NewReader(body), backends.Attributes{Size: 10_000})
			if err != nil {
				return err
			}
			return staged.Publish(b.Context())
		})
	}
}

func BenchmarkStat(b *testing.B) {
	backend := newBackend(b, testSettings(b))
	benchPut(b, backend, random(10_000))
	for _, n := range []int{1, 16} {
		workers(b, n, func(int) error {
			_, err := backend.Stat(b.Context(), "a")
			return err
		})
	}
}

func BenchmarkRead10K(b *testing.B) {
	backend := newBackend(b, testSettings(b))
	benchPut(b, backend, random(10_000))
	for _, n := range []int{1, 16} {
		workers(b, n, func(int) error {
			r, err := backend.Open(b.Context(), "a", 0, -1)
			if err != nil {
				return err
			}
			defer r.Close()
			_, err = io.Copy(io.Discard, r)
			return err
		})
	}
}

func benchPut(b *testing.B, backend *Backend, body []byte) {
	staged, err := backend.Stage(b.Context(), "a", bytes.NewReader(body), backends.Attributes{Size: int64(len(body))})
	if err == nil {
		err = staged.Publish(b.Context())
	}
	if err != nil {
		b.Fatal(err)
	}
}
