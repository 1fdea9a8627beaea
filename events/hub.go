package events

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Hub stands between a cluster and its listeners. All methods may be called
// concurrently. A nil *Hub is one without listeners.
//
// Inline listeners are told before Publish returns. Every other one has a
// bounded queue and a goroutine of its own: what it does not take in time is
// replaced by one [Lost] event, what fails is sent again with growing pauses,
// and while something about a path still waits for it, it is not asked about
// that path. So nobody who made a change is answered from before it.
type Hub struct {
	inline  []*member // in the order given
	queued  []*member
	caches  []*member // those of queued that are filters
	filters []*member

	seq     atomic.Uint64
	stamps  stamps
	flights flights
	order   sync.Mutex // makes the queues agree about the order of events
	closed  atomic.Bool

	drain time.Duration
	stop  context.CancelFunc // ends the workers
}

// Stats are the counters of one listener.
type Stats struct {
	Listener  string
	Inline    bool
	Delivered uint64 // notifications that were handled
	Pending   int    // waiting, those included that are being sent
	Dropped   uint64 // lost: the queue was full, the listener refused them, or the hub was closed
	Failed    uint64 // calls of the listener that failed
	Breaker   string // "closed", "open" or "half-open": of Notify, or where that is closed of the filters; "" for Inline
}

// New returns a hub for these listeners, which it closes with itself. The
// caller closes the hub.
func New(listeners []Listener, o Options) *Hub {
	o = o.withDefaults()
	h := &Hub{drain: o.DrainTimeout}
	for _, l := range listeners {
		m := newMember(l, o)
		if m.answers() {
			h.filters = append(h.filters, m)
		}
		if m.inline != nil {
			h.inline = append(h.inline, m)
		} else {
			h.queued = append(h.queued, m)
			if m.answers() {
				h.caches = append(h.caches, m)
			}
		}
	}
	// The workers outlive every caller's context; Close ends them.
	ctx, stop := context.WithCancel(context.Background())
	h.stop = stop
	for _, m := range h.queued {
		go m.run(ctx)
	}
	return h
}

// idle reports whether there is nobody to tell or to ask.
func (h *Hub) idle() bool {
	return h == nil || len(h.inline)+len(h.queued) == 0 || h.closed.Load()
}

// Publish tells all listeners what was committed, in this order. It numbers
// the events, sets their time where it is zero, and never blocks. It is for
// deletions: StoreMetadata is what Load publishes, and skipped here.
func (h *Hub) Publish(events ...Event) {
	if h != nil {
		h.send(events, h.queued)
	}
}

// Relay tells the listeners that answer questions, the caches, what the change
// feed says that others changed. Logs and webhooks hear of it where it
// happened.
func (h *Hub) Relay(events ...Event) {
	if h != nil {
		h.send(events, h.caches)
	}
}

// Invalidate tells the Inline listeners alone: that what this process holds is
// not to be believed any more.
func (h *Hub) Invalidate(events ...Event) { h.send(events, nil) }

func (h *Hub) send(events []Event, queued []*member) {
	if h == nil || h.closed.Load() || len(events) == 0 {
		return
	}
	if h.idle() { // but LoadShared asks which queries may be shared
		for _, e := range events {
			e.Seq = h.seq.Add(1)
			h.stamps.mark(&e)
		}
		return
	}
	sent := make([]Event, 0, len(events))
	for _, e := range events {
		if e.Kind != StoreMetadata {
			sent = append(sent, e)
		}
	}
	h.number(sent, queued)
	for _, m := range h.inline {
		for _, e := range sent {
			m.tell(e)
		}
	}
}

// number gives events their numbers and stamps, and puts them into the queues.
func (h *Hub) number(events []Event, queued []*member) {
	if len(queued) > 0 {
		h.order.Lock()
		defer h.order.Unlock()
	}
	now := time.Now()
	for i := range events {
		e := &events[i]
		e.Seq = h.seq.Add(1)
		if e.Time.IsZero() {
			e.Time = now
		}
		h.stamps.mark(e)
	}
	for _, m := range queued {
		m.queue.push(events)
	}
}

// Stats returns the counters of each listener: the Inline ones first, then the
// others, in the order given to New.
func (h *Hub) Stats() []Stats {
	if h == nil {
		return nil
	}
	var all []Stats
	for _, members := range [][]*member{h.inline, h.queued} {
		for _, m := range members {
			all = append(all, m.stats())
		}
	}
	return all
}

// Close lets the listeners take what waits for them, until ctx is done or
// DrainTimeout has passed, and closes them. The error says what was lost.
// Events published from now on are lost, queries go to the database. It is
// called once, when no Load is under way.
func (h *Hub) Close(ctx context.Context) error {
	if h == nil || h.closed.Swap(true) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, h.drain)
	defer cancel()
	h.flights.close()
	for _, m := range h.queued {
		m.queue.close()
	}
	h.wait(ctx)
	h.stop()
	// A listener whose Notify heeds its context ends now.
	ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	h.wait(ctx)
	var errs []error
	for _, m := range slices.Concat(h.queued, h.inline) {
		errs = append(errs, m.close())
	}
	return errors.Join(errs...)
}

// stopTimeout is how long Close waits for a Notify whose context is done.
const stopTimeout = time.Second

// wait waits until all workers have ended, or ctx is done.
func (h *Hub) wait(ctx context.Context) {
	for _, m := range h.queued {
		select {
		case <-m.ended:
		case <-ctx.Done():
		}
	}
}
