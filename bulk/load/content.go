package load

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"sync"
)

// headerSize is the length of what each file begins with: who it is, its
// version and its size, 8 bytes each.
const headerSize = 24

// blockSize is the length of the noise that contents are cut from. A prime
// would do as well; all that counts is that every version begins elsewhere.
const blockSize = 1 << 20

// content makes and checks the contents of files. Those of every version of
// every file are different, from the first byte to the last, so that a body
// mixed of two is noticed.
type content struct {
	block   []byte
	buffers sync.Pool
}

func newContent() *content {
	c := &content{block: make([]byte, blockSize)}
	rand.NewChaCha8([32]byte{}).Read(c.block)
	c.buffers.New = func() any { buffer := make([]byte, 64<<10); return &buffer }
	return c
}

func identity(path string) uint64 {
	h := fnv.New64a()
	io.WriteString(h, path)
	return h.Sum64()
}

// header is what a version of a file begins with.
func header(path string, version uint64, size int64) (h [headerSize]byte) {
	binary.BigEndian.PutUint64(h[:], identity(path))
	binary.BigEndian.PutUint64(h[8:], version)
	binary.BigEndian.PutUint64(h[16:], uint64(size))
	return h
}

// shift is where in the block the contents of a version begin.
func shift(path string, version uint64) int64 {
	const odd = 0x9e3779b97f4a7c15 // spreads neighbouring versions
	return int64((identity(path) ^ version*odd) % blockSize)
}

// of returns the contents of a version.
func (c *content) of(path string, version uint64, size int64) *body {
	return &body{block: c.block, header: header(path, version, size), shift: shift(path, version), size: size}
}

// body reads contents. It tells its length and can be read again, as stores
// like it.
type body struct {
	block  []byte
	header [headerSize]byte
	shift  int64
	size   int64
	at     int64
}

// Len is what is left to read.
func (b *body) Len() int { return int(b.size - b.at) }

// next returns contents that follow, without copying them.
func (b *body) next() []byte {
	if b.at < headerSize {
		return b.header[b.at:]
	}
	from := (b.shift + b.at) % blockSize
	return b.block[from:min(blockSize, from+b.size-b.at)]
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (n int, err error) {
	if b.at >= b.size {
		return 0, io.EOF
	}
	for n < len(p) && b.at < b.size {
		some := copy(p[n:], b.next())
		n, b.at = n+some, b.at+int64(some)
	}
	return n, nil
}

// Seek implements io.Seeker.
func (b *body) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += b.at
	case io.SeekEnd:
		offset += b.size
	}
	if offset < 0 {
		return b.at, errors.New("seek before the beginning")
	}
	b.at = offset
	return offset, nil
}

// check reads a file to its end and says which version it is. What is not one
// whole version of this file is a [*WrongError].
func (c *content) check(path string, r io.Reader, size int64) (version uint64, n int64, err error) {
	var found [headerSize]byte
	if k, err := io.ReadFull(r, found[:]); err != nil {
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			err = &WrongError{path, fmt.Sprintf("it ends after %d bytes", k)}
		}
		return 0, int64(k), err
	}
	version = binary.BigEndian.Uint64(found[8:])
	if found != header(path, version, size) {
		return 0, headerSize, &WrongError{path, fmt.Sprintf("it does not begin as a file of %d bytes at this path", size)}
	}
	n, err = c.compare(path, r, c.of(path, version, size))
	return version, n, err
}

// compare reads what follows the header.
func (c *content) compare(path string, r io.Reader, want *body) (int64, error) {
	buffer := c.buffers.Get().(*[]byte)
	defer c.buffers.Put(buffer)
	want.at = headerSize
	for {
		k, err := r.Read(*buffer)
		for got := (*buffer)[:k]; len(got) > 0; {
			if want.at >= want.size {
				return want.at, &WrongError{path, fmt.Sprintf("it goes on after %d bytes", want.size)}
			}
			next := want.next()
			next = next[:min(len(next), len(got))]
			if !bytes.Equal(got[:len(next)], next) {
				return want.at, &WrongError{path, fmt.Sprintf("it has other contents from byte %d on", want.at+differ(got, next))}
			}
			got, want.at = got[len(next):], want.at+int64(len(next))
		}
		switch {
		case err == io.EOF && want.at < want.size:
			return want.at, &WrongError{path, fmt.Sprintf("it ends after %d of %d bytes", want.at, want.size)}
		case err == io.EOF:
			return want.at, nil
		case err != nil:
			return want.at, err
		}
	}
}

// differ returns the first place at which a and b differ.
func differ(a, b []byte) int64 {
	for i := range b {
		if a[i] != b[i] {
			return int64(i)
		}
	}
	return int64(len(b))
}

// WrongError says that a cluster did not do what it had promised: what was read
// is not what was written, or a file is not there that was stored.
type WrongError struct{ Path, Reason string }

func (e *WrongError) Error() string { return fmt.Sprintf("%q: %s", e.Path, e.Reason) }
