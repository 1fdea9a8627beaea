package events

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"example.com/ezdfs/metadata"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder is a queued listener that writes down what it is told. Its hooks
// may be nil.
type recorder struct {
	notify func(ctx context.Context, batch []Event) error
	ask    func(ctx context.Context, name string) (Answer, error)

	mu      sync.Mutex
	batches [][]Event
	asked   int
	closed  bool
}

var (
	_ Listener        = (*recorder)(nil)
	_ MetadataFilter  = (*recorder)(nil)
	_ ExistenceFilter = existenceRecorder{}
	_ Inline          = (*inlineRecorder)(nil)
)

func (r *recorder) Name() string { return "recorder" }

func (r *recorder) Notify(ctx context.Context, batch []Event) error {
	if r.notify != nil {
		if err := r.notify(ctx, batch); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.batches = append(r.batches, slices.Clone(batch))
	return nil
}

func (r *recorder) LoadMetadata(ctx context.Context, name string) (Answer, error) {
	r.mu.Lock()
	r.asked++
	ask := r.ask
	r.mu.Unlock()
	if ask == nil {
		return Answer{}, nil
	}
	return ask(ctx, name)
}

func (r *recorder) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	return nil
}

// heard returns what arrived, as text.
func (r *recorder) heard() (all []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range slices.Concat(r.batches...) {
		all = append(all, text(e))
	}
	return all
}

func (r *recorder) questions() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked
}

// text is the essence of an event.
func text(e Event) string {
	switch e.Kind {
	case Lost:
		return fmt.Sprint("lost ", e.Count)
	case StoreMetadata:
		return fmt.Sprintf("store %s %d", e.Row.Name, e.Seq)
	}
	return fmt.Sprintf("%s %s %d", e.Kind, e.Name(), e.Seq)
}

// existenceRecorder answers fileExists as well.
type existenceRecorder struct {
	*recorder
	exists func(ctx context.Context, name string) (Answer, error)
}

func (r existenceRecorder) FileExists(ctx context.Context, name string) (Answer, error) {
	return r.exists(ctx, name)
}

// inlineRecorder is told inline.
type inlineRecorder struct {
	recorder
	inline func(e Event)
}

func (r *inlineRecorder) NotifyInline(e Event) {
	if r.inline != nil {
		r.inline(e)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.batches = append(r.batches, []Event{e})
}

// deletion is a deleteFile event.
func deletion(name string) Event { return Event{Kind: DeleteFile, Subject: name} }

// deletions are events of the paths p1, p2, ….
func deletions(from, to int) (events []Event) {
	for i := from; i <= to; i++ {
		events = append(events, deletion(fmt.Sprint("p", i)))
	}
	return events
}

// answering is a query that finds a row.
func answering(row metadata.Row) Query {
	return func(context.Context) (metadata.Row, error) { return row, nil }
}

// closeHub closes a hub that has nothing to lose.
func closeHub(tb testing.TB, h *Hub) {
	tb.Helper()
	if err := h.Close(context.WithoutCancel(tb.Context())); err != nil {
		tb.Error(err)
	}
}
