package s3

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"example.com/ezdfs/backends"
)

// StageCopy stages a copy made by the service. A body of up to 5 GB is copied
// by Publish, in one request; a longer one is copied part by part now.
func (b *Backend) StageCopy(ctx context.Context, src, dst string) (backends.Staged, backends.Info, error) {
	for _, path := range []string{src, dst} {
		if err := b.checkPath("copy", path); err != nil {
			return nil, backends.Info{}, err
		}
	}
	head, info, err := b.head(ctx, "copy", src)
	if err != nil {
		return nil, info, err
	}
	c := &stagedCopy{
		b: b, info: info, etag: aws.ToString(head.ETag), object: b.copyOf(dst, info, head),
		source: backends.EscapePath(b.set.Bucket + "/" + *b.key(src)),
	}
	if info.Size <= b.limits.maxCopy {
		return c, info, nil
	}
	staged, err := c.byParts(ctx)
	return staged, info, err
}

// copyOf is the object at dst that has everything the one at head has, the
// time of a body that others wrote included.
func (b *Backend) copyOf(dst string, info backends.Info, head *s3.HeadObjectOutput) object {
	o := b.newObject(dst, backends.Attributes{ModTime: info.ModTime, ContentType: info.ContentType})
	mtime := o.metadata[metaModTime]
	o.metadata = maps.Clone(head.Metadata)
	if o.metadata == nil {
		o.metadata = map[string]string{}
	}
	o.metadata[metaModTime] = mtime
	delete(o.metadata, metaUpload)
	if o.cacheControl == nil {
		o.cacheControl = head.CacheControl
	}
	o.disposition, o.encoding, o.language = head.ContentDisposition, head.ContentEncoding, head.ContentLanguage
	return o
}

// stagedCopy is a copy that one request will make.
type stagedCopy struct {
	b      *Backend
	object object
	info   backends.Info // of the source
	etag   string        // of the source, as the service wrote it
	source string        // escaped, with the bucket
	done   bool
}

func (c *stagedCopy) Size() int64 { return c.info.Size }

func (c *stagedCopy) Publish(ctx context.Context) error {
	if c.done {
		return c.b.over(c.object.path)
	}
	if _, err := c.b.client.CopyObject(ctx, c.b.copyInput(c.object, c.source, c.etag)); err != nil {
		return c.fail(ctx, "publish", err)
	}
	c.done = true
	return nil
}

func (c *stagedCopy) Discard(context.Context) error {
	c.done = true
	return nil
}

// fail turns "the source is not there" into what it means: it was a moment
// ago.
func (c *stagedCopy) fail(ctx context.Context, op string, err error) error {
	e := c.b.fail(ctx, op, c.object.path, err)
	if e.Kind == fs.ErrNotExist {
		e.Kind = backends.ErrChanged
	}
	return e
}

// byParts copies a body too long for one request.
func (c *stagedCopy) byParts(ctx context.Context) (backends.Staged, error) {
	// No bytes pass through here, so the checksums are the service's business.
	u, err := c.b.create(ctx, "copy", c.object, "")
	if err != nil {
		return nil, err
	}
	u.size = c.info.Size
	part := newPlan(c.b.limits, c.b.limits.copyPart, u.size).part(1)
	group, failing := errgroup.WithContext(ctx)
	group.SetLimit(c.b.set.Concurrency)
	for n, first := int64(1), int64(0); first < u.size && failing.Err() == nil; n, first = n+1, first+part {
		group.Go(func() error { return c.copyPart(ctx, u, n, first, min(first+part, u.size)) })
	}
	if err := group.Wait(); err != nil {
		u.drop(ctx)
		return nil, c.fail(ctx, "copy", err)
	}
	return u, nil
}

// copyPart copies the bytes from first up to end of the source as part n. A
// copy may fail after the service began its answer with 200, which the SDK
// does not notice here: then there is no ETag.
func (c *stagedCopy) copyPart(ctx context.Context, u *upload, n, first, end int64) error {
	for attempt := range c.b.limits.attempts {
		if err := pause(ctx, attempt, c.b.limits.maxBackoff); err != nil {
			return err
		}
		out, err := c.b.client.UploadPartCopy(ctx, &s3.UploadPartCopyInput{
			Bucket: c.b.bucket(), Key: c.b.key(c.object.path), UploadId: aws.String(u.id), PartNumber: aws.Int32(int32(n)),
			CopySource: aws.String(c.source), CopySourceIfMatch: aws.String(c.etag),
			CopySourceRange: aws.String("bytes=" + strconv.FormatInt(first, 10) + "-" + strconv.FormatInt(end-1, 10)),
		})
		if err != nil {
			return err
		}
		if result := out.CopyPartResult; result != nil && aws.ToString(result.ETag) != "" {
			u.add(types.CompletedPart{PartNumber: aws.Int32(int32(n)), ETag: result.ETag})
			return nil
		}
	}
	return &backends.Error{Backend: c.b.set.Name, Op: "copy", Path: c.object.path, Kind: backends.ErrUnavailable,
		Err: fmt.Errorf("the service began to copy part %d and failed", n), Retry: true}
}
