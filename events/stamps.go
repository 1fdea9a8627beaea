package events

import "sync/atomic"

// slots is how many paths the hub tells apart, a power of two. Paths that
// share a slot cost each other a query at times, never a wrong answer.
const slots = 4096

// stamps remember the number of the newest deletion of each slot of paths, and
// of any family.
type stamps struct {
	family atomic.Uint64
	paths  [slots]atomic.Uint64
}

// mark notes a deletion.
func (s *stamps) mark(e *Event) {
	if e.Family() {
		raise(&s.family, e.Seq)
	} else {
		raise(&s.paths[e.PathKey()%slots], e.Seq)
	}
}

// newest returns the number of the last deletion that may be about a path.
func (s *stamps) newest(key uint64) uint64 {
	return max(s.family.Load(), s.paths[key%slots].Load())
}

// raise sets a stamp unless it is higher already.
func raise(stamp *atomic.Uint64, to uint64) {
	for {
		old := stamp.Load()
		if old >= to || stamp.CompareAndSwap(old, to) {
			return
		}
	}
}

// pending counts the notifications that wait for a listener, by what they are
// about.
type pending struct {
	total    atomic.Int64
	families atomic.Int64
	paths    [slots]atomic.Int32
}

// add counts an event in, or with -1 out. Rows that were read make nobody's
// answers wrong and do not count.
func (p *pending) add(e *Event, n int) {
	switch {
	case e.Kind == StoreMetadata:
		return
	case e.Family():
		p.families.Add(int64(n))
	default:
		p.paths[e.PathKey()%slots].Add(int32(n))
	}
	p.total.Add(int64(n))
}

// behind reports whether something that waits may be about a path.
func (p *pending) behind(name string) bool {
	if p.total.Load() == 0 {
		return false
	}
	return p.families.Load() > 0 || p.paths[PathKey(name)%slots].Load() > 0
}
