package delivery

import (
	"context"
	"slices"
	"time"

	"example.com/ezdfs/cdn"
	"example.com/ezdfs/metadata"
)

// A gateway may believe a row for a moment although it has changed, where the
// change feed is late, and an answer may be under way while a cache is told to
// forget what it answers with. The cache would ask at once, and keep what was
// there before for as long as it keeps anything. So a cache is told again once
// that moment is over, or only then where that costs something.

// settles reports whether a target asks gateways anew for what it was told to
// forget.
func (w *worker) settles() bool { return w.options.Settle > 0 && !w.does(cdn.Push) }

// hold has deliveries that follow from changes wait for the gateways.
func (p *Pipeline) hold(list []metadata.Delivery) {
	for i, d := range list {
		if w := p.workers[d.Target]; w != nil {
			list[i].Wait = w.again()
		}
	}
}

// again is how long a change waits before the target is told, in the ledger.
func (w *worker) again() time.Duration {
	if w.settles() && !w.limits.Cheap {
		return w.options.Settle
	}
	return 0
}

// clocks is how much the clocks of hosts may differ.
const clocks = 5 * time.Second

// early reports whether a delivery was made although its newest change has not
// waited long enough: changes that never end put it off ten times at most (see
// [metadata.Tx.Enqueue]).
func (w *worker) early(d metadata.Delivery) bool {
	settle := w.again()
	return settle > 0 && time.Since(d.Enqueued) > 9*settle && time.Since(d.Changed) < settle+clocks
}

// behind has caches that follow a target wait where that is told again: until
// then it may have fetched the old body anew, and they would get it from there.
func (w *worker) behind(list []metadata.Delivery) {
	for i, d := range list {
		if f := w.workers[d.Target]; f != nil && f.settles() && w.settles() && w.limits.Cheap {
			list[i].Wait = 2 * w.options.Settle
		}
	}
}

// maxEchoes bounds the items that are remembered to be said again, and
// maxEchoed the batches. Beyond them none is: in a flood of changes, what counts
// is that they are delivered at all.
const maxEchoes, maxEchoed = 20_000, 2_000

// echo is a batch that a target was told, and when it is told again. It is not
// in the ledger: a process that is killed within that moment has said it once.
type echo struct {
	batch []prepared
	errs  []error // of the first time
	when  time.Time
}

// echo remembers what a cache was told, to be said again and then warmed. It
// reports false where that is not so.
func (w *worker) echo(batch []prepared, errs []error) bool {
	if !w.settles() || !w.limits.Cheap || !slices.Contains(errs, nil) {
		return false
	}
	if w.echoed.Add(int64(len(batch))) <= maxEchoes {
		select {
		case w.echoes <- echo{batch, errs, time.Now().Add(w.options.Settle)}:
			return true
		default:
		}
	}
	w.echoed.Add(-int64(len(batch)))
	w.metrics.unechoed.WithLabelValues(w.target.Name()).Add(float64(len(batch)))
	return false
}

// sayAgain says everything again until ctx is done, and then what is left once
// the deliveries are over; hard ends that.
func (w *worker) sayAgain(ctx, hard context.Context, over <-chan struct{}) {
	var left []echo
	for ctx.Err() == nil {
		select {
		case e := <-w.echoes:
			if !sleep(ctx, time.Until(e.when)) {
				left = append(left, e)
				break
			}
			w.say(hard, e)
		case <-ctx.Done():
		}
	}
	<-over
	for len(w.echoes) > 0 {
		left = append(left, <-w.echoes)
	}
	end := time.Now().Add(w.options.Grace / 2)
	for _, e := range left {
		if e.when.After(end) { // which cannot be waited for
			e.when = end
		}
		sleep(hard, time.Until(e.when))
		w.say(hard, e)
	}
}

// say tells a target again what it took. Where that fails the target is down:
// what it forgot once is all that can be had.
func (w *worker) say(hard context.Context, e echo) {
	w.echoed.Add(-int64(len(e.batch)))
	var items []cdn.Item
	for k, b := range e.batch {
		if e.errs[k] == nil {
			items = append(items, b.item)
		}
	}
	if w.breaker.IsClosed() && hard.Err() == nil {
		began := time.Now()
		w.target.Deliver(hard, items)
		w.metrics.called(w.target.Name(), time.Since(began))
	}
	w.warm(e.batch, e.errs)
}
