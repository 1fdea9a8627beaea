package gateway

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
)

// maxRanges is how many ranges one request may ask for. More than a few are
// the work of a broken client or an attack (RFC 9110 section 17.15), which get
// the whole file.
const maxRanges = 32

// byteRange is a part of a file that is there: 0 <= start, 0 < length.
type byteRange struct{ start, length int64 }

// contentRange is the value of the Content-Range header (section 14.4).
func (r byteRange) contentRange(size int64) string {
	text := make([]byte, 0, 64)
	text = strconv.AppendInt(append(text, "bytes "...), r.start, 10)
	text = strconv.AppendInt(append(text, '-'), r.start+r.length-1, 10)
	return string(strconv.AppendInt(append(text, '/'), size, 10))
}

// parseRange reads a Range field for a file of size bytes, which is not empty
// (section 14.1.2). It returns those ranges that can be satisfied, none when
// no one can. ok is false for what is to be ignored: other units, what is not
// valid, too many ranges.
func parseRange(field string, size int64) (ranges []byteRange, ok bool) {
	unit, set, found := strings.Cut(field, "=")
	if !found || !strings.EqualFold(unit, "bytes") {
		return nil, false
	}
	count := 0
	for spec := range strings.SplitSeq(set, ",") {
		if spec = strings.Trim(spec, " \t"); spec == "" {
			continue // an empty element of a list (section 5.6.1.2)
		}
		r, valid := parseSpec(spec, size)
		if count++; !valid || count > maxRanges {
			return nil, false
		}
		if r.length > 0 {
			ranges = append(ranges, r)
		}
	}
	return coalesce(ranges), count > 0
}

// parseSpec reads "first-last", "first-" or "-suffix". A range that cannot be
// satisfied has no length.
func parseSpec(spec string, size int64) (byteRange, bool) {
	first, last, found := strings.Cut(spec, "-")
	if !found {
		return byteRange{}, false
	}
	if first == "" {
		suffix, ok := parsePosition(last)
		suffix = min(suffix, size)
		return byteRange{size - suffix, suffix}, ok
	}
	start, ok := parsePosition(first)
	end := int64(math.MaxInt64)
	if last != "" && ok {
		end, ok = parsePosition(last)
	}
	if !ok || end < start {
		return byteRange{}, false
	}
	return byteRange{start, max(0, min(end, size-1)-start+1)}, true
}

// parsePosition reads digits; a number too large for any file is the largest.
func parsePosition(digits string) (int64, bool) {
	if digits == "" {
		return 0, false
	}
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		n = math.MaxInt64
	}
	return n, true
}

// coalesce joins ranges that overlap, so that no byte is sent twice, and
// leaves the others in the order in which they were asked for (section
// 15.3.7.2).
func coalesce(ranges []byteRange) []byteRange {
	if len(ranges) < 2 {
		return ranges
	}
	type asked struct {
		byteRange
		place int
	}
	sorted := make([]asked, len(ranges))
	for i, r := range ranges {
		sorted[i] = asked{r, i}
	}
	slices.SortFunc(sorted, func(a, b asked) int { return cmp.Compare(a.start, b.start) })
	joined := sorted[:1]
	for _, r := range sorted[1:] {
		last := &joined[len(joined)-1]
		if end := last.start + last.length; r.start < end {
			last.length = max(end, r.start+r.length) - last.start
			last.place = min(last.place, r.place)
			continue
		}
		joined = append(joined, r)
	}
	slices.SortFunc(joined, func(a, b asked) int { return cmp.Compare(a.place, b.place) })
	ranges = ranges[:0]
	for _, r := range joined {
		ranges = append(ranges, r.byteRange)
	}
	return ranges
}
