package gateway

import (
	"bytes"
	"net/http"
)

// Most answers with a file differ from each other in the time alone. Their
// header is written once for a row, and a server that takes it as it is is
// spared to copy, sort and check it for every answer, which costs as much as
// all else that a small file takes.

// format writes the lines of an answer that is public, and whose row is not of
// this very second.
func (h *Handler) format(d *described) {
	x := &exchange{Handler: h, now: h.o.Now()}
	v := validators{tag: d.tag, strong: true, modified: d.row.ModTime(), size: d.row.Size}
	header := http.Header{}
	x.always(header)
	x.setFreshness(header, d, v)
	delete(header, "Date") // of each second
	delete(header, "Expires")
	d.freshness = linesOf(header)
	clear(header)
	x.setFile(header, d, v)
	d.file = linesOf(header)
}

func linesOf(header http.Header) []byte {
	var b bytes.Buffer
	header.Write(&b) // a bytes.Buffer takes everything
	return b.Bytes()
}

// describeFile sets what the header of an answer with a file says of it, or has
// the server add it.
func (x *exchange) describeFile(row knownRow, v validators) {
	d := x.describe(row.Row)
	header := x.w.Header()
	if x.usual(row, v) && x.o.AddHeader(x.r.Context(), x.clock().lines, d.freshness, d.file) {
		header["Date"], header["Content-Type"] = nil, nil // net/http is not to add its own
		return
	}
	x.setAll(header, d, row, v)
}

// describeUnmodified is describeFile for an answer without the file.
func (x *exchange) describeUnmodified(row knownRow, v validators) {
	d := x.describe(row.Row)
	header := x.w.Header()
	if x.usual(row, v) && x.o.AddHeader(x.r.Context(), x.clock().lines, d.freshness) {
		header["Date"] = nil
		return
	}
	x.always(header)
	x.setFreshness(header, d, v)
	x.setAge(row)
}

// usual reports whether the lines that were written once are those of an
// answer.
func (x *exchange) usual(row knownRow, v validators) bool {
	return x.o.AddHeader != nil && !x.access.private && !row.stale && v.strong && v.modified.Unix() == row.MTime
}
