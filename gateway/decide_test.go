package gateway

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"example.com/ezdfs/metadata"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// rowOf is a row of size bytes, changed so long before noon.
func rowOf(size int64, age time.Duration) metadata.Row {
	return metadata.Row{Name: "var/storage/a", Size: size, MTime: noon.Add(-age).Unix(), DataType: "text/plain"}
}

func TestTagIsStrongOnceItsSecondIsOver(t *testing.T) {
	for _, test := range []struct {
		age  time.Duration
		now  time.Time
		want string
	}{
		{time.Hour, noon, `"1795258800-5"`},
		{time.Second, noon, `"1795262399-5"`},
		{0, noon, `W/"1795262400-5"`},
		{0, noon.Add(999 * time.Millisecond), `W/"1795262400-5"`},
		{0, noon.Add(time.Second), `"1795262400-5"`},
		{-time.Hour, noon, `W/"1795266000-5"`},
	} {
		got := "W/"
		v := validatorsOf(rowOf(5, test.age), test.now)
		if v.strong {
			got = ""
		}
		if got += v.tag; got != test.want {
			t.Errorf("%v old at %v: %s, want %s", test.age, test.now, got, test.want)
		}
	}
}

func TestParseDate(t *testing.T) {
	for text, want := range map[string]string{
		"Sun, 06 Nov 1994 08:49:37 GMT":  "1994-11-06",
		"Sunday, 06-Nov-94 08:49:37 GMT": "1994-11-06",
		"Sun Nov  6 08:49:37 1994":       "1994-11-06",
		"Friday, 06-Nov-26 08:49:37 GMT": "2026-11-06",
		"Friday, 20-Nov-76 08:49:37 GMT": "2076-11-20", // a day less than 50 years ahead
		"Sunday, 22-Nov-76 08:49:37 GMT": "1976-11-22", // a day more
		"Friday, 06-Nov-99 08:49:37 GMT": "1999-11-06",
		"Sun, 06 Nov 1994 08:49:37 CET":  "",
		"Sun, 06 Nov 1994 08:49:37":      "",
		"1994-11-06T08:49:37Z":           "",
		"":                               "",
		",":                              "",
	} {
		got := ""
		if date, ok := parseDate(text, noon); ok {
			got = date.Format(time.DateOnly)
		}
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestRangesAreThoseAskedFor holds parseRange against a model that marks
// bytes.
func TestRangesAreThoseAskedFor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Int64Range(1, 40).Draw(t, "size")
		wanted := make([]bool, size)
		mark := func(from, to int64) {
			for i := max(from, 0); i <= min(to, size-1); i++ {
				wanted[i] = true
			}
		}
		var specs []string
		for range rapid.IntRange(1, 6).Draw(t, "count") {
			a, b := rapid.Int64Range(0, 50).Draw(t, "a"), rapid.Int64Range(0, 50).Draw(t, "b")
			switch rapid.IntRange(0, 2).Draw(t, "form") {
			case 0:
				specs = append(specs, fmt.Sprintf("%d-%d", min(a, b), max(a, b)))
				mark(min(a, b), max(a, b))
			case 1:
				specs = append(specs, fmt.Sprintf("%d-", a))
				mark(a, size)
			case 2:
				specs = append(specs, fmt.Sprintf("-%d", a))
				mark(size-a, size)
			}
		}
		ranges, ok := parseRange("bytes="+strings.Join(specs, ","), size)
		if !ok {
			t.Fatalf("%q is ignored", specs)
		}
		got := make([]bool, size)
		for _, r := range ranges {
			for i := r.start; i < r.start+r.length; i++ {
				if got[i] {
					t.Fatalf("%q: byte %d is sent twice: %v", specs, i, ranges)
				}
				got[i] = true
			}
		}
		if !slices.Equal(got, wanted) {
			t.Fatalf("%q of %d: %v", specs, size, ranges)
		}
	})
}

// FuzzRange: whatever a Range field says, what it selects lies in the file, no
// byte twice, in few parts.
func FuzzRange(f *testing.F) {
	for _, field := range []string{"bytes=0-0", "bytes=-1", "bytes=5-,0-3, -2", "bytes=99999999999999999999-", "lines=1-2", "bytes=,", "bytes=0-9223372036854775807"} {
		f.Add(field, int64(10))
	}
	f.Fuzz(func(t *testing.T, field string, size int64) {
		if size < 1 {
			return
		}
		ranges, ok := parseRange(field, size)
		if !ok && ranges != nil || len(ranges) > maxRanges {
			t.Fatalf("%v, %v", ranges, ok)
		}
		total := int64(0)
		for i, r := range ranges {
			if r.start < 0 || r.length < 1 || r.length > size || r.start > size-r.length {
				t.Fatalf("%v is not in %d bytes", r, size)
			}
			for _, other := range ranges[:i] {
				if r.start < other.start+other.length && other.start < r.start+r.length {
					t.Fatalf("%v and %v overlap", r, other)
				}
			}
			total += r.length
		}
		if total > size {
			t.Fatalf("%d of %d bytes", total, size)
		}
	})
}

// FuzzConditions: whatever the fields say, the answer is one that the method
// can have, and what the tag of another file says never makes it this one's.
func FuzzConditions(f *testing.F) {
	f.Add(`"1"`, `W/"2", "3"`, "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "*", "bytes=0-0", true)
	f.Add("", "*", "Sun Nov  6 08:49:37 1994", "", `"1795258800-5"`, "bytes=-1,0-0", false)
	f.Fuzz(func(t *testing.T, match, none, since, unmodified, ifRange, ranges string, head bool) {
		header := http.Header{}
		for key, value := range map[string]string{
			"If-Match": match, "If-None-Match": none, "If-Modified-Since": since,
			"If-Unmodified-Since": unmodified, "If-Range": ifRange, "Range": ranges,
		} {
			if value != "" {
				header[key] = []string{value}
			}
		}
		method := http.MethodGet
		if head {
			method = http.MethodHead
		}
		v := validatorsOf(rowOf(5, time.Hour), noon)
		d := decide(method, header, v)
		if (d.status == http.StatusPartialContent) != (len(d.ranges) > 0) || head && len(d.ranges) > 0 {
			t.Fatalf("%s %v: %+v", method, header, d)
		}
		if !strings.Contains(none, v.tag) && strings.TrimSpace(none) != "*" && none != "" && d.status == http.StatusNotModified {
			t.Fatalf("If-None-Match: %q matches %s", none, v.tag)
		}
		if d.status == http.StatusPartialContent && strings.HasSuffix(ifRange, `"`) && ifRange != v.tag {
			t.Fatalf("If-Range: %q matches %s", ifRange, v.tag)
		}
		if !slices.Contains([]int{200, 206, 304, 412, 416}, d.status) {
			t.Fatalf("status %d", d.status)
		}
	})
}

func validatorsOf(row metadata.Row, now time.Time) validators {
	d := &described{row: row, tag: tagOf(row)}
	return d.validators(now)
}
