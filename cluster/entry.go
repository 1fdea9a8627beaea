package cluster

import (
	"bytes"
	"io"

	"example.com/ezdfs/metadata"
)

// Origin says where the contents of an Entry come from.
type Origin string

// The origins.
const (
	Hit       Origin = "hit"       // the cache file was fresh
	Stale     Origin = "stale"     // it was not, and somebody else is generating it
	Generated Origin = "generated" // generated now, by this call or one that it waited for, and stored
	// Unstored contents were generated but not stored: by handling
	// [GenerateOwn], or for the reasons of ErrGenerationLost.
	Unstored Origin = "unstored"
)

// Entry is what GetOrGenerate answers: the contents of a cache file, to be read
// once. The caller closes it.
type Entry struct {
	// Row describes the contents. That of stale ones is expired or old; that of
	// unstored ones is not in the table.
	Row    metadata.Row
	Origin Origin
	body   io.ReadCloser
}

// Read implements io.Reader.
func (e *Entry) Read(p []byte) (int, error) { return e.body.Read(p) }

// WriteTo implements io.WriterTo; from NFS and local copies to a connection
// the kernel copies.
func (e *Entry) WriteTo(w io.Writer) (int64, error) { return io.Copy(w, e.body) }

// Close releases the contents.
func (e *Entry) Close() error { return e.body.Close() }

// Bytes returns all contents and closes the entry.
func (e *Entry) Bytes() ([]byte, error) {
	defer e.Close()
	data := bytes.NewBuffer(make([]byte, 0, e.Row.Size+bytes.MinRead))
	_, err := data.ReadFrom(e.body)
	return data.Bytes(), err
}
