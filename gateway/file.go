package gateway

import (
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"strconv"

	"example.com/ezdfs/backends"
)

// attempts is how often a request with conditions is evaluated anew because
// the file changed between evaluating and opening.
const attempts = 4

// errUnsettled says that a file was replaced each time it was opened.
var errUnsettled = errors.New("the file changes too fast to be served")

// file answers with a file, a part of it, or the outcome of a condition.
//
// What depends on the row alone is decided by the row and costs no call to the
// store. The headers are those of the row that came with the body: if it is
// another than the conditions were evaluated for, or it is not sure that the
// body is that row's, they are once more.
func (x *exchange) file(name string) error {
	row, err := x.row(name)
	if err != nil {
		return err
	}
	asked := x.conditions()
	v := x.describe(row.Row).validators(x.now)
	for range attempts {
		d := decision{status: http.StatusOK}
		if asked != nil {
			if d = decide(x.r.Method, asked, v); d.status > 299 {
				return x.unsent(d.status, row)
			}
		}
		b, err := x.body(row, d)
		if err != nil {
			return err
		}
		before := v
		row, v = b.row, x.describe(b.row.Row).validators(x.now)
		v.strong = v.strong && b.fits
		if asked == nil || v == before {
			return x.send(b, d, v)
		}
		b.Close()
	}
	return errUnsettled
}

// conditions returns what the answer depends on beside the path, nil for
// nothing. What is switched off was not asked.
func (x *exchange) conditions() http.Header {
	asked := x.r.Header
	if x.o.NoCache || x.o.NoRange {
		asked = maps.Clone(asked)
	}
	if x.o.NoCache { // without validators If-Range holds for none
		for _, key := range preconditions {
			delete(asked, key)
		}
	}
	if x.o.NoRange {
		delete(asked, "Range")
	}
	for _, key := range preconditions {
		if len(asked[key]) > 0 {
			return asked
		}
	}
	if len(asked["Range"]) > 0 {
		return asked
	}
	return nil
}

// preconditions are the header fields of RFC 9110 section 13.1 but If-Range,
// which is nothing without Range.
var preconditions = [...]string{"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"}

// unsent answers with the outcome of a condition.
func (x *exchange) unsent(status int, row knownRow) error {
	if status != http.StatusNotModified {
		return &fault{status: status, size: row.Size}
	}
	x.describeUnmodified(row, x.describe(row.Row).validators(x.now))
	x.w.WriteHeader(status)
	return nil
}

// send sends a body and closes it.
func (x *exchange) send(b *body, d decision, v validators) error {
	defer b.Close()
	if len(d.ranges) > 1 {
		x.sendParts(b, d.ranges, v)
		return nil
	}
	x.describeFile(b.row, v)
	header, all := x.w.Header(), byteRange{0, b.row.Size}
	header["Content-Length"] = x.describe(b.row.Row).length
	if len(d.ranges) == 1 {
		all = d.ranges[0]
		header["Content-Range"] = []string{all.contentRange(b.row.Size)}
		header["Content-Length"] = []string{strconv.FormatInt(all.length, 10)}
	}
	x.w.WriteHeader(d.status)
	if x.r.Method == http.MethodGet {
		x.copy(b, all)
	}
	return nil
}

// beyondBuffer is how long a body is at least that net/http cannot send in one
// write with its header.
const beyondBuffer = 4 << 10

// copy sends a range of a body; a stored one is open at it. A body that ends
// early must not look complete: the connection is broken off.
func (x *exchange) copy(b *body, r byteRange) {
	if b.data != nil {
		if r.length >= beyondBuffer && x.o.BeforeBody != nil {
			x.o.BeforeBody(x.r.Context())
		}
		x.w.Write(b.data[r.start : r.start+r.length]) // who is gone needs no telling
		return
	}
	n, err := b.writeTo(x.r.Context(), x.w)
	if err == nil && n != r.length {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		x.abort(b.row.Name, n, r.length, err)
	}
}

// abort breaks the connection off. That a client went away is its own affair.
func (x *exchange) abort(name string, sent, length int64, err error) {
	level := slog.LevelDebug
	var store *backends.Error
	if errors.As(err, &store) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, backends.ErrChanged) {
		level = slog.LevelError
	}
	if x.r.Context().Err() != nil {
		level = slog.LevelDebug
	}
	x.o.Logger.LogAttrs(x.r.Context(), level, "a body broke off", slog.String("path", name),
		slog.Int64("sent", sent), slog.Int64("length", length), slog.Any("error", err))
	panic(http.ErrAbortHandler)
}
