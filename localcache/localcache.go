package localcache

import (
	"errors"
	"hash/crc32"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"example.com/ezdfs/metadata"
)

// Options say where copies are kept. The zero value keeps none.
type Options struct {
	// Dir is the directory, created where it is missing; empty for none. It
	// must be empty or marked as ours.
	Dir string
	// MaxSize is how many bytes the files in Dir may take.
	MaxSize int64
	// MemorySize is how many bytes small bodies may take in memory; 0 for none.
	MemorySize int64
	// Skew is how much the clocks of the hosts of a cluster may differ; 2 s by
	// default, negative for not at all.
	Skew time.Duration
	// Root is the site root and Mounts are the roots of the mounted trees: Dir
	// must be none of them, hold none, and lie in no mount.
	Root   string
	Mounts []string
	// Logger hears what goes wrong with Dir, at most once a minute; by default
	// nobody does.
	Logger *slog.Logger
	// Now is the clock, time.Now by default.
	Now func() time.Time
}

// defaultSkew is what hosts without a good NTP server may differ.
const defaultSkew = 2 * time.Second

// Cache keeps copies. Its methods may be called concurrently.
type Cache struct {
	memory *memory
	disk   *disk
	now    func() time.Time
	skew   time.Duration
	count  counters
	closed sync.Once
}

// Open opens the cache. A directory that is or holds something else than copies
// is a *DirError. One that cannot be reached or written is logged instead and
// tried again later.
func Open(o Options) (*Cache, error) {
	c := &Cache{now: o.Now, skew: o.Skew, memory: openMemory(o.MemorySize)}
	if c.now == nil {
		c.now = time.Now
	}
	if c.skew == 0 {
		c.skew = defaultSkew
	}
	c.skew = max(c.skew, 0)
	if o.Dir != "" && o.MaxSize > 0 {
		if err := c.openDisk(o); err != nil {
			c.memory.close()
			return nil, err
		}
	}
	return c, nil
}

func (c *Cache) openDisk(o Options) error {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return &DirError{o.Dir, err.Error()}
	}
	if err := checkPlace(dir, o.Root, o.Mounts); err != nil {
		return err
	}
	d := &disk{
		dir: dir, maxSize: o.MaxSize, boot: bootID(), now: c.now, orphanAge: time.Minute,
		log: newLimitedLog(o.Logger, c.now), count: &c.count,
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	if err := d.claim(); err != nil {
		if _, wrong := errors.AsType[*DirError](err); wrong {
			return err
		}
		d.failed("the local cache directory cannot be used", err)
	}
	c.disk = d
	d.running.Go(d.run)
	return nil
}

// Close stops what runs in the background. Open files stay readable, and so
// does what is in the directory.
func (c *Cache) Close() error {
	c.closed.Do(func() {
		if c.disk != nil {
			close(c.disk.done)
			c.disk.running.Wait()
		}
		c.memory.close()
	})
	return nil
}

// Get opens the copy that belongs to exactly this row, if there is one that can
// be trusted: see the package comment. The caller closes it.
func (c *Cache) Get(row metadata.Row) (*File, bool) {
	now := c.now()
	if m := c.memory.get(row.Name); m.belongs(row) && m.trusted(now, c.skew) {
		c.count.memoryHits.Add(1)
		c.used(m, now)
		return m.file(), true
	}
	f, found := c.fromDisk(row.Name, now, accepts(row, now, c.skew, &c.count.racy))
	if found {
		c.count.diskHits.Add(1)
	} else {
		c.count.misses.Add(1)
	}
	return f, found
}

// Keeps reports whether a copy of a row's body that is begun now would have
// room, and could be trusted.
func (c *Cache) Keeps(row metadata.Row) bool {
	now := c.now()
	room := c.memory.takes(row.Size) || c.disk != nil && blocks(row.Size) <= c.disk.maxSize
	return room && row.Size >= 0 && identity{row.Size, absolute(row.MTime), now.UnixNano()}.trusted(now, c.skew)
}

// Stale opens the newest copy of a path, whatever row it was made for and
// whether or not there still is one; [File.ModTime] tells that row's time. It
// is what may be served while a path is generated anew (contract section 3).
// The caller closes it.
func (c *Cache) Stale(name string) (*File, bool) {
	now := c.now()
	m := c.memory.get(name)
	f, found := c.fromDisk(name, now, func(id identity) bool {
		return m == nil || id.begun > m.begun
	})
	if !found && m != nil {
		c.used(m, now)
		f, found = m.file(), true
	}
	if found {
		c.count.staleHits.Add(1)
	}
	return f, found
}

// Remove drops the copy of a path. One that is being written now will appear
// nevertheless; it belongs to the row that it is written for.
func (c *Cache) Remove(name string) {
	c.memory.remove(name)
	c.disk.remove(keyOf(name))
}

// fromDisk opens the copy in the directory, if ok accepts it. A small one is
// read into memory.
func (c *Cache) fromDisk(name string, now time.Time, ok func(identity) bool) (*File, bool) {
	k := keyOf(name)
	f, sum, found := c.disk.get(k, ok)
	if !found || !c.memory.takes(f.id.size) {
		return f, found
	}
	defer f.Close()
	data := make([]byte, f.id.size)
	if _, err := io.ReadFull(f, data); err != nil {
		c.disk.failed("a local copy cannot be read", err)
		return nil, false
	}
	if crc32.Checksum(data, castagnoli) != sum {
		c.disk.corrupt(k, errChecksum)
		return nil, false
	}
	m := &memoryCopy{identity: f.id, key: k, data: data}
	m.saved.Store(now.UnixNano())
	c.memory.put(name, m, now)
	return m.file(), true
}

// used notes now and then that a copy in memory is used, lest the one in the
// directory is taken for forgotten.
func (c *Cache) used(m *memoryCopy, now time.Time) {
	saved := m.saved.Load()
	if now.UnixNano()-saved >= int64(savedUse) && m.saved.CompareAndSwap(saved, now.UnixNano()) {
		c.disk.touch(m.key, -1)
	}
}
