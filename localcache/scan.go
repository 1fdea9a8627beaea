package localcache

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// A scan is due every minute, and sooner when much was written; but one that
// takes long must not take more than a twentieth of the time.
const (
	scanPause    = time.Minute
	minScanPause = time.Second
	scanShare    = 20
)

// run scans and evicts until the cache is closed.
func (d *disk) run() {
	pause := d.scan()
	last := time.Now()
	timer := time.NewTimer(max(scanPause, pause))
	defer timer.Stop()
	for {
		due := false
		select {
		case <-d.done:
			return
		case <-d.wake:
			due = d.fresh.Load() > d.maxSize/16 && time.Since(last) >= max(minScanPause, pause)
		case <-timer.C:
			due = true
		}
		if due {
			pause = d.scan()
			last = time.Now()
			timer.Reset(max(scanPause, pause))
		}
		d.evict(d.high(), d.low())
	}
}

// scan learns what other processes did in the directory, and what an earlier
// one left. It returns how long to wait for the next scan at least.
func (d *disk) scan() time.Duration {
	start := time.Now()
	if !d.claimed.Load() {
		if err := d.claim(); err != nil {
			d.failed("the local cache directory cannot be used", err)
			return 0
		}
	}
	d.fresh.Store(0)
	for i := range d.index.shards {
		select {
		case <-d.done:
			return 0
		default:
			d.scanShard(i)
		}
	}
	d.sweep()
	d.count.scans.Add(1)
	return scanShare * time.Since(start)
}

// scanShard makes one shard of the index agree with the directory.
func (d *disk) scanShard(i int) {
	start := d.now().UnixNano()
	found, err := d.list(i)
	if err != nil {
		d.failed("the local cache directory cannot be listed", err)
		return
	}
	s := &d.index.shards[i]
	s.Lock()
	defer s.Unlock()
	for k, e := range s.entries {
		if _, there := found[k]; !there && e.used < start { // not made meanwhile
			d.index.drop(s, k)
		}
	}
	for k, there := range found {
		e, known := s.entries[k]
		if known && e.used >= start {
			continue
		}
		there.used, there.verified = max(there.used, e.used), e.verified
		d.index.set(s, k, there)
	}
}

// list returns the copies of one shard.
func (d *disk) list(i int) (map[key]entry, error) {
	dir := filepath.Join(d.dir, fmt.Sprintf("%02x", i))
	parts, err := readDir(dir)
	if err != nil {
		return nil, err
	}
	now := d.now()
	found := map[key]entry{}
	for _, part := range parts {
		files, err := readDir(filepath.Join(dir, part.Name()))
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			path := filepath.Join(dir, part.Name(), f.Name())
			k, ok := parseKey(f.Name())
			if !ok || d.path(k) != path {
				continue // nobody knows whose it is
			}
			if st, err := lstat(path); err == nil && st.Mode&unix.S_IFMT == unix.S_IFREG {
				found[k] = entry{size: blocks(st.Size - headerSize), used: usedAt(&st, now)}
			}
		}
	}
	return found, nil
}

// readDir is os.ReadDir, of a directory that may be missing.
func readDir(path string) ([]fs.DirEntry, error) {
	entries, err := os.ReadDir(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return nil, nil
	}
	return entries, err
}

// sweep removes temporary files whose writers died.
func (d *disk) sweep() {
	dir := filepath.Join(d.dir, tempDir)
	files, err := readDir(dir)
	if err != nil {
		d.failed("the local cache directory cannot be listed", err)
	}
	for _, file := range files {
		path := filepath.Join(dir, file.Name())
		st, err := lstat(path)
		if err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG || time.Since(time.Unix(st.Ctim.Unix())) < d.orphanAge {
			continue
		}
		f, err := os.Open(path)
		if err != nil {
			continue
		}
		if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			os.Remove(path)
		}
		f.Close()
	}
}
