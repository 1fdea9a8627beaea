package embedded

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/johannesboyne/gofakes3"
)

// s3Service is the name of S3's objects in the file.
const s3Service = "s3"

// newS3 returns an S3 service of one bucket, which takes any credentials.
func newS3(store *objects) http.Handler {
	library := gofakes3.New(&s3Bucket{store}, gofakes3.WithTimeSkewLimit(0)).Server()
	return &creations{store: store, next: library}
}

// creations holds uploads in parts to the condition that there is no object
// yet, which the library does not pass on when it completes them. One is
// completed at a time: between two, one finds the other's object.
type creations struct {
	store *objects
	next  http.Handler
	mu    sync.Mutex
}

func (c *creations) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || !r.URL.Query().Has("uploadId") || r.Header.Get("If-None-Match") != "*" {
		c.next.ServeHTTP(w, r)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch _, err := c.store.get(s3Service, strings.TrimPrefix(r.URL.Path, "/"+Bucket+"/")); {
	case err == nil:
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(http.StatusPreconditionFailed)
		fmt.Fprintf(w, "<Error><Code>PreconditionFailed</Code><Message>%s</Message></Error>", errObject)
	case errors.Is(err, errNoObject):
		c.next.ServeHTTP(w, r)
	default:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// s3Bucket is the storage below gofakes3. The library's own persistent ones
// need further modules, carry metadata of a replaced object over to its
// successor, a stale checksum included, and take the names "a" and "a/b" for a
// file and its directory.
type s3Bucket struct{ objects *objects }

var _ gofakes3.Backend = (*s3Bucket)(nil)

// ListBuckets tells of the one bucket.
func (b *s3Bucket) ListBuckets() ([]gofakes3.BucketInfo, error) {
	return []gofakes3.BucketInfo{{Name: Bucket, CreationDate: gofakes3.NewContentTime(time.Unix(0, 0))}}, nil
}

// BucketExists knows the one bucket.
func (b *s3Bucket) BucketExists(name string) (bool, error) { return name == Bucket, nil }

// CreateBucket refuses: there is one.
func (b *s3Bucket) CreateBucket(string) error { return gofakes3.ErrNotImplemented }

// DeleteBucket refuses too.
func (b *s3Bucket) DeleteBucket(string) error { return gofakes3.ErrNotImplemented }

// ForceDeleteBucket refuses as well.
func (b *s3Bucket) ForceDeleteBucket(string) error { return gofakes3.ErrNotImplemented }

// ListBucket lists one page, of which a group of keys with a common prefix is
// one entry.
func (b *s3Bucket) ListBucket(_ string, prefix *gofakes3.Prefix, page gofakes3.ListBucketPage) (*gofakes3.ObjectList, error) {
	if prefix == nil {
		prefix = new(gofakes3.Prefix)
	}
	list := gofakes3.NewObjectList()
	var group string
	var match gofakes3.PrefixMatch
	for obj, err := range b.objects.list(s3Service, page.Marker) {
		switch {
		case err != nil:
			return nil, err
		case !prefix.Match(obj.name, &match):
			continue
		case match.CommonPrefix && match.MatchedPart == group:
			list.NextMarker = obj.name
			continue
		}
		if page.MaxKeys > 0 && int64(len(list.Contents)+len(list.CommonPrefixes)) == page.MaxKeys {
			list.IsTruncated = true
			return list, nil
		}
		list.NextMarker = obj.name
		if group = ""; match.CommonPrefix {
			group = match.MatchedPart
			list.AddPrefix(group)
			continue
		}
		list.Add(&gofakes3.Content{
			Key: obj.name, Size: obj.size, ETag: gofakes3.FormatETag(obj.hash),
			LastModified: gofakes3.NewContentTime(time.Unix(obj.modified, 0).UTC()),
		})
	}
	list.NextMarker = ""
	return list, nil
}

// GetObject reads an object or a range of it.
func (b *s3Bucket) GetObject(_, key string, asked *gofakes3.ObjectRangeRequest) (*gofakes3.Object, error) {
	obj, err := b.objects.get(s3Service, key)
	if errors.Is(err, errNoObject) {
		return nil, gofakes3.KeyNotFound(key)
	}
	if err != nil {
		return nil, err
	}
	var meta map[string]string
	if err := json.Unmarshal(obj.meta, &meta); err != nil {
		return nil, err
	}
	span, err := asked.Range(obj.size)
	if err != nil {
		return nil, err
	}
	body := obj.body
	if span != nil {
		body = body[span.Start : span.Start+span.Length]
	}
	return &gofakes3.Object{
		Name: key, Metadata: meta, Size: obj.size, Hash: obj.hash, Range: span,
		Contents: io.NopCloser(bytes.NewReader(body)),
	}, nil
}

// HeadObject describes an object.
func (b *s3Bucket) HeadObject(bucket, key string) (*gofakes3.Object, error) {
	obj, err := b.GetObject(bucket, key, nil)
	if err == nil {
		obj.Contents = http.NoBody
	}
	return obj, err
}

// PutObject makes or replaces an object, or only makes it where that is the
// condition. A checksum that came with the body must be the body's.
func (b *s3Bucket) PutObject(_, key string, meta map[string]string, input io.Reader, size int64, conditions *gofakes3.PutConditions) (gofakes3.PutObjectResult, error) {
	var none gofakes3.PutObjectResult
	write := b.objects.put
	if conditions != nil {
		if conditions.IfMatch != nil || *conditions.IfNoneMatch != "*" {
			return none, gofakes3.ErrNotImplemented
		}
		write = b.objects.create
	}
	body, err := gofakes3.ReadAll(input, size)
	if err != nil {
		return none, err
	}
	if sum := meta["X-Amz-Checksum-Crc32"]; sum != "" && sum != crc32Of(body) {
		return none, gofakes3.ErrBadDigest
	}
	err = put(write, key, meta, body)
	if errors.Is(err, errObject) {
		return none, gofakes3.ErrorMessage(gofakes3.ErrPreconditionFailed, err.Error())
	}
	return none, err
}

// put describes an object to one of the ways of writing it.
func put(write func(string, object) error, key string, meta map[string]string, body []byte) error {
	meta = maps.Clone(meta)
	maps.DeleteFunc(meta, func(name, _ string) bool {
		return strings.HasPrefix(name, "X-Amz-") && !strings.HasPrefix(name, "X-Amz-Meta-")
	})
	description, err := json.Marshal(meta)
	if err != nil {
		return err
	}
	modified, err := http.ParseTime(meta["Last-Modified"])
	if err != nil {
		return err
	}
	hash := md5.Sum(body)
	return write(s3Service, object{name: key, meta: description, modified: modified.Unix(), hash: hash[:], body: body})
}

// CopyObject copies an object, on the condition that the library passes on
// among the metadata of the copy.
func (b *s3Bucket) CopyObject(_, src, _, dst string, meta map[string]string) (gofakes3.CopyObjectResult, error) {
	var result gofakes3.CopyObjectResult
	obj, err := b.objects.get(s3Service, src)
	if errors.Is(err, errNoObject) {
		return result, gofakes3.KeyNotFound(src)
	}
	if err != nil {
		return result, err
	}
	result.ETag = `"` + hex.EncodeToString(obj.hash) + `"`
	if want := meta["X-Amz-Copy-Source-If-Match"]; want != "" && want != result.ETag {
		return result, gofakes3.ErrPreconditionFailed
	}
	result.LastModified = gofakes3.NewContentTime(time.Now().UTC())
	return result, put(b.objects.put, dst, meta, obj.body)
}

// DeleteObject deletes an object; one that is not there is deleted already.
func (b *s3Bucket) DeleteObject(_, key string) (gofakes3.ObjectDeleteResult, error) {
	return gofakes3.ObjectDeleteResult{}, b.objects.delete(s3Service, key)
}

// DeleteMulti deletes objects and tells what became of each.
func (b *s3Bucket) DeleteMulti(_ string, keys ...string) (gofakes3.MultiDeleteResult, error) {
	var result gofakes3.MultiDeleteResult
	for _, key := range keys {
		if err := b.objects.delete(s3Service, key); err != nil {
			result.Error = append(result.Error, gofakes3.ErrorResult{
				Key: key, Code: gofakes3.ErrInternal, Message: err.Error()})
			continue
		}
		result.Deleted = append(result.Deleted, gofakes3.ObjectID{Key: key})
	}
	return result, nil
}

// crc32Of is the checksum of a body as S3 writes it.
func crc32Of(body []byte) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(body)))
}
