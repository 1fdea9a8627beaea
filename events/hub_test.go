package events

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/ezdfs/metadata"
)

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// Everybody hears everything in order: the Inline ones before Publish returns,
// of other hosts' changes they alone.
func TestPublish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queued, inline := &recorder{}, &inlineRecorder{}
		h := New([]Listener{queued, inline}, Options{})
		h.Publish(deletion("a"), Event{Kind: StoreMetadata, Row: metadata.Row{Name: "x"}}, Event{Kind: DeleteByLike, Subject: "var/"})
		equal(t, "inline at once", inline.heard(), []string{"deleteFile a 1", "deleteByLike var/ 2"})
		h.Invalidate(deletion("b"))
		h.Publish(deletion("c"))
		synctest.Wait()
		equal(t, "inline", inline.heard(), []string{"deleteFile a 1", "deleteByLike var/ 2", "deleteFile b 3", "deleteFile c 4"})
		equal(t, "queued", queued.heard(), []string{"deleteFile a 1", "deleteByLike var/ 2", "deleteFile c 4"})
		if at := inline.batches[0][0].Time; !at.Equal(time.Now()) {
			t.Errorf("published at %v, want now", at)
		}
		equal(t, "stats", h.Stats(), []Stats{
			{Listener: "recorder", Inline: true, Delivered: 4},
			{Listener: "recorder", Delivered: 3, Breaker: "closed"},
		})
		closeHub(t, h)
		if !queued.closed || !inline.closed {
			t.Error("a listener was not closed")
		}
	})
}

// A hub without listeners, and none at all, only ask the database.
func TestWithoutListeners(t *testing.T) {
	want := metadata.Row{Name: "a", MTime: 1}
	for name, h := range map[string]*Hub{"nil": nil, "empty": New(nil, Options{})} {
		t.Run(name, func(t *testing.T) {
			h.Publish(deletion("a"))
			h.Invalidate(deletion("a"))
			row, err := h.Load(t.Context(), "a", answering(want))
			equal(t, "row", row, want)
			equal(t, "error", err, nil)
			row, exists, err := h.Exists(t.Context(), "a", answering(want))
			equal(t, "row", row, want)
			equal(t, "exists", exists, true)
			equal(t, "error", err, nil)
			equal(t, "stats", len(h.Stats()), 0)
			closeHub(t, h)
		})
	}
}

// Concurrent publishers: each queue gets all events in the order of their
// numbers.
func TestPublishConcurrently(t *testing.T) {
	first, second := &recorder{}, &recorder{}
	h := New([]Listener{first, second}, Options{BatchSize: 7})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 200 {
				h.Publish(deletion(fmt.Sprint(i)), Event{Kind: DeleteByScope, Subject: "image"})
			}
		})
	}
	wg.Wait()
	closeHub(t, h)
	for _, r := range []*recorder{first, second} {
		next := uint64(1)
		for _, batch := range r.batches {
			if len(batch) > 7 {
				t.Fatalf("a batch of %d", len(batch))
			}
			for _, e := range batch {
				if e.Seq != next {
					t.Fatalf("got event %d, want %d", e.Seq, next)
				}
				next++
			}
		}
		equal(t, "events", next-1, uint64(8*400))
	}
}

// A listener that fails gets the same batch again, with growing pauses, and
// what came meanwhile afterwards.
func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		start := time.Now()
		r := &recorder{notify: func(context.Context, []Event) error {
			at = append(at, time.Since(start))
			switch len(at) {
			case 1, 2:
				return errors.New("down")
			case 3:
				panic("oops")
			}
			return nil
		}}
		h := New([]Listener{r}, Options{MinBackoff: time.Second, MaxBackoff: time.Minute})
		h.Publish(deletions(1, 2)...)
		time.Sleep(500 * time.Millisecond)
		h.Publish(deletion("p3"))
		time.Sleep(time.Minute)
		synctest.Wait()
		equal(t, "heard", r.heard(), []string{"deleteFile p1 1", "deleteFile p2 2", "deleteFile p3 3"})
		for i, bounds := range [][2]time.Duration{{0, 0}, {800, 1200}, {2400, 3600}, {5600, 8400}} {
			if ms := at[i] / time.Millisecond; ms < bounds[0] || ms > bounds[1] {
				t.Errorf("attempt %d after %v, want %v to %v ms", i, at[i], bounds[0], bounds[1])
			}
		}
		equal(t, "stats", h.Stats(), []Stats{{Listener: "recorder", Delivered: 3, Failed: 3, Breaker: "closed"}})
		closeHub(t, h)
	})
}

