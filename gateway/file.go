package gateway

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/metadata"
)

// attempts is how often a request with conditions is evaluated anew because
// the file changed between evaluating and opening.
const attempts = 4

// errUnsettled says that a file was replaced each time it was opened.
var errUnsettled = errors.New("the file changes too fast to be served")

// file answers with a file, a part of it, or the outcome of a condition.
//
// What depends on the row alone is decided by the row and costs no call to the
// store. The headers are those of the row that came with the open body: if it
// is another than the conditions were evaluated for, they are once more.
func (x *exchange) file(name string) error {
	var row metadata.Row
	var err error
	asked := x.conditions()
	if asked != nil {
		if row, err = x.row(name); err != nil {
			return err
		}
	}
	for range attempts {
		d := decision{status: http.StatusOK}
		if asked != nil {
			if d = decide(x.r.Method, asked, validatorsOf(row, x.now)); d.status > 299 {
				return x.unsent(d.status, row)
			}
		}
		f, err := x.open(name, d)
		if err != nil {
			return err
		}
		if asked == nil || f.Row.MTime == row.MTime && f.Row.Size == row.Size {
			return x.send(f, d)
		}
		f.Close()
		row = f.Row
	}
	return errUnsettled
}

// conditions returns what the answer depends on beside the path, nil for
// nothing. What is switched off was not asked.
func (x *exchange) conditions() http.Header {
	asked := http.Header{}
	for _, key := range [...]string{"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"} {
		if fields := x.r.Header[key]; len(fields) > 0 && !x.o.NoCache {
			asked[key] = fields
		}
	}
	if fields := x.r.Header["Range"]; len(fields) > 0 && !x.o.NoRange {
		asked["Range"] = fields
		asked["If-Range"] = x.r.Header["If-Range"] // without validators it holds for none
	}
	if len(asked) == 0 {
		return nil
	}
	return asked
}

// unsent answers with the outcome of a condition.
func (x *exchange) unsent(status int, row metadata.Row) error {
	if status != http.StatusNotModified {
		return &fault{status: status, size: row.Size}
	}
	x.setFreshness(validatorsOf(row, x.now))
	x.w.WriteHeader(status)
	return nil
}

// open opens what is to be sent first. HEAD opens the file too, without a byte
// of it: its answer is that of GET, errors included (RFC 9110 section 9.3.2).
func (x *exchange) open(name string, d decision) (*cluster.File, error) {
	ctx := x.r.Context()
	switch {
	case x.r.Method == http.MethodHead:
		return x.files.Open(ctx, name, cluster.Range(0, 0))
	case len(d.ranges) > 0:
		return x.files.Open(ctx, name, cluster.Range(d.ranges[0].start, d.ranges[0].length))
	}
	return x.files.Open(ctx, name)
}

// send sends an open file and closes it.
func (x *exchange) send(f *cluster.File, d decision) error {
	defer f.Close()
	v := validatorsOf(f.Row, x.now)
	x.setFile(f.Row, v)
	if len(d.ranges) > 1 {
		x.sendParts(f, d.ranges)
		return nil
	}
	header, length := x.w.Header(), f.Row.Size
	if len(d.ranges) == 1 {
		length = d.ranges[0].length
		header["Content-Range"] = []string{d.ranges[0].contentRange(f.Row.Size)}
	}
	header["Content-Length"] = []string{strconv.FormatInt(length, 10)}
	x.w.WriteHeader(d.status)
	if x.r.Method == http.MethodGet {
		x.copy(f, length)
	}
	return nil
}

// copy sends length bytes of an open body. The backend's own reader is handed
// to the connection, so that the kernel can move the bytes of a local file. A
// body that ends early must not look complete: the connection is broken off.
func (x *exchange) copy(f *cluster.File, length int64) {
	n, err := io.Copy(x.w, f.Reader)
	if err == nil && n != length {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		x.abort(f.Row.Name, n, length, err)
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
