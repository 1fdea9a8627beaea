package metadata

import (
	"fmt"
	"iter"
	"strconv"
	"strings"
)

// run is a row of ranges of identifiers: count ranges of width, step apart. One
// range has count 1, and its step is 0. A Galera node hands out every n-th
// identifier only, and what it leaves out for ever is one run, however long.
type run struct{ lo, width, step, count uint64 }

// maxStep is how far apart the ranges of a run may be. A query for a run reads
// what lies between them.
const maxStep = 64

func (r run) hi() uint64 { return r.lo + (r.count-1)*r.step + r.width - 1 }

// at tells which of the ranges an identifier from lo on belongs to, and where
// that range begins.
func (r run) at(id uint64) (k, start uint64) {
	if r.step > 0 {
		k = min((id-r.lo)/r.step, r.count-1)
	}
	return k, r.lo + k*r.step
}

// below returns what of a run is less than x, in order.
func (r run) below(x uint64) gapSet {
	switch {
	case x <= r.lo:
		return nil
	case x > r.hi():
		return gapSet{r}
	}
	k, start := r.at(x)
	var set gapSet
	set.addRun(run{r.lo, r.width, r.step, k})
	if start < x {
		set.add(start, min(start+r.width, x)-1)
	}
	return set
}

// above returns what of a run is more than x, in order.
func (r run) above(x uint64) gapSet {
	switch {
	case x >= r.hi():
		return nil
	case x < r.lo:
		return gapSet{r}
	}
	k, start := r.at(x)
	var set gapSet
	if end := start + r.width - 1; x < end {
		set.add(x+1, end)
	}
	set.addRun(run{start + r.step, r.width, r.step, r.count - k - 1})
	return set
}

// gapSet is a set of identifiers, as runs in ascending order that do not
// overlap.
type gapSet []run

// add appends a range, which lies behind all that is there.
func (g *gapSet) add(lo, hi uint64) {
	width := hi - lo + 1
	if n := len(*g); n > 0 {
		last := &(*g)[n-1]
		switch {
		case last.count == 1 && last.hi()+1 == lo:
			last.width += width
			return
		case last.width != width:
		case last.count == 1 && lo-last.lo <= maxStep:
			last.step, last.count = lo-last.lo, 2
			return
		case last.count > 1 && lo == last.lo+last.count*last.step:
			last.count++
			return
		}
	}
	*g = append(*g, run{lo, width, 0, 1})
}

// addRun appends a run, which lies behind all that is there.
func (g *gapSet) addRun(r run) {
	switch r.count {
	case 0:
	case 1:
		g.add(r.lo, r.hi())
	default:
		*g = append(*g, r)
	}
}

// remove takes out the identifiers from lo to hi.
func (g *gapSet) remove(lo, hi uint64) {
	var kept gapSet
	for _, r := range *g {
		if r.hi() < lo || r.lo > hi {
			kept = append(kept, r)
			continue
		}
		for _, part := range r.below(lo) {
			kept.addRun(part)
		}
		for _, part := range r.above(hi) {
			kept.addRun(part)
		}
	}
	*g = kept
}

// split parts a set into what is less than x and the rest.
func (g gapSet) split(x uint64) (below, rest gapSet) {
	for _, r := range g {
		below = append(below, r.below(x)...)
		if x == 0 {
			rest = append(rest, r)
		} else {
			rest = append(rest, r.above(x-1)...)
		}
	}
	return below, rest
}

// first is the lowest identifier of a set that is not empty.
func (g gapSet) first() uint64 { return g[0].lo }

// ids yields the identifiers of a set in order.
func (g gapSet) ids() iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		for _, r := range g {
			for k := range r.count {
				for j := range r.width {
					if !yield(r.lo + k*r.step + j) {
						return
					}
				}
			}
		}
	}
}

// condition is true of the rows whose identifier is in the set. It finds them
// by the primary key, reading for a run also what lies between its ranges.
func (g gapSet) condition() condition {
	var single []any
	var terms []string
	var args []any
	for _, r := range g {
		switch {
		case r.count > 1: // no subtraction: it must not be negative
			terms = append(terms, "(`id` BETWEEN ? AND ? AND (`id` + ?) % ? < ?)")
			args = append(args, r.lo, r.hi(), r.step-r.lo%r.step, r.step, r.width)
		case r.width > 1:
			terms = append(terms, "`id` BETWEEN ? AND ?")
			args = append(args, r.lo, r.hi())
		default:
			single = append(single, r.lo)
		}
	}
	if len(single) > 0 {
		terms = append(terms, "`id` IN ("+placeholders(len(single))+")")
		args = append(args, single...)
	}
	return condition{strings.Join(terms, " OR "), args}
}

// String is the set as text: "7,9-12,20-21+3x50", the last being the range
// 20-21 and every third after it, 50 in all.
func (g gapSet) String() string {
	var b []byte
	for i, r := range g {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, r.lo, 10)
		if r.width > 1 {
			b = strconv.AppendUint(append(b, '-'), r.lo+r.width-1, 10)
		}
		if r.count > 1 {
			b = strconv.AppendUint(append(b, '+'), r.step, 10)
			b = strconv.AppendUint(append(b, 'x'), r.count, 10)
		}
	}
	return string(b)
}

// parseGaps reads what String wrote.
func parseGaps(text string) (gapSet, error) {
	var set gapSet
	end := uint64(0)
	for part := range strings.SplitSeq(text, ",") {
		r, err := parseRun(part)
		if err != nil {
			return nil, err
		}
		if r.lo <= end || len(set) == maxGaps {
			return nil, fmt.Errorf("%q does not follow what is before it", part)
		}
		end = r.hi()
		set.addRun(r)
	}
	return set, nil
}

func parseRun(text string) (run, error) {
	first, every, repeated := strings.Cut(text, "+")
	lo, hi, wide := strings.Cut(first, "-")
	if !wide {
		hi = lo
	}
	step, count, ok := strings.Cut(every, "x")
	if !repeated {
		step, count, ok = "0", "1", true
	}
	var n [4]uint64
	for i, digits := range []string{lo, hi, step, count} {
		v, err := parseID(digits)
		if err != nil {
			return run{}, err
		}
		n[i] = v
	}
	r := run{n[0], n[1] - n[0] + 1, n[2], n[3]}
	switch {
	case !ok || r.lo == 0 || n[1] < n[0],
		repeated && (r.step <= r.width || r.step > maxStep || r.count < 2 || r.count > maxID/maxStep):
		return run{}, fmt.Errorf("%q is no range", text)
	}
	return r, nil
}

// maxID is more than any identifier that is handed out, and leaves room for
// reckoning.
const maxID = 1 << 62

// parseID reads an identifier as it is written: digits, no sign, no zero in
// front.
func parseID(text string) (uint64, error) {
	v, err := strconv.ParseUint(text, 10, 64)
	if err != nil || v >= maxID || strconv.FormatUint(v, 10) != text {
		return 0, fmt.Errorf("%q is no number of an entry", text)
	}
	return v, nil
}
