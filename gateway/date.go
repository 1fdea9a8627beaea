package gateway

import (
	"net/http"
	"strings"
	"time"
)

// parseDate reads an HTTP-date in any of its three forms (RFC 9110 section
// 5.6.7). A two-digit year is the one with these digits that is at most 50
// years ahead of now.
func parseDate(text string, now time.Time) (time.Time, bool) {
	t, err := http.ParseTime(text)
	if err != nil {
		return time.Time{}, false
	}
	if day, _, ok := strings.Cut(text, ","); ok && len(day) > len("Mon") { // the form of RFC 850
		year := now.Year() - now.Year()%100 + t.Year()%100
		t = t.AddDate(year-t.Year(), 0, 0)
		if t.After(now.AddDate(50, 0, 0)) {
			t = t.AddDate(-100, 0, 0)
		}
	}
	return t, true
}

// singleDate reads a field that is one HTTP-date. Several fields, or what is
// no date, count as none (sections 13.1.3 and 13.1.4).
func singleDate(fields []string, now time.Time) (time.Time, bool) {
	if len(fields) != 1 {
		return time.Time{}, false
	}
	return parseDate(fields[0], now)
}
