package events

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/ezdfs/metadata"
)

// knowing answers every question with a row of that scope.
func knowing(scope string) func(context.Context, string) (Answer, error) {
	return func(_ context.Context, name string) (Answer, error) {
		return Answer{Known: true, Exists: true, Row: metadata.Row{Name: name, Scope: scope}}, nil
	}
}

func ignorant(context.Context, string) (Answer, error) { return Answer{}, nil }

func failing(context.Context, string) (Answer, error) {
	return Answer{Known: true, Exists: true}, errors.New("down")
}

func panicking(context.Context, string) (Answer, error) { panic("oops") }

func denying(_ context.Context, name string) (Answer, error) { return Answer{Known: true}, nil }

// The first filter that knows answers; one that fails does not know.
func TestFilterOrder(t *testing.T) {
	type ask = func(context.Context, string) (Answer, error)
	tests := []struct {
		name           string
		first, second  ask
		existence      ask // of the second
		loaded, exists string
	}{
		{"nobody knows", ignorant, ignorant, ignorant, "database", "database"},
		{"the first", knowing("first"), knowing("second"), knowing("exists"), "first", "first"},
		{"the second", ignorant, knowing("second"), knowing("exists"), "second", "exists"},
		{"one fails", failing, knowing("second"), failing, "second", "database"},
		{"one panics", panicking, knowing("second"), panicking, "second", "database"},
		{"a denial", ignorant, denying, denying, "missing", "missing"},
	}
	for _, test := range tests {
		for _, inline := range []bool{false, true} {
			t.Run(fmt.Sprint(test.name, " inline=", inline), func(t *testing.T) {
				first := Listener(&recorder{ask: test.first})
				if inline {
					first = &inlineRecorder{recorder: recorder{ask: test.first}}
				}
				h := New([]Listener{&plain{}, first, existenceRecorder{&recorder{ask: test.second}, test.existence}}, Options{})
				defer closeHub(t, h)
				query := answering(metadata.Row{Name: "a", Scope: "database"})
				row, err := h.Load(t.Context(), "a", query)
				got := row.Scope
				if errors.Is(err, fs.ErrNotExist) {
					got = "missing"
				}
				equal(t, "Load", got, test.loaded)
				row, exists, err := h.Exists(t.Context(), "a", query)
				if got = row.Scope; !exists {
					got = "missing"
				}
				equal(t, "Exists", got, test.exists)
				equal(t, "error", err, nil)
			})
		}
	}
}

// plain is a listener that answers nothing.
type plain struct{}

func (*plain) Name() string                          { return "plain" }
func (*plain) Notify(context.Context, []Event) error { return nil }
func (*plain) Close() error                          { return nil }

// Everybody is told what the database said, with the number from before it was
// asked, errors excepted.
func TestStoreMetadata(t *testing.T) {
	broken := errors.New("gone away")
	tests := []struct {
		err     error
		missing bool
		told    int
	}{
		{nil, false, 1},
		{noRow("a"), true, 1},
		{broken, false, 0},
	}
	for _, test := range tests {
		t.Run(fmt.Sprint(test.err), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				queued, inline := &recorder{}, &inlineRecorder{}
				h := New([]Listener{queued, inline}, Options{})
				defer closeHub(t, h)
				h.Publish(deletion("other"))
				start := time.Now()
				row, err := h.Load(t.Context(), "a", func(context.Context) (metadata.Row, error) {
					time.Sleep(time.Second)
					h.Publish(Event{Kind: DeleteByScope, Subject: "none"}, deletion("another"))
					h.stamps.family.Store(0) // as if the family had not been one of them
					return metadata.Row{Name: "a", Size: 3}, test.err
				})
				if err != test.err || err == nil && row.Size != 3 {
					t.Errorf("got %+v, %v", row, err)
				}
				synctest.Wait()
				for _, r := range []*recorder{queued, &inline.recorder} {
					var stored []Event
					for _, batch := range r.batches {
						for _, e := range batch {
							if e.Kind == StoreMetadata {
								stored = append(stored, e)
							}
						}
					}
					if len(stored) != test.told {
						t.Fatalf("told %v", stored)
					}
					for _, e := range stored {
						if e.Seq != 1 || e.Missing != test.missing || e.Name() != "a" || !e.Time.Equal(start) {
							t.Errorf("told %+v", e)
						}
					}
				}
			})
		})
	}
}

// A row that was read before a deletion is not told after it.
func TestStoreMetadataOvertaken(t *testing.T) {
	for _, event := range []Event{deletion("a"), {Kind: DeleteFile, Hash: metadata.Hash("a")}, {Kind: DeleteByLike, Subject: "x"}} {
		t.Run(text(event), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				queued, inline := &recorder{}, &inlineRecorder{}
				h := New([]Listener{queued, inline}, Options{})
				defer closeHub(t, h)
				row, err := h.Load(t.Context(), "a", func(context.Context) (metadata.Row, error) {
					h.Publish(event)
					return metadata.Row{Name: "a", Size: 3}, nil
				})
				if err != nil || row.Size != 3 {
					t.Errorf("got %+v, %v", row, err)
				}
				synctest.Wait()
				equal(t, "queued", len(queued.heard()), 1)
				equal(t, "inline", len(inline.heard()), 1)
			})
		})
	}
}

// Whether a row is still current is asked when its place in the queue is fixed:
// a deletion may have come in after it was asked for the first time.
func TestHintIsCheckedInTheQueue(t *testing.T) {
	q := newQueue(10, false)
	q.hint(Event{Kind: StoreMetadata}, func() bool {
		if q.mu.TryLock() {
			t.Error("asked without the lock")
		}
		return false
	})
	if waiting, _, _ := q.read(); waiting != 0 {
		t.Error("it was queued all the same")
	}
}

