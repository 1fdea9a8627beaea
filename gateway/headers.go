package gateway

import (
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"example.com/ezdfs/gateway/surrogate"
	"example.com/ezdfs/metadata"
)

// defaultType is the Content-Type of what has none.
const defaultType = "application/octet-stream"

// validatorsOf makes the validators of a row: the legacy's tag of mtime and
// size (contract section 8). A time of change in the future is told as now
// (RFC 9110 section 8.8.2.1).
func validatorsOf(row metadata.Row, now time.Time) validators {
	tag := make([]byte, 0, 40)
	tag = strconv.AppendInt(append(tag, '"'), row.MTime, 10)
	tag = strconv.AppendInt(append(tag, '-'), row.Size, 10)
	return validators{
		tag: string(append(tag, '"')), strong: now.Unix() > row.MTime,
		modified: time.Unix(min(row.MTime, now.Unix()), 0), size: row.Size, now: now,
	}
}

// setFreshness sets what both a file and a 304 tell caches: Date, ETag,
// Expires and Cache-Control.
func (x *exchange) setFreshness(v validators) {
	header := x.w.Header()
	values := make([]string, 4)
	set := func(key, value string) {
		values[0] = value
		header[key] = values[:1:1]
		values = values[1:]
	}
	set("Date", formatDate(x.now))
	if !x.o.NoCache {
		set("Etag", v.etag())
	}
	age := x.o.MaxAge
	control := "max-age="
	if x.access.private {
		control = "private, max-age="
		age = max(0, min(age, x.access.until.Sub(x.now)))
	}
	if (age > 0 || x.access.private) && !x.o.NoCache {
		set("Expires", formatDate(x.now.Add(age)))
		set("Cache-Control", control+strconv.Itoa(int(age/time.Second)))
	}
}

// setFile sets what describes the file itself.
func (x *exchange) setFile(row metadata.Row, v validators) {
	x.setFreshness(v)
	header := x.w.Header()
	values := [...]string{contentType(row.DataType), formatDate(v.modified)}
	header["Content-Type"] = values[0:1:1]
	if !x.o.NoCache {
		header["Last-Modified"] = values[1:2:2]
	}
	if !x.o.NoRange {
		header["Accept-Ranges"] = x.acceptRanges
	}
	if disposition := x.disposition(row); disposition != "" {
		header["Content-Disposition"] = []string{disposition}
	}
	if !x.access.private && (x.o.SurrogateKey || x.o.CacheTag || x.o.XKey) {
		x.setSurrogateKeys(header, row)
	}
}

// setAge marks what is served by a row that is older than it should be (RFC
// 9111 section 5.1; Warning is of RFC 7234 section 5.5.1, for those who still
// look at it).
func (x *exchange) setAge(row knownRow) {
	if row.stale {
		header := x.w.Header()
		header["Age"] = []string{strconv.Itoa(int(row.age / time.Second))}
		header["Warning"] = []string{`110 - "Response is Stale"`}
	}
}

func (x *exchange) setSurrogateKeys(header http.Header, row metadata.Row) {
	keys := []string{surrogate.Header(row)}
	if x.o.SurrogateKey {
		header["Surrogate-Key"] = keys[:1:1]
	}
	if x.o.XKey {
		header["Xkey"] = keys[:1:1]
	}
	if x.o.CacheTag {
		header["Cache-Tag"] = []string{strings.ReplaceAll(keys[0], " ", ",")}
	}
}

// contentType returns a datatype if it is a media type. Free words, which the
// legacy has too, and what could break out of the header are not.
func contentType(datatype string) string {
	kind, subtype, ok := strings.Cut(datatype, "/")
	if ok && isToken(kind) && isToken(subtype) {
		return datatype
	}
	media, params, err := mime.ParseMediaType(datatype)
	if err != nil || !strings.Contains(media, "/") {
		return defaultType
	}
	if formatted := mime.FormatMediaType(media, params); formatted != "" {
		return formatted
	}
	return defaultType
}

// isToken reports whether text is a token (section 5.6.2).
func isToken(text string) bool {
	for i := range len(text) {
		c := text[i]
		letter := 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9'
		if !letter && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return text != ""
}

// formatDate is the preferred form of an HTTP-date (section 5.6.7).
func formatDate(t time.Time) string { return t.UTC().Format(http.TimeFormat) }
