// Package backends defines what a store of bodies must do: hold complete
// bodies under slash-separated paths, replace them atomically, and say
// honestly what it does not know.
//
// The package knows no metadata: whether a path exists for the cluster is a
// row's business (package metadata), which store holds it is a rule's (package
// dispatcher). Each implementation, [nfs], [s3] and [gcs], passes the
// conformance suite in package backendtest on its real service.
//
// Writing takes two steps, so that the part that may take minutes happens
// before anything is locked:
//
//	staged, err := b.Stage(ctx, path, body, backends.Attributes{Size: -1})
//	if err != nil {
//		return err
//	}
//	defer staged.Discard(ctx) // does nothing once published
//	// ... lock the row of path ...
//	return staged.Publish(ctx)
//
// [nfs]: example.com/ezdfs/backends/nfs
// [s3]: example.com/ezdfs/backends/s3
// [gcs]: example.com/ezdfs/backends/gcs
package backends

import (
	"context"
	"io"
	"io/fs"
	"iter"
	"strings"
	"time"
)

// Backend is one store of bodies. All methods may be called concurrently and
// return as soon as they can after ctx is done. Errors are of type [*Error],
// or [*DeleteError] from Delete.
//
// Paths are slash-separated and satisfy [ValidPath]; any other path is an
// error before the store is touched.
type Backend interface {
	// Name is the name rules and messages use: "nfs", "s3", "gcs", or for a
	// named instance "s3:media".
	Name() string

	// Ping asks the store itself: is it there, and may we use it? It returns
	// nil, or an error that satisfies errors.Is(err, ErrUnavailable).
	Ping(ctx context.Context) error

	// Stat describes the body at path. A path without a body is
	// fs.ErrNotExist; a store that cannot tell is ErrUnavailable.
	Stat(ctx context.Context, path string) (Info, error)

	// Open streams length bytes of the body from offset on; a negative length
	// means to the end. A range is cut at the end of the body, so an offset at
	// or past the end yields no bytes. A negative offset is an error. The
	// caller closes the reader. What is read is one body from start to end,
	// however often the path is replaced meanwhile; where the store cannot
	// promise that, Read fails instead of mixing two.
	Open(ctx context.Context, path string, offset, length int64) (Reader, error)

	// Stage streams a body into the store without making it visible. It reads
	// body to its end; a body that differs in length from a non-negative
	// attrs.Size is ErrSize and leaves nothing behind. The caller publishes or
	// discards the result.
	Stage(ctx context.Context, path string, body io.Reader, attrs Attributes) (Staged, error)

	// Delete removes bodies, as many in one request as the store takes. A path
	// without a body is deleted already. When some paths fail the error is a
	// *DeleteError that names each of them; all others are gone.
	Delete(ctx context.Context, paths []string) error

	// List yields every body whose path begins with prefix (a string prefix,
	// not a directory) and is greater than after, in byte order of the path,
	// in constant memory. Staged bodies are never listed. A body that vanishes
	// during the listing may or may not be part of it. The iteration ends at
	// the first error.
	List(ctx context.Context, prefix, after string) iter.Seq2[Info, error]

	// Close releases what the backend holds. No other method may be called
	// after it.
	Close() error
}

// Attributes describe a body that is about to be staged.
type Attributes struct {
	// Size is the announced length in bytes, or negative when unknown.
	Size int64
	// ModTime is the modification time to keep with the body, to the second,
	// where the store can keep one. Zero means now.
	ModTime time.Time
	// ContentType is the MIME type to keep with the body, where the store
	// keeps one. With control characters it is fs.ErrInvalid everywhere.
	ContentType string
}

// Info describes a body in a store.
type Info struct {
	Path string
	// Size is in bytes.
	Size int64
	// ModTime is the modification time kept with the body (Attributes.ModTime),
	// or Stored where the store keeps none or does not tell it in a listing.
	ModTime time.Time
	// Kept says that ModTime is one that was set, not when bytes arrived.
	Kept bool
	// Stored is when the store received this body.
	Stored time.Time
	// Version identifies this very body: two Infos of one path with equal
	// versions describe the same bytes (an ETag, a generation, an inode with
	// its change time). Empty only in listings that do not tell.
	Version string
	// ContentType is the MIME type kept with the body, "" where unknown.
	ContentType string
}

