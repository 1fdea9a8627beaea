package s3

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"golang.org/x/sync/errgroup"

	"example.com/ezdfs/backends"
)

// deleteBatch is how many keys one DeleteObjects takes.
const deleteBatch = 1000

// Delete removes bodies, a thousand in a request and several requests at a
// time.
func (b *Backend) Delete(ctx context.Context, paths []string) error {
	var batched, single []string
	failed := map[string]error{}
	for _, path := range paths {
		if err := b.checkPath("delete", path); err != nil {
			failed[path] = err // the others go all the same
		} else if fitsXML(*b.key(path)) {
			batched = append(batched, path)
		} else {
			single = append(single, path)
		}
	}
	var mu sync.Mutex
	note := func(errs map[string]error) {
		mu.Lock()
		defer mu.Unlock()
		maps.Copy(failed, errs)
	}
	var group errgroup.Group
	group.SetLimit(b.set.Concurrency)
	for batch := range slices.Chunk(batched, deleteBatch) {
		group.Go(func() error { note(b.deleteBatch(ctx, batch)); return nil })
	}
	for _, path := range single {
		group.Go(func() error { note(b.deleteOne(ctx, path)); return nil })
	}
	group.Wait()
	if len(failed) > 0 {
		return &backends.DeleteError{Backend: b.set.Name, Failed: failed}
	}
	return nil
}

// fitsXML reports whether XML 1.0 can write key, as the body of a DeleteObjects
// must.
func fitsXML(key string) bool {
	return strings.IndexFunc(key, func(r rune) bool {
		return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == '\uFFFE' || r == '\uFFFF'
	}) < 0
}

// deleteBatch returns why paths are not gone, by path.
func (b *Backend) deleteBatch(ctx context.Context, paths []string) map[string]error {
	objects := make([]types.ObjectIdentifier, len(paths))
	for i, path := range paths {
		objects[i].Key = b.key(path)
	}
	// Older services want a Content-MD5 rather than a checksum.
	out, err := b.client.DeleteObjects(ctx, &s3.DeleteObjectsInput{
		Bucket: b.bucket(), Delete: &types.Delete{Objects: objects, Quiet: aws.Bool(true)},
	}, s3.WithAPIOptions(smithyhttp.AddContentChecksumMiddleware))
	failed := map[string]error{}
	if err != nil {
		whole := b.fail(ctx, "delete", "", err)
		for _, path := range paths {
			e := *whole
			e.Path = path
			failed[path] = &e
		}
		return failed
	}
	for _, e := range out.Errors {
		path := strings.TrimPrefix(aws.ToString(e.Key), b.set.Prefix)
		if err := b.deleteError(path, aws.ToString(e.Code), aws.ToString(e.Message)); err != nil {
			failed[path] = err
		}
	}
	return failed
}

// deleteError maps what DeleteObjects says of one key, nil for a key without
// an object.
func (b *Backend) deleteError(path, code, message string) error {
	e := &backends.Error{Backend: b.set.Name, Op: "delete", Path: path,
		Err: &smithy.GenericAPIError{Code: code, Message: message}}
	m, ok := meaningOfCode(code)
	switch {
	case code == "NoSuchKey":
		return nil
	case ok:
		e.Kind, e.Retry, e.Throttled = m.kind, m.retry, throttled(code)
	case code == "AccessDenied":
		e.Kind = statuses[403].kind
	}
	return e
}

func (b *Backend) deleteOne(ctx context.Context, path string) map[string]error {
	_, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: b.bucket(), Key: b.key(path)})
	if err == nil || code(err) == "NoSuchKey" {
		return nil
	}
	return map[string]error{path: b.fail(ctx, "delete", path, err)}
}
