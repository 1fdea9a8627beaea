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

// described is what the headers say of a row, made once. Slices are shared by
// answers and never changed.
type described struct {
	row                                metadata.Row
	tag                                string // the opaque tag with its quotes
	strong, weak                       []string
	contentType, modified, disposition []string
	surrogateKey, cacheTag, length     []string

	// The same as lines, for [Options.AddHeader]: what a 304 has too, and what
	// only the file has.
	freshness, file []byte
}

// describe returns what the headers say of a row.
func (h *Handler) describe(row metadata.Row) *described {
	if d, ok := h.described.GetIfPresent(row.Name); ok && d.row == row {
		return d
	}
	d := &described{
		row: row, tag: tagOf(row), contentType: []string{contentType(row.DataType)},
		modified: []string{formatDate(row.ModTime())}, length: []string{strconv.FormatInt(row.Size, 10)},
	}
	d.strong, d.weak = []string{d.tag}, []string{"W/" + d.tag}
	if disposition := h.disposition(row); disposition != "" {
		d.disposition = []string{disposition}
	}
	if h.o.SurrogateKey || h.o.CacheTag || h.o.EdgeCacheTag || h.o.XKey {
		d.surrogateKey = []string{surrogate.Header(row)}
		d.cacheTag = []string{strings.ReplaceAll(d.surrogateKey[0], " ", ",")}
	}
	if h.o.AddHeader != nil {
		h.format(d)
	}
	h.described.Set(row.Name, d)
	return d
}

// describe returns what the headers say of a row, mostly that of the last call.
func (x *exchange) describe(row metadata.Row) *described {
	if x.said == nil || x.said.row != row {
		x.said = x.Handler.describe(row)
	}
	return x.said
}

// tagOf makes the legacy's tag of mtime and size (contract section 8).
func tagOf(row metadata.Row) string {
	tag := make([]byte, 0, 40)
	tag = strconv.AppendInt(append(tag, '"'), row.MTime, 10)
	tag = strconv.AppendInt(append(tag, '-'), row.Size, 10)
	return string(append(tag, '"'))
}

// validators makes the validators of a row. A time of change in the future is
// told as now (RFC 9110 section 8.8.2.1).
func (d *described) validators(now time.Time) validators {
	return validators{
		tag: d.tag, strong: now.Unix() > d.row.MTime,
		modified: time.Unix(min(d.row.MTime, now.Unix()), 0), size: d.row.Size, now: now,
	}
}

// second is what the headers say of the time. Slices are shared by answers and
// never changed.
type second struct {
	unix          int64
	date, expires []string
	lines         []byte // both, as far as they are sent
}

// clock returns what the headers say of now.
func (x *exchange) clock() *second {
	s := x.seconds.Load()
	if s == nil || s.unix != x.now.Unix() {
		s = &second{unix: x.now.Unix(), date: []string{formatDate(x.now)}, expires: []string{formatDate(x.now.Add(x.o.MaxAge))}}
		s.lines = []byte("Date: " + s.date[0] + "\r\n")
		if x.o.MaxAge > 0 && !x.o.NoCache {
			s.lines = append(s.lines, "Expires: "+s.expires[0]+"\r\n"...)
		}
		x.seconds.Store(s)
	}
	return s
}

// setFreshness sets what both a file and a 304 tell caches: Date, ETag,
// Expires and Cache-Control.
func (x *exchange) setFreshness(header http.Header, d *described, v validators) {
	clock := x.clock()
	header["Date"] = clock.date
	if x.o.NoCache {
		return
	}
	header["Etag"] = d.weak
	if v.strong {
		header["Etag"] = d.strong
	}
	switch {
	case x.access.private:
		age := max(0, min(x.o.MaxAge, x.access.until.Sub(x.now)))
		header["Expires"] = []string{formatDate(x.now.Add(age))}
		header["Cache-Control"] = []string{"private, max-age=" + seconds(age)}
	case x.o.MaxAge > 0:
		header["Expires"] = clock.expires
		header["Cache-Control"] = x.maxAge
	}
}

// seconds is a delta-seconds (RFC 9111 section 1.2.2).
func seconds(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }

// setAll sets what an answer with a file has.
func (x *exchange) setAll(header http.Header, d *described, row knownRow, v validators) {
	x.always(header)
	x.setFreshness(header, d, v)
	x.setFile(header, d, v)
	x.setAge(row)
}

// setFile sets what describes the file itself.
func (x *exchange) setFile(header http.Header, d *described, v validators) {
	header["Content-Type"] = d.contentType
	if !x.o.NoCache {
		header["Last-Modified"] = d.modified
		if v.modified.Unix() != d.row.MTime {
			header["Last-Modified"] = []string{formatDate(v.modified)}
		}
	}
	if !x.o.NoRange {
		header["Accept-Ranges"] = x.acceptRanges
	}
	if d.disposition != nil {
		header["Content-Disposition"] = d.disposition
	}
	if !x.access.private {
		x.setSurrogateKeys(header, d)
	}
}

func (x *exchange) setSurrogateKeys(header http.Header, d *described) {
	if x.o.SurrogateKey {
		header["Surrogate-Key"] = d.surrogateKey
	}
	if x.o.XKey {
		header["Xkey"] = d.surrogateKey
	}
	if x.o.CacheTag {
		header["Cache-Tag"] = d.cacheTag
	}
	if x.o.EdgeCacheTag {
		header["Edge-Cache-Tag"] = d.cacheTag
	}
}

// setAge marks what is served by a row that is older than it should be (RFC
// 9111 section 5.1; Warning is of RFC 7234 section 5.5.1, for those who still
// look at it).
func (x *exchange) setAge(row knownRow) {
	if row.stale {
		header := x.w.Header()
		header["Age"] = []string{seconds(row.age)}
		header["Warning"] = []string{`110 - "Response is Stale"`}
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