// Rows that were read take at most half of a queue, and give way to deletions.
func TestHintsGiveWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		r := &recorder{notify: func(context.Context, []Event) error { <-free; return nil }}
		h := New([]Listener{r}, Options{QueueSize: 10})
		h.Publish(deletion("first"))
		synctest.Wait()
		for i := range 20 {
			h.Load(t.Context(), fmt.Sprint("row", i), answering(metadata.Row{}))
		}
		equal(t, "waiting", h.Stats()[0].Pending, 5)
		h.Publish(deletions(1, 5)...)
		equal(t, "waiting", h.Stats()[0].Pending, 10)
		h.Publish(deletions(6, 10)...)
		equal(t, "stats", h.Stats(), []Stats{{Listener: "recorder", Pending: 11, Dropped: 1, Breaker: "closed"}})
		close(free)
		synctest.Wait()
		heard := r.heard()
		equal(t, "last", heard[len(heard)-2:], []string{"deleteFile p9 10", "lost 1"})
		if strings.Contains(fmt.Sprint(heard), "store") {
			t.Errorf("heard %v", heard)
		}
		closeHub(t, h)
	})
}

// While a deletion waits for a listener it is not asked about what was
// deleted, so nobody is answered from before his own change.
func TestReadYourWrites(t *testing.T) {
	tests := []struct {
		name    string
		waiting []Event
		asked   []string // of "a" and "b"
	}{
		{"nothing", nil, []string{"a", "b"}},
		{"a path", []Event{deletion("a")}, []string{"b"}},
		{"a hash", []Event{{Kind: DeleteFile, Hash: metadata.Hash("a")}}, []string{"b"}},
		{"a family", []Event{{Kind: DeleteByScope, Subject: "image"}}, nil},
		{"lost ones", deletions(1, 4), nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				free := make(chan struct{})
				r := &recorder{
					ask:    knowing("filter"),
					notify: func(context.Context, []Event) error { <-free; return nil },
				}
				h := New([]Listener{r}, Options{QueueSize: 3})
				h.Publish(test.waiting...)
				synctest.Wait()
				asked := func() (names []string) {
					for _, name := range []string{"a", "b"} {
						row, _ := h.Load(t.Context(), name, answering(metadata.Row{}))
						if row.Scope == "filter" {
							names = append(names, name)
						}
					}
					return names
				}
				equal(t, "asked while it waits", asked(), test.asked)
				close(free)
				synctest.Wait()
				equal(t, "asked afterwards", asked(), []string{"a", "b"})
				closeHub(t, h)
			})
		})
	}
}

// A refused deletion still counts as waiting until the Lost event that stands
// for it has arrived.
func TestReadYourWritesAfterRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var up atomic.Bool
		r := &recorder{ask: knowing("filter"), notify: func(context.Context, []Event) error {
			if !up.Load() {
				return Permanent(errors.New("no"))
			}
			return nil
		}}
		h := New([]Listener{r}, Options{BreakerFailures: 1000})
		h.Publish(deletion("a"))
		time.Sleep(time.Minute)
		row, _ := h.Load(t.Context(), "a", answering(metadata.Row{}))
		equal(t, "answered by", row.Scope, "")
		up.Store(true)
		time.Sleep(time.Minute)
		row, _ = h.Load(t.Context(), "a", answering(metadata.Row{}))
		equal(t, "answered by", row.Scope, "filter")
		closeHub(t, h)
	})
}

// A filter that fails again and again is left alone, one that hangs is cut
// off; a caller who goes away is not held against it.
func TestFilterBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{ask: func(ctx context.Context, _ string) (Answer, error) { <-ctx.Done(); return Answer{}, ctx.Err() }}
		h := New([]Listener{r}, Options{AskTimeout: 100 * time.Millisecond, BreakerDelay: time.Minute})
		for range 10 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			h.Load(ctx, "a", answering(metadata.Row{}))
			cancel()
		}
		synctest.Wait()
		equal(t, "failures", h.Stats()[0].Failed, uint64(0))
		equal(t, "breaker", h.Stats()[0].Breaker, "closed")
		start := time.Now()
		for range 100 {
			if _, err := h.Load(t.Context(), "a", answering(metadata.Row{})); err != nil {
				t.Fatal(err)
			}
		}
		equal(t, "asked", r.questions(), 15)
		equal(t, "took", time.Since(start), 500*time.Millisecond)
		equal(t, "breaker", h.Stats()[0].Breaker, "open")
		time.Sleep(2 * time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		h.Load(ctx, "a", answering(metadata.Row{})) // takes the one trial and goes away
		equal(t, "asked", r.questions(), 16)
		r.mu.Lock()
		r.ask = knowing("filter")
		r.mu.Unlock()
		time.Sleep(2 * time.Minute)
		row, _ := h.Load(t.Context(), "a", answering(metadata.Row{}))
		equal(t, "answered by", row.Scope, "filter")
		closeHub(t, h)
	})
}

// After Close the database is asked, and nobody else.
func TestLoadAfterClose(t *testing.T) {
	r := &recorder{ask: knowing("filter")}
	h := New([]Listener{r}, Options{})
	closeHub(t, h)
	row, err := h.Load(t.Context(), "a", answering(metadata.Row{Scope: "database"}))
	equal(t, "row", row.Scope, "database")
	equal(t, "error", err, nil)
	equal(t, "asked", r.questions(), 0)
}

// Close cancels queries that nobody can be told of any more.
func TestCloseDuringQuery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New([]Listener{&inlineRecorder{}}, Options{})
		go h.Load(t.Context(), "a", func(ctx context.Context) (metadata.Row, error) {
			<-ctx.Done()
			return metadata.Row{}, ctx.Err()
		})
		synctest.Wait()
		closeHub(t, h)
	})
}
