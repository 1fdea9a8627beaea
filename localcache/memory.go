package localcache

import (
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"

	"example.com/ezdfs/metadata"
)

// maxSmall is the largest body that is kept in memory.
const maxSmall = 256 << 10

// overhead is about what a copy takes in memory beside its bytes and its name.
const overhead = 200

// memory is the tier of small bodies. A nil *memory keeps nothing.
type memory struct {
	copies *otter.Cache[string, *memoryCopy]
}

// memoryCopy is a body in memory. Nobody changes its bytes.
type memoryCopy struct {
	identity
	key   key
	data  []byte
	saved atomic.Int64 // when its use was last noted on disk, Unix nanoseconds
}

func openMemory(size int64) *memory {
	if size <= 0 {
		return nil
	}
	return &memory{otter.Must(&otter.Options[string, *memoryCopy]{
		MaximumWeight: uint64(size),
		Weigher: func(name string, c *memoryCopy) uint32 {
			return uint32(len(name) + len(c.data) + overhead)
		},
		Logger: &otter.NoopLogger{},
	})}
}

// takes reports whether a body may be kept.
func (m *memory) takes(size int64) bool {
	return m != nil && size <= maxSmall && uint64(size)+overhead <= m.copies.GetMaximum()
}

func (m *memory) get(name string) *memoryCopy {
	if m == nil {
		return nil
	}
	c, _ := m.copies.GetIfPresent(name)
	return c
}

// put keeps a copy unless there is a newer one.
func (m *memory) put(name string, c *memoryCopy, now time.Time) {
	if !m.takes(c.size) {
		return
	}
	m.copies.Compute(name, func(old *memoryCopy, found bool) (*memoryCopy, otter.ComputeOp) {
		if found && !c.outdates(old.identity, now) {
			return old, otter.CancelOp
		}
		return c, otter.WriteOp
	})
}

func (m *memory) remove(name string) {
	if m != nil {
		m.copies.Invalidate(name)
	}
}

func (m *memory) close() {
	if m != nil {
		m.copies.InvalidateAll()
		m.copies.StopAllGoroutines()
	}
}

func (m *memory) size() int64 {
	if m == nil {
		return 0
	}
	return int64(m.copies.WeightedSize())
}

// file opens the copy.
func (c *memoryCopy) file() *File {
	f := &File{id: c.identity, data: c.data}
	f.mem.Reset(c.data)
	return f
}

// belongs reports whether there is a copy, of this row.
func (c *memoryCopy) belongs(row metadata.Row) bool { return c != nil && c.of(row) }