// Rows that were read are sent once: what waits grows old.
func TestHintsAreNotRepeated(t *testing.T) {
	for _, err := range []error{errors.New("down"), Permanent(errors.New("no"))} {
		t.Run(err.Error(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				free := make(chan struct{})
				r := &recorder{notify: func(context.Context, []Event) error {
					<-free
					if calls++; calls <= 2 {
						return err
					}
					return nil
				}}
				h := New([]Listener{r}, Options{})
				h.Load(t.Context(), "a", answering(metadata.Row{})) // a batch of its own
				synctest.Wait()
				h.Load(t.Context(), "b", answering(metadata.Row{}))
				h.Publish(deletion("c"))
				close(free)
				time.Sleep(time.Minute)
				synctest.Wait()
				want := []string{"deleteFile c 1"}
				if IsPermanent(err) {
					want = []string{"lost 1"}
				}
				equal(t, "heard", r.heard(), want)
				equal(t, "calls", calls, 3)
				equal(t, "waiting", h.Stats()[0].Pending, 0)
				closeHub(t, h)
			})
		})
	}
}

// A listener can say when to try again.
func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Time
		r := &recorder{notify: func(context.Context, []Event) error {
			if at = append(at, time.Now()); len(at) == 1 {
				return fmt.Errorf("busy: %w", RetryAfter(errors.New("503"), 20*time.Second))
			}
			return nil
		}}
		h := New([]Listener{r}, Options{})
		h.Publish(deletion("a"))
		time.Sleep(time.Minute)
		synctest.Wait()
		if wait := at[1].Sub(at[0]); wait < 16*time.Second || wait > 24*time.Second {
			t.Errorf("tried again after %v", wait)
		}
		closeHub(t, h)
	})
}

// A listener that hangs is cut off by its timeout; Publish does not wait, and
// what does not fit its queue becomes one Lost event in its place.
func TestOverflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		r := &recorder{notify: func(ctx context.Context, _ []Event) error { <-free; return nil }}
		h := New([]Listener{r}, Options{QueueSize: 3, BatchSize: 1})
		h.Publish(deletion("p1"))
		synctest.Wait()
		h.Publish(deletions(2, 5)...)
		h.Publish(deletions(6, 7)...)
		equal(t, "stats", h.Stats(), []Stats{{Listener: "recorder", Pending: 4, Dropped: 4, Breaker: "closed"}})
		free <- struct{}{}
		synctest.Wait()
		h.Publish(deletion("p8")) // still full: the Lost event takes a place
		free <- struct{}{}
		synctest.Wait()
		h.Publish(deletion("p9"))
		close(free)
		synctest.Wait()
		equal(t, "heard", r.heard(), []string{"deleteFile p1 1", "deleteFile p2 2", "deleteFile p3 3", "lost 5", "deleteFile p9 9"})
		closeHub(t, h)
	})
}

// A batch that is refused for good is counted and followed by a Lost event,
// which is repeated until it arrives.
func TestPermanent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		calls := 0
		r := &recorder{notify: func(_ context.Context, batch []Event) error {
			if calls++; calls <= 3 {
				return fmt.Errorf("post: %w", Permanent(errors.New("400 Bad Request")))
			}
			return nil
		}}
		h := New([]Listener{r}, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		h.Publish(deletions(1, 2)...)
		time.Sleep(time.Minute)
		synctest.Wait()
		h.Publish(deletion("p3"))
		synctest.Wait()
		equal(t, "heard", r.heard(), []string{"lost 2", "deleteFile p3 3"})
		equal(t, "stats", h.Stats(), []Stats{{Listener: "recorder", Delivered: 2, Dropped: 2, Failed: 3, Breaker: "closed"}})
		if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), "400 Bad Request") {
			t.Errorf("log:\n%s", log.String())
		}
		closeHub(t, h)
	})
}

