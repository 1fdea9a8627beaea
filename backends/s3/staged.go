package s3

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"example.com/ezdfs/backends"
)

var _ backends.StagedLister = (*Backend)(nil)

// ListStaged yields the multipart uploads of the bucket that are neither
// complete nor aborted, which takes s3:ListBucketMultipartUploads. An upload
// is as old as its last part where s3:ListMultipartUploadParts lets us ask.
// A service without the call is errors.ErrUnsupported.
func (b *Backend) ListStaged(ctx context.Context, prefix string) iter.Seq2[backends.Leftover, error] {
	in := &s3.ListMultipartUploadsInput{
		Bucket: b.bucket(), Prefix: b.key(prefix), EncodingType: types.EncodingTypeUrl,
	}
	return func(yield func(backends.Leftover, error) bool) {
		for {
			page, err := b.client.ListMultipartUploads(ctx, in)
			if code(err) == "NoSuchUpload" { // what some services say where there is none
				return
			}
			if err != nil {
				yield(backends.Leftover{}, b.stagedError(ctx, prefix, err))
				return
			}
			for _, upload := range page.Uploads {
				l, ok, err := b.leftover(ctx, upload, page.EncodingType)
				if err != nil {
					yield(l, err)
					return
				}
				if ok && !yield(l, nil) {
					return
				}
			}
			if !aws.ToBool(page.IsTruncated) {
				return
			}
			in.KeyMarker, in.UploadIdMarker = page.NextKeyMarker, page.NextUploadIdMarker
			if aws.ToString(in.KeyMarker) == "" {
				yield(backends.Leftover{}, b.fail(ctx, "list uploads", prefix, errors.New("the listing goes on but does not say where")))
				return
			}
		}
	}
}

func (b *Backend) stagedError(ctx context.Context, prefix string, err error) error {
	e := b.fail(ctx, "list uploads", prefix, err)
	if code(err) == "NotImplemented" || status(err) == 501 {
		e.Kind, e.Retry = errors.ErrUnsupported, false
	}
	return granting(e, "s3:ListBucketMultipartUploads")
}

// granting adds to a refusal which permission was missing.
func granting(e *backends.Error, permission string) *backends.Error {
	if e.Kind == fs.ErrPermission {
		e.Err = fmt.Errorf("grant %s: %w", permission, e.Err)
	}
	return e
}

// leftover describes an upload of one of our paths.
func (b *Backend) leftover(ctx context.Context, upload types.MultipartUpload, encoding types.EncodingType) (l backends.Leftover, ok bool, err error) {
	key := aws.ToString(upload.Key)
	if encoding == types.EncodingTypeUrl {
		if key, err = url.QueryUnescape(key); err != nil {
			return l, false, b.fail(ctx, "list uploads", key, err)
		}
	}
	path, ours := strings.CutPrefix(key, b.set.Prefix)
	if !ours || !backends.ValidPath(path) {
		return l, false, nil
	}
	l = backends.Leftover{Path: path, ID: aws.ToString(upload.UploadId), Active: aws.ToTime(upload.Initiated)}
	return l, true, b.addParts(ctx, &l)
}

// addParts adds up the parts of an upload. One that ended meanwhile, and one
// that we may not look at, stays as it is; of the latter nobody knows its age.
func (b *Backend) addParts(ctx context.Context, l *backends.Leftover) error {
	in := &s3.ListPartsInput{Bucket: b.bucket(), Key: b.key(l.Path), UploadId: aws.String(l.ID)}
	for {
		page, err := b.client.ListParts(ctx, in)
		if err != nil {
			e := b.classify("list parts", l.Path, err)
			if code(err) == "NoSuchUpload" || code(err) == "AccessDenied" || status(err) == 404 || status(err) == 403 {
				l.Unsure = code(err) != "NoSuchUpload"
				return nil
			}
			return e
		}
		for _, part := range page.Parts {
			l.Size += aws.ToInt64(part.Size)
			if at := aws.ToTime(part.LastModified); at.After(l.Active) {
				l.Active = at.Truncate(time.Second)
			}
		}
		if !aws.ToBool(page.IsTruncated) || aws.ToString(page.NextPartNumberMarker) == "" {
			return nil
		}
		in.PartNumberMarker = page.NextPartNumberMarker
	}
}

// DropStaged aborts a multipart upload, which takes s3:AbortMultipartUpload.
func (b *Backend) DropStaged(ctx context.Context, l backends.Leftover) error {
	_, err := b.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
		Bucket: b.bucket(), Key: b.key(l.Path), UploadId: aws.String(l.ID),
	})
	if err == nil || code(err) == "NoSuchUpload" {
		return nil
	}
	return granting(b.fail(ctx, "abort upload", l.Path, err), "s3:AbortMultipartUpload")
}
