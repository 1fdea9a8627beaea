package delivery

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"example.com/ezdfs/cdn"
	"example.com/ezdfs/metadata"
)

// outcomes says what is to become of deliveries, from their errors. Those of
// each half of the batch are tried again at a time of its own: where one item
// makes a target fail, the others are rid of it after a few attempts. There is
// one pause for each half and number of attempts, so that few statements do.
func (w *worker) outcomes(batch []prepared, errs []error) []metadata.Outcome {
	outcomes := make([]metadata.Outcome, len(batch))
	halves := [2]map[int]time.Duration{{}, {}}
	for k, b := range batch {
		half := 2 * k / len(batch)
		if errors.Is(errs[k], cdn.ErrThrottled) {
			half = 0 // it is the number that was too high
		}
		outcomes[k] = w.outcome(b.Delivery, errs[k], halves[half])
	}
	return outcomes
}

// complain logs what was given up, in one line for a batch.
func (w *worker) complain(outcomes []metadata.Outcome) {
	failed := slices.DeleteFunc(slices.Clone(outcomes), func(o metadata.Outcome) bool { return o.State != metadata.DeliveryFailed })
	if len(failed) == 0 {
		return
	}
	w.logger.Error("a target was not told of changes; see dfsctl cdn list --state failed", "target", w.target.Name(),
		"failed", len(failed), "extent", failed[0].Delivery.Extent, "subject", failed[0].Delivery.Subject, "error", failed[0].Error)
}

func (w *worker) outcome(d metadata.Delivery, err error, pauses map[int]time.Duration) metadata.Outcome {
	o := metadata.Outcome{Delivery: d, State: metadata.DeliveryDelivered}
	if err == nil {
		return o
	}
	o.Error = err.Error()
	switch {
	case errors.Is(err, cdn.ErrRefused):
		o.State = metadata.DeliveryFailed
	case d.Attempts+1 >= w.options.MaxAttempts:
		o.State, o.Error = metadata.DeliveryFailed, fmt.Sprintf("given up after %d attempts: %v", d.Attempts+1, err)
	default:
		o.State, o.Delay = metadata.DeliveryPending, w.pause(d.Attempts, pauses)
		o.Delay = max(o.Delay, w.askedToWait(err))
	}
	return o
}

// pause is how long to wait after so many failures before this one: a random
// time up to twice as long as after one less.
func (w *worker) pause(failures int, pauses map[int]time.Duration) time.Duration {
	if d, ok := pauses[failures]; ok {
		return d
	}
	d := w.options.MaxBackoff
	if failures < 30 {
		d = min(d, w.options.MinBackoff<<failures)
	}
	pauses[failures] = d/2 + rand.N(d/2+1)
	return pauses[failures]
}

// askedToWait is how long the target wants not to be called. One that throttles
// gets nothing at all for that time.
func (w *worker) askedToWait(err error) time.Duration {
	var e *cdn.Error
	if !errors.As(err, &e) {
		return 0
	}
	wait := min(e.RetryAfter, w.options.MaxBackoff)
	if errors.Is(err, cdn.ErrThrottled) {
		wait = max(wait, w.options.MinBackoff)
		until := time.Now().Add(wait).UnixNano()
		for was := w.resume.Load(); was < until && !w.resume.CompareAndSwap(was, until); was = w.resume.Load() {
		}
	}
	return wait
}

// hasten makes what waits because of an outage due at once.
func (w *worker) hasten(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	if _, err := w.store.HastenDeliveries(ctx, w.target.Name(), w.again()); err != nil {
		w.logger.WarnContext(ctx, "what waits for a target that is back could not be hastened", "target", w.target.Name(), "error", err)
	}
}
