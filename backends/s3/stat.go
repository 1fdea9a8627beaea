package s3

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"example.com/ezdfs/backends"
)

// Stat describes the body at path.
func (b *Backend) Stat(ctx context.Context, path string) (backends.Info, error) {
	if err := b.checkPath("stat", path); err != nil {
		return backends.Info{}, err
	}
	_, info, err := b.head(ctx, "stat", path)
	return info, err
}

// head asks for an object's head; op is for the error.
func (b *Backend) head(ctx context.Context, op, path string) (*s3.HeadObjectOutput, backends.Info, error) {
	out, err := b.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: b.bucket(), Key: b.key(path)})
	if err != nil {
		return nil, backends.Info{}, b.fail(ctx, op, path, err)
	}
	info := newInfo(path, aws.ToInt64(out.ContentLength), out.ETag, out.ContentType, out.LastModified, out.Metadata)
	return out, info, nil
}
