package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/metadata"
)

// Stat returns the row of path. An expired row is returned too, as the legacy
// does; ask Row.Live. Without a row the error is fs.ErrNotExist.
func (c *Cluster) Stat(ctx context.Context, path string) (metadata.Row, error) {
	name, err := metadata.CleanName(path)
	if err != nil {
		return metadata.Row{}, err
	}
	return c.row(ctx, name)
}

// row returns the row of a clean name: a listener's, where one knows it.
func (c *Cluster) row(ctx context.Context, name string) (metadata.Row, error) {
	return c.hub.Load(ctx, name, func(ctx context.Context) (metadata.Row, error) { return c.meta.Get(ctx, name) })
}

// Exists reports whether path has a live row.
func (c *Cluster) Exists(ctx context.Context, path string) (bool, error) {
	name, err := metadata.CleanName(path)
	if err != nil {
		return false, err
	}
	row, exists, err := c.hub.Exists(ctx, name, func(ctx context.Context) (metadata.Row, error) { return c.meta.Get(ctx, name) })
	return exists && row.Live(), err
}

// ExistsStored reports whether path has a live row and a body on its backend.
func (c *Cluster) ExistsStored(ctx context.Context, path string) (bool, error) {
	row, err := c.Stat(ctx, path)
	if err == nil && row.Live() {
		_, err = c.stores.Stat(ctx, row.Name)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && row.Live(), err
}

// File is an open file: its row, and its body as a stream. The row's size is
// that of the body being read. Whoever opened it closes it.
type File struct {
	Row metadata.Row
	backends.Reader

	instead error
}

// Instead tells why the file is read from the store that its path migrates from
// although nobody knows whether the one that it migrates to has it, too:
// backends.ErrUnavailable if that one does not answer, another error if the first
// answer of the two was taken. It is nil for all other files.
func (f *File) Instead() error { return f.instead }

// ReadOption changes what Open reads.
type ReadOption func(*reading)

type reading struct {
	offset, length int64
	expired, fresh bool
	onSecond       func()                    // nil for none
	impatient      bool                      // fails where its store does not answer
	through        func(io.Reader) io.Reader // nil for none
}

func newReading(options []ReadOption) reading {
	read := reading{length: -1}
	for _, option := range options {
		option(&read)
	}
	return read
}

// of returns how many bytes of a body are to be read.
func (r reading) of(size int64) int64 {
	n := max(size-r.offset, 0)
	if r.length >= 0 {
		n = min(n, r.length)
	}
	return n
}

// Range reads length bytes from offset on; a negative length means to the
// end. A range is cut at the end of the body.
func Range(offset, length int64) ReadOption {
	return func(r *reading) { r.offset, r.length = offset, length }
}

// WithExpired reads expired files too, as long as their body was not purged:
// what the legacy's fetchContents does and stale caches live on.
func WithExpired() ReadOption {
	return func(r *reading) { r.expired = true }
}

// Fresh asks the database for the row, whatever the caches know.
func Fresh() ReadOption {
	return func(r *reading) { r.fresh = true }
}

// OnSecond calls told before the store that a path migrates from is asked for what
// the one that it migrates to says it does not have.
func OnSecond(told func()) ReadOption {
	return func(r *reading) { r.onSecond = told }
}

// Through reads the body by way of wrap's reader, to slow it down, say.
func Through(wrap func(io.Reader) io.Reader) ReadOption {
	return func(r *reading) { r.through = wrap }
}

// wrapped is a body that is read through something.
type wrapped struct {
	backends.Reader
	through io.Reader
}

func (w wrapped) Read(p []byte) (int, error) { return w.through.Read(p) }

// file makes a File of a row and its body.
func (r reading) file(row metadata.Row, body source) *File {
	f := &File{Row: row, Reader: body.Reader, instead: body.instead}
	if r.through != nil {
		f.Reader = wrapped{body.Reader, r.through(body.Reader)}
	}
	return f
}

// retryPause is how long a read or copy that met a change waits before it
// looks again.
const retryPause = 20 * time.Millisecond

// Open opens a live file for reading. Where the row lags the body it is mended
// first. A file that is absent is fs.ErrNotExist, one that is expired an
// *ExpiredError, which is that too; a live row without a body is a
// *BodyMissingError.
func (c *Cluster) Open(ctx context.Context, path string, options ...ReadOption) (*File, error) {
	name, err := metadata.CleanName(path)
	if err != nil {
		return nil, err
	}
	read := newReading(options)
	for attempt := 1; ; attempt++ {
		f, again, err := c.open(ctx, name, read, attempt)
		if !again {
			return f, err
		}
		if err := sleep(ctx, retryPause); err != nil {
			return nil, err
		}
	}
}

// open makes one attempt. It asks for another when row and body do not fit
// each other, which the writer between the two will have settled a moment
// later; only the last attempt draws conclusions. Only the first one believes
// the listeners, who must have been wrong then.
func (c *Cluster) open(ctx context.Context, name string, read reading, attempt int) (f *File, again bool, err error) {
	last := attempt >= c.retries
	ask := c.row
	if attempt > 1 || read.fresh {
		ask = c.meta.Get
	}
	if attempt == 2 {
		c.distrust(name)
	}
	row, err := ask(ctx, name)
	if err != nil {
		return nil, false, err
	}
	if !row.Live() && !read.expired {
		return nil, false, &ExpiredError{name}
	}
	body, err := c.openBody(ctx, row, read)
	if err == errOutdated {
		return nil, true, nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		switch {
		case !row.Live():
			return nil, false, err
		case !last:
			return nil, true, nil
		}
		return nil, false, &BodyMissingError{Path: name, Backend: c.stores.Route(name).Backend.Name(), Err: err}
	}
	if err != nil {
		return nil, false, err
	}
	if size := body.Info().Size; size != row.Size {
		if row.Live() && !last {
			body.Close()
			return nil, true, nil
		}
		row = c.mendRead(ctx, row, body.Info())
	}
	return read.file(row, body), false, nil
}

// OpenRow opens the body of a row that the caller has read before, without
// asking for the row again. Where there is no such body, or it has another
// size, the row is out of date: then it is Open, and File.Row tells the row
// that the body belongs to.
func (c *Cluster) OpenRow(ctx context.Context, row metadata.Row, options ...ReadOption) (*File, error) {
	read := newReading(options)
	body, err := c.openBody(ctx, row, read)
	if err == nil {
		if body.Info().Size == row.Size {
			return read.file(row, body), nil
		}
		body.Close()
	} else if err != errOutdated && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	c.distrust(row.Name) // or who gave the row gives it again
	return c.Open(ctx, row.Name, append(options, Fresh())...)
}

// mendRead mends the row of a body that is open already. Whether or not that
// works, say because the database refuses writes, the body is complete and is
// what gets served.
func (c *Cluster) mendRead(ctx context.Context, row metadata.Row, body backends.Info) metadata.Row {
	if row.Live() {
		mended, err := c.mend(ctx, row.Name)
		if err == nil && mended.Size == body.Size {
			return mended
		}
		c.logger.WarnContext(ctx, "a row lags its body", "path", row.Name, "row_size", row.Size,
			"body_size", body.Size, "error", err)
	}
	row.Size = body.Size
	return row
}

// ReadFile returns the whole contents of a live file. For anything that may
// be large use Open. A body that ends early or changes while it is read is read
// again, up to MaxCopyRetries times.
func (c *Cluster) ReadFile(ctx context.Context, path string) ([]byte, error) {
	for attempt := 1; ; attempt++ {
		data, err := c.readOnce(ctx, path)
		again := errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, backends.ErrChanged)
		if !again || attempt >= c.retries {
			return data, err
		}
		if err := sleep(ctx, retryPause); err != nil {
			return nil, err
		}
	}
}

func (c *Cluster) readOnce(ctx context.Context, path string) ([]byte, error) {
	f, err := c.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	// Up to the end of the stream, where a store says whether the body changed
	// meanwhile.
	data := bytes.NewBuffer(make([]byte, 0, f.Row.Size+bytes.MinRead))
	if _, err := data.ReadFrom(f); err != nil {
		return nil, err
	}
	if int64(data.Len()) != f.Row.Size {
		return nil, fmt.Errorf("%q: %w: %d of %d bytes", f.Row.Name, io.ErrUnexpectedEOF, data.Len(), f.Row.Size)
	}
	return data.Bytes(), nil
}

// sleep waits for d or until ctx is done.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
