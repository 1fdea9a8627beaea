package bulk

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/ezdfs/backends"
)

// numbers yields 0 to n-1, then err unless it is nil.
func numbers(n int, err error) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for i := range n {
			if !yield(i, nil) {
				return
			}
		}
		if err != nil {
			yield(0, err)
		}
	}
}

func TestEachHandsOutEverythingOnce(t *testing.T) {
	for _, workers := range []int{0, 1, 7} {
		seen := make([]atomic.Int32, 1000)
		p := NewPool(Limits{Workers: workers}, nil)
		if err := Each(t.Context(), p, numbers(len(seen), nil), func(_ context.Context, i int) error {
			seen[i].Add(1)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		for i := range seen {
			if n := seen[i].Load(); n != 1 {
				t.Fatalf("%d workers: %d was handed out %d times", workers, i, n)
			}
		}
	}
}

func TestBatches(t *testing.T) {
	for n, want := range map[int][]int{0: nil, 1: {1}, 10: {10}, 11: {10, 1}, 25: {10, 10, 5}} {
		var sizes []int
		p := NewPool(Limits{Workers: 1}, nil)
		if err := Batches(t.Context(), p, 10, numbers(n, nil), func(_ context.Context, batch []int) error {
			sizes = append(sizes, len(batch))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if len(sizes) != len(want) {
			t.Errorf("%d elements came in batches of %v, want %v", n, sizes, want)
		}
		for i, size := range sizes {
			if size != want[i] {
				t.Errorf("%d elements came in batches of %v, want %v", n, sizes, want)
			}
		}
	}
}

// TestWorkersAreBounded also by several calls that share a pool.
func TestWorkersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int64
		p := NewPool(Limits{Workers: 3}, nil)
		work := func(context.Context, int) error {
			if n := now.Add(1); n > most.Load() {
				most.Store(n)
			}
			time.Sleep(time.Second)
			now.Add(-1)
			return nil
		}
		start := time.Now()
		var calls sync.WaitGroup
		for range 2 {
			calls.Go(func() {
				if err := Each(t.Context(), p, numbers(30, nil), work); err != nil {
					t.Error(err)
				}
			})
		}
		calls.Wait()
		if most.Load() != 3 || time.Since(start) != 20*time.Second {
			t.Errorf("%d at a time, %v for 60 seconds of work", most.Load(), time.Since(start))
		}
	})
}

func TestEachStops(t *testing.T) {
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		source iter.Seq2[int, error]
		fails  int // the element whose work fails
	}{
		"the source fails": {numbers(100, broken), -1},
		"the work fails":   {numbers(1_000_000, nil), 10},
	} {
		var after atomic.Int64
		p := NewPool(Limits{Workers: 4}, nil)
		err := Each(t.Context(), p, test.source, func(ctx context.Context, i int) error {
			if i == test.fails {
				return broken
			}
			after.Add(1)
			return nil
		})
		if !errors.Is(err, broken) || after.Load() >= 1_000_000-1 {
			t.Errorf("%s: %v after %d", name, err, after.Load())
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := Each(ctx, NewPool(Limits{Workers: 1}, nil), numbers(1_000_000, nil), func(context.Context, int) error {
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

// TestRate lets so many files pass in a second, one by one or in batches.
func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nothing := func(context.Context, int) error { return nil }
		start := time.Now()
		if err := Each(t.Context(), NewPool(Limits{Rate: 10}, nil), numbers(102, nil), nothing); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start).Round(time.Second); took != 10*time.Second {
			t.Errorf("102 files took %v at 10 a second", took)
		}
		start = time.Now()
		err := Batches(t.Context(), NewPool(Limits{Rate: 10}, nil), 50, numbers(102, nil), func(context.Context, []int) error { return nil })
		if took := time.Since(start).Round(time.Second); err != nil || took != 10*time.Second {
			t.Errorf("batches of 102 files took %v at 10 a second, %v", took, err)
		}
	})
}

func TestBandwidth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPool(Limits{Bandwidth: 1000}, nil)
		body := bytes.Repeat([]byte("x"), 10_250)
		start := time.Now()
		data, err := io.ReadAll(p.Reader(t.Context(), bytes.NewReader(body)))
		if took := time.Since(start).Round(time.Second); err != nil || !bytes.Equal(data, body) || took != 10*time.Second {
			t.Errorf("read %d bytes in %v, %v", len(data), took, err)
		}
		if !p.Paced() || NewPool(Limits{}, nil).Paced() {
			t.Error("Paced does not tell whether there is a limit")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.Wait(ctx, 1_000_000); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting ended with %v", err)
		}
	})
}

