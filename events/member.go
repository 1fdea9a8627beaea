package events

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
)

// member is a listener with all that keeps it from harming the others.
type member struct {
	listener  Listener
	inline    Inline          // nil for those told through a queue
	metadata  MetadataFilter  // nil where it is none
	existence ExistenceFilter // nil where it is none
	options   Options

	queue   *queue                             // nil for Inline, as are the next three
	ended   chan struct{}                      // closed when the worker has ended
	telling circuitbreaker.CircuitBreaker[any] // of Notify
	asking  circuitbreaker.CircuitBreaker[any] // of the filters
	told    atomic.Uint64                      // Inline: events handled
	failed  atomic.Uint64
	broken  atomic.Bool // Inline: it panicked, so what it holds may be wrong

	logMu      sync.Mutex
	lastLogged time.Time
	unlogged   int
}

func newMember(l Listener, o Options) *member {
	m := &member{listener: l, options: o}
	m.inline, _ = l.(Inline)
	m.metadata, _ = l.(MetadataFilter)
	m.existence, _ = l.(ExistenceFilter)
	if m.inline == nil {
		m.ended = make(chan struct{})
		m.queue = newQueue(o.QueueSize, m.answers())
		m.telling, m.asking = newBreaker(o), newBreaker(o)
	}
	return m
}

// newBreaker returns a breaker that after a pause lets one trial through.
func newBreaker(o Options) circuitbreaker.CircuitBreaker[any] {
	return circuitbreaker.NewBuilder[any]().
		WithFailureThreshold(uint(o.BreakerFailures)).
		WithSuccessThreshold(1).
		WithDelay(o.BreakerDelay).
		WithJitterFactor(0.2).
		Build()
}

func (m *member) answers() bool { return m.metadata != nil || m.existence != nil }

// tell gives an event to an Inline listener.
func (m *member) tell(e Event) {
	defer func() {
		if p := recover(); p != nil {
			m.broken.Store(true)
			m.fail("a listener panicked and is not asked any more", fmt.Errorf("panic: %v", p))
		}
	}()
	m.inline.NotifyInline(e)
	m.told.Add(1)
}

// ask asks the listener's filter, the existence filter if it has one and only
// existence is asked for. A filter that lags, fails or is left alone does not
// know.
func (m *member) ask(ctx context.Context, name string, existence bool) Answer {
	filter := m.filter(existence)
	if filter == nil || m.broken.Load() {
		return Answer{}
	}
	if m.inline != nil {
		answer, err := m.call(ctx, name, filter)
		if err != nil {
			m.fail("a listener could not be asked", err)
		}
		return answer
	}
	if m.queue.pending.behind(name) || !m.asking.TryAcquirePermit() {
		return Answer{}
	}
	limited, cancel := context.WithTimeout(ctx, m.options.AskTimeout)
	defer cancel()
	answer, err := m.call(limited, name, filter)
	m.record(ctx, err)
	return answer
}

// filterFunc is the method of either filter.
type filterFunc func(ctx context.Context, name string) (Answer, error)

func (m *member) filter(existence bool) filterFunc {
	switch {
	case existence && m.existence != nil:
		return m.existence.FileExists
	case m.metadata != nil:
		return m.metadata.LoadMetadata
	}
	return nil
}

// call calls a filter; a panic becomes an error, and an answer that comes with
// an error none.
func (m *member) call(ctx context.Context, name string, filter filterFunc) (answer Answer, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
		if err != nil {
			answer = Answer{}
		}
	}()
	return filter(ctx, name)
}

// record tells the breaker how asking went. That the caller went away says
// nothing about the listener, but a half-open breaker waits for a verdict.
func (m *member) record(ctx context.Context, err error) {
	switch {
	case err == nil:
		m.asking.RecordSuccess()
	case ctx.Err() == nil:
		m.fail("a listener could not be asked", err)
		m.asking.RecordFailure()
	case m.asking.IsHalfOpen():
		m.asking.RecordFailure()
	}
}

// fail counts a failure, and logs it unless another was logged a moment ago.
func (m *member) fail(message string, err error, attrs ...any) {
	m.failed.Add(1)
	m.logMu.Lock()
	defer m.logMu.Unlock()
	if !m.lastLogged.IsZero() && time.Since(m.lastLogged) < m.options.LogInterval {
		m.unlogged++
		return
	}
	attrs = append([]any{"listener", m.listener.Name(), "error", err}, attrs...)
	if m.unlogged > 0 {
		attrs = append(attrs, "unlogged", m.unlogged)
	}
	m.lastLogged, m.unlogged = time.Now(), 0
	m.options.Logger.Warn("events: "+message, attrs...)
}

// close closes the listener and says what it was not told. One that is still in
// Notify stays as it is.
func (m *member) close() error {
	if m.queue == nil {
		return m.closeListener()
	}
	name := m.listener.Name()
	select {
	case <-m.ended:
	default:
		return fmt.Errorf("events: listener %s does not end its Notify; it was left alone and %d notifications are lost", name, m.queue.abandon(nil))
	}
	err := m.closeListener()
	if n := m.queue.abandon(nil); n > 0 {
		err = errors.Join(fmt.Errorf("events: listener %s did not take %d notifications in time; they are lost", name, n), err)
	}
	return err
}

// closeListener closes the listener; a panic becomes an error.
func (m *member) closeListener() (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
		if err != nil {
			err = fmt.Errorf("events: close listener %s: %w", m.listener.Name(), err)
		}
	}()
	return m.listener.Close()
}
