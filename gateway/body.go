package gateway

import (
	"context"
	"io"
	"net/http"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/metadata"
)

// body is what is to be sent: the whole file in memory, or an open one. Whoever
// opened it closes it.
type body struct {
	row  knownRow
	fits bool // the body is the row's for sure

	data []byte // the whole file, or
	file *cluster.File

	cancel context.CancelFunc // of what the file is read with; nil for data
	guard  *guard             // of the store that it is read from

	// Of a file that is not a local one: what arrived first.
	h      *Handler
	buffer *[]byte
	first  int
	err    error // after that
}

func (b *body) Close() {
	if b.file != nil {
		b.file.Close()
	}
	if b.buffer != nil {
		b.h.buffers.Put(b.buffer)
		b.buffer = nil
	}
	if b.cancel != nil {
		b.cancel()
	}
}

// body opens the file of a row, from memory if it is there: what is to be sent
// first, or a small file as a whole. HEAD opens it too, without a byte of it:
// its answer is that of GET, errors included (RFC 9110 section 9.3.2).
func (x *exchange) body(row knownRow, d decision) (*body, error) {
	if data, ok := x.inMemory(row.Row); ok {
		return &body{row: row, fits: true, data: data}, nil
	}
	var options []cluster.ReadOption
	keep := x.bodies.Keeps(row.Row)
	switch {
	case x.r.Method == http.MethodHead:
		options, keep = []cluster.ReadOption{cluster.Range(0, 0)}, false
	case len(d.ranges) > 0 && !keep:
		options = []cluster.ReadOption{cluster.Range(d.ranges[0].start, d.ranges[0].length)}
	}
	return x.openBody(row, keep, options)
}

// openBody opens a stored body. Where it may belong to a later row than the one
// that is known, the database is asked once more.
func (x *exchange) openBody(row knownRow, keep bool, options []cluster.ReadOption) (*body, error) {
	g := x.guardOf(row.Name)
	judge, options := x.judgeOf(row.Name, options)
	b, err := x.guarded(g, judge, func(ctx context.Context) (*body, error) {
		begun := time.Now()
		f, err := x.files.OpenRow(ctx, row.Row, options...)
		if err != nil {
			return nil, err
		}
		b := &body{row: row, file: f, h: x.Handler, fits: row.fits(f, x.now)}
		if !b.fits && row.age > 0 {
			f.Close()
			if b.file, err = x.files.Open(ctx, row.Name, append(options, cluster.Fresh())...); err != nil {
				return nil, err
			}
			b.row.age, b.row.stale = 0, false
		}
		b.row.Row = b.file.Row
		b.fits = b.row.fits(b.file, x.now)
		return b, b.begin(g, keep && b.row.Row == row.Row, begun, x.r.Method)
	})
	if err != nil {
		return x.second(row, keep, options, err)
	}
	return b, nil
}

// guarded opens a body by call, with g before the store, which judge says how it
// fared.
func (x *exchange) guarded(g *guard, judge func(*body, error) error, call func(context.Context) (*body, error)) (*body, error) {
	ctx, cancel := context.WithCancel(x.r.Context())
	b, err := open(ctx, g, call, judge, (*body).Close)
	if err != nil {
		cancel()
		return nil, err
	}
	b.cancel, b.guard = cancel, g
	return b, nil
}

// begin reads what shows that the store goes on answering: a small file as a
// whole, the first bytes of one that is not local. It closes b if it fails.
func (b *body) begin(g *guard, keep bool, begun time.Time, method string) error {
	_, local := b.file.Reader.(io.WriterTo)
	var err error
	switch {
	case keep:
		err = b.load(begun)
	case method == http.MethodHead || local:
	default:
		err = b.readFirst()
	}
	if err != nil {
		b.Close()
	}
	return err
}

// load reads the whole file into memory, and keeps it there if it is the row's
// for sure.
func (b *body) load(begun time.Time) error {
	row := b.row.Row
	data := make([]byte, row.Size)
	if _, err := io.ReadFull(b.file, data); err != nil {
		return shortened(err, row)
	}
	// Up to the end, where a store says whether the body changed meanwhile.
	if n, err := b.file.Read(make([]byte, 1)); n > 0 || err != io.EOF {
		return shortened(err, row)
	}
	b.data = data
	if b.fits {
		w := b.h.bodies.Create(row, begun)
		w.Write(data)
		w.Commit() // or not; it is in data
	}
	return nil
}

// readFirst reads the first bytes.
func (b *body) readFirst() error {
	b.buffer = b.h.buffers.Get().(*[]byte)
	for b.first == 0 && b.err == nil {
		b.first, b.err = b.file.Read(*b.buffer)
	}
	if b.first == 0 && b.err != io.EOF {
		return b.err
	}
	return nil
}

// shortened is the error of a body that is not as long as it was to be.
func shortened(err error, row metadata.Row) error {
	if err == nil || err == io.EOF || err == io.ErrUnexpectedEOF {
		return &backends.Error{Op: "read", Path: row.Name, Kind: backends.ErrChanged, Err: io.ErrUnexpectedEOF, Retry: true}
	}
	return err
}

// inMemory returns the whole body of a row.
func (x *exchange) inMemory(row metadata.Row) ([]byte, bool) {
	f, ok := x.bodies.Get(row)
	if !ok {
		return nil, false
	}
	return f.Bytes()
}

// writeTo sends the bytes of a stored body to w. The backend's own reader is
// handed to the connection, so that the kernel can move the bytes of a local
// file. Any other store must go on in time.
func (b *body) writeTo(ctx context.Context, w io.Writer) (sent int64, err error) {
	if b.buffer == nil {
		return io.Copy(w, b.file.Reader)
	}
	stalled := time.AfterFunc(b.guard.timeout, b.cancel)
	defer stalled.Stop()
	n, err := b.first, b.err
	for {
		stalled.Stop() // the client has its own time
		m, writeErr := w.Write((*b.buffer)[:n])
		sent += int64(m)
		switch {
		case writeErr != nil:
			return sent, writeErr
		case err == io.EOF:
			return sent, nil
		case err != nil:
			return sent, err
		}
		stalled.Reset(b.guard.timeout)
		if n, err = b.file.Read(*b.buffer); err != nil && err != io.EOF && !stalled.Stop() {
			err = b.guard.timedOut()
			b.guard.record(ctx, err)
		}
	}
}
