package cluster

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/metadata"
)

// UnknownScope is the scope of files stored without one (contract section 1).
const UnknownScope = "UNKNOWN_SCOPE"

// StoreOptions describe a file to be stored. The zero value is usable.
type StoreOptions struct {
	// Scope is the file's category, such as image or viewcache; UnknownScope
	// by default.
	Scope string
	// DataType is the MIME type or a free word; by default it is told from the
	// contents.
	DataType string
	// ModTime is the file's modification time, now by default, to the second.
	// A time not after 1970-01-01 00:00:00 UTC becomes one second after it,
	// since the sign of a row's mtime says whether it is expired.
	ModTime time.Time
	// Size announces the length of the body in bytes; a body of another length
	// is backends.ErrSize and stores nothing. Zero means unknown. Files,
	// bytes.Readers and the like announce themselves.
	Size int64
}

// Store stores a body under path, replacing any other, and returns the row.
// It streams: the body is never in memory as a whole. When it returns nil the
// file is durable; when it fails, the old file, or its absence, is as before.
func (c *Cluster) Store(ctx context.Context, path string, body io.Reader, options StoreOptions) (metadata.Row, error) {
	name, err := metadata.CleanName(path)
	if err != nil {
		return metadata.Row{}, err
	}
	row, staged, err := c.stage(ctx, name, body, options)
	if err != nil {
		return metadata.Row{}, err
	}
	defer c.discard(ctx, staged, name)
	c.step(stepStaged)
	return row, c.publish(ctx, row, staged, nil)
}

// stage is the first half of every write: the body is in its store, complete
// and invisible, and the row that will describe it is known to fit its table.
func (c *Cluster) stage(ctx context.Context, name string, body io.Reader, options StoreOptions) (metadata.Row, backends.Staged, error) {
	if err := notALock(name); err != nil {
		return metadata.Row{}, nil, err
	}
	body, row, attrs, err := c.describe(name, body, options)
	if err != nil {
		return row, nil, err
	}
	staged, err := c.stores.Stage(ctx, name, body, attrs)
	if err != nil {
		return row, nil, err
	}
	row.Size = staged.Size()
	return row, staged, nil
}

// notALock refuses names that would be taken for locks of generations, and
// swept with those.
func notALock(name string) error {
	if metadata.IsGenerating(name) {
		return &metadata.NameError{Name: name, Reason: "ends in " + metadata.GeneratingSuffix + ", as locks of cache files do"}
	}
	return nil
}

// StoreFile stores the contents of a local file under path, with its
// modification time unless options give another.
func (c *Cluster) StoreFile(ctx context.Context, path, file string, options StoreOptions) (metadata.Row, error) {
	f, info, err := openRegular(file)
	if err != nil {
		return metadata.Row{}, err
	}
	defer f.Close()
	if options.ModTime.IsZero() {
		options.ModTime = info.ModTime()
	}
	return c.Store(ctx, path, f, options)
}

// describe completes the options: it announces the body's length where it can
// be known, tells the type from the first bytes, and makes sure that the row
// fits the table before any byte is written.
func (c *Cluster) describe(name string, body io.Reader, options StoreOptions) (io.Reader, metadata.Row, backends.Attributes, error) {
	attrs := backends.Attributes{Size: announced(body, options.Size), ModTime: c.modTime(options.ModTime)}
	dataType := options.DataType
	if dataType == "" {
		var err error
		if dataType, body, err = DetectType(name, body); err != nil {
			return nil, metadata.Row{}, attrs, err
		}
	}
	attrs.ContentType = dataType
	row := c.newRow(name, options.Scope, dataType, attrs.ModTime)
	return body, row, attrs, c.meta.CheckRow(row)
}

func (c *Cluster) newRow(name, scope, dataType string, modTime time.Time) metadata.Row {
	if scope == "" {
		scope = UnknownScope
	}
	return metadata.Row{
		Name: name, Trunk: c.meta.Layout().Trunk(name, scope),
		Scope: scope, DataType: dataType, MTime: modTime.Unix(),
	}
}

// modTime applies StoreOptions.ModTime's rules.
func (c *Cluster) modTime(t time.Time) time.Time {
	if t.IsZero() {
		t = c.now()
	}
	return time.Unix(max(t.Unix(), 1), 0)
}

// publish is the second half of every write: lock or insert the row, journal
// the change, make the body visible, commit, tell the listeners. The row gets
// its final values when it is locked, which nobody sees before the commit, so
// that nothing but the commit can fail once the body is visible. First, where
// it is not nil, comes before all else in the transaction; it may run again.
func (c *Cluster) publish(ctx context.Context, row metadata.Row, staged backends.Staged, first func(*metadata.Tx) error) error {
	published := false
	err := c.meta.Update(ctx, func(tx *metadata.Tx) error {
		if first != nil {
			if err := first(tx); err != nil {
				return err
			}
		}
		if err := c.setRow(tx, row, metadata.KindStore); err != nil {
			return err
		}
		c.step(stepLocked)
		if err := tx.Pin(); err != nil {
			return err
		}
		published = true
		if err := staged.Publish(tx.Context()); err != nil {
			return err
		}
		c.step(stepPublished)
		return nil
	})
	if err != nil && published {
		c.finish(ctx, err, row)
	}
	if published {
		c.tellRows(row)
	}
	if err == nil {
		c.step(stepCommitted)
	}
	return err
}

// discard drops a staged body that was not published. Failing to is not the
// caller's error: it leaves a staged body, which no reader can see.
func (c *Cluster) discard(ctx context.Context, staged backends.Staged, name string) {
	if err := staged.Discard(context.WithoutCancel(ctx)); err != nil {
		c.logger.WarnContext(ctx, "a staged body could not be removed", "path", name, "error", err)
	}
}

// announced returns the length of the body where it is known, or -1.
func announced(body io.Reader, size int64) int64 {
	if size > 0 {
		return size
	}
	switch b := body.(type) {
	case interface{ Len() int }:
		return int64(b.Len())
	case *os.File:
		if info, err := b.Stat(); err == nil && info.Mode().IsRegular() {
			if at, err := b.Seek(0, io.SeekCurrent); err == nil {
				return info.Size() - at
			}
		}
	}
	return -1
}

// openRegular opens a local file and refuses what cannot be stored: a
// directory, a device, a socket.
func openRegular(file string) (*os.File, os.FileInfo, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, &os.PathError{Op: "store", Path: filepath.ToSlash(file), Err: errNotRegular}
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, nil, err
	}
	return f, info, nil
}