// store is a service that answers in a second, so many requests at a time, and
// refuses any beyond most.
type store struct {
	inFlight         atomic.Int64
	parallel, most   int64
	queue            chan struct{}
	served, rejected atomic.Int64
}

func (s *store) request(ctx context.Context) {
	defer s.inFlight.Add(-1)
	if s.inFlight.Add(1) > s.most {
		s.rejected.Add(1)
		resp := throttlingTransport(ctx)
		resp.Body.Close()
		time.Sleep(time.Second)
		return
	}
	s.queue <- struct{}{}
	time.Sleep(100 * time.Millisecond)
	<-s.queue
	s.served.Add(1)
}

// TestPoolAdapts works on stores that want few workers, or many.
func TestPoolAdapts(t *testing.T) {
	for name, test := range map[string]struct {
		parallel, most int64
		least, atMost  int64 // workers in the end
	}{
		"more is faster":   {40, 1000, 30, maxWorkers},
		"more is useless":  {2, 1000, 1, 16},
		"more is refused":  {1000, 20, 5, 24},
		"next to nothing":  {1000, 2, 1, 4},
		"as many as we do": {1000, 1000, maxWorkers, maxWorkers},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &store{parallel: test.parallel, most: test.most, queue: make(chan struct{}, test.parallel)}
				progress := new(Progress)
				ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
				defer cancel()
				err := Each(ctx, NewPool(Limits{}, progress), numbers(1<<40, nil), func(ctx context.Context, _ int) error {
					s.request(ctx)
					return nil
				})
				got := progress.Snapshot()
				if !errors.Is(err, context.DeadlineExceeded) || got.Workers < test.least || got.Workers > test.atMost {
					t.Errorf("%v: %d workers, want %d to %d", err, got.Workers, test.least, test.atMost)
				}
				if got.Throttled != s.rejected.Load() {
					t.Errorf("%d requests were throttled, %d counted", s.rejected.Load(), got.Throttled)
				}
				if rejected := float64(s.rejected.Load()) / float64(s.served.Load()); rejected > 0.05 {
					t.Errorf("%.0f%% of the requests were refused", 100*rejected)
				}
			})
		})
	}
}

func TestProgress(t *testing.T) {
	p := new(Progress)
	for i := range 100 {
		p.Add(string(rune('a'+i%26)), 10, time.Duration((i*37)%100)*time.Millisecond)
	}
	p.AddMany(5, 50)
	p.Skip(3)
	p.Expect(200)
	p.Fail("x", &backends.Error{Throttled: true})
	want := Snapshot{Done: 105, Skipped: 3, Failed: 1, Bytes: 1050, Expected: 200, Throttled: 1}
	if got := p.Snapshot(); got != want || got.Total() != 109 {
		t.Errorf("%+v, want %+v", got, want)
	}
	slow := p.Slowest()
	if len(slow) != maxSlowest {
		t.Fatalf("%d slowest", len(slow))
	}
	for i, s := range slow {
		if s.Took != time.Duration(99-i)*time.Millisecond {
			t.Errorf("the slowest are %v", slow)
		}
	}
	if err := p.Err("purge"); err == nil || err.Error() != "purge: 1 of 109 files failed" {
		t.Errorf("Err is %v", err)
	}
	for range 2 * maxFailures {
		p.Fail("y", io.EOF)
	}
	if kept := len(p.Failures()); kept != maxFailures || p.Snapshot().Failed != 2*maxFailures+1 {
		t.Errorf("%d failures kept, %d counted", kept, p.Snapshot().Failed)
	}
}
