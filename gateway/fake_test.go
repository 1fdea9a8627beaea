package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"sync/atomic"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/gateway"
	"example.com/ezdfs/metadata"
)

// fake is a cluster that does what a test says. Each function left nil is
// that of a cluster with one file.
type fake struct {
	row    metadata.Row
	body   []byte
	stat   func() (metadata.Row, error)
	open   func() (*cluster.File, error)
	url    string
	signed func(expires time.Duration) (string, error)
	opened atomic.Int64 // calls of Open
}

var _ gateway.Files = (*fake)(nil)

// fakeFile is a file of the storage that was changed long ago.
func fakeFile(body string) *fake {
	return &fake{body: []byte(body), url: "/var/storage/a", row: metadata.Row{
		Name: "var/storage/a", Trunk: "var/storage/a", Scope: "image", DataType: "text/plain",
		Size: int64(len(body)), MTime: 1_700_000_000,
	}}
}

func (f *fake) Stat(context.Context, string) (metadata.Row, error) {
	if f.stat != nil {
		return f.stat()
	}
	return f.row, nil
}

func (f *fake) Open(_ context.Context, path string, options ...cluster.ReadOption) (*cluster.File, error) {
	f.opened.Add(1)
	if f.open != nil {
		return f.open()
	}
	// The options are opaque: the body is served whole, and tests of ranges
	// use a cluster.
	return fileOf(f.row, bytes.NewReader(f.body), "1"), nil
}

func (f *fake) OpenRow(ctx context.Context, row metadata.Row, options ...cluster.ReadOption) (*cluster.File, error) {
	return f.Open(ctx, row.Name, options...)
}

func (f *fake) Backend(string) string { return "fake" }

func (f *fake) URL(string) (string, error) { return f.url, nil }

func (f *fake) SignURL(_ context.Context, _ string, expires time.Duration) (string, error) {
	if f.signed == nil {
		return "", errors.ErrUnsupported
	}
	return f.signed(expires)
}

// fileOf is an open file with any body.
func fileOf(row metadata.Row, body io.Reader, version string) *cluster.File {
	return &cluster.File{Row: row, Reader: &fakeReader{body, backends.Info{Path: row.Name, Size: row.Size, Version: version, ModTime: row.ModTime()}}}
}

type fakeReader struct {
	io.Reader
	info backends.Info
}

func (r *fakeReader) Info() backends.Info { return r.info }
func (r *fakeReader) Close() error        { return nil }

// failing reads some bytes and then an error.
type failing struct {
	data io.Reader
	err  error
}

func (f *failing) Read(p []byte) (int, error) {
	n, err := f.data.Read(p)
	if err == io.EOF {
		err = f.err
	}
	return n, err
}

// The errors of a cluster whose database or store is down.
var (
	databaseDown = &metadata.Error{Op: "get", Subject: "secret.example.com", Kind: metadata.ErrUnavailable, Err: errors.New("dial tcp 10.1.2.3:3306")}
	storeDown    = &backends.Error{Backend: "s3", Op: "open", Path: "var/storage/a", Kind: backends.ErrUnavailable, Err: errors.New("bucket-name")}
	bodyMissing  = &cluster.BodyMissingError{Path: "var/storage/a", Backend: "nfs", Err: fs.ErrNotExist}
)
