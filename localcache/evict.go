package localcache

import (
	"cmp"
	"errors"
	"io/fs"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Eviction begins when a sixteenth of MaxSize is left and goes on until an
// eighth is. Nobody waits for it, unless MaxSize itself is reached.
func (d *disk) high() int64 { return d.maxSize - d.maxSize/16 }
func (d *disk) low() int64  { return d.maxSize - d.maxSize/8 }

// reserve makes room for a body of this size. Whoever reserved releases what
// blocks(size) says.
func (d *disk) reserve(size int64) bool {
	need := blocks(size)
	if need > d.maxSize {
		return false
	}
	total := d.index.total.Add(need)
	if fresh := d.fresh.Add(need); total > d.high() || fresh > d.maxSize/16 {
		select {
		case d.wake <- struct{}{}:
		default: // it is awake
		}
	}
	if total > d.maxSize {
		d.evict(d.maxSize, d.low())
	}
	return true
}

func (d *disk) release(size int64) { d.index.total.Add(-blocks(size)) }

// makeRoom lets old copies give way to the next ones when the file system is
// full: it is smaller than MaxSize, or others fill it. Many writers may fail at
// once, so it does so once a second.
func (d *disk) makeRoom(size int64) {
	now, last := d.now().UnixNano(), d.lastFull.Load()
	if now-last < int64(time.Second) || !d.lastFull.CompareAndSwap(last, now) {
		return
	}
	total := d.index.total.Load()
	d.evict(0, total-total/16-blocks(size))
}

type candidate struct {
	key  key
	used int64
}

// evict removes the least recently used copies until they take no more than
// target, if they take more than limit.
func (d *disk) evict(limit, target int64) {
	d.evicting.Lock()
	defer d.evicting.Unlock()
	// Copies that another process used meanwhile stay: look again for others.
	for range 3 {
		if d.index.total.Load() <= limit {
			return
		}
		for _, c := range d.candidates() {
			if d.index.total.Load() <= target {
				return
			}
			d.evictOne(c)
		}
	}
}

// candidates returns all copies, the least recently used first.
func (d *disk) candidates() []candidate {
	all := make([]candidate, 0, d.index.files.Load())
	for i := range d.index.shards {
		s := &d.index.shards[i]
		s.Lock()
		for k, e := range s.entries {
			all = append(all, candidate{k, e.used})
		}
		s.Unlock()
	}
	slices.SortFunc(all, func(a, b candidate) int { return cmp.Compare(a.used, b.used) })
	return all
}

// evictOne removes a copy unless somebody used it since.
func (d *disk) evictOne(c candidate) {
	s := d.index.shard(c.key)
	s.Lock()
	defer s.Unlock()
	e, found := s.entries[c.key]
	if !found || e.used != c.used {
		return
	}
	st, err := lstat(d.path(c.key))
	if errors.Is(err, fs.ErrNotExist) { // somebody else evicted it
		d.index.drop(s, c.key)
		return
	}
	if err == nil {
		if used := usedAt(&st, d.now()); used > e.used {
			e.used = used
			d.index.set(s, c.key, e)
			return
		}
	}
	d.unlink(s, c.key)
	d.count.evicted.Add(1)
}

func lstat(path string) (unix.Stat_t, error) {
	var st unix.Stat_t
	err := unix.Lstat(path, &st)
	return st, err
}

// usedAt returns when a file was last used, 0 where that cannot be true.
func usedAt(st *unix.Stat_t, now time.Time) int64 {
	if used := time.Unix(st.Atim.Unix()); !used.After(now) {
		return used.UnixNano()
	}
	return 0
}
