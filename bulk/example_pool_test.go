package bulk_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"example.com/ezdfs/bulk"
)

func ExampleEach() {
	progress := new(bulk.Progress)
	pool := bulk.NewPool(bulk.Limits{Workers: 4}, progress)
	paths := func(yield func(string, error) bool) {
		for path := range slices.Values([]string{"var/a", "var/b", "var/c"}) {
			if !yield(path, nil) {
				return
			}
		}
	}
	var work atomic.Int64
	err := bulk.Each(context.Background(), pool, paths, func(ctx context.Context, path string) error {
		work.Add(1)
		progress.Add(path, 100, 0)
		return pool.Wait(ctx, 100) // as the bandwidth allows
	})
	fmt.Println(work.Load(), progress.Snapshot().Bytes, err)
	// Output: 3 300 <nil>
}
