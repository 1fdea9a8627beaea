package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/metadata"
)

// mendTimeout bounds the mending after a failed write, whose own context may
// be done.
const mendTimeout = 10 * time.Second

// mend makes a live row tell the size and time of the body it names, after a
// crash between publishing a body and committing its row (architecture,
// invariant 4). Under the row lock no writer is between the two, so what the
// store says is what the row must say. It returns the row as it is now.
func (c *Cluster) mend(ctx context.Context, name string) (metadata.Row, error) {
	var row metadata.Row
	changed := false
	err := c.meta.Update(ctx, func(tx *metadata.Tx) error {
		var info backends.Info
		var err error
		changed = false
		if row, info, err = c.lockWithBody(ctx, tx, name); err != nil {
			return err
		}
		if !row.Live() || info.Size == row.Size {
			return nil
		}
		c.logger.WarnContext(ctx, "mended a row that lagged its body", "path", name,
			"row_size", row.Size, "body_size", info.Size)
		changed = true
		row.Size, row.MTime = info.Size, max(info.ModTime.Unix(), 1)
		return c.setRow(tx, row, metadata.KindRepair)
	})
	if changed {
		c.tellRows(row)
	}
	return row, err
}

// finish completes a write that failed after its body may have become visible:
// the answer of the store or of the commit was lost. Where the path has a live
// row and its body now is the one that was written, the row gets the values
// that belong to it. A write whose row never existed leaves an orphan, and
// whatever cannot be done here the next reader or check will do.
//
// All of a batch share one mendTimeout, and what is down is down for each of them:
// it is asked, and told of, once.
func (c *Cluster) finish(ctx context.Context, cause error, written ...metadata.Row) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), mendTimeout)
	defer cancel()
	silent := make(map[backends.Backend]bool)
	var failed error
	var first string
	more := -1
	for _, row := range written {
		store, err := c.stores.Route(row.Name).Backend, error(nil)
		if !silent[store] {
			err = c.finishOne(ctx, row)
			silent[store] = errors.Is(err, backends.ErrUnavailable) || errors.Is(err, metadata.ErrUnavailable)
		}
		if err != nil && failed == nil {
			failed, first = err, row.Name
		}
		if err != nil || silent[store] {
			more++
		}
	}
	if failed != nil {
		c.logger.WarnContext(ctx, "a write failed half-way; rows could not be compared with their bodies",
			"path", first, "more", more, "cause", cause, "error", failed)
	}
}

func (c *Cluster) finishOne(ctx context.Context, written metadata.Row) error {
	err := c.meta.Update(ctx, func(tx *metadata.Tx) error {
		row, info, err := c.lockWithBody(ctx, tx, written.Name)
		if err != nil {
			return err
		}
		if !row.Live() || info.Size != written.Size || info.ModTime.Unix() != written.MTime {
			return nil
		}
		return c.setRow(tx, written, metadata.KindRepair)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// lockWithBody locks a row and describes the body it names, if it is live.
func (c *Cluster) lockWithBody(ctx context.Context, tx *metadata.Tx, name string) (metadata.Row, backends.Info, error) {
	rows, err := tx.Lock(metadata.Row{Name: name})
	if err != nil {
		return metadata.Row{}, backends.Info{}, err
	}
	if len(rows) == 0 {
		return metadata.Row{}, backends.Info{}, notExist("mend", name)
	}
	if !rows[0].Live() {
		return rows[0], backends.Info{}, nil
	}
	info, err := c.stores.Stat(ctx, name)
	return rows[0], info, err
}

func (c *Cluster) setRow(tx *metadata.Tx, row metadata.Row, kind metadata.Kind) error {
	return tx.Write([]metadata.Row{row}, metadata.Change{Kind: kind, Subject: row.Name, Scope: row.Scope})
}

func notExist(op, name string) error {
	return &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
}

// ExpiredError says that a file was deleted: its row is expired. Its body
// stays until a purge, and WithExpired reads it. The error satisfies
// errors.Is(err, fs.ErrNotExist).
type ExpiredError struct{ Path string }

func (e *ExpiredError) Error() string { return fmt.Sprintf("%q is expired", e.Path) }

// Unwrap makes the error an fs.ErrNotExist.
func (e *ExpiredError) Unwrap() error { return fs.ErrNotExist }
