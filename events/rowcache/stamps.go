package rowcache

import (
	"hash/maphash"
	"math/bits"
	"strings"
	"sync/atomic"

	"example.com/ezdfs/events"
)

// stamps decide which entries are out of date, without looking for them: a
// deletion leaves its number in the slot of what it is about, and an entry is
// current while no slot of its own has a higher number than it. So the
// deletion of a family costs the same whatever the size of the cache and of
// the family, and nothing locks.
//
// The slots are shared: an entry may be given up because of somebody else's
// deletion. With four slots an entry this is rarer than deletions are.
type stamps struct {
	slots []atomic.Uint64 // a power of two
	mask  uint64
	seed  maphash.Seed
	all   atomic.Uint64 // the newest deletion of everything
	lost  atomic.Uint64 // the newest Lost: what is older is for when nobody knows better

	// unnamed is the newest deletion by trunk or scope. A path that had no row
	// when it was read may have got one since that such a deletion is about:
	// so it takes along all that is known to be missing.
	unnamed atomic.Uint64

	// Deletions by prefix leave their number in the slot of the prefix, and
	// under its length, so that a name is only looked up by lengths in use.
	// An entry remembers how many there had been when it was last looked up.
	lengths  [maxPrefix + 1]atomic.Uint64
	prefixes atomic.Uint64
}

// maxPrefix is how many bytes of a prefix count; a longer one is cut, and so
// takes more along.
const maxPrefix = 255

// The namespaces of slots, beside those of paths and prefixes.
const (
	trunks = "trunk:"
	scopes = "scope:"
)

func newStamps(entries int) stamps {
	n := max(1024, 1<<bits.Len(uint(4*entries-1)))
	return stamps{slots: make([]atomic.Uint64, n), mask: uint64(n - 1), seed: maphash.MakeSeed()}
}

// slot is where deletions of a trunk or a scope leave their stamp.
func (s *stamps) slot(namespace, value string) uint64 {
	var h maphash.Hash
	h.SetSeed(s.seed)
	h.WriteString(namespace)
	h.WriteString(value)
	return h.Sum64() & s.mask
}

// pathSlot is where deletions of a path leave their stamp.
func (s *stamps) pathSlot(key uint64) uint64 { return key & s.mask }

// mark notes a deletion.
func (s *stamps) mark(e *events.Event) {
	switch e.Kind {
	case events.DeleteFile:
		raise(&s.slots[s.pathSlot(e.PathKey())], e.Seq)
	case events.DeleteByNametrunk:
		raise(&s.slots[s.slot(trunks, e.Subject)], e.Seq)
		raise(&s.unnamed, e.Seq)
	case events.DeleteByScope:
		raise(&s.slots[s.slot(scopes, e.Subject)], e.Seq)
		raise(&s.unnamed, e.Seq)
	case events.DeleteByLike, events.DeleteByDirList:
		s.markPrefix(e.Subject, e.Seq)
	case events.DeleteByWildcard:
		// What the pattern begins with takes all matches along, and more.
		literal := e.Subject
		if i := strings.IndexAny(literal, "*?{"); i >= 0 {
			literal = literal[:i]
		}
		s.markPrefix(literal, e.Seq)
	case events.Lost:
		raise(&s.lost, e.Seq)
	default: // what we do not know
		raise(&s.all, e.Seq)
	}
}

// markPrefix notes a deletion of all that begins with prefix. The count comes
// last: who has seen it sees the rest. It is no event's number, since those may
// come out of order.
func (s *stamps) markPrefix(prefix string, seq uint64) {
	prefix = prefix[:min(len(prefix), maxPrefix)]
	if prefix == "" {
		raise(&s.all, seq)
		return
	}
	h := newRolling()
	for i := range len(prefix) {
		h.add(prefix[i])
	}
	raise(&s.slots[h.sum()&s.mask], seq)
	raise(&s.lengths[len(prefix)], seq)
	s.prefixes.Add(1)
}

// current reports whether no deletion that an entry has not seen is about it.
func (s *stamps) current(e *entry) bool {
	if max(s.all.Load(), s.slots[e.path].Load()) > e.seq {
		return false
	}
	if e.missing && s.unnamed.Load() > e.seq {
		return false
	}
	if !e.missing && max(s.slots[e.trunk].Load(), s.slots[e.scope].Load()) > e.seq {
		return false
	}
	count := s.prefixes.Load()
	if count == e.checked.Load() {
		return true
	}
	if s.hasPrefixSince(e.row.Name, e.seq) {
		return false
	}
	raise(&e.checked, count)
	return true
}

// hasPrefixSince reports whether something that a name begins with was deleted
// after seq.
func (s *stamps) hasPrefixSince(name string, seq uint64) bool {
	h := newRolling()
	for i := range min(len(name), maxPrefix) {
		h.add(name[i])
		if s.lengths[i+1].Load() > seq && s.slots[h.sum()&s.mask].Load() > seq {
			return true
		}
	}
	return false
}

// rolling hashes every beginning of a text in one pass (FNV-1a).
type rolling uint64

func newRolling() rolling { return 14695981039346656037 }

func (h *rolling) add(b byte) { *h = (*h ^ rolling(b)) * 1099511628211 }

// sum mixes the high bits, where the hash is best, into the low ones.
func (h rolling) sum() uint64 { return uint64(h ^ h>>32) }

// raise sets a stamp unless it is higher already.
func raise(stamp *atomic.Uint64, to uint64) {
	for {
		old := stamp.Load()
		if old >= to || stamp.CompareAndSwap(old, to) {
			return
		}
	}
}
