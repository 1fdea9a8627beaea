package s3

import (
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"example.com/ezdfs/backends"
)

// User metadata of the objects this package writes.
const (
	metaModTime = "mtime"        // Attributes.ModTime, Unix seconds
	metaUpload  = "ezdfs-upload" // which multipart upload made the object
)

// object is what goes with a body besides the settings.
type object struct {
	path        string
	contentType *string
	// Kept when an object is copied; CacheControl only without a setting.
	cacheControl, disposition, encoding, language *string
	metadata                                      map[string]string
}

func (b *Backend) newObject(path string, attrs backends.Attributes) object {
	mtime := attrs.ModTime
	if mtime.IsZero() {
		mtime = time.Now()
	}
	o := object{path: path, metadata: map[string]string{metaModTime: strconv.FormatInt(mtime.Unix(), 10)}}
	if attrs.ContentType != "" {
		o.contentType = aws.String(attrs.ContentType)
	}
	if b.set.CacheControl != "" {
		o.cacheControl = aws.String(b.set.CacheControl)
	}
	return o
}

func (b *Backend) putInput(o object) *s3.PutObjectInput {
	return &s3.PutObjectInput{
		Bucket: b.bucket(), Key: b.key(o.path),
		ContentType: o.contentType, CacheControl: o.cacheControl, Metadata: o.metadata,
		ACL:                  types.ObjectCannedACL(b.set.ACL),
		StorageClass:         types.StorageClass(b.set.StorageClass),
		ServerSideEncryption: types.ServerSideEncryption(b.set.ServerSideEncryption),
	}
}

func (b *Backend) createInput(o object) *s3.CreateMultipartUploadInput {
	return &s3.CreateMultipartUploadInput{
		Bucket: b.bucket(), Key: b.key(o.path),
		ContentType: o.contentType, CacheControl: o.cacheControl, Metadata: o.metadata,
		ContentDisposition: o.disposition, ContentEncoding: o.encoding, ContentLanguage: o.language,
		ACL:                  types.ObjectCannedACL(b.set.ACL),
		StorageClass:         types.StorageClass(b.set.StorageClass),
		ServerSideEncryption: types.ServerSideEncryption(b.set.ServerSideEncryption),
	}
}

// copyInput replaces the metadata by equal ones rather than have them copied:
// storage class, encryption and ACL are never copied, Cache-Control follows
// the settings, and an object may be copied onto itself. Tags, which would
// need s3:GetObjectTagging, are left behind.
func (b *Backend) copyInput(o object, source, etag string) *s3.CopyObjectInput {
	return &s3.CopyObjectInput{
		Bucket: b.bucket(), Key: b.key(o.path),
		CopySource: aws.String(source), CopySourceIfMatch: aws.String(etag),
		MetadataDirective: types.MetadataDirectiveReplace, TaggingDirective: types.TaggingDirectiveReplace,
		ContentType: o.contentType, CacheControl: o.cacheControl, Metadata: o.metadata,
		ContentDisposition: o.disposition, ContentEncoding: o.encoding, ContentLanguage: o.language,
		ACL:                  types.ObjectCannedACL(b.set.ACL),
		StorageClass:         types.StorageClass(b.set.StorageClass),
		ServerSideEncryption: types.ServerSideEncryption(b.set.ServerSideEncryption),
	}
}

// newInfo describes the body of an answer. Others than this package may have
// written the object, so its metadata may say nothing.
func newInfo(path string, size int64, etag, contentType *string, modified *time.Time, metadata map[string]string) backends.Info {
	stored := aws.ToTime(modified)
	info := backends.Info{
		Path: path, Size: size, ModTime: stored, Stored: stored,
		Version: version(etag), ContentType: aws.ToString(contentType),
	}
	// Other tools write fractions of a second too.
	seconds, _, _ := strings.Cut(metadata[metaModTime], ".")
	if unix, err := strconv.ParseInt(seconds, 10, 64); err == nil {
		info.ModTime, info.Kept = time.Unix(unix, 0), true
	}
	return info
}

// version is an ETag without its quotes, which not every service sends
// everywhere.
func version(etag *string) string { return strings.Trim(aws.ToString(etag), `"`) }
