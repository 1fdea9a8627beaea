package gcs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"cloud.google.com/go/storage"
	"google.golang.org/api/googleapi"

	"example.com/ezdfs/backends"
)

// Stat asks for the object's metadata.
func (b *Backend) Stat(ctx context.Context, path string) (backends.Info, error) {
	attrs, err := b.stat(ctx, "stat", path)
	if err != nil {
		return backends.Info{}, err
	}
	return infoOf(path, attrs), nil
}

// stat returns the attributes of the object at path. The service answers 404
// for a missing bucket too, so a missing object is asked for once more by
// listing it.
func (b *Backend) stat(ctx context.Context, op, path string) (*storage.ObjectAttrs, error) {
	if err := b.check(op, path); err != nil {
		return nil, err
	}
	attrs, err := b.object(path).Attrs(ctx)
	if errors.Is(err, storage.ErrObjectNotExist) {
		return b.listed(ctx, op, path, err)
	}
	return attrs, b.wrap(ctx, op, path, err)
}

// listed looks for the object at path in a listing: a missing bucket is
// ErrUnavailable, a missing object the given error.
func (b *Backend) listed(ctx context.Context, op, path string, missing error) (*storage.ObjectAttrs, error) {
	attrs, err := b.first(ctx, b.objectName(path))
	switch {
	case err != nil:
		return nil, b.unavailable(ctx, op, path, err)
	case attrs == nil || attrs.Name != b.objectName(path):
		return nil, b.wrap(ctx, op, path, missing)
	}
	return attrs, nil
}

// keyModTime is the metadata key of the content's modification time, in Unix
// seconds. (The service's own CustomTime can never be set back.)
const keyModTime = "mtime"

// infoOf describes the body of an object.
func infoOf(path string, attrs *storage.ObjectAttrs) backends.Info {
	return newInfo(path, attrs.Size, attrs.Generation, attrs.Updated, attrs.ContentType, attrs.Metadata)
}

// newInfo takes times to the second, as the headers of a download have them.
func newInfo(path string, size, generation int64, stored time.Time, contentType string, metadata map[string]string) backends.Info {
	info := backends.Info{
		Path:        path,
		Size:        size,
		ModTime:     stored.Truncate(time.Second),
		Stored:      stored.Truncate(time.Second),
		Version:     strconv.FormatInt(generation, 10),
		ContentType: contentType,
	}
	for key, value := range metadata { // keys from headers come capitalized
		if strings.EqualFold(key, keyModTime) {
			if unix, err := strconv.ParseInt(value, 10, 64); err == nil {
				info.ModTime, info.Kept = time.Unix(unix, 0), true
			}
		}
	}
	return info
}

// Open asks for the range. The answer describes the whole object, so nothing
// else is asked; only a range past the end costs a second request. When the
// connection breaks the client goes on from there with the same generation.
func (b *Backend) Open(ctx context.Context, path string, offset, length int64) (backends.Reader, error) {
	if err := b.check("open", path); err != nil {
		return nil, err
	}
	if offset < 0 {
		return nil, &backends.Error{Backend: b.cfg.Name, Op: "open", Path: path, Kind: fs.ErrInvalid,
			Err: fmt.Errorf("negative offset %d", offset)}
	}
	if length > math.MaxInt64-offset {
		length = -1
	}
	r, err := b.object(path).NewRangeReader(ctx, offset, max(length, -1))
	switch {
	case errors.Is(err, storage.ErrObjectNotExist):
		return nil, b.openMissing(ctx, path, err)
	case isStatus(err, http.StatusRequestedRangeNotSatisfiable):
		return b.openPastEnd(ctx, path, offset)
	case err != nil:
		return nil, b.wrap(ctx, "open", path, err)
	case r.Attrs.Size < 0 || r.Attrs.Decompressed:
		r.Close()
		return nil, b.unavailable(ctx, "open", path, errors.New("the answer is not the stored body with its length"))
	}
	info := newInfo(path, r.Attrs.Size, r.Attrs.Generation, r.Attrs.LastModified, r.Attrs.ContentType, r.Metadata())
	want := max(0, info.Size-offset)
	if length >= 0 {
		want = min(want, length)
	}
	return &reader{ctx: ctx, backend: b, body: r, info: info, remain: want}, nil
}

// openMissing tells a missing object from a missing bucket, and from an
// endpoint whose XML API does not know what the JSON API knows: taking that for
// a missing body would be a lie.
func (b *Backend) openMissing(ctx context.Context, path string, missing error) error {
	attrs, err := b.listed(ctx, "open", path, missing)
	if err != nil {
		return err
	}
	return &backends.Error{Backend: b.cfg.Name, Op: "open", Path: path, Kind: backends.ErrUnavailable, Retry: true,
		Err: fmt.Errorf("generation %d is listed but not served at %s (does an emulator lack its public host?)",
			attrs.Generation, b.client.base)}
}

// openPastEnd describes a body of which the service sent nothing because the
// range begins at its end or later.
func (b *Backend) openPastEnd(ctx context.Context, path string, offset int64) (backends.Reader, error) {
	attrs, err := b.stat(ctx, "open", path)
	if err != nil {
		return nil, err
	}
	if attrs.Size > offset {
		return nil, &backends.Error{Backend: b.cfg.Name, Op: "open", Path: path, Kind: backends.ErrChanged, Retry: true}
	}
	return &reader{ctx: ctx, backend: b, body: http.NoBody, info: infoOf(path, attrs)}, nil
}

func isStatus(err error, code int) bool {
	var api *googleapi.Error
	return errors.As(err, &api) && api.Code == code
}

// reader reads one generation. The client checks the CRC32C of a body that is
// read whole.
type reader struct {
	ctx     context.Context // of Open
	backend *Backend
	body    io.ReadCloser
	info    backends.Info
	remain  int64 // bytes still to come
}

func (r *reader) Info() backends.Info { return r.info }

func (r *reader) Close() error { return r.body.Close() }

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.body.Read(p)
	r.remain -= int64(n)
	switch {
	case err == nil:
		return n, nil
	case err == io.EOF && r.remain <= 0:
		return n, io.EOF
	case err == io.EOF:
		err = fmt.Errorf("%d bytes are missing: %w", r.remain, io.ErrUnexpectedEOF)
	case r.remain <= 0 && strings.Contains(err.Error(), "bad CRC"): // the client has no type for that
		return n, &backends.Error{Backend: r.backend.cfg.Name, Op: "read", Path: r.info.Path, Kind: backends.ErrDamaged, Err: err, Retry: true}
	}
	return n, r.readError(err)
}

// readError: an object that went away while it was read was replaced or
// deleted.
func (r *reader) readError(err error) error {
	if errors.Is(err, storage.ErrObjectNotExist) {
		return &backends.Error{Backend: r.backend.cfg.Name, Op: "read", Path: r.info.Path, Kind: backends.ErrChanged, Err: err}
	}
	return r.backend.wrap(r.ctx, "read", r.info.Path, err)
}
