package bulk

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestBatchesKeepThePace: at a low rate files come a second's worth at a time, and
// not many at once after a long wait.
func TestBatchesKeepThePace(t *testing.T) {
	for rate, want := range map[float64]struct {
		size  int           // of a batch
		every time.Duration // once the burst is over
	}{
		0.5: {1, 2 * time.Second},
		1:   {1, time.Second},
		7.9: {7, time.Second * 70 / 79},
		500: {100, time.Second / 5},
	} {
		synctest.Test(t, func(t *testing.T) {
			var sizes []int
			var at []time.Time
			p := NewPool(Limits{Workers: 1, Rate: rate}, nil)
			err := Batches(t.Context(), p, 100, numbers(10*want.size, nil), func(_ context.Context, batch []int) error {
				sizes, at = append(sizes, len(batch)), append(at, time.Now())
				return nil
			})
			if err != nil || len(sizes) != 10 {
				t.Fatalf("at %v a second %d batches, %v", rate, len(sizes), err)
			}
			for i := 2; i < 10; i++ {
				if pause := at[i].Sub(at[i-1]).Round(50 * time.Millisecond); sizes[i] != want.size || pause != want.every.Round(50*time.Millisecond) {
					t.Errorf("at %v a second batch %d of %d files came %v after the one before, want %d after %v",
						rate, i, sizes[i], pause, want.size, want.every)
				}
			}
		})
	}
}