// Reader reads one body, or a range of it. Whoever opened it closes it.
type Reader interface {
	io.ReadCloser
	// Info describes the whole body being read, whatever the range.
	Info() Info
}

// Staged is a complete body in the store that nobody can see yet.
// Its methods are not safe for concurrent use.
type Staged interface {
	// Size is the length of the body in bytes.
	Size() int64
	// Publish makes the body visible at its path at once, replacing any other,
	// and returns after it is durable. It is cheap: it moves no bytes of a
	// body that does not fit in memory. After an error the path holds either
	// the old body or, when the answer was lost, the new one.
	Publish(ctx context.Context) error
	// Discard drops a body that was not published, and does nothing after
	// Publish succeeded or after another Discard. It works with a context that
	// is done already.
	Discard(ctx context.Context) error
}

// Creator is a Staged that the store itself can keep from replacing anything.
type Creator interface {
	// PublishNew is Publish where the path has no body. Where it has one the
	// error is fs.ErrExist, and nothing changes. A service that does not know
	// the condition may say so, or replace the body all the same.
	PublishNew(ctx context.Context) error
}

// Copier is a Backend that copies bodies without moving their bytes through
// this process.
type Copier interface {
	// StageCopy stages a copy of the body at src for dst, with its type and
	// times, and describes the body it copies. Publish fails with ErrChanged
	// where the store notices that src no longer holds that body.
	StageCopy(ctx context.Context, src, dst string) (Staged, Info, error)
}

// Renamer is a Backend that can give a body another path atomically.
type Renamer interface {
	// Rename moves the body at src to dst, replacing any other there.
	Rename(ctx context.Context, src, dst string) error
}

// PublicURLer is a Backend whose bodies have a URL of their own.
type PublicURLer interface {
	// PublicURL is the address of path for the public, properly escaped. It
	// does not check that the body exists or that the public may read it.
	PublicURL(path string) string
}

// URLSigner is a Backend that can lend a private body.
type URLSigner interface {
	// SignURL returns a URL that lets whoever holds it GET the body at path
	// until expires from now.
	SignURL(ctx context.Context, path string, expires time.Duration) (string, error)
}

// ValidPath reports whether path can name a body: valid UTF-8, not empty,
// relative, slash-separated, without empty, "." or ".." segments, without NUL,
// and not one of the names reserved for staged bodies.
func ValidPath(path string) bool {
	return fs.ValidPath(path) && path != "." && strings.IndexByte(path, 0) < 0 && !IsStagedPath(path)
}

// Copy copies the body at src to dst inside b, on the store's side where it
// can, and publishes it.
func Copy(ctx context.Context, b Backend, src, dst string) error {
	staged, _, err := StageCopy(ctx, b, src, b, dst)
	if err != nil {
		return err
	}
	defer staged.Discard(ctx)
	return staged.Publish(ctx)
}

// StageCopy stages a copy of from's body src for path dst of to, and describes
// the body it copied. Inside one backend that is a Copier no byte passes
// through this process; otherwise the body is streamed and its length checked.
func StageCopy(ctx context.Context, from Backend, src string, to Backend, dst string) (Staged, Info, error) {
	if copier, ok := As[Copier](from); ok && from == to {
		return copier.StageCopy(ctx, src, dst)
	}
	r, err := from.Open(ctx, src, 0, -1)
	if err != nil {
		return nil, Info{}, err
	}
	defer r.Close()
	info := r.Info()
	staged, err := to.Stage(ctx, dst, r, Attributes{
		Size: info.Size, ModTime: info.ModTime, ContentType: info.ContentType,
	})
	return staged, info, err
}

// Rename moves the body at src to dst inside b: atomically where b is a
// Renamer, otherwise by a copy that is complete before src goes.
func Rename(ctx context.Context, b Backend, src, dst string) error {
	if src == dst {
		_, err := b.Stat(ctx, src)
		return err
	}
	if renamer, ok := As[Renamer](b); ok {
		return renamer.Rename(ctx, src, dst)
	}
	if err := Copy(ctx, b, src, dst); err != nil {
		return err
	}
	return b.Delete(ctx, []string{src})
}
