package s3

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"sync"
)

// payload is the body of one request. An HTTP transport may go on reading a
// body for a moment after the request has ended; once released, a payload
// refuses that, so that its bytes can be used for something else.
type payload struct {
	mu sync.Mutex
	r  *bytes.Reader // nil once released
}

var errReleased = errors.New("the request has ended")

func newPayload(data []byte) *payload { return &payload{r: bytes.NewReader(data)} }

func (p *payload) Read(to []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.r == nil {
		return 0, errReleased
	}
	return p.r.Read(to)
}

// Seek lets the SDK start a retry from the first byte.
func (p *payload) Seek(offset int64, whence int) (int64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.r == nil {
		return 0, errReleased
	}
	return p.r.Seek(offset, whence)
}

func (p *payload) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.r = nil
}

// buffers keeps the memory of a few parts between uploads: what an upload
// needs, no more, so that one after the other does not make the heap grow.
type buffers struct {
	size int64 // of each
	most int

	mu   sync.Mutex
	free [][]byte
}

// get returns an empty buffer for n bytes.
func (b *buffers) get(n int64) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n != b.size || len(b.free) == 0 {
		return make([]byte, 0, n)
	}
	last := b.free[len(b.free)-1]
	b.free = b.free[:len(b.free)-1]
	return last[:0]
}

// put takes a buffer back. Nothing may use it any more.
func (b *buffers) put(buf []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if int64(cap(buf)) == b.size && len(b.free) < b.most {
		b.free = append(b.free, buf)
	}
}

// checksum is the CRC32 of data as S3 writes it.
func checksum(data []byte) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(data)))
}

// fill appends bytes of r to buf until it holds limit bytes or r ends, which
// is no error. The buffer grows, by way of memory, with what arrives, not with
// what is announced.
func fill(ctx context.Context, r io.Reader, buf []byte, limit int64, memory *buffers) ([]byte, error) {
	const least = 64 << 10
	for int64(len(buf)) < limit {
		if err := ctx.Err(); err != nil {
			return buf, err
		}
		if len(buf) == cap(buf) {
			size := min(max(4*int64(cap(buf)), least), limit)
			buf = append(memory.get(size), buf...)
		}
		n, err := r.Read(buf[len(buf):min(int64(cap(buf)), limit)])
		buf = buf[:len(buf)+n]
		if err == io.EOF {
			return buf, nil
		}
		if err != nil {
			return buf, err
		}
	}
	return buf, nil
}
