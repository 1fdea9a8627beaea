package delivery

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"

	"example.com/ezdfs/cdn"
	"example.com/ezdfs/metadata"
)

const (
	// defaultBatch is how many deliveries are leased where the target sets no
	// limit.
	defaultBatch = 500
	// probeBatch is how many are tried where a target may be back.
	probeBatch = 10
	// probePause is how long to wait for somebody who tries whether a target is
	// back.
	probePause = 50 * time.Millisecond
	// finishTimeout bounds what has to be written down at the end.
	finishTimeout = 10 * time.Second
)

// worker delivers to one target. What one target does delays no other: it has a
// loop, a breaker and limits of its own.
type worker struct {
	*Pipeline
	target  cdn.Target
	limits  cdn.Limits
	buckets buckets
	breaker circuitbreaker.CircuitBreaker[any]
	slots   chan struct{} // calls under way
	woken   chan struct{} // something may be due
	resume  atomic.Int64  // nothing is sent before; nanoseconds since 1970
	folded  time.Time     // when it was last looked for prefixes
	failure atomic.Pointer[failure]
	echoes  chan echo    // in the order of when
	echoed  atomic.Int64 // items in them
}

func newWorker(p *Pipeline, t cdn.Target) *worker {
	limits := t.Limits()
	w := &worker{Pipeline: p, target: t, limits: limits, buckets: newBuckets(limits),
		slots: make(chan struct{}, max(1, limits.Concurrent)), woken: make(chan struct{}, 1), echoes: make(chan echo, maxEchoed)}
	w.breaker = circuitbreaker.NewBuilder[any]().
		WithFailureThreshold(uint(p.options.BreakerFailures)).WithSuccessThreshold(1).
		WithDelay(p.options.BreakerDelay).WithJitterFactor(0.2).
		OnOpen(func(circuitbreaker.StateChangedEvent) {
			p.logger.Warn("a target is left alone for a moment", "target", t.Name(), "for", p.options.BreakerDelay)
		}).
		OnStateChanged(func(circuitbreaker.StateChangedEvent) { p.tell() }).Build()
	return w
}

// does reports whether the target does what is asked for.
func (w *worker) does(action cdn.Action) bool { return slices.Contains(w.limits.Actions, action) }

// covers reports whether the target takes an item as it is.
func (w *worker) covers(i cdn.Item) bool {
	if i.Extent == cdn.Path {
		return true
	}
	return slices.Contains(w.limits.Extents, i.Extent) && (w.limits.Takes == nil || w.limits.Takes(i))
}

// run delivers until ctx is done, and then waits for what is under way, which
// hard ends.
func (w *worker) run(ctx, hard context.Context) {
	var underWay, echoing sync.WaitGroup
	over := make(chan struct{})
	echoing.Go(func() { w.sayAgain(ctx, hard, over) })
	defer echoing.Wait()
	defer close(over)
	defer underWay.Wait()
	for w.ready(ctx) {
		owner := newOwner()
		size := w.batchSize()
		leased, err := w.store.LeaseDeliveries(ctx, w.target.Name(), owner, size, w.options.Lease)
		switch {
		case err != nil:
			<-w.slots
			if ctx.Err() == nil {
				w.logger.WarnContext(ctx, "deliveries cannot be taken from the ledger; trying again", "target", w.target.Name(), "error", err)
			}
			sleep(ctx, feedPause)
			continue
		case len(leased) == 0:
			<-w.slots
		default:
			underWay.Go(func() {
				defer func() { <-w.slots }()
				w.deliver(ctx, hard, &lease{owner: owner, left: leased})
			})
		}
		if len(leased) < size {
			w.rest(ctx)
		} else {
			w.fold(ctx)
		}
	}
}

// rest waits for something to be due, and a moment at least, for a batch to
// gather.
func (w *worker) rest(ctx context.Context) {
	poll := time.NewTimer(w.options.Poll)
	defer poll.Stop()
	select {
	case <-ctx.Done():
	case <-poll.C:
	case <-w.woken:
		sleep(ctx, w.options.Linger)
	}
}

// ready waits until the target may be called and takes a slot. It reports
// false when ctx is done.
func (w *worker) ready(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case w.slots <- struct{}{}:
	}
	for {
		wait := max(w.buckets.untilCall(), time.Until(time.Unix(0, w.resume.Load())))
		switch w.breaker.State() {
		case circuitbreaker.OpenState:
			wait = max(wait, w.breaker.RemainingDelay())
		case circuitbreaker.HalfOpenState: // somebody tries
			wait = max(wait, probePause)
		}
		if wait <= 0 {
			if ctx.Err() == nil {
				return true
			}
		} else if sleep(ctx, wait) {
			continue
		}
		<-w.slots
		return false
	}
}

func (w *worker) batchSize() int {
	size := defaultBatch
	if w.limits.Items > 0 {
		size = min(w.limits.Items, 2*defaultBatch)
	}
	if !w.breaker.IsClosed() {
		size = min(size, probeBatch)
	}
	return size
}

// deliver delivers what was leased. Whatever is left in the end, because the
// worker has to stop or could not go on, is given back.
func (w *worker) deliver(ctx, hard context.Context, l *lease) {
	done := make(chan struct{})
	var renewing sync.WaitGroup
	renewing.Go(func() { w.renew(hard, l, done) })
	defer renewing.Wait()
	defer close(done)
	defer w.giveBack(hard, l)

	if !w.breaker.TryAcquirePermit() {
		return
	}
	var items, families []metadata.Delivery
	for _, d := range l.remaining() {
		if w.covers(item(d)) {
			items = append(items, d)
		} else {
			families = append(families, d)
		}
	}
	if called := w.sendAll(ctx, hard, l, items); !called && !w.breaker.IsClosed() {
		w.breaker.RecordFailure() // nothing was learnt, and others wait for what we learn
	}
	for _, d := range families { // last, since it takes long
		w.expand(ctx, l, d)
	}
}

