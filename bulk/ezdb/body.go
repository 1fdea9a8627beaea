package ezdb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"

	"example.com/ezdfs/metadata"
)

// What can be wrong with the contents of a file; ask with errors.Is.
var (
	// ErrGone: the file was deleted since it was listed.
	ErrGone = errors.New("deleted meanwhile")
	// ErrChanged: the file was replaced since it was listed.
	ErrChanged = errors.New("replaced meanwhile")
	// ErrChunks: its chunks do not make up the contents that its row describes.
	ErrChunks = errors.New("chunks do not fit")
)

// ErrUnavailable: the database does not answer. It says nothing about any file.
var ErrUnavailable = errors.New("the old database does not answer")

// unavailable is ErrUnavailable where the database's error says so, or nil.
func unavailable(err error) error {
	if metadata.ServerDown(err) {
		return ErrUnavailable
	}
	return nil
}

// wrap says whose error it is that is no file's.
func wrap(err error) error {
	if kind := unavailable(err); kind != nil {
		return fmt.Errorf("ezdb: %w: %w", kind, err)
	}
	if err != nil {
		err = fmt.Errorf("ezdb: %w", err)
	}
	return err
}

// Error says what is wrong with a file, and from which byte on. Kind is one of
// the errors one asks for with errors.Is, or nil; Err is the database's.
type Error struct {
	Name   string
	Offset int64
	Kind   error
	Err    error
}

func (e *Error) Error() string {
	msg := fmt.Sprintf("ezdb: %q at offset %d", e.Name, e.Offset)
	if e.Kind != nil {
		msg += ": " + e.Kind.Error()
	}
	if e.Err != nil {
		msg += ": " + e.Err.Error()
	}
	return msg
}

// Unwrap makes the kind and the database's error reachable.
func (e *Error) Unwrap() []error {
	var errs []error
	for _, err := range []error{e.Kind, e.Err} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// OpenFile streams the contents of a file, a chunk in memory at a time. Reading
// fails with an [*Error] where chunks are missing or overlap, where they are
// more or fewer than the row's size says, and when the file is no longer the
// one that was listed: row and chunks are read by one statement and so of one
// moment. The reader holds a connection until it is closed, and ends with ctx.
func (s *Source) OpenFile(ctx context.Context, f File) (io.ReadCloser, error) {
	rows, err := s.db.QueryContext(ctx, s.chunksQuery(), f.key, f.key)
	if err != nil {
		return nil, &Error{Name: f.Name, Kind: unavailable(err), Err: err}
	}
	return &body{source: s, ctx: ctx, file: f, rows: rows}, nil
}

// chunksQuery selects the chunks of a file in their order, which is that of an
// index: the server does not sort them. A join with the files would make it.
func (s *Source) chunksQuery() string {
	owner, offset, order := "name_hash", "`offset`", "`offset`" // a reserved word by now
	if s.byID {
		owner, offset, order = "masterid", "0", "id"
	}
	return "SELECT (" + s.rowQuery() + "), " + offset + ", filedata FROM " + s.data + " WHERE " + owner + " = ? ORDER BY " + order
}

// rowQuery selects what tells one version of a file from another.
func (s *Source) rowQuery() string {
	return "SELECT CONCAT(size, ' ', mtime) FROM " + s.files + " WHERE " + s.owner() + " = ?"
}

// owner is the column of the files that the chunks name.
func (s *Source) owner() string {
	if s.byID {
		return "id"
	}
	return "name_hash"
}

func (f File) version() string { return fmt.Sprint(f.Size, " ", f.MTime) }

// body reads the chunks of one file.
type body struct {
	source *Source
	ctx    context.Context // of OpenFile
	file   File
	rows   *sql.Rows

	chunk sql.RawBytes // what is left of it; valid until the next one
	read  int64        // end of the chunks so far
	found bool         // there was a chunk
	err   error
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	for len(b.chunk) == 0 && b.err == nil && len(p) > 0 {
		b.err = b.next()
	}
	if len(b.chunk) == 0 {
		return 0, b.err
	}
	n := copy(p, b.chunk)
	b.chunk = b.chunk[n:]
	return n, nil
}

// next fetches a chunk, and at the end makes sure that nothing is missing.
func (b *body) next() error {
	if !b.rows.Next() {
		return b.end(b.rows.Err())
	}
	var version sql.NullString
	var offset int64
	if err := b.rows.Scan(&version, &offset, &b.chunk); err != nil {
		return b.fault(unavailable(err), err)
	}
	b.found = true
	end := b.read + int64(len(b.chunk))
	if err := b.compare(version); err != nil {
		return err
	}
	switch {
	case !b.source.byID && offset > b.read:
		return b.fault(ErrChunks, fmt.Errorf("one is missing, the next begins at %d", offset))
	case !b.source.byID && offset < b.read:
		return b.fault(ErrChunks, fmt.Errorf("the next one overlaps, it begins at %d", offset))
	case end > b.file.Size:
		return b.fault(ErrChunks, fmt.Errorf("the next one ends at %d, but the size is %d", end, b.file.Size))
	}
	b.read = end
	return nil
}

// end returns io.EOF if that was all of the file.
func (b *body) end(err error) error {
	if err == nil && !b.found {
		// Without a chunk nothing has told of the row.
		var version sql.NullString
		err = b.source.db.QueryRowContext(b.ctx, b.source.rowQuery(), b.file.key).Scan(&version)
		if err == nil || errors.Is(err, sql.ErrNoRows) {
			if err := b.compare(version); err != nil {
				return err
			}
			err = nil
		}
	}
	switch {
	case err != nil:
		return b.fault(unavailable(err), err)
	case b.read != b.file.Size:
		return b.fault(ErrChunks, fmt.Errorf("they end there, but the size is %d", b.file.Size))
	}
	return io.EOF
}

// compare says what has become of the row that was listed.
func (b *body) compare(version sql.NullString) error {
	switch {
	case !version.Valid:
		return b.fault(ErrGone, nil)
	case version.String != b.file.version():
		return b.fault(ErrChanged, nil)
	}
	return nil
}

// fault ends the reading. What is left of a chunk must not be read.
func (b *body) fault(kind, err error) error {
	b.chunk = nil
	return &Error{Name: b.file.Name, Offset: b.read, Kind: kind, Err: err}
}

// Close ends the statement.
func (b *body) Close() error {
	b.chunk = nil
	if b.err == nil {
		b.err = errors.New("ezdb: read after close")
	}
	if err := b.rows.Close(); err != nil {
		return &Error{Name: b.file.Name, Offset: b.read, Err: err}
	}
	return nil
}
