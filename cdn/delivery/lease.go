package delivery

import (
	"context"
	"slices"
	"sync"
	"time"

	"example.com/ezdfs/metadata"
)

// lease is what a worker has taken and not finished yet.
type lease struct {
	owner string
	mu    sync.Mutex
	left  []metadata.Delivery
}

// remaining returns a copy of what is left.
func (l *lease) remaining() []metadata.Delivery {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.left)
}

// drop takes out what is finished.
func (l *lease) drop(outcomes []metadata.Outcome) {
	finished := make(map[string]bool, len(outcomes))
	for _, o := range outcomes {
		finished[o.Delivery.Extent+"\x00"+o.Delivery.Subject] = true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left = slices.DeleteFunc(l.left, func(d metadata.Delivery) bool { return finished[d.Extent+"\x00"+d.Subject] })
}

// postpone puts off what the target takes only so often.
func (w *worker) postpone(ctx context.Context, l *lease, batch []prepared, wait time.Duration) {
	outcomes := make([]metadata.Outcome, len(batch))
	for k, b := range batch {
		outcomes[k] = metadata.Outcome{Delivery: b.Delivery, State: metadata.DeliveryPending, Delay: wait}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	w.write(ctx, l, outcomes) // what fails is given back
}

// giveBack lets others have what is left of a lease at once.
func (w *worker) giveBack(ctx context.Context, l *lease) {
	var outcomes []metadata.Outcome
	for _, d := range l.remaining() {
		outcomes = append(outcomes, metadata.Outcome{Delivery: d, State: metadata.DeliveryPending})
	}
	if len(outcomes) > 0 {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
		defer cancel()
		if err := w.write(ctx, l, outcomes); err != nil {
			w.logger.WarnContext(ctx, "deliveries cannot be given back; they are taken anew when the lease is over", "target", w.target.Name(), "error", err)
		}
	}
}

// renew keeps a lease until done.
func (w *worker) renew(ctx context.Context, l *lease, done <-chan struct{}) {
	every := time.NewTicker(w.options.Lease / 3)
	defer every.Stop()
	for {
		select {
		case <-done:
			return
		case <-ctx.Done():
			return
		case <-every.C:
			if _, err := w.store.RenewDeliveries(ctx, l.owner, w.options.Lease, l.remaining()); err != nil && ctx.Err() == nil {
				w.logger.WarnContext(ctx, "a lease could not be renewed; another worker may deliver the same again", "target", w.target.Name(), "error", err)
			}
		}
	}
}
