package events

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
)

// run tells a queued listener, batch after batch, until its queue is closed
// and empty or ctx is done.
func (m *member) run(ctx context.Context) {
	defer close(m.ended)
	retry := m.retryPolicy()
	for {
		batch := m.queue.take(m.options.BatchSize, ctx.Done())
		if len(batch) == 0 {
			return
		}
		if left := m.deliver(ctx, retry, batch); len(left) > 0 {
			m.queue.abandon(left)
			return
		}
	}
}

// deliver sends a batch until it arrives or ctx is done; then it returns what
// did not arrive. A batch that is refused for good becomes a Lost event, which
// has to arrive all the same: a cache must not go on with what it holds.
func (m *member) deliver(ctx context.Context, retry failsafe.Policy[any], batch []Event) []Event {
	err := failsafe.With(retry, m.telling).WithContext(ctx).Run(func() error {
		err := m.notify(ctx, batch)
		if err == nil || ctx.Err() != nil {
			return err
		}
		batch = m.refused(batch, err)
		if len(batch) == 0 {
			return nothingLeft{err}
		}
		return err
	})
	if err != nil && !errors.As(err, new(nothingLeft)) {
		return batch
	}
	m.queue.done(batch)
	return nil
}

// nothingLeft is the error of a batch that need not be repeated.
type nothingLeft struct{ error }

// refused returns what is to be sent after a batch failed. Rows that were read
// are not sent again: they grow old, and the listener may share what it keeps
// with other hosts, who deleted them meanwhile.
func (m *member) refused(batch []Event, err error) []Event {
	if IsPermanent(err) {
		m.fail("a listener refused notifications, which are given up", err, "notifications", len(batch))
		return m.queue.giveUp(batch)
	}
	m.fail("a listener failed and will be told again", err, "notifications", len(batch))
	return slices.DeleteFunc(batch, func(e Event) bool { return e.Kind == StoreMetadata })
}

// retryPolicy tries for ever, with growing pauses.
func (m *member) retryPolicy() failsafe.Policy[any] {
	return retrypolicy.NewBuilder[any]().
		WithMaxRetries(-1).
		WithBackoff(m.options.MinBackoff, m.options.MaxBackoff).
		WithJitterFactor(0.2).
		AbortIf(func(_ any, err error) bool { return errors.As(err, new(nothingLeft)) }).
		WithDelayFunc(func(exec failsafe.ExecutionAttempt[any]) time.Duration {
			if wait, ok := RetryDelay(exec.LastError()); ok {
				return wait
			}
			return -1 // the backoff
		}).
		Build()
}

// notify calls the listener once; a panic becomes an error.
func (m *member) notify(ctx context.Context, batch []Event) (err error) {
	ctx, cancel := context.WithTimeout(ctx, m.options.NotifyTimeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return m.listener.Notify(ctx, batch)
}

// stats reads the counters of a listener.
func (m *member) stats() Stats {
	s := Stats{Listener: m.listener.Name(), Failed: m.failed.Load()}
	if m.inline != nil {
		s.Inline, s.Delivered = true, m.told.Load()
		return s
	}
	s.Pending, s.Delivered, s.Dropped = m.queue.read()
	s.Breaker = m.telling.State().String()
	if m.telling.IsClosed() {
		s.Breaker = m.asking.State().String()
	}
	return s
}
