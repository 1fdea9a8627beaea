package events

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/ezdfs/metadata"
)

// laggard is a cache behind a queue that answers at once but hears late, and
// at times fails before, in the middle of, or after handling a batch.
type laggard struct {
	mu   sync.Mutex
	rows map[string]metadata.Row
	hits atomic.Int64
	lost atomic.Int64
}

func (l *laggard) Name() string { return "laggard" }
func (l *laggard) Close() error { return nil }

func (l *laggard) Notify(_ context.Context, batch []Event) error {
	fault := rand.N(8)
	if fault == 0 {
		return errors.New("before")
	}
	for i := range batch {
		l.apply(&batch[i])
		switch {
		case fault == 1 && i > 0:
			return errors.New("in the middle")
		case fault == 2 && i > 0:
			panic("in the middle")
		case fault == 3 && i > 0:
			return Permanent(errors.New("in the middle"))
		}
		runtime.Gosched()
	}
	if fault == 4 {
		return errors.New("after")
	}
	return nil
}

func (l *laggard) apply(e *Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case e.Kind == StoreMetadata:
		l.rows[e.Row.Name] = e.Row
	case e.Kind == DeleteFile:
		delete(l.rows, e.Subject)
	case e.Kind == DeleteByLike:
		for name := range l.rows {
			if strings.HasPrefix(name, e.Subject) {
				delete(l.rows, name)
			}
		}
	default:
		l.lost.Add(1)
		clear(l.rows)
	}
}

func (l *laggard) LoadMetadata(_ context.Context, name string) (Answer, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	row, known := l.rows[name]
	if known {
		l.hits.Add(1)
	}
	return Answer{Known: known, Exists: known, Row: row}, nil
}

// versions is a table whose rows have a version as their size.
type versions struct {
	committed, published [16]atomic.Int64
}

func versionName(i int) string { return fmt.Sprintf("var/%d/%d", i%3, i) }

// get reads a row, slowly enough to be overtaken.
func (v *versions) get(i int) Query {
	return func(context.Context) (metadata.Row, error) {
		for range rand.N(4) {
			runtime.Gosched()
		}
		row := metadata.Row{Name: versionName(i), Size: v.committed[i].Load()}
		for range rand.N(4) {
			runtime.Gosched()
		}
		return row, nil
	}
}

// change commits a new version of one path, or of those of a directory, and
// publishes it.
func (v *versions) change(h *Hub) {
	n, dir := rand.N(len(v.committed)), rand.N(20) == 0
	event := deletion(versionName(n))
	if dir {
		event = Event{Kind: DeleteByLike, Subject: fmt.Sprintf("var/%d/", n%3)}
	}
	reached := make(map[int]int64)
	for i := range v.committed {
		if i == n || dir && i%3 == n%3 {
			reached[i] = v.committed[i].Add(1)
		}
	}
	h.Publish(event)
	for i, version := range reached {
		for old := v.published[i].Load(); old < version; old = v.published[i].Load() {
			v.published[i].CompareAndSwap(old, version)
		}
	}
}

// However late, often and badly a listener is told, its filter never answers
// from before something that was published.
func TestNeverBehindALaggard(t *testing.T) {
	for _, size := range []int{4, 10_000} {
		t.Run(fmt.Sprint("queue=", size), func(t *testing.T) {
			l := &laggard{rows: make(map[string]metadata.Row)}
			h := New([]Listener{l}, Options{
				QueueSize: size, BatchSize: 3, BreakerFailures: 1 << 20,
				MinBackoff: time.Microsecond, MaxBackoff: 50 * time.Microsecond,
			})
			var table versions
			var readers, writers sync.WaitGroup
			var done atomic.Bool
			for range 3 {
				readers.Go(func() {
					for !done.Load() {
						i := rand.N(len(table.committed))
						atLeast := table.published[i].Load()
						row, err := h.Load(t.Context(), versionName(i), table.get(i))
						if atMost := table.committed[i].Load(); err != nil || row.Size < atLeast || row.Size > atMost {
							t.Errorf("version %d, %v, want %d to %d", row.Size, err, atLeast, atMost)
						}
					}
				})
			}
			for range 2 {
				writers.Go(func() {
					// On a busy machine it takes longer until there was a hit and a loss.
					for round := 0; round < 500 || round < 20_000 && (l.hits.Load() == 0 || l.lost.Load() == 0); round++ {
						table.change(h)
						time.Sleep(time.Duration(rand.N(200)) * time.Microsecond) // lets the listener catch up at times
					}
				})
			}
			writers.Wait()
			done.Store(true)
			readers.Wait()
			if l.hits.Load() == 0 || l.lost.Load() == 0 {
				t.Errorf("%d hits and %d losses: the test tests nothing", l.hits.Load(), l.lost.Load())
			}
			closeHub(t, h)
		})
	}
}
