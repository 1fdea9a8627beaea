package gcs

import (
	"context"
	"errors"
	"maps"
	"strconv"

	"cloud.google.com/go/storage"

	"example.com/ezdfs/backends"
)

// StageCopy notes which generation src holds; Publish has the service copy it.
// Inside one bucket and storage class that takes the service one request and
// no time that depends on the size.
func (b *Backend) StageCopy(ctx context.Context, src, dst string) (backends.Staged, backends.Info, error) {
	if err := b.check("copy", dst); err != nil {
		return nil, backends.Info{}, err
	}
	attrs, err := b.stat(ctx, "copy", src)
	if err != nil {
		return nil, backends.Info{}, err
	}
	return &stagedCopy{backend: b, src: src, dst: dst, attrs: attrs}, infoOf(src, attrs), nil
}

// stagedCopy is a copy that has not begun.
type stagedCopy struct {
	backend  *Backend
	src, dst string
	attrs    *storage.ObjectAttrs // of the source
}

// Size is the length of the source's body in bytes.
func (c *stagedCopy) Size() int64 { return c.attrs.Size }

// Publish copies the generation that StageCopy saw, and nothing else.
func (c *stagedCopy) Publish(ctx context.Context) error {
	generation := c.attrs.Generation
	src := c.backend.object(c.src).Generation(generation).If(storage.Conditions{GenerationMatch: generation})
	copier := c.backend.object(c.dst).CopierFrom(src)
	copier.ObjectAttrs = c.target()
	_, err := copier.Run(ctx)
	if errors.Is(err, storage.ErrObjectNotExist) {
		return c.sourceMissing(ctx, err)
	}
	return c.backend.wrap(ctx, "publish", c.dst, err)
}

// sourceMissing: the generation is gone, or the bucket is.
func (c *stagedCopy) sourceMissing(ctx context.Context, missing error) error {
	if _, err := c.backend.first(ctx, c.backend.cfg.Prefix); err != nil {
		return c.backend.unavailable(ctx, "publish", c.dst, err)
	}
	return &backends.Error{Backend: c.backend.cfg.Name, Op: "publish", Path: c.dst, Kind: backends.ErrChanged, Err: missing}
}

// target are the attributes of the copy. The service keeps nothing of the
// source once any is given, so all are: those the settings name, and from the
// source what says how to read its bytes.
func (c *stagedCopy) target() storage.ObjectAttrs {
	info := infoOf(c.src, c.attrs)
	attrs := c.backend.attributes(backends.Attributes{ModTime: info.ModTime, ContentType: info.ContentType})
	metadata := maps.Clone(c.attrs.Metadata)
	if metadata == nil {
		metadata = map[string]string{}
	}
	metadata[keyModTime] = strconv.FormatInt(info.ModTime.Unix(), 10)
	attrs.Metadata = metadata
	attrs.ContentEncoding = c.attrs.ContentEncoding
	attrs.ContentLanguage = c.attrs.ContentLanguage
	attrs.ContentDisposition = c.attrs.ContentDisposition
	if attrs.CacheControl == "" {
		attrs.CacheControl = c.attrs.CacheControl
	}
	return attrs
}

// Discard has nothing to drop.
func (c *stagedCopy) Discard(context.Context) error { return nil }
