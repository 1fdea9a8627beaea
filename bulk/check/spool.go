package check

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
)

const (
	// spoolParts is the number of temporary files, by the first byte of the
	// hash.
	spoolParts = 256
	// spoolBuffer is what is kept of each in memory.
	spoolBuffer = 16 << 10
)

// hash is the MD5 of a path.
type hash [16]byte

// top is the first half of a hash, which orders them as the rows are.
func (h hash) top() uint64 { return binary.BigEndian.Uint64(h[:8]) }

func compareHashes(a, b hash) int {
	if c := cmp.Compare(a.top(), b.top()); c != 0 {
		return c
	}
	return bytes.Compare(a[8:], b[8:])
}

// spool keeps records with a hash on disk, to be read again by ranges of it.
// Adding is safe for several goroutines.
type spool struct {
	dir   string
	parts [spoolParts]spoolPart
}

type spoolPart struct {
	mu    sync.Mutex
	buf   []byte
	file  *os.File // nil until buf was full once
	count int
}

// add appends a record: its hash and what else there is to keep.
func (s *spool) add(h hash, fields []byte) error {
	p := &s.parts[h[0]]
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.buf == nil {
		p.buf = make([]byte, 0, spoolBuffer/8)
	}
	if len(p.buf)+len(h)+len(fields)+binary.MaxVarintLen32 > spoolBuffer {
		if err := p.flush(s.dir); err != nil {
			return err
		}
	}
	p.buf = append(p.buf, h[:]...)
	p.buf = binary.AppendUvarint(p.buf, uint64(len(fields)))
	p.buf = append(p.buf, fields...)
	p.count++
	return nil
}

// flush writes the buffer to the file, which has lost its name: whatever
// happens to the process, nothing stays behind.
func (p *spoolPart) flush(dir string) (err error) {
	if p.file == nil {
		if p.file, err = os.CreateTemp(dir, "dfsctl-check-*"); err != nil {
			return fmt.Errorf("temporary files for the check: %w", err)
		}
		if err := os.Remove(p.file.Name()); err != nil {
			return fmt.Errorf("temporary files for the check: %w", err)
		}
	}
	if _, err := p.file.Write(p.buf); err != nil {
		return fmt.Errorf("temporary files for the check, in %s: %w", dir, err)
	}
	p.buf = p.buf[:0]
	return nil
}

// counts returns the number of records by the first byte of the hash.
func (s *spool) counts() (counts [spoolParts]int) {
	for i := range s.parts {
		counts[i] = s.parts[i].count
	}
	return counts
}

// read calls visit for the records of a range, file by file. What it gets is
// good until it returns. Nothing may be added meanwhile.
func (s *spool) read(r span, visit func(h hash, fields []byte) error) error {
	var in recordReader
	for i := r.from >> 24; i < (r.to+1<<24-1)>>24; i++ {
		if err := in.read(&s.parts[i], func(h hash, fields []byte) error {
			if !r.has(h) {
				return nil
			}
			return visit(h, fields)
		}); err != nil {
			return err
		}
	}
	return nil
}

// recordReader reads one part after the other.
type recordReader struct {
	in     *bufio.Reader
	fields []byte
}

func (r *recordReader) read(p *spoolPart, visit func(h hash, fields []byte) error) error {
	if p.count == 0 {
		return nil
	}
	source := io.Reader(bytes.NewReader(p.buf))
	if p.file != nil {
		source = io.MultiReader(io.NewSectionReader(p.file, 0, 1<<62), source)
	}
	if r.in == nil {
		r.in = bufio.NewReaderSize(nil, 64<<10)
	}
	for r.in.Reset(source); ; {
		var h hash
		_, err := io.ReadFull(r.in, h[:])
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = r.readFields()
		}
		if err != nil {
			return fmt.Errorf("temporary files for the check: %w", err)
		}
		if err := visit(h, r.fields); err != nil {
			return err
		}
	}
}

func (r *recordReader) readFields() error {
	n, err := binary.ReadUvarint(r.in)
	if err == nil {
		r.fields = slices.Grow(r.fields[:0], int(n))[:n]
		_, err = io.ReadFull(r.in, r.fields)
	}
	return err
}

// close gives the disk space back.
func (s *spool) close() error {
	var errs []error
	for i := range s.parts {
		if f := s.parts[i].file; f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}
