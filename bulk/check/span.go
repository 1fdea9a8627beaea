package check

import "fmt"

// span is a range of hashes by their first 32 bits: from inclusive, to
// exclusive, up to 1<<32.
type span struct{ from, to uint64 }

func (r span) has(h hash) bool {
	top := h.top() >> 32
	return top >= r.from && top < r.to
}

// bounds are the range as a condition on name_hash. The ends of all hashes are
// open: whatever else stands in that column is somewhere.
func (r span) bounds() (from, to string) {
	if r.from > 0 {
		from = fmt.Sprintf("%08x", r.from)
	}
	if r.to < 1<<32 {
		to = fmt.Sprintf("%08x", r.to)
	}
	return from, to
}

// spans cuts a range into ranges of about so many of the records that are
// counted by the first byte of their hash.
func spans(whole span, counts [spoolParts]int, size int) (list []span) {
	last, sum := whole.from, 0
	for i, n := range counts {
		from, to := max(uint64(i)<<24, whole.from), min(uint64(i+1)<<24, whole.to)
		if from >= to {
			continue
		}
		if sum > 0 && sum+n > size {
			list, last, sum = append(list, span{last, from}), from, 0
		}
		// A file that is too large by itself is read once for each part of it.
		parts := uint64((n + size - 1) / size)
		for k := uint64(1); k < parts; k++ {
			if at := uint64(i)<<24 + k*(1<<24)/parts; at > last && at < to {
				list, last = append(list, span{last, at}), at
			}
		}
		if sum += n; parts > 1 {
			sum = n / int(parts)
		}
	}
	if last < whole.to {
		list = append(list, span{last, whole.to})
	}
	return list
}
