package s3

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

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"example.com/ezdfs/backends"
)

// Open streams a range of the body at path. A stream that breaks is taken up
// where it broke, from the same body or not at all.
func (b *Backend) Open(ctx context.Context, path string, offset, length int64) (backends.Reader, error) {
	if err := b.checkPath("open", path); err != nil {
		return nil, err
	}
	if offset < 0 {
		return nil, &backends.Error{Backend: b.set.Name, Op: "open", Path: path, Kind: fs.ErrInvalid,
			Err: fmt.Errorf("negative offset %d", offset)}
	}
	if length == 0 {
		return b.openEmpty(ctx, path)
	}
	end := int64(math.MaxInt64)
	if length > 0 && length < end-offset {
		end = offset + length
	}
	out, err := b.get(ctx, path, offset, end, nil, nil)
	if status(err) == http.StatusRequestedRangeNotSatisfiable {
		return b.openEmpty(ctx, path)
	}
	if err != nil {
		return nil, b.fail(ctx, "open", path, err)
	}
	r := &reader{ctx: ctx, b: b, path: path, body: out.Body, pos: offset, etag: out.ETag, versionID: out.VersionId}
	if r.end, r.info, err = described(path, offset, end, out); err != nil {
		out.Body.Close()
		return nil, &backends.Error{Backend: b.set.Name, Op: "open", Path: path, Kind: backends.ErrUnavailable, Err: err}
	}
	return r, nil
}

// openEmpty returns a reader of no bytes, which still describes the body.
func (b *Backend) openEmpty(ctx context.Context, path string) (backends.Reader, error) {
	_, info, err := b.head(ctx, "open", path)
	if err != nil {
		return nil, err
	}
	return &reader{ctx: ctx, b: b, path: path, info: info, body: http.NoBody}, nil
}

// get asks for the bytes from pos up to end (math.MaxInt64: all there are) of
// the body with that etag and version, where they are given.
func (b *Backend) get(ctx context.Context, path string, pos, end int64, etag, versionID *string) (*s3.GetObjectOutput, error) {
	in := &s3.GetObjectInput{Bucket: b.bucket(), Key: b.key(path), IfMatch: etag, VersionId: versionID}
	switch {
	case end != math.MaxInt64:
		in.Range = aws.String(fmt.Sprintf("bytes=%d-%d", pos, end-1))
	case pos > 0:
		in.Range = aws.String(fmt.Sprintf("bytes=%d-", pos))
	case b.verify:
		in.ChecksumMode = types.ChecksumModeEnabled
	}
	return b.client.GetObject(ctx, in)
}

// described reads where the bytes of an answer end, and the Info of the whole
// body.
func described(path string, offset, end int64, out *s3.GetObjectOutput) (int64, backends.Info, error) {
	info := newInfo(path, aws.ToInt64(out.ContentLength), out.ETag, out.ContentType, out.LastModified, out.Metadata)
	if out.ContentLength == nil {
		return 0, info, errors.New("the answer has no length")
	}
	if offset == 0 && end == math.MaxInt64 {
		return info.Size, info, nil
	}
	first, last, size, ok := parseContentRange(aws.ToString(out.ContentRange))
	if !ok || first != offset || last != min(end, size)-1 {
		return 0, info, fmt.Errorf("asked for the bytes from %d to %d, got %q", offset, end-1, aws.ToString(out.ContentRange))
	}
	info.Size = size
	return last + 1, info, nil
}

// parseContentRange reads "bytes first-last/size".
func parseContentRange(s string) (first, last, size int64, ok bool) {
	s, ok1 := strings.CutPrefix(s, "bytes ")
	span, total, ok2 := strings.Cut(s, "/")
	from, to, ok3 := strings.Cut(span, "-")
	first, err1 := strconv.ParseInt(from, 10, 64)
	last, err2 := strconv.ParseInt(to, 10, 64)
	size, err3 := strconv.ParseInt(total, 10, 64)
	return first, last, size, ok1 && ok2 && ok3 && errors.Join(err1, err2, err3) == nil
}

// reader reads the bytes from pos up to end of one body.
type reader struct {
	ctx      context.Context // of Open: Read has none
	b        *Backend
	path     string
	info     backends.Info
	body     io.ReadCloser
	pos, end int64
	failures int // since the last byte that arrived
	err      error

	etag, versionID *string
}

func (r *reader) Info() backends.Info { return r.info }

func (r *reader) Close() error { return r.body.Close() }

func (r *reader) Read(p []byte) (int, error) {
	for r.err == nil {
		n, err := r.body.Read(p)
		r.pos += int64(n)
		if n > 0 {
			r.failures = 0
		}
		switch {
		case r.pos > r.end:
			n -= int(r.pos - r.end)
			r.err = r.fail(backends.ErrUnavailable, errors.New("the answer is longer than announced"))
		case err == io.EOF && r.pos == r.end:
			r.err = io.EOF
		case err != nil && r.pos == r.end && refuted(err):
			r.err = r.fail(backends.ErrDamaged, err)
		case err != nil && r.pos == r.end:
			r.err = r.fail(backends.ErrUnavailable, err)
		case err != nil:
			r.err = r.resume(err)
		}
		if n > 0 || r.err == nil && err == nil {
			return n, r.err
		}
	}
	return 0, r.err
}

// resume asks for the rest of the same body after cause broke the stream.
func (r *reader) resume(cause error) error {
	r.body.Close()
	if cause == io.EOF {
		cause = io.ErrUnexpectedEOF
	}
	for r.failures < r.b.limits.resumes && aws.ToString(r.etag) != "" && r.ctx.Err() == nil {
		if err := pause(r.ctx, r.failures, r.b.limits.maxBackoff); err != nil {
			return r.fail(nil, err)
		}
		r.failures++
		out, err := r.b.get(r.ctx, r.path, r.pos, r.end, r.etag, r.versionID)
		if err == nil {
			r.body = out.Body
			if first, _, _, ok := parseContentRange(aws.ToString(out.ContentRange)); ok && first == r.pos {
				return nil
			}
			r.body.Close()
			err = errors.New("the answer is not the rest of the body")
		}
		switch m := meaningOf(err); {
		case m.kind == backends.ErrChanged || m.kind == fs.ErrNotExist:
			return r.fail(backends.ErrChanged, err)
		case m.kind != backends.ErrUnavailable:
			return r.fail(m.kind, err)
		}
		cause = err
	}
	if err := r.ctx.Err(); err != nil {
		return r.fail(nil, err)
	}
	return r.fail(backends.ErrUnavailable, cause)
}

// refuted reports whether the checksum of a body denies the bytes that came.
// The SDK has no type for that.
func refuted(err error) bool { return strings.HasPrefix(err.Error(), "checksum did not match") }

func (r *reader) fail(kind, err error) error {
	return &backends.Error{Backend: r.b.set.Name, Op: "read", Path: r.path, Kind: kind,
		Err: err, Retry: kind == backends.ErrUnavailable || kind == backends.ErrDamaged}
}

// pause waits before attempt n, counted from 0: not at all, then 100 ms and
// twice as long each time.
func pause(ctx context.Context, n int, most time.Duration) error {
	if n == 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(min(100*time.Millisecond<<(n-1), most))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
