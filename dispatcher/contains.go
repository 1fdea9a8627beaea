package dispatcher

import "math"

// containsIndex finds the lowest rule whose key stands anywhere in a path, in
// one pass over the path: an Aho-Corasick automaton whose transitions are all
// computed beforehand. Bytes that occur in no key share one column, which
// keeps the table small: states × distinct bytes × 4 bytes.
type containsIndex struct {
	class   [256]uint16 // column of a byte; 0 for bytes in no key
	classes int
	next    []uint32 // next[state*classes+column]
	best    []int32  // lowest rule that ends in this state, or noRule
}

const noRule = math.MaxInt32

func newContainsIndex(rules []Rule) *containsIndex {
	x := &containsIndex{classes: 1}
	for _, rule := range rules {
		for _, b := range []byte(rule.Key) {
			if x.class[b] == 0 {
				x.class[b] = uint16(x.classes)
				x.classes++
			}
		}
	}
	x.addState()
	for i, rule := range rules {
		x.addKey(rule.Key, int32(i))
	}
	x.link()
	return x
}

func (x *containsIndex) addState() uint32 {
	x.next = append(x.next, make([]uint32, x.classes)...)
	x.best = append(x.best, noRule)
	return uint32(len(x.best) - 1)
}

func (x *containsIndex) addKey(key string, rule int32) {
	state := uint32(0)
	for _, b := range []byte(key) {
		at := int(state)*x.classes + int(x.class[b])
		if x.next[at] == 0 {
			x.next[at] = x.addState()
		}
		state = x.next[at]
	}
	x.best[state] = min(x.best[state], rule)
}

// link turns the trie into the automaton, level by level: a missing edge leads
// where the longest proper suffix that is in the trie leads.
func (x *containsIndex) link() {
	fail := make([]uint32, len(x.best))
	queue := make([]uint32, 0, len(x.best))
	for _, child := range x.next[:x.classes] {
		if child != 0 {
			queue = append(queue, child)
		}
	}
	for len(queue) > 0 {
		state := queue[0]
		queue = queue[1:]
		suffix := fail[state]
		x.best[state] = min(x.best[state], x.best[suffix])
		for column := range x.classes {
			at, other := int(state)*x.classes+column, x.next[int(suffix)*x.classes+column]
			if child := x.next[at]; child != 0 {
				fail[child] = other
				queue = append(queue, child)
			} else {
				x.next[at] = other
			}
		}
	}
}

func (x *containsIndex) lookup(path string) int {
	best, state := int32(noRule), uint32(0)
	for i := range len(path) {
		state = x.next[int(state)*x.classes+int(x.class[path[i]])]
		best = min(best, x.best[state])
	}
	if best == noRule {
		return DefaultRule
	}
	return int(best)
}
