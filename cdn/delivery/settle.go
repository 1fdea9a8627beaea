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
		if w := p.workers[d.Target]; w != nil && w.settles() && !w.limits.Cheap {
			list[i].Wait = p.options.Settle
		}
	}
}

// maxEchoes bounds the batches that are remembered to be said again. Beyond it
// none is: in a flood of changes, what counts is that they are delivered at all.
const maxEchoes = 64

// echo is a batch that a target was told, and when it is told again. It is not
// in the ledger: a process that ends within that moment has said it once.
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
	select {
	case w.echoes <- echo{batch, errs, time.Now().Add(w.options.Settle)}:
		return true
	default:
		return false
	}
}

// sayAgain says everything again until ctx is done, and what is left then at
// once; hard ends that.
func (w *worker) sayAgain(ctx, hard context.Context) {
	for {
		select {
		case e := <-w.echoes:
			sleep(ctx, time.Until(e.when))
			w.say(hard, e)
		case <-ctx.Done():
			for range len(w.echoes) {
				w.say(hard, <-w.echoes)
			}
			return
		}
	}
}

// say tells a target again what it took. Where that fails the target is down:
// what it forgot once is all that can be had.
func (w *worker) say(hard context.Context, e echo) {
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
