package events

import (
	"slices"
	"sync"
)

// queue holds what waits for one listener, in order. It is bounded: what does
// not fit becomes part of one Lost event in its place.
type queue struct {
	limit   int
	pending *pending // nil for listeners that answer no questions

	mu        sync.Mutex
	wake      chan struct{} // has a token when there may be something to do
	waiting   []Event
	hints     int // StoreMetadata events among them
	sending   int // events taken but not done with
	closed    bool
	delivered uint64
	dropped   uint64
	abandoned int // of those dropped, the ones that Close left
}

func newQueue(limit int, answers bool) *queue {
	q := &queue{limit: limit, wake: make(chan struct{}, 1)}
	if answers {
		q.pending = new(pending)
	}
	return q
}

// push appends deletions.
func (q *queue) push(events []Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range events {
		q.pushOne(&events[i])
	}
	q.signal()
}

func (q *queue) pushOne(e *Event) {
	if q.closed {
		q.dropped++
		return
	}
	if q.full() && q.hints > 0 {
		q.waiting = slices.DeleteFunc(q.waiting, func(e Event) bool { return e.Kind == StoreMetadata })
		q.hints = 0
	}
	if !q.full() {
		q.append(*e)
		return
	}
	q.dropped++
	if last := len(q.waiting) - 1; last >= 0 && q.waiting[last].Kind == Lost {
		q.waiting[last].Count++
		q.waiting[last].Seq = e.Seq
		return
	}
	q.append(Event{Kind: Lost, Count: 1, Seq: e.Seq, Time: e.Time})
}

func (q *queue) append(e Event) {
	q.waiting = append(q.waiting, e)
	q.count(&e, 1)
}

func (q *queue) full() bool { return len(q.waiting)+q.sending >= q.limit }

// hint appends a row that was read, unless the queue is more than half full or
// current says that something newer is known of the path. Deletions that are
// marked before they are pushed stand either in front of it, or current sees
// them.
func (q *queue) hint(e Event, current func() bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || 2*(len(q.waiting)+q.sending) >= q.limit || !current() {
		return
	}
	q.hints++
	q.append(e)
	q.signal()
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take returns up to n of the oldest events, waiting for the first. They count
// as waiting until done is called. It returns nothing once the queue is closed
// and empty, or stop is closed.
func (q *queue) take(n int, stop <-chan struct{}) []Event {
	for {
		if batch, closed := q.tryTake(n); len(batch) > 0 || closed {
			return batch
		}
		select {
		case <-q.wake:
		case <-stop:
			return nil
		}
	}
}

func (q *queue) tryTake(n int) (batch []Event, closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n = min(n, len(q.waiting))
	batch = slices.Clone(q.waiting[:n])
	clear(q.waiting[:n])
	q.waiting = q.waiting[n:]
	for i := range batch {
		if batch[i].Kind == StoreMetadata {
			q.hints--
		}
	}
	q.sending = n
	return batch, q.closed
}

// done ends the sending of a batch.
func (q *queue) done(batch []Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.sending = 0
	q.delivered += uint64(len(batch))
	for i := range batch {
		q.count(&batch[i], -1)
	}
}

// giveUp turns a batch that the listener refuses for good into one Lost event,
// or nothing where it holds no deletion.
func (q *queue) giveUp(batch []Event) []Event {
	lost := Event{Kind: Lost}
	fresh := uint64(0)
	for i := range batch {
		switch e := &batch[i]; e.Kind {
		case StoreMetadata:
			continue
		case Lost:
			lost.Count += e.Count
		default:
			lost.Count++
			fresh++
		}
		lost.Seq, lost.Time = batch[i].Seq, batch[i].Time
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.dropped += fresh
	var left []Event
	if lost.Count > 0 {
		left = []Event{lost}
		q.count(&lost, 1) // before the others are counted out: no gap
	}
	for i := range batch {
		q.count(&batch[i], -1)
	}
	q.sending = len(left)
	return left
}

// count keeps the books of those who ask whether the listener lags.
func (q *queue) count(e *Event, n int) {
	if q.pending != nil {
		q.pending.add(e, n)
	}
}

// close lets take return nothing once all is taken.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.signal()
}

// abandon counts the deletions of a batch that was not delivered, and those
// that wait, as lost, and returns how many have been lost this way.
func (q *queue) abandon(batch []Event) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range slices.Concat(batch, q.waiting) {
		if e.Kind != StoreMetadata && e.Kind != Lost {
			q.abandoned++
			q.dropped++
		}
	}
	q.waiting, q.sending, q.hints = nil, 0, 0
	return q.abandoned
}

// read returns the counters.
func (q *queue) read() (waiting int, delivered, dropped uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting) + q.sending, q.delivered, q.dropped
}
