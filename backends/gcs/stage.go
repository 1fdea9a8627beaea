package gcs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"strconv"
	"time"

	"cloud.google.com/go/storage"

	"example.com/ezdfs/backends"
)

// Stage sends all of body but its last chunk; see the package comment. The
// upload carries a CRC32C that the service compares before it makes the
// object.
func (b *Backend) Stage(ctx context.Context, path string, body io.Reader, attrs backends.Attributes) (backends.Staged, error) {
	if err := cmp.Or(b.check("stage", path), backends.CheckStage(b.cfg.Name, path, attrs)); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, b.wrap(ctx, "stage", path, err)
	}
	src := &source{ctx: ctx, body: body, announced: attrs.Size}
	head := make([]byte, headSize(attrs.Size))
	n, err := io.ReadFull(src, head)
	if src.err != nil { // a body that broke off reads as one that ended
		return nil, b.stageError(path, src, err)
	}
	u := b.newUpload(ctx, path, attrs, err == nil)
	stop := context.AfterFunc(ctx, u.cancel)
	err = u.fill(head, n, src)
	if stop(); err == nil {
		err = ctx.Err()
	}
	if err != nil {
		u.abort()
		return nil, b.stageError(path, src, err)
	}
	return u, nil
}

// stageError prefers the reason why the body could not be read to what
// followed from it.
func (b *Backend) stageError(path string, src *source, err error) error {
	e := &backends.Error{Backend: b.cfg.Name, Op: "stage", Path: path}
	switch {
	case src.ctx.Err() != nil:
		e.Err = src.ctx.Err()
	case errors.Is(src.err, backends.ErrSize):
		e.Kind, e.Err = backends.ErrSize, src.err
	case src.err != nil:
		e.Err = fmt.Errorf("reading the body: %w", src.err)
	default:
		return b.wrap(src.ctx, "stage", path, err)
	}
	return e
}

// headSize is how much of a body is read before its upload is prepared: one
// byte more than a small body has, so that its end is seen, else a quantum.
func headSize(announced int64) int64 {
	if announced < 0 {
		return quantum
	}
	return min(quantum, announced+1)
}

// upload is a staged body: an upload of which the last chunk is not sent yet.
type upload struct {
	backend *Backend
	path    string
	writer  *storage.Writer
	cancel  context.CancelFunc
	size    int64
	crc     hash.Hash32
	ended   bool
}

// newUpload prepares the upload; nothing is sent before the first chunk is
// full. It lives until it is published or aborted, beyond the call of Stage,
// so it keeps the values of ctx but not its end.
func (b *Backend) newUpload(ctx context.Context, path string, attrs backends.Attributes, large bool) *upload {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	retry := new(uploadRetry)
	w := b.object(path).Retryer(append(b.opts.retryRequests(), storage.WithErrorFunc(retry.again))...).NewWriter(ctx)
	w.ObjectAttrs = b.attributes(attrs)
	w.Name = b.objectName(path)
	w.ProgressFunc = retry.progress
	w.ChunkSize = quantum
	if large {
		w.ChunkSize = b.opts.chunkSize
		if attrs.Size >= 0 { // one byte more, so that a single chunk does not end full
			w.ChunkSize = int(min(int64(w.ChunkSize), attrs.Size/quantum*quantum+quantum))
		}
	}
	w.ChunkRetryDeadline = 2 * time.Minute // 32 s are short for a slow line
	return &upload{backend: b, path: path, writer: w, cancel: cancel, crc: crc32.New(crc32.MakeTable(crc32.Castagnoli))}
}

// attributes are those of a new object by the settings and by the caller.
func (b *Backend) attributes(attrs backends.Attributes) storage.ObjectAttrs {
	if attrs.ModTime.IsZero() {
		attrs.ModTime = time.Now()
	}
	if attrs.ContentType == "" { // or else the client guesses
		attrs.ContentType = "application/octet-stream"
	}
	return storage.ObjectAttrs{
		ContentType:   attrs.ContentType,
		CacheControl:  b.cfg.CacheControl,
		StorageClass:  b.cfg.StorageClass,
		PredefinedACL: b.cfg.ACL,
		Metadata:      map[string]string{keyModTime: strconv.FormatInt(attrs.ModTime.Unix(), 10)},
	}
}

// fill writes the first n bytes of buf and then, if they fill it, the rest of
// the body by way of buf.
func (u *upload) fill(buf []byte, n int, rest io.Reader) error {
	w := io.MultiWriter(u.writer, u.crc)
	if n > 0 {
		if _, err := w.Write(buf[:n]); err != nil {
			return err
		}
	}
	u.size = int64(n)
	if n < len(buf) {
		return nil
	}
	copied, err := io.CopyBuffer(w, rest, buf)
	u.size += copied
	return err
}

// Size is the length of the body in bytes.
func (u *upload) Size() int64 { return u.size }

// Publish sends the last chunk, at which the service makes the object.
func (u *upload) Publish(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return u.backend.wrap(ctx, "publish", u.path, err)
	}
	if u.ended {
		return &backends.Error{Backend: u.backend.cfg.Name, Op: "publish", Path: u.path,
			Err: errors.New("published or discarded already")}
	}
	u.ended = true
	defer u.cancel()
	stop := context.AfterFunc(ctx, u.cancel)
	err := u.writer.Close()
	stop()
	if err == nil {
		err = u.verify()
	} else if ctx.Err() != nil {
		err = ctx.Err()
	}
	return u.backend.wrap(ctx, "publish", u.path, err)
}

// verify compares the object the service says it has made.
func (u *upload) verify() error {
	attrs := u.writer.Attrs()
	if attrs.Size == u.size && attrs.CRC32C == u.crc.Sum32() {
		return nil
	}
	return fmt.Errorf("generation %d has %d bytes with CRC32C %08x, but %d with %08x were sent",
		attrs.Generation, attrs.Size, attrs.CRC32C, u.size, u.crc.Sum32())
}

// Discard ends the upload. The service is not told: what it has received is no
// object, and it forgets it.
func (u *upload) Discard(context.Context) error {
	if !u.ended {
		u.ended = true
		u.abort()
	}
	return nil
}

// abort ends the upload and waits for its goroutines. Close cannot make an
// object any more: its requests fail with the context.
func (u *upload) abort() {
	u.cancel()
	u.writer.Close()
}

// source reads the caller's body: it stops with the context, holds the length
// against the announced one, and remembers why it failed.
type source struct {
	ctx       context.Context
	body      io.Reader
	announced int64 // negative: unknown
	read      int64
	err       error
}

func (s *source) Read(p []byte) (int, error) {
	if s.err == nil {
		s.err = s.ctx.Err()
	}
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.body.Read(p)
	s.read += int64(n)
	if s.announced >= 0 && (s.read > s.announced || err == io.EOF && s.read < s.announced) {
		err = fmt.Errorf("%w: %d announced, %d came", backends.ErrSize, s.announced, s.read)
	}
	if err != io.EOF {
		s.err = err
	}
	return n, err
}
