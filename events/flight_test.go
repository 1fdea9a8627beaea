package events

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/ezdfs/metadata"
)

// Callers share a query as long as no deletion came in between.
func TestSharedQuery(t *testing.T) {
	tests := []struct {
		name    string
		between []Event
		queries int32
	}{
		{"nothing", nil, 1},
		{"another path", []Event{deletion("b")}, 1},
		{"the path", []Event{deletion("a")}, 2},
		{"a family", []Event{{Kind: DeleteByNametrunk, Subject: "t"}}, 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := New([]Listener{&inlineRecorder{}}, Options{})
				var queries atomic.Int32
				free := make(chan struct{})
				load := func() {
					row, err := h.Load(t.Context(), "a", func(context.Context) (metadata.Row, error) {
						queries.Add(1)
						<-free
						return metadata.Row{Size: 5}, nil
					})
					if row.Size != 5 || err != nil {
						t.Errorf("got %+v, %v", row, err)
					}
				}
				var wg sync.WaitGroup
				for range 10 {
					wg.Go(load)
				}
				synctest.Wait()
				h.Publish(test.between...)
				for range 10 {
					wg.Go(load)
				}
				synctest.Wait()
				close(free)
				wg.Wait()
				equal(t, "queries", queries.Load(), test.queries)
				closeHub(t, h)
			})
		})
	}
}

// Whoever goes away leaves the query to the others; when all are gone it is
// cancelled, and the next one begins anew.
func TestSharedQueryCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New([]Listener{&inlineRecorder{}}, Options{})
		cancelled := make(chan struct{})
		load := func(ctx context.Context) (metadata.Row, error) {
			return h.Load(ctx, "a", func(ctx context.Context) (metadata.Row, error) {
				select {
				case <-time.After(10 * time.Second):
					return metadata.Row{Size: 5}, nil
				case <-ctx.Done():
					close(cancelled)
					return metadata.Row{}, ctx.Err()
				}
			})
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := load(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the impatient one got %v", err)
			}
		})
		synctest.Wait()
		wg.Go(func() {
			start := time.Now()
			if row, err := load(t.Context()); row.Size != 5 || err != nil || time.Since(start) != 10*time.Second {
				t.Errorf("the patient one got %+v, %v after %v", row, err, time.Since(start))
			}
		})
		wg.Wait()

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		load(ctx)
		<-cancelled
		start := time.Now()
		if row, err := load(t.Context()); row.Size != 5 || err != nil || time.Since(start) != 10*time.Second {
			t.Errorf("the next one got %+v, %v after %v", row, err, time.Since(start))
		}
		closeHub(t, h)
	})
}

// A query that was left and ends late does not take away the one that follows.
func TestSharedQueryEndsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New([]Listener{&inlineRecorder{}}, Options{})
		var queries atomic.Int32
		load := func(ctx context.Context) {
			h.Load(ctx, "a", func(context.Context) (metadata.Row, error) {
				queries.Add(1)
				time.Sleep(10 * time.Second) // whatever happens to its context
				return metadata.Row{}, nil
			})
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		load(ctx)
		var wg sync.WaitGroup
		for range 2 { // one while the first query still runs, one after it
			wg.Go(func() { load(t.Context()) })
			time.Sleep(9500 * time.Millisecond)
		}
		wg.Wait()
		equal(t, "queries", queries.Load(), int32(2))
		closeHub(t, h)
	})
}

// A panic of the query is that of its callers, and one that ends its goroutine
// an error.
func TestQueryThatDoesNotReturn(t *testing.T) {
	h := New([]Listener{&inlineRecorder{}}, Options{})
	defer closeHub(t, h)
	func() {
		defer func() {
			if p := fmt.Sprint(recover()); !strings.Contains(p, `"a" panicked: oops`) {
				t.Errorf("recovered %v", p)
			}
		}()
		h.Load(t.Context(), "a", func(context.Context) (metadata.Row, error) { panic("oops") })
		t.Error("the panic was lost")
	}()
	_, err := h.Load(t.Context(), "a", answering(metadata.Row{}))
	equal(t, "afterwards", err, nil)
}

// Callers share a query also where nobody listens, but not one that began
// before a deletion.
func TestLoadSharedWithoutListeners(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(nil, Options{})
		defer h.Close(t.Context())
		end := make(chan struct{})
		var queries atomic.Int32
		var all sync.WaitGroup
		load := func() {
			h.LoadShared(t.Context(), "var/a", func(context.Context) (metadata.Row, error) {
				queries.Add(1)
				<-end
				return metadata.Row{Name: "var/a"}, nil
			})
		}
		all.Go(load)
		synctest.Wait()
		h.Publish(Event{Kind: DeleteFile, Subject: "var/a"})
		for range 10 {
			all.Go(load)
		}
		synctest.Wait()
		close(end)
		all.Wait()
		if n := queries.Load(); n != 2 {
			t.Errorf("%d queries", n)
		}
	})
}
