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
	if err != nil && !isDatabase(err) { // a transaction that its caller gave up
		err = nil
	}
	s.note(ctx, database, op, took, err)
}

func isDatabase(err error) bool {
	var own *metadata.Error
	return errors.As(err, &own)
}

// note notes an operation that has just ended.
func (s Services) note(ctx context.Context, service, op string, took time.Duration, err error) {
	failed := err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, context.Canceled)
	s.Metrics.operation(service, op, took, failed)
	s.Tracer.operation(ctx, service, op, took, err)
}

// Backend returns b with every operation noted, and of the optional interfaces
// of package backends those that b has. Readers are b's own: they are handed to
// the network as they are.
func (s Services) Backend(b backends.Backend) backends.Backend {
	return &backend{b, s}
}

// backend notes the operations of another.
type backend struct {
	backends.Backend
	s Services
}

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
