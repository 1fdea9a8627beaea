package gcs

import (
	"context"
	"errors"
	"iter"
	"strings"
	"unicode/utf8"

	"cloud.google.com/go/storage"
	"google.golang.org/api/iterator"

	"example.com/ezdfs/backends"
)

// List asks for pages of up to 1,000 objects, which the service sorts by the
// bytes of their names. Objects whose names are no paths (the "dir/" that
// consoles make) are left out.
func (b *Backend) List(ctx context.Context, prefix, after string) iter.Seq2[backends.Info, error] {
	return func(yield func(backends.Info, error) bool) {
		for more := true; more; after = backends.AfterTrash(b.cfg.Trash) {
			more = b.list(ctx, prefix, after, yield)
		}
	}
}

// list is List up to the trash. It reports whether it met that, and something
// may follow.
func (b *Backend) list(ctx context.Context, prefix, after string, yield func(backends.Info, error) bool) (more bool) {
	it := b.bucket.Objects(ctx, b.query(prefix, after))
	it.PageInfo().MaxSize = b.opts.pageSize
	for {
		attrs, err := it.Next()
		if errors.Is(err, iterator.Done) {
			return false
		}
		if err == nil {
			err = ctx.Err() // a page goes on when its context has ended
		}
		if err != nil {
			yield(backends.Info{}, b.unavailable(ctx, "list", prefix, err))
			return false
		}
		path := strings.TrimPrefix(attrs.Name, b.cfg.Prefix)
		if path <= after || !strings.HasPrefix(path, prefix) || !backends.ValidPath(path) {
			continue
		}
		if backends.InTrash(path, b.cfg.Trash) {
			if path > backends.AfterTrash(b.cfg.Trash) {
				continue
			}
			return true
		}
		if !yield(infoOf(path, attrs), nil) {
			return false
		}
	}
}

// query asks for what List needs and no more. StartOffset includes the name
// it gives. The service takes valid UTF-8 only, so of a prefix or a place that
// ends within a character it gets less, and List leaves the surplus out.
func (b *Backend) query(prefix, after string) *storage.Query {
	q := &storage.Query{Prefix: b.objectName(validPart(prefix)), Projection: storage.ProjectionNoACL}
	if after > prefix {
		q.StartOffset = b.objectName(validPart(after))
	}
	// Fails for names that are no attributes only.
	_ = q.SetAttrSelection([]string{"Name", "Size", "Updated", "Generation", "ContentType", "Metadata"})
	return q
}

// validPart is s up to its first byte that is not UTF-8.
func validPart(s string) string {
	for i, r := range s {
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(s[i:]); size == 1 {
				return s[:i]
			}
		}
	}
	return s
}
