package cluster

import (
	"errors"
	"io"
	"os"
	"sync/atomic"
)

// spoolMemory is how many bytes of generated contents stay in memory; what is
// longer goes to a temporary file.
const spoolMemory = 256 << 10

// spool holds contents that are generated once, stored, and handed to all who
// wait for them: written by one goroutine, then read by many, each at its own
// pace. It lives until its last user has released it.
type spool struct {
	memory []byte
	file   *os.File // nil while memory suffices; unlinked already
	size   int64
	err    error // of the first Write that failed: the contents have a hole
	users  atomic.Int32
}

func newSpool() *spool {
	s := &spool{}
	s.users.Store(1)
	return s
}

// Write appends. It is not called any more once there is a reader.
func (s *spool) Write(p []byte) (n int, err error) {
	if s.err != nil {
		return 0, s.err
	}
	defer func() { s.err = err }()
	if s.file == nil && len(s.memory)+len(p) > spoolMemory {
		if err := s.spill(); err != nil {
			return 0, err
		}
	}
	s.size += int64(len(p))
	if s.file == nil {
		s.memory = append(s.memory, p...)
		return len(p), nil
	}
	return s.file.Write(p)
}

// spill moves what there is to a file that vanishes with its last user.
func (s *spool) spill() error {
	file, err := os.CreateTemp("", "ezdfs-spool-")
	if err != nil {
		return err
	}
	if err := errors.Join(os.Remove(file.Name()), second(file.Write(s.memory))); err != nil {
		file.Close()
		return err
	}
	s.file, s.memory = file, nil
	return nil
}

func second(_ int, err error) error { return err }

// ReadAt implements io.ReaderAt.
func (s *spool) ReadAt(p []byte, off int64) (int, error) {
	if s.file != nil {
		return s.file.ReadAt(p, off)
	}
	if off >= int64(len(s.memory)) {
		return 0, io.EOF
	}
	n := copy(p, s.memory[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// open returns a reader of everything, which is a user until it is closed.
func (s *spool) open() *spoolReader {
	s.users.Add(1)
	return &spoolReader{SectionReader: io.NewSectionReader(s, 0, s.size), spool: s}
}

// release ends one use.
func (s *spool) release() {
	if s.users.Add(-1) == 0 && s.file != nil {
		s.file.Close()
	}
}

// spoolReader reads a spool from its beginning.
type spoolReader struct {
	*io.SectionReader
	spool  *spool
	closed atomic.Bool
}

// Len is what is left to read; it announces the length of a body to be stored.
func (r *spoolReader) Len() int {
	at, _ := r.Seek(0, io.SeekCurrent)
	return int(r.Size() - at)
}

// Close implements io.Closer.
func (r *spoolReader) Close() error {
	if !r.closed.Swap(true) {
		r.spool.release()
	}
	return nil
}
