package gateway

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strconv"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/cluster"
)

// sendParts sends several ranges as multipart/byteranges (RFC 9110 section
// 14.6). A stored body is open at the first of them; it is opened for each of
// the others when its turn comes, and must be the same.
func (x *exchange) sendParts(first *body, ranges []byteRange, v validators) {
	header, d := x.w.Header(), x.describe(first.row.Row)
	x.setAll(header, d, first.row, v)
	frame := newFrame(d.contentType[0], ranges, first.row.Size)
	header["Content-Type"] = []string{"multipart/byteranges; boundary=" + frame.boundary}
	header["Content-Length"] = []string{strconv.FormatInt(frame.length, 10)}
	x.w.WriteHeader(http.StatusPartialContent)
	for i, r := range ranges {
		io.WriteString(x.w, frame.heads[i]) // a lost connection shows in the body's copy
		if i == 0 || first.data != nil {
			x.copy(first, r)
			continue
		}
		x.copyPart(first, r)
	}
	io.WriteString(x.w, frame.end)
}

// copyPart sends another range of the body that first reads.
func (x *exchange) copyPart(first *body, r byteRange) {
	name := first.row.Name
	b, err := x.openBody(first.row, false, []cluster.ReadOption{cluster.Range(r.start, r.length)})
	if err != nil {
		x.abort(name, 0, r.length, err)
	}
	defer b.Close()
	if b.file.Info().Version != first.file.Info().Version || b.row.Row != first.row.Row {
		x.abort(name, 0, r.length, backends.ErrChanged)
	}
	x.copy(b, r)
}

// frame is what stands around the parts of a multipart body.
type frame struct {
	boundary string
	heads    []string // before each part
	end      string
	length   int64 // of all, parts included
}

func newFrame(contentType string, ranges []byteRange, size int64) frame {
	var b bytes.Buffer
	w := multipart.NewWriter(&b) // a bytes.Buffer takes everything
	f := frame{boundary: w.Boundary()}
	take := func() string {
		defer b.Reset()
		f.length += int64(b.Len())
		return b.String()
	}
	for _, r := range ranges {
		w.CreatePart(textproto.MIMEHeader{
			"Content-Type": {contentType}, "Content-Range": {r.contentRange(size)},
		})
		f.heads = append(f.heads, take())
		f.length += r.length
	}
	w.Close()
	f.end = take()
	return f
}
