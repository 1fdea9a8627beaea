package ini

import (
	"math"
	"strconv"
)

// array is a PHP array of strings: ordered, with integer and string keys.
type array struct {
	entries []Entry
	place   map[string]int // key → its place in entries
	next    int64          // the key that an append gets; never below 0
	full    bool           // the largest integer is taken: no append can follow
}

func newArray() *array { return &array{place: map[string]int{}} }

// set gives key a value; a key that is there keeps its place.
func (a *array) set(key, value string, origin Origin) {
	entry := Entry{Key: key, Value: value, Origin: origin}
	if i, ok := a.place[key]; ok {
		a.entries[i] = entry
		return
	}
	a.place[key] = len(a.entries)
	a.entries = append(a.entries, entry)
	if index, ok := entry.Index(); ok && index >= a.next {
		a.full = index == math.MaxInt64
		a.next = index + 1 // not used once full
	}
}

// add appends a value under the next integer. It reports false when there is
// no next integer.
func (a *array) add(value string, origin Origin) bool {
	if a.full {
		return false
	}
	a.set(strconv.FormatInt(a.next, 10), value, origin)
	return true
}

// phpIndex tells which integer PHP makes of an array key: a decimal one,
// written as PHP itself would write it, that fits in 64 bits.
func phpIndex(key string) (int64, bool) {
	n, err := strconv.ParseInt(key, 10, 64)
	if err != nil || strconv.FormatInt(n, 10) != key {
		return 0, false
	}
	return n, true
}
