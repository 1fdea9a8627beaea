package localcache

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// disk is the tier of the directory. A nil *disk keeps nothing.
type disk struct {
	dir     string
	maxSize int64
	boot    uint64
	now     func() time.Time
	log     *limitedLog
	count   *counters

	claimed atomic.Bool // the directory is known to be ours
	claims  sync.Mutex
	owner   owner
	index   index
	fresh   atomic.Int64 // bytes written since the last scan

	evicting sync.Mutex
	lastFull atomic.Int64  // when a full file system last made copies go, Unix nanoseconds
	wake     chan struct{} // something is to be evicted or scanned
	done     chan struct{}
	// orphanAge is how old a temporary file must be to be looked at. Its writer
	// locks it right after making it.
	orphanAge time.Duration
	running   sync.WaitGroup
}

func (d *disk) path(k key) string { return filepath.Join(d.dir, k.path()) }

// claim makes sure that the directory is ours. Another error than *DirError
// may pass: then the next attempt claims it.
func (d *disk) claim() error {
	d.claims.Lock()
	defer d.claims.Unlock()
	err := claim(d.dir)
	if err == nil {
		d.owner, err = ownerOf(d.dir)
	}
	if err == nil {
		err = errors.Join(d.owner.own(filepath.Join(d.dir, tagName)), d.owner.own(filepath.Join(d.dir, tempDir)))
	}
	d.claimed.Store(err == nil)
	return err
}

// failed counts and logs what went wrong with the directory.
func (d *disk) failed(what string, err error) {
	d.count.errors.Add(1)
	d.log.warn(what, "directory", d.dir, "error", err)
}

// open opens the copy of a path, whatever row it was made for, with the offset
// past its header. A file that is no copy is removed.
func (d *disk) open(k key) (*os.File, header, bool) {
	if d == nil || !d.claimed.Load() {
		return nil, header{}, false
	}
	f, err := os.Open(d.path(k))
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			d.failed("a local copy cannot be opened", err)
		}
		return nil, header{}, false
	}
	h, err := readHeader(f)
	if err == nil && h.key != k {
		err = errHeader
	}
	if err == nil {
		return f, h, true
	}
	f.Close()
	if errors.Is(err, errHeader) {
		d.corrupt(k, err)
	} else {
		d.failed("a local copy cannot be read", err)
	}
	return nil, header{}, false
}

// readHeader reads the header of a file that has the length it names.
func readHeader(f *os.File) (header, error) {
	var b [headerSize]byte
	if _, err := io.ReadFull(f, b[:]); err != nil {
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			err = errHeader
		}
		return header{}, err
	}
	h, err := parseHeader(b[:])
	if err != nil {
		return h, err
	}
	info, err := f.Stat()
	if err == nil && info.Size() != h.size+headerSize {
		err = errHeader
	}
	return h, err
}

// get opens the copy if ok accepts it and it is whole.
func (d *disk) get(k key, ok func(identity) bool) (*File, uint32, bool) {
	f, h, found := d.open(k)
	if !found {
		return nil, 0, false
	}
	if !ok(h.identity()) || !d.whole(f, h) {
		f.Close()
		return nil, 0, false
	}
	d.touch(k, h.size)
	return &File{disk: f, id: h.identity()}, h.sum, true
}

// whole reports whether the body is what was written. What this boot wrote is:
// the page cache has it. A file of another boot is compared with its checksum
// once.
func (d *disk) whole(f *os.File, h header) bool {
	if h.boot == d.boot {
		return true
	}
	s := d.index.shard(h.key)
	s.verifying.Lock() // many may wait for the first comparison
	defer s.verifying.Unlock()
	s.Lock()
	verified := s.entries[h.key].verified
	s.Unlock()
	if verified {
		return true
	}
	sum := crc32.New(castagnoli)
	if _, err := io.Copy(sum, io.NewSectionReader(f, headerSize, h.size)); err != nil {
		d.failed("a local copy cannot be read", err)
		return false
	}
	if sum.Sum32() != h.sum {
		d.corrupt(h.key, errChecksum)
		return false
	}
	s.Lock()
	defer s.Unlock()
	d.index.set(s, h.key, entry{size: blocks(h.size), used: d.now().UnixNano(), verified: true})
	return true
}

