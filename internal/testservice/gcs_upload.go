package testservice

import (
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// gcsUpload is one upload to a GCSSink: what it counts of the bytes.
type gcsUpload struct {
	sink *GCSSink
	done atomic.Bool

	mu     sync.Mutex // held by one request at a time
	object GCSObject
	size   int64
	crc    uint32
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// gcsQuantum is what the length of every chunk but the last must be a multiple
// of.
const gcsQuantum = 256 << 10

func newGCSUpload(sink *GCSSink, object GCSObject) *gcsUpload {
	return &gcsUpload{sink: sink, object: object}
}

// Write counts bytes.
func (u *gcsUpload) Write(p []byte) (int, error) {
	u.crc = crc32.Update(u.crc, castagnoli, p)
	u.size += int64(len(p))
	return len(p), nil
}

// chunk takes one request of a resumable upload. Bytes it has already are
// skipped: their answer got lost.
func (u *gcsUpload) chunk(w http.ResponseWriter, r *http.Request) {
	u.mu.Lock()
	defer u.mu.Unlock()
	first, last, total, err := parseContentRange(r.Header.Get("Content-Range"))
	switch {
	case err != nil:
		gcsError(w, http.StatusBadRequest, err.Error())
		return
	case u.done.Load(): // and the answer to that got lost
		gcsJSON(w, u.object)
		return
	case first > u.size:
		gcsError(w, http.StatusBadRequest, fmt.Sprintf("chunk at %d, but %d bytes came", first, u.size))
		return
	case total < 0 && (last+1-first)%gcsQuantum != 0:
		gcsError(w, http.StatusBadRequest, fmt.Sprintf("a chunk of %d bytes is no multiple of 256 KiB", last+1-first))
		return
	}
	if err := u.take(r.Body, first, last); err != nil {
		gcsError(w, http.StatusBadRequest, err.Error())
		return
	}
	if total < 0 {
		u.more(w)
		return
	}
	if total != u.size {
		gcsError(w, http.StatusBadRequest, fmt.Sprintf("%d bytes came of %d", u.size, total))
		return
	}
	declared, _ := strings.CutPrefix(r.Header.Get("X-Goog-Hash"), "crc32c=")
	u.finish(w, declared)
}

// take reads the bytes first to last, of which some may be known.
func (u *gcsUpload) take(body io.Reader, first, last int64) error {
	if _, err := io.CopyN(io.Discard, body, min(u.size, last+1)-first); err != nil {
		return err
	}
	buf := make([]byte, 128<<10)
	if _, err := io.CopyBuffer(u, struct{ io.Reader }{body}, buf); err != nil {
		return err
	}
	if u.size < last+1 {
		return fmt.Errorf("the chunk ended at %d, not at %d", u.size, last+1)
	}
	return nil
}

// more says which bytes have come, in the way Go's client asks for.
func (u *gcsUpload) more(w http.ResponseWriter) {
	w.Header().Set("Range", fmt.Sprintf("bytes=0-%d", u.size-1))
	w.Header().Set("X-Http-Status-Code-Override", "308")
}

// finish makes the object, unless its checksum is not the declared one.
func (u *gcsUpload) finish(w http.ResponseWriter, declared string) {
	u.object.Size = u.size
	u.object.CRC32C = CRC32C(u.crc)
	if declared != "" && declared != u.object.CRC32C {
		gcsError(w, http.StatusBadRequest, fmt.Sprintf("CRC32C %s declared, %s came", declared, u.object.CRC32C))
		return
	}
	u.object = u.sink.put(u.object)
	u.done.Store(true)
	gcsJSON(w, u.object)
}

// parseContentRange reads "bytes 0-9/20", "bytes 0-9/*" and "bytes */20"; an
// unknown total is -1, an empty range has last = first-1.
func parseContentRange(header string) (first, last, total int64, err error) {
	bad := fmt.Errorf("bad Content-Range %q", header)
	span, size, ok := strings.Cut(strings.TrimPrefix(header, "bytes "), "/")
	if !ok {
		return 0, 0, 0, bad
	}
	total = -1
	if size != "*" {
		if total, err = strconv.ParseInt(size, 10, 64); err != nil {
			return 0, 0, 0, bad
		}
	}
	if span == "*" {
		return max(total, 0), max(total, 0) - 1, total, nil
	}
	from, to, _ := strings.Cut(span, "-")
	first, err1 := strconv.ParseInt(from, 10, 64)
	last, err2 := strconv.ParseInt(to, 10, 64)
	if err1 != nil || err2 != nil || last < first {
		return 0, 0, 0, bad
	}
	return first, last, total, nil
}
