package s3

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"example.com/ezdfs/backends"
)

// Stage takes a body in. One that fits into a part (settings key PartSize) is
// held in memory and travels with Publish; a longer one becomes a multipart
// upload that Publish completes, and takes at most Concurrency parts of memory
// meanwhile. The object remembers attrs.ModTime as user metadata.
func (b *Backend) Stage(ctx context.Context, path string, body io.Reader, attrs backends.Attributes) (backends.Staged, error) {
	if err := cmp.Or(b.checkPath("stage", path), backends.CheckStage(b.set.Name, path, attrs)); err != nil {
		return nil, err
	}
	in := &source{b: b, path: path, r: body, announced: attrs.Size}
	if attrs.Size >= 0 && attrs.Size < math.MaxInt64 {
		in.r = io.LimitReader(body, attrs.Size+1) // one more shows that there is more
	}
	first, err := b.first(ctx, in)
	if err != nil {
		return nil, err
	}
	o := b.newObject(path, attrs)
	if in.ended {
		return &stagedPut{b: b, object: o, data: first, size: int64(len(first)), crc: checksum(first)}, nil
	}
	return b.stageUpload(ctx, o, first, in)
}

// first reads what is held in memory of any body: all of it, or the first
// part. A short body of known size gets a buffer of its own size.
func (b *Backend) first(ctx context.Context, in *source) ([]byte, error) {
	var buf []byte
	if in.announced >= 0 {
		buf = b.memory.get(min(in.announced, b.set.PartSize-1) + 1)
	}
	data, err := in.next(ctx, buf, b.set.PartSize)
	if err != nil || in.ended {
		return data, err
	}
	// Exactly one part so far: is that all?
	more, err := in.next(ctx, nil, 1)
	in.r = io.MultiReader(bytes.NewReader(more), in.r)
	in.read -= int64(len(more))
	in.ended = len(more) == 0
	return data, err
}

// source is a body being staged, which must be as long as announced.
type source struct {
	b         *Backend
	path      string
	r         io.Reader
	announced int64 // negative when unknown
	read      int64
	ended     bool
}

// next fills buf up to limit bytes, what it holds already included. At the end
// of the body it checks the length. Its errors are of type *backends.Error.
func (s *source) next(ctx context.Context, buf []byte, limit int64) ([]byte, error) {
	data, err := fill(ctx, s.r, buf, limit, s.b.memory)
	s.read += int64(len(data) - len(buf))
	s.ended = int64(len(data)) < limit
	if err != nil {
		return data, s.fail(nil, err)
	}
	if s.announced >= 0 && (s.read > s.announced || s.ended && s.read < s.announced) {
		return data, s.fail(backends.ErrSize, s.mismatch())
	}
	return data, nil
}

func (s *source) mismatch() error {
	if s.read > s.announced {
		return fmt.Errorf("announced %d bytes, got more", s.announced)
	}
	return fmt.Errorf("announced %d bytes, got %d", s.announced, s.read)
}

// fail is never worth a retry: the body has been read.
func (s *source) fail(kind, err error) error {
	return &backends.Error{Backend: s.b.set.Name, Op: "stage", Path: s.path, Kind: kind, Err: err}
}

// existing says what it means that a condition of PublishNew did not hold.
func existing(err error) error {
	var e *backends.Error
	if errors.As(err, &e) && e.Kind == backends.ErrChanged {
		e.Kind = fs.ErrExist
	}
	return err
}

// stagedPut is a body in memory.
type stagedPut struct {
	b      *Backend
	object object
	data   []byte
	size   int64
	crc    string
	done   bool
}

func (s *stagedPut) Size() int64 { return s.size }

func (s *stagedPut) Publish(ctx context.Context) error { return s.put(ctx, s.b.putInput(s.object)) }

// PublishNew sends the body on condition that there is no object. When the
// answer of an attempt is lost the next one meets the object that the first has
// made, which reads as fs.ErrExist, too.
func (s *stagedPut) PublishNew(ctx context.Context) error {
	in := s.b.putInput(s.object)
	in.IfNoneMatch = aws.String("*")
	return existing(s.put(ctx, in))
}

func (s *stagedPut) put(ctx context.Context, in *s3.PutObjectInput) error {
	if s.done {
		return s.b.over(s.object.path)
	}
	in.Body, in.ContentLength, in.ChecksumCRC32 = bytes.NewReader(s.data), aws.Int64(s.size), aws.String(s.crc)
	if _, err := s.b.client.PutObject(ctx, in); err != nil {
		return s.b.fail(ctx, "publish", s.object.path, err)
	}
	s.done, s.data = true, nil
	return nil
}

func (s *stagedPut) Discard(context.Context) error {
	s.done, s.data = true, nil
	return nil
}

// over is the error of a Publish after Publish or Discard.
func (b *Backend) over(path string) error {
	return &backends.Error{Backend: b.set.Name, Op: "publish", Path: path, Kind: fs.ErrInvalid,
		Err: errors.New("published or discarded already")}
}
