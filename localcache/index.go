package localcache

import (
	"sync"
	"sync/atomic"
)

// index knows the files of the directory: how large they are and when each was
// last used. It is split by the first byte of the keys, which is the upper
// level of the directory.
type index struct {
	shards [256]shard
	total  atomic.Int64 // bytes of all entries and reservations
	files  atomic.Int64
}

type shard struct {
	sync.Mutex // also held while a file is renamed into place or removed
	entries    map[key]entry
	verifying  sync.Mutex // held while a checksum is compared
}

type entry struct {
	size     int64 // in whole blocks
	used     int64 // Unix nanoseconds
	verified bool  // a file of an earlier boot that was found whole
}

func (x *index) shard(k key) *shard { return &x.shards[k[0]] }

// set enters or replaces an entry; the shard is locked.
func (x *index) set(s *shard, k key, e entry) {
	old, found := s.entries[k]
	if s.entries == nil {
		s.entries = map[key]entry{}
	}
	s.entries[k] = e
	x.total.Add(e.size - old.size)
	if !found {
		x.files.Add(1)
	}
}

// drop removes an entry; the shard is locked.
func (x *index) drop(s *shard, k key) {
	if old, found := s.entries[k]; found {
		delete(s.entries, k)
		x.total.Add(-old.size)
		x.files.Add(-1)
	}
}

// blockSize is what sizes are rounded up to: what a file takes on most file
// systems.
const blockSize = 4096

// blocks returns how many bytes a file takes that holds a body.
func blocks(size int64) int64 {
	return (size + headerSize + blockSize - 1) / blockSize * blockSize
}
