package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"example.com/ezdfs/localcache"
	"example.com/ezdfs/metadata"
)

// cachedRow returns the row of a cache file, in one query for all who ask for
// it at the same time. A path without a row is no error.
func (c *Cluster) cachedRow(ctx context.Context, name string) (row metadata.Row, exists bool, err error) {
	row, err = c.hub.LoadShared(ctx, name, func(ctx context.Context) (metadata.Row, error) { return c.meta.Get(ctx, name) })
	if errors.Is(err, fs.ErrNotExist) {
		return metadata.Row{Name: name}, false, nil
	}
	return row, err == nil, err
}

// openFresh opens the body that a row names: the local copy of it, which is
// made where there is none, or the stored body. The row returned is that of
// what was opened.
func (c *Cluster) openFresh(ctx context.Context, row metadata.Row) (io.ReadCloser, metadata.Row, error) {
	if f, ok := c.local.Get(row); ok {
		return f, row, nil
	}
	if f, ok := c.copyHere(ctx, row); ok {
		return f, row, nil
	}
	f, err := c.OpenRow(ctx, row)
	if err != nil {
		return nil, row, err
	}
	return f, f.Row, nil
}

// copyHere makes a local copy of a row's body and opens it; all who need it at
// the same time wait for one transfer. It says no where copies are not kept, or
// this one could not be trusted, and leaves it to the caller to find out what
// is wrong with a body that cannot be read.
func (c *Cluster) copyHere(ctx context.Context, row metadata.Row) (*localcache.File, bool) {
	if !c.local.Keeps(row) {
		return nil, false
	}
	key := fmt.Sprint(row.Hash(), row.MTime, row.Size)
	done := make(chan error, 1)
	c.running.Go(func() {
		_, err, _ := c.fills.Do(key, func() (any, error) { return nil, c.fillLocal(ctx, row) })
		done <- err
	})
	select {
	case err := <-done:
		if err != nil {
			return nil, false
		}
	case <-ctx.Done():
		return nil, false
	}
	return c.local.Get(row)
}

// fillLocal makes a local copy, until Close, whatever becomes of the caller.
func (c *Cluster) fillLocal(ctx context.Context, row metadata.Row) error {
	if f, ok := c.local.Get(row); ok {
		return f.Close() // another transfer ended between the caller's look and this one
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(c.background, cancel)()
	w := c.local.Create(row, c.now())
	defer w.Discard()
	if err := w.Err(); err != nil {
		return err // a body that cannot be kept need not be read twice
	}
	f, err := c.OpenRow(ctx, row, impatient) // there may be an older copy to show
	if err != nil {
		return err
	}
	defer f.Close()
	if f.Row != row {
		return errAlone
	}
	if _, err := io.Copy(copyWriter{w}, f); err != nil {
		return err
	}
	return w.Commit()
}

// copyWriter fails as soon as there will be no copy.
type copyWriter struct{ *localcache.Writer }

func (w copyWriter) Write(p []byte) (int, error) {
	n, _ := w.Writer.Write(p)
	return n, w.Err()
}

// openStale opens what may be shown of a cache file while it is generated:
// what was stored last, from a local copy if there is one or can be made, which
// stays until a purge; after that whatever copy there is.
func (c *Cluster) openStale(ctx context.Context, row metadata.Row, exists bool) (*Entry, bool) {
	if exists {
		if f, ok := c.local.Get(row); ok {
			return staleEntry(row, f.Size(), row.ModTime(), f), true
		}
		if f, ok := c.copyHere(ctx, row); ok {
			return staleEntry(row, f.Size(), row.ModTime(), f), true
		}
		if body, err := c.stores.Open(ctx, row.Name, 0, -1); err == nil {
			return staleEntry(row, body.Info().Size, row.ModTime(), body), true
		}
	}
	if f, ok := c.local.Stale(row.Name); ok {
		return staleEntry(row, f.Size(), f.ModTime(), f), true
	}
	return nil, false
}

func staleEntry(row metadata.Row, size int64, modTime time.Time, body io.ReadCloser) *Entry {
	row.Size = size
	if row.ModTime().Unix() != modTime.Unix() {
		row.MTime, row.Expired = -modTime.Unix(), true
	}
	return &Entry{Row: row, Origin: Stale, body: body}
}
