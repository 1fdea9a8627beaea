package localcache

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"sync/atomic"
	"time"

	"example.com/ezdfs/metadata"
)

// headerSize is how many bytes of a file precede the body. The body extends to
// the end of the file, so that a file whose offset is past the header can be
// handed to whatever sends files.
const headerSize = 64

const magic = "ezdfslc1"

// header is what a copy says about itself.
type header struct {
	key   key
	size  int64  // of the body
	mtime int64  // of the row, in Unix seconds, never negative
	begun int64  // when reading the body began, in Unix nanoseconds
	boot  uint64 // of the host that wrote the file
	sum   uint32 // of the body
}

var (
	errHeader   = errors.New("no valid header")
	errChecksum = errors.New("wrong checksum")
)

// castagnoli is the checksum that processors have an instruction for. It is to
// find torn files, not forged ones.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// encode fills b[:headerSize].
func (h *header) encode(b []byte) {
	copy(b, magic)
	binary.LittleEndian.PutUint64(b[8:], uint64(h.size))
	binary.LittleEndian.PutUint64(b[16:], uint64(h.mtime))
	binary.LittleEndian.PutUint64(b[24:], uint64(h.begun))
	binary.LittleEndian.PutUint64(b[32:], h.boot)
	copy(b[40:], h.key[:])
	binary.LittleEndian.PutUint32(b[56:], h.sum)
	binary.LittleEndian.PutUint32(b[60:], crc32.Checksum(b[:60], castagnoli))
}

// parseHeader reads what encode wrote.
func parseHeader(b []byte) (header, error) {
	var h header
	if len(b) < headerSize || string(b[:8]) != magic ||
		binary.LittleEndian.Uint32(b[60:]) != crc32.Checksum(b[:60], castagnoli) {
		return h, errHeader
	}
	h.size = int64(binary.LittleEndian.Uint64(b[8:]))
	h.mtime = int64(binary.LittleEndian.Uint64(b[16:]))
	h.begun = int64(binary.LittleEndian.Uint64(b[24:]))
	h.boot = binary.LittleEndian.Uint64(b[32:])
	copy(h.key[:], b[40:])
	h.sum = binary.LittleEndian.Uint32(b[56:])
	if h.size < 0 || h.mtime < 0 {
		return header{}, errHeader
	}
	return h, nil
}

// identity is what a copy and its row have in common, and when the copy was
// begun.
type identity struct {
	size  int64
	mtime int64
	begun int64
}

func (h *header) identity() identity { return identity{h.size, h.mtime, h.begun} }

// of reports whether a copy belongs to the row.
func (id identity) of(row metadata.Row) bool {
	return id.size == row.Size && id.mtime == absolute(row.MTime)
}

// trusted reports whether nobody could still write another body with the same
// row when the copy was begun: see the package comment. A copy of the future
// was begun by a clock that was set back since.
func (id identity) trusted(now time.Time, skew time.Duration) bool {
	over := time.Unix(id.mtime+1, 0).Add(skew)
	begun := time.Unix(0, id.begun)
	return !begun.Before(over) && !begun.After(now)
}

// outdates reports whether a copy is to replace another: it was begun later,
// or the other's time cannot be true.
func (id identity) outdates(other identity, now time.Time) bool {
	return id.begun >= other.begun || time.Unix(0, other.begun).After(now)
}

func absolute(mtime int64) int64 { return max(mtime, -mtime) }

// accepts makes a predicate of the rule for trusting copies.
func accepts(row metadata.Row, now time.Time, skew time.Duration, racy *atomic.Int64) func(identity) bool {
	return func(id identity) bool {
		if !id.of(row) {
			return false
		}
		if !id.trusted(now, skew) {
			racy.Add(1)
			return false
		}
		return true
	}
}