// Failures are logged, but not each of them.
func TestLogRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		r := &recorder{notify: func(context.Context, []Event) error { return errors.New("down") }}
		h := New([]Listener{r}, Options{
			MinBackoff: time.Second, MaxBackoff: time.Second + 1, BreakerFailures: 1000,
			LogInterval: 30 * time.Second, Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
		h.Publish(deletion("a"))
		time.Sleep(70 * time.Second)
		synctest.Wait()
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		if len(lines) != 3 || !strings.Contains(lines[0], "listener=recorder error=down") || !strings.Contains(lines[1], "unlogged=") {
			t.Errorf("log:\n%s", log.String())
		}
		if err := h.Close(t.Context()); err == nil {
			t.Error("Close lost an event without saying so")
		}
	})
}

// While a listener fails its breaker is open, and it is called once a delay.
func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Bool
		calls := 0
		r := &recorder{notify: func(context.Context, []Event) error {
			if calls++; !up.Load() {
				return errors.New("down")
			}
			return nil
		}}
		h := New([]Listener{r}, Options{MinBackoff: 10 * time.Millisecond, MaxBackoff: 20 * time.Millisecond, BreakerDelay: time.Minute})
		h.Publish(deletion("a"))
		time.Sleep(30 * time.Second)
		synctest.Wait()
		equal(t, "calls", calls, 5)
		equal(t, "breaker", h.Stats()[0].Breaker, "open")
		up.Store(true)
		time.Sleep(time.Minute)
		synctest.Wait()
		equal(t, "calls", calls, 6)
		equal(t, "stats", h.Stats(), []Stats{{Listener: "recorder", Delivered: 1, Failed: 5, Breaker: "closed"}})
		closeHub(t, h)
	})
}

// Close waits for what can be delivered, and says what could not.
func TestClose(t *testing.T) {
	tests := []struct {
		name   string
		notify func(ctx context.Context, batch []Event) error
		want   string
		took   time.Duration
		closed bool
	}{
		{"slow", func(context.Context, []Event) error { time.Sleep(time.Second); return nil }, "", 3 * time.Second, true},
		{"failing", func(context.Context, []Event) error { return errors.New("down") }, "recorder did not take 3 notifications", 5 * time.Second, true},
		{"hanging", func(ctx context.Context, _ []Event) error { <-ctx.Done(); return ctx.Err() }, "recorder did not take 3 notifications", 5 * time.Second, true},
		{"deaf", func(context.Context, []Event) error { time.Sleep(time.Minute); return nil }, "does not end its Notify", 6 * time.Second, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &recorder{notify: test.notify}
				h := New([]Listener{r}, Options{BatchSize: 1})
				h.Publish(deletions(1, 3)...)
				start := time.Now()
				err := h.Close(t.Context())
				equal(t, "took", time.Since(start), test.took)
				if got := fmt.Sprint(err); test.want == "" && err != nil || !strings.Contains(got, test.want) {
					t.Errorf("got %q, want %q", got, test.want)
				}
				equal(t, "closed", r.closed, test.closed)
				h.Publish(deletion("late"))
				equal(t, "closing twice", h.Close(t.Context()), nil)
				time.Sleep(2 * time.Minute)
			})
		})
	}
}

// A listener that panics while it is told inline harms nobody, and is not
// asked any more: it may hold what it should have dropped.
func TestInlinePanic(t *testing.T) {
	r := &inlineRecorder{inline: func(e Event) { panic("oops") }}
	r.ask = func(context.Context, string) (Answer, error) {
		return Answer{Known: true, Exists: true, Row: metadata.Row{Name: "old"}}, nil
	}
	second := &inlineRecorder{}
	h := New([]Listener{r, second}, Options{})
	row, _ := h.Load(t.Context(), "a", answering(metadata.Row{Name: "new"}))
	equal(t, "before", row.Name, "old")
	h.Publish(deletion("a"))
	row, _ = h.Load(t.Context(), "a", answering(metadata.Row{Name: "new"}))
	equal(t, "after", row.Name, "new")
	equal(t, "the other", second.heard()[0], "deleteFile a 1")
	closeHub(t, h)
}