// corrupt removes what a crash left in the place of a copy.
func (d *disk) corrupt(k key, why error) {
	d.count.corrupt.Add(1)
	d.log.warn("a local copy was torn and is removed", "file", d.path(k), "error", why)
	d.remove(k)
}

// remove removes the copy of a path, if there is one.
func (d *disk) remove(k key) {
	if d == nil || !d.claimed.Load() {
		return
	}
	s := d.index.shard(k)
	s.Lock()
	defer s.Unlock()
	d.unlink(s, k)
}

// unlink removes a file and its entry; the shard is locked.
func (d *disk) unlink(s *shard, k key) {
	if err := os.Remove(d.path(k)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		d.failed("a local copy cannot be removed", err)
		return
	}
	d.index.drop(s, k)
}

// savedUse is how often the use of a copy is noted in its file's atime, for
// other processes and later ones. The kernel's own atime may be switched off.
const savedUse = time.Minute

// touch notes that a copy is used, of this size or, if negative, of the size
// that is known.
func (d *disk) touch(k key, size int64) {
	if d == nil {
		return
	}
	now := d.now()
	s := d.index.shard(k)
	s.Lock()
	e, found := s.entries[k]
	if size < 0 && !found {
		s.Unlock()
		return
	}
	save := !found || now.UnixNano()/int64(savedUse) != e.used/int64(savedUse)
	if size >= 0 {
		e.size = blocks(size)
	}
	e.used = max(e.used, now.UnixNano())
	d.index.set(s, k, e)
	s.Unlock()
	if save {
		os.Chtimes(d.path(k), now, time.Time{}) // without it the file is evicted sooner
	}
}

// publish gives a complete temporary file its place, unless a copy that was
// begun later is there already.
func (d *disk) publish(temp string, h header) error {
	now := d.now()
	if err := os.Chtimes(temp, now, time.Unix(h.mtime, 0)); err != nil {
		return err
	}
	s := d.index.shard(h.key)
	s.Lock()
	defer s.Unlock()
	path := d.path(h.key)
	if f, err := os.Open(path); err == nil {
		there, err := readHeader(f)
		f.Close()
		if err == nil && !h.identity().outdates(there.identity(), now) {
			return os.Remove(temp)
		}
	}
	err := os.Rename(temp, path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = d.makeDirs(filepath.Dir(path)); err == nil {
			err = os.Rename(temp, path)
		}
	}
	if err == nil {
		d.index.set(s, h.key, entry{size: blocks(h.size), used: now.UnixNano()})
	}
	return err
}

// makeDirs makes the two levels of directories above a copy.
func (d *disk) makeDirs(dir string) error {
	for _, dir := range []string{filepath.Dir(dir), dir} {
		err := os.Mkdir(dir, 0o700)
		if err == nil {
			err = d.owner.own(dir)
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// createTemp creates a locked file in tmp. The lock goes with the process, and
// tells a scan that the file is being written.
func (d *disk) createTemp(name string) (*os.File, error) {
	f, err := d.openTemp(name)
	if errors.Is(err, fs.ErrNotExist) { // not claimed yet, or somebody emptied the directory
		if err := d.claim(); err != nil {
			return nil, err
		}
		f, err = d.openTemp(name)
	}
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		err = d.owner.own(f.Name())
	}
	if err != nil {
		f.Close()
		os.Remove(f.Name())
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	return f, nil
}

func (d *disk) openTemp(name string) (*os.File, error) {
	if !d.claimed.Load() {
		return nil, fs.ErrNotExist
	}
	return os.OpenFile(filepath.Join(d.dir, tempDir, name), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
}
