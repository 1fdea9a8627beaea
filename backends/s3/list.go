package s3

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"example.com/ezdfs/backends"
)

// List yields the bodies of the bucket page by page. A listing does not tell
// the kept modification time, so ModTime is Stored here. Keys that are no
// paths, such as the directory markers of other tools, are left out.
func (b *Backend) List(ctx context.Context, prefix, after string) iter.Seq2[backends.Info, error] {
	return func(yield func(backends.Info, error) bool) {
		for more := true; more; after = backends.AfterTrash(b.set.Trash) {
			more = b.list(ctx, prefix, after, yield)
		}
	}
}

// list is List up to the trash. It reports whether it met that, and something
// may follow.
func (b *Backend) list(ctx context.Context, prefix, after string, yield func(backends.Info, error) bool) (more bool) {
	last := after
	for object, err := range b.objects(ctx, prefix, after) {
		if err != nil {
			yield(backends.Info{}, b.fail(ctx, "list", prefix, err))
			return false
		}
		path, ok := strings.CutPrefix(aws.ToString(object.Key), b.set.Prefix)
		if !ok || !backends.ValidPath(path) {
			continue
		}
		if backends.InTrash(path, b.set.Trash) {
			if path > backends.AfterTrash(b.set.Trash) {
				continue
			}
			return true
		}
		if path <= last {
			yield(backends.Info{}, &backends.Error{Backend: b.set.Name, Op: "list", Path: path, Kind: backends.ErrUnavailable,
				Err: fmt.Errorf("the service lists it after %q: not in byte order", last)})
			return false
		}
		last = path
		if !yield(newInfo(path, aws.ToInt64(object.Size), object.ETag, nil, object.LastModified, nil), nil) {
			return false
		}
	}
	return false
}

// objects yields the objects as the service lists them, keys decoded.
func (b *Backend) objects(ctx context.Context, prefix, after string) iter.Seq2[types.Object, error] {
	in := &s3.ListObjectsV2Input{
		Bucket: b.bucket(), Prefix: b.key(prefix),
		// XML has no way to write some of the characters a key may have.
		EncodingType: types.EncodingTypeUrl,
	}
	if after != "" {
		in.StartAfter = b.key(after)
	}
	return func(yield func(types.Object, error) bool) {
		for {
			page, err := b.client.ListObjectsV2(ctx, in)
			if err != nil {
				yield(types.Object{}, err)
				return
			}
			for _, object := range page.Contents {
				if err := decodeKey(&object, page.EncodingType); !yield(object, err) || err != nil {
					return
				}
			}
			// The end is where the service says so; a page may be short.
			if !aws.ToBool(page.IsTruncated) {
				return
			}
			if aws.ToString(page.NextContinuationToken) == "" {
				yield(types.Object{}, errors.New("the listing goes on but there is no continuation token"))
				return
			}
			in.ContinuationToken = page.NextContinuationToken
		}
	}
}

func decodeKey(object *types.Object, encoding types.EncodingType) error {
	if encoding != types.EncodingTypeUrl {
		return nil
	}
	key, err := url.QueryUnescape(aws.ToString(object.Key))
	object.Key = aws.String(key)
	return err
}