// sendAll sends items in batches, as far as the target takes them now, and
// reports whether it made a call.
func (w *worker) sendAll(ctx, hard context.Context, l *lease, items []metadata.Delivery) (called bool) {
	prepared, err := w.prepare(hard, items)
	if err != nil {
		w.logger.WarnContext(ctx, "the rows of deliveries cannot be read; trying again", "target", w.target.Name(), "error", err)
		return false
	}
	for _, batch := range pack(prepared, w.limits) {
		if wait := w.buckets.untilFamily(batch); wait > 0 {
			w.postpone(hard, l, batch, wait)
			continue
		}
		if ctx.Err() != nil || w.breaker.IsOpen() || !w.buckets.wait(ctx, batch) {
			return called
		}
		called = true
		w.send(hard, l, batch)
	}
	return called
}

// prepared is a delivery as it is sent.
type prepared struct {
	metadata.Delivery
	item cdn.Item
}

// prepare completes items with the rows as they are now. What has no live row
// is not pushed: there is nothing that could be taken.
func (w *worker) prepare(ctx context.Context, list []metadata.Delivery) ([]prepared, error) {
	var names []string
	for _, d := range list {
		if d.Extent == metadata.DeliveryPath {
			names = append(names, d.Subject)
		}
	}
	rows, err := w.store.GetMany(ctx, names)
	if err != nil {
		return nil, err
	}
	items := make([]prepared, len(list))
	for k, d := range list {
		i := item(d)
		row, there := rows[d.Subject]
		if there && i.Extent == cdn.Path {
			i.Row = row
		}
		if i.Action == cdn.Push && (!there || !row.Live()) && w.does(cdn.Invalidate) || !w.does(i.Action) {
			i.Action = cdn.Invalidate
		}
		items[k] = prepared{d, i}
	}
	return items, nil
}

// send makes one call and writes down what became of it.
func (w *worker) send(hard context.Context, l *lease, batch []prepared) {
	items := make([]cdn.Item, len(batch))
	for k, b := range batch {
		items[k] = b.item
	}
	began := time.Now()
	errs := w.target.Deliver(hard, items)
	w.metrics.called(w.target.Name(), time.Since(began))
	if len(errs) != len(items) {
		errs = make([]error, len(items))
		for k := range errs {
			errs[k] = errors.New("the target did not answer for every item")
		}
	}
	w.failed(errs)
	w.judge(hard, errs)
	if hard.Err() != nil && !slices.Contains(errs, nil) {
		return // we stopped; it is given back
	}
	w.finish(hard, l, w.outcomes(batch, errs))
	if !w.echo(batch, errs) {
		w.warm(batch, errs)
	}
}

// judge tells the breaker of a call, and hastens what waits when the target is
// back after an outage.
func (w *worker) judge(ctx context.Context, errs []error) {
	wasClosed := w.breaker.IsClosed()
	answered := slices.ContainsFunc(errs, func(err error) bool {
		return err == nil || errors.Is(err, cdn.ErrRefused) || errors.Is(err, cdn.ErrThrottled)
	})
	if !answered {
		w.breaker.RecordFailure()
		return
	}
	w.breaker.RecordSuccess()
	if !wasClosed && w.breaker.IsClosed() {
		w.logger.Info("a target is back", "target", w.target.Name())
		w.hasten(ctx)
	}
}

// finish writes outcomes down, with what follows from them. The ledger may be
// down for a moment: as long as the lease lasts, it is tried again.
func (w *worker) finish(ctx context.Context, l *lease, outcomes []metadata.Outcome) {
	w.complain(outcomes)
	next := w.after(outcomes)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), max(w.options.Lease, finishTimeout))
	defer cancel()
	for {
		err := w.write(ctx, l, outcomes, next...)
		if err == nil {
			break
		}
		w.logger.WarnContext(ctx, "what was delivered cannot be written down; trying again", "target", w.target.Name(), "error", err)
		if !sleep(ctx, feedPause) {
			return // it comes back when the lease is over
		}
	}
	w.metrics.finished(w.target.Name(), outcomes)
	w.wake(next)
}

// after returns what follows from outcomes: who is told next, and what was told
// too early.
func (w *worker) after(outcomes []metadata.Outcome) (next []metadata.Delivery) {
	for _, o := range outcomes {
		if o.State != metadata.DeliveryPending && w.covers(item(o.Delivery)) {
			next = w.followers(next, o.Delivery)
		}
	}
	w.behind(next)
	for _, o := range outcomes {
		if o.State == metadata.DeliveryDelivered && w.early(o.Delivery) {
			o.Delivery.Wait = w.again()
			next = append(next, o.Delivery)
		}
	}
	return next
}

// write writes outcomes into the ledger, and what follows from them, and drops
// them from the lease.
func (w *worker) write(ctx context.Context, l *lease, outcomes []metadata.Outcome, next ...metadata.Delivery) error {
	for k := range outcomes {
		outcomes[k].Again = w.again()
	}
	err := w.store.FinishDeliveries(ctx, l.owner, outcomes, next...)
	if err == nil {
		l.drop(outcomes)
	}
	return err
}
