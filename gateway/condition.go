package gateway

import (
	"net/http"
	"strings"
	"time"
)

// validators are what a client can hold a file against.
type validators struct {
	// tag is the opaque tag with its quotes, without W/.
	tag string
	// strong says that tag and time of change name one body only. They are of
	// whole seconds: while the second of the last change is not over, another
	// change can get the same ones (RFC 9110 sections 8.8.1 and 8.8.2.2), and
	// a range of one body must not be joined with one of the other.
	strong   bool
	modified time.Time // whole seconds, never after now
	size     int64
	now      time.Time
}

// decision is what a request is to get: 200, 206 with ranges, 304, 412 or 416.
type decision struct {
	status int
	ranges []byteRange
}

// decide evaluates the conditions of a GET or HEAD request for a file that
// exists, in the order of RFC 9110 section 13.2.2.
func decide(method string, header http.Header, v validators) decision {
	if !preconditionsHold(header, v) {
		return decision{status: http.StatusPreconditionFailed}
	}
	if notModified(header, v) {
		return decision{status: http.StatusNotModified}
	}
	fields := header["Range"]
	if method != http.MethodGet || len(fields) != 1 || v.size == 0 || !rangeApplies(header, v) {
		return decision{status: http.StatusOK}
	}
	ranges, ok := parseRange(fields[0], v.size)
	switch {
	case !ok:
		return decision{status: http.StatusOK}
	case len(ranges) == 0:
		return decision{status: http.StatusRequestedRangeNotSatisfiable}
	}
	return decision{status: http.StatusPartialContent, ranges: ranges}
}

// preconditionsHold evaluates If-Match (section 13.1.1) or, without it,
// If-Unmodified-Since (section 13.1.4).
func preconditionsHold(header http.Header, v validators) bool {
	if fields := header["If-Match"]; len(fields) > 0 {
		return isAny(fields) || hasTag(fields, func(tag string, weak bool) bool {
			return !weak && v.strong && tag == v.tag
		})
	}
	since, ok := singleDate(header["If-Unmodified-Since"], v.now)
	return !ok || !v.modified.After(since)
}

// notModified evaluates If-None-Match (section 13.1.2) or, without it,
// If-Modified-Since (section 13.1.3), for GET and HEAD.
func notModified(header http.Header, v validators) bool {
	if fields := header["If-None-Match"]; len(fields) > 0 {
		return isAny(fields) || hasTag(fields, func(tag string, _ bool) bool { return tag == v.tag })
	}
	since, ok := singleDate(header["If-Modified-Since"], v.now)
	return ok && !v.modified.After(since)
}

// rangeApplies evaluates If-Range (section 13.1.5): the validator must be
// exactly that of the file, and a strong one.
func rangeApplies(header http.Header, v validators) bool {
	fields := header["If-Range"]
	switch {
	case len(fields) == 0:
		return true
	case len(fields) > 1 || !v.strong:
		return false
	case strings.HasSuffix(fields[0], `"`):
		return fields[0] == v.tag
	}
	date, ok := parseDate(fields[0], v.now)
	return ok && date.Equal(v.modified)
}

// isAny reports whether a field is "*", which any file that exists matches.
func isAny(fields []string) bool {
	return len(fields) == 1 && strings.Trim(fields[0], " \t") == "*"
}

// hasTag reports whether a list of entity tags, which may be spread over
// several fields, has one that is meant. What cannot be read matches nothing,
// nor does what follows it in its field.
func hasTag(fields []string, meant func(tag string, weak bool) bool) bool {
	for _, rest := range fields {
		for {
			rest = strings.TrimLeft(rest, " \t,")
			tag, weak, after, ok := cutTag(rest)
			if !ok {
				break
			}
			if meant(tag, weak) {
				return true
			}
			rest = after
		}
	}
	return false
}

// cutTag takes an entity tag off the front of a list (section 8.8.3).
func cutTag(list string) (tag string, weak bool, rest string, ok bool) {
	list, weak = strings.CutPrefix(list, "W/")
	if list == "" || list[0] != '"' {
		return "", false, "", false
	}
	for i := 1; i < len(list); i++ {
		switch c := list[i]; {
		case c == '"':
			rest = strings.TrimLeft(list[i+1:], " \t")
			return list[:i+1], weak, rest, rest == "" || rest[0] == ','
		case c < 0x21 || c == 0x7f:
			return "", false, "", false
		}
	}
	return "", false, "", false
}
