package observe

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/metadata"
)

// Services watches the database and the stores of a cluster. Either field may
// be nil.
type Services struct {
	Metrics *Metrics
	Tracer  *Tracer
}

// database is what the database is called beside the backends.
const database = "database"

// Database notes what the database was asked; it is a metadata.Config's
// Observe.
func (s Services) Database(ctx context.Context, op string, took time.Duration, err error) {
	var own *metadata.Error
	if !errors.As(err, &own) { // a transaction that its caller gave up
		err = nil
	}
	s.note(ctx, database, op, took, err)
}

// note notes an operation that has just ended.
func (s Services) note(ctx context.Context, service, op string, took time.Duration, err error) {
	failed := err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, context.Canceled)
	s.Metrics.operation(service, op, took, failed)
	s.Tracer.operation(ctx, service, op, took, err)
}

// Backend returns b with every operation noted. What b can do beyond
// backends.Backend its wrapper can, and what it cannot fails or is done in
// another way, as the dispatcher does it. Readers are b's own: they are handed
// to the network as they are.
func (s Services) Backend(b backends.Backend) backends.Backend {
	return &backend{b, s}
}

// backend notes the operations of another.
type backend struct {
	backends.Backend
	s Services
}

var (
	_ backends.Backend     = (*backend)(nil)
	_ backends.Copier      = (*backend)(nil)
	_ backends.Renamer     = (*backend)(nil)
	_ backends.PublicURLer = (*backend)(nil)
	_ backends.URLSigner   = (*backend)(nil)
)

// timed returns a function to defer, which notes an operation.
func (b *backend) timed(ctx context.Context, op string, err *error) func() {
	begin := time.Now()
	return func() { b.s.note(ctx, b.Name(), op, time.Since(begin), *err) }
}

func (b *backend) Ping(ctx context.Context) (err error) {
	defer b.timed(ctx, "ping", &err)()
	return b.Backend.Ping(ctx)
}

func (b *backend) Stat(ctx context.Context, path string) (info backends.Info, err error) {
	defer b.timed(ctx, "stat", &err)()
	return b.Backend.Stat(ctx, path)
}

func (b *backend) Open(ctx context.Context, path string, offset, length int64) (r backends.Reader, err error) {
	defer b.timed(ctx, "open", &err)()
	return b.Backend.Open(ctx, path, offset, length)
}

func (b *backend) Stage(ctx context.Context, path string, body io.Reader, attrs backends.Attributes) (st backends.Staged, err error) {
	defer b.timed(ctx, "stage", &err)()
	st, err = b.Backend.Stage(ctx, path, body, attrs)
	return b.staged(st), err
}

func (b *backend) StageCopy(ctx context.Context, src, dst string) (st backends.Staged, info backends.Info, err error) {
	defer b.timed(ctx, "copy", &err)()
	st, info, err = backends.StageCopy(ctx, b.Backend, src, b.Backend, dst)
	return b.staged(st), info, err
}

func (b *backend) Rename(ctx context.Context, src, dst string) (err error) {
	defer b.timed(ctx, "rename", &err)()
	return backends.Rename(ctx, b.Backend, src, dst)
}

func (b *backend) Delete(ctx context.Context, paths []string) (err error) {
	defer b.timed(ctx, "delete", &err)()
	return b.Backend.Delete(ctx, paths)
}

// List counts from the first request to the end of the iteration, the time
// that the caller takes included.
func (b *backend) List(ctx context.Context, prefix, after string) iter.Seq2[backends.Info, error] {
	return func(yield func(backends.Info, error) bool) {
		var failed error
		defer b.timed(ctx, "list", &failed)()
		for info, err := range b.Backend.List(ctx, prefix, after) {
			if failed = err; !yield(info, err) {
				return
			}
		}
	}
}

// PublicURL returns "" where the backend has no public URLs.
func (b *backend) PublicURL(path string) string {
	if public, ok := b.Backend.(backends.PublicURLer); ok {
		return public.PublicURL(path)
	}
	return ""
}

// SignURL fails with errors.ErrUnsupported where the backend signs nothing.
func (b *backend) SignURL(ctx context.Context, path string, expires time.Duration) (string, error) {
	if signer, ok := b.Backend.(backends.URLSigner); ok {
		return signer.SignURL(ctx, path, expires)
	}
	return "", &backends.Error{Backend: b.Name(), Op: "sign", Path: path, Err: errors.ErrUnsupported}
}

func (b *backend) staged(st backends.Staged) backends.Staged {
	if st == nil {
		return nil
	}
	return &staged{st, b}
}

// staged notes when a body is published.
type staged struct {
	backends.Staged
	b *backend
}

func (st *staged) Publish(ctx context.Context) (err error) {
	defer st.b.timed(ctx, "publish", &err)()
	return st.Staged.Publish(ctx)
}
