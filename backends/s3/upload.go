package s3

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"example.com/ezdfs/backends"
)

// upload is a multipart upload. Once all parts are there it is what Stage and
// StageCopy return.
type upload struct {
	b      *Backend
	object object
	id     string
	mark   string // in the object's metadata, so that it can be told from others
	size   int64
	done   bool

	mu    sync.Mutex
	parts []types.CompletedPart
}

// create begins a multipart upload whose parts have checksums of that kind, or
// none.
func (b *Backend) create(ctx context.Context, op string, o object, sums types.ChecksumAlgorithm) (*upload, error) {
	mark := backends.NewStagedName()[len(backends.StagedPrefix):]
	o.metadata = maps.Clone(o.metadata)
	o.metadata[metaUpload] = mark
	in := b.createInput(o)
	in.ChecksumAlgorithm = sums
	out, err := b.client.CreateMultipartUpload(ctx, in)
	if err != nil {
		return nil, b.fail(ctx, op, o.path, err)
	}
	return &upload{b: b, object: o, id: aws.ToString(out.UploadId), mark: mark}, nil
}

// stageUpload uploads a body whose first part has been read already.
func (b *Backend) stageUpload(ctx context.Context, o object, first []byte, in *source) (backends.Staged, error) {
	u, err := b.create(ctx, "stage", o, types.ChecksumAlgorithmCrc32)
	if err != nil {
		return nil, err
	}
	if err := u.send(ctx, first, in); err != nil {
		u.drop(ctx)
		return nil, b.fail(ctx, "stage", o.path, err)
	}
	return u, nil
}

// send reads the body part by part while up to Concurrency parts are on their
// way. The first failure ends the reading, but not the parts on their way: one
// that arrives after the upload was aborted may bring it back.
func (u *upload) send(ctx context.Context, first []byte, in *source) error {
	group, reading := errgroup.WithContext(ctx)
	group.SetLimit(u.b.set.Concurrency + 1)
	group.Go(func() error {
		return u.feed(reading, first, in, func(n int64, data []byte, sent func()) {
			group.Go(func() error {
				defer sent()
				return u.sendPart(ctx, n, data)
			})
		})
	})
	return group.Wait()
}

// feed reads the parts and hands them to start, which calls sent when it is
// done with one. Those being sent and the one being read take no more memory
// than Concurrency parts of PartSize bytes, or than one part where the body
// needs a longer one.
func (u *upload) feed(ctx context.Context, first []byte, in *source, start func(n int64, data []byte, sent func())) error {
	b := u.b
	plan := newPlan(b.limits, b.set.PartSize, in.announced)
	total := b.set.PartSize * int64(max(b.set.Concurrency, 2))
	budget := semaphore.NewWeighted(total)
	for n := int64(1); ; n++ {
		limit := plan.part(n)
		weight := min(limit, total)
		if err := budget.Acquire(ctx, weight); err != nil {
			return err
		}
		buf := first
		if n > 1 {
			buf = b.memory.get(limit)
		}
		data, err := in.next(ctx, buf, limit)
		switch {
		case err != nil:
			return err
		case len(data) == 0:
			return nil
		case n > b.limits.maxParts:
			return in.fail(backends.ErrSize, fmt.Errorf("longer than %d parts of at most %d bytes", b.limits.maxParts, limit))
		}
		u.size += int64(len(data))
		start(n, data, func() { budget.Release(weight) })
		if in.ended {
			return nil
		}
	}
}

func (u *upload) sendPart(ctx context.Context, n int64, data []byte) error {
	body, crc := newPayload(data), checksum(data)
	defer u.b.memory.put(data)
	defer body.release()
	out, err := u.b.client.UploadPart(ctx, &s3.UploadPartInput{
		Bucket: u.b.bucket(), Key: u.b.key(u.object.path), UploadId: aws.String(u.id), PartNumber: aws.Int32(int32(n)),
		Body: body, ContentLength: aws.Int64(int64(len(data))), ChecksumCRC32: aws.String(crc),
	})
	if err != nil {
		return err
	}
	u.add(types.CompletedPart{PartNumber: aws.Int32(int32(n)), ETag: out.ETag, ChecksumCRC32: aws.String(crc)})
	return nil
}

func (u *upload) add(part types.CompletedPart) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.parts = append(u.parts, part)
}

func (u *upload) Size() int64 { return u.size }

// Publish completes the upload. When the answer of an attempt is lost the next
// one finds no upload any more: then the object itself tells whether it was
// completed.
func (u *upload) Publish(ctx context.Context) error { return u.complete(ctx, nil) }

// PublishNew completes the upload on condition that there is no object.
func (u *upload) PublishNew(ctx context.Context) error {
	return existing(u.complete(ctx, aws.String("*")))
}

func (u *upload) complete(ctx context.Context, ifNoneMatch *string) error {
	path := u.object.path
	if u.done {
		return u.b.over(path)
	}
	slices.SortFunc(u.parts, func(a, b types.CompletedPart) int { return int(*a.PartNumber - *b.PartNumber) })
	_, err := u.b.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: u.b.bucket(), Key: u.b.key(path), UploadId: aws.String(u.id),
		MultipartUpload: &types.CompletedMultipartUpload{Parts: u.parts}, IfNoneMatch: ifNoneMatch,
	})
	if code(err) == "NoSuchUpload" {
		if head, _, headErr := u.b.head(ctx, "publish", path); headErr == nil && head.Metadata[metaUpload] == u.mark {
			err = nil
		}
	}
	if err != nil {
		return u.b.fail(ctx, "publish", path, err)
	}
	u.done = true
	return nil
}

// Discard aborts the upload where that is allowed; else it says what was left
// behind, once.
func (u *upload) Discard(ctx context.Context) error {
	if u.done {
		return nil
	}
	u.done = true
	if !u.b.set.AbortUploads {
		u.warn(ctx, "multipart upload left behind: grant s3:AbortMultipartUpload and set AbortUploads=enabled, or let a lifecycle rule of the bucket abort incomplete uploads")
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	_, err := u.b.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
		Bucket: u.b.bucket(), Key: u.b.key(u.object.path), UploadId: aws.String(u.id),
	})
	if err != nil && code(err) != "NoSuchUpload" {
		return u.b.fail(ctx, "discard", u.object.path, err)
	}
	return nil
}

// drop discards an upload that has failed for another reason already.
func (u *upload) drop(ctx context.Context) {
	if err := u.Discard(ctx); err != nil {
		u.warn(ctx, "multipart upload left behind: it could not be aborted", slog.Any("error", err))
	}
}

func (u *upload) warn(ctx context.Context, msg string, more ...any) {
	u.b.log.With("backend", u.b.set.Name, "bucket", u.b.set.Bucket, "key", *u.b.key(u.object.path), "upload_id", u.id).
		WarnContext(ctx, msg, more...)
}
