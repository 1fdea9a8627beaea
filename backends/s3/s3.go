// Package s3 is the backend that keeps bodies as objects of one bucket, on
// Amazon S3 or a service that speaks its protocol (contract section 6). The
// object key is the settings' Prefix and the path, byte for byte.
//
//	b, err := s3.New(ctx, set.S3["s3"])
//	if err != nil {
//		return err
//	}
//	defer b.Close()
//
// Every operation works under the IAM policy of the legacy's deployment guide:
// s3:GetObject, s3:GetObjectVersion, s3:PutObject and s3:DeleteObject on the
// objects, s3:ListBucket, s3:GetBucketLocation and s3:ListAllMyBuckets. So no
// ACL is sent unless the settings name one, copies leave object tags behind,
// and a multipart upload that fails is aborted only where the settings say
// that s3:AbortMultipartUpload was granted.
//
// The package does not create buckets, and offers nothing for versions, tags
// or encryption keys of the caller: it is a store of bodies, no S3 client.
package s3

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/settings"
)

var (
	_ backends.Backend     = (*Backend)(nil)
	_ backends.Copier      = (*Backend)(nil)
	_ backends.PublicURLer = (*Backend)(nil)
	_ backends.URLSigner   = (*Backend)(nil)
	_ backends.Creator     = (*stagedPut)(nil)
	_ backends.Creator     = (*upload)(nil)
)

// Backend is one bucket, or the part of it below a prefix. Make it with [New].
type Backend struct {
	set       settings.S3
	client    *s3.Client
	transport *http.Transport
	log       *slog.Logger
	limits    limits
	publicURL string // base of PublicURL, ends in a slash

	verify bool // the checksums of downloads

	memory     *buffers     // of parts
	bucketSeen atomic.Int64 // when the bucket last answered, Unix nanoseconds
}

// Option changes what is not a setting.
type Option func(*options)

type options struct {
	log    *slog.Logger
	wrap   func(http.RoundTripper) http.RoundTripper
	limits limits
}

// WithLogger sets where the backend reports what is no error of the caller,
// such as a multipart upload it may not abort. The default is nowhere.
func WithLogger(log *slog.Logger) Option {
	return func(o *options) { o.log = log }
}

// WithTransport puts wrap around the HTTP transport, for metrics, traces and
// tests. Each attempt of a request passes through it.
func WithTransport(wrap func(http.RoundTripper) http.RoundTripper) Option {
	return func(o *options) { o.wrap = wrap }
}

// limits are what the service and patience allow; tests lower them.
type limits struct {
	minPart  int64 // bytes of any part but the last
	maxPart  int64 // bytes of a part
	maxParts int64 // parts of an upload
	maxCopy  int64 // bytes that one CopyObject copies
	copyPart int64 // bytes of one UploadPartCopy

	attempts   int           // per request
	resumes    int           // of a download without any progress
	maxBackoff time.Duration // between two attempts
}

func defaultLimits() limits {
	return limits{
		minPart: 5 << 20, maxPart: 5 << 30, maxParts: 10_000, maxCopy: 5 << 30, copyPart: 1 << 30,
		attempts: 5, resumes: 3, maxBackoff: 5 * time.Second,
	}
}

// New returns the backend that set describes. It reaches no service: ask Ping
// whether the bucket is there. Settings that contradict each other are an
// error that names the key to mend. Close the backend after use.
func New(ctx context.Context, set settings.S3, opts ...Option) (*Backend, error) {
	o := options{log: slog.New(slog.DiscardHandler), limits: defaultLimits()}
	for _, opt := range opts {
		opt(&o)
	}
	if set.Name == "" {
		set.Name = "s3"
	}
	set.Trash = strings.Trim(set.Trash, "/")
	if err := check(set, o.limits); err != nil {
		return nil, err
	}
	client, transport, err := newClient(ctx, set, o)
	if err != nil {
		return nil, err
	}
	base, err := publicBase(ctx, set, client.Options().Region)
	if err != nil {
		return nil, err
	}
	return &Backend{
		set: set, client: client, transport: transport, log: o.log, limits: o.limits, publicURL: base,
		// Lesser services have been seen to answer with the checksum of a body
		// that was there before.
		verify: set.Endpoint == "",
		memory: &buffers{size: set.PartSize, most: max(set.Concurrency, 2)},
	}, nil
}

// Name is the instance's name in rules and messages: "s3", "s3:media".
func (b *Backend) Name() string { return b.set.Name }

// checkPath refuses a path that no body can have.
func (b *Backend) checkPath(op, path string) error {
	return backends.CheckVisible(b.set.Name, op, path, b.set.Trash)
}

// Ping lists at most one key: that tells, other than a HEAD of the bucket, a
// missing bucket from refused credentials. Somebody waits for the answer, so a
// service that is down is asked three times at the most.
func (b *Backend) Ping(ctx context.Context) error {
	attempts := func(o *s3.Options) { o.RetryMaxAttempts = min(3, b.limits.attempts) }
	if err := b.probe(ctx, attempts); err != nil {
		e := b.classify("ping", "", err)
		if ctx.Err() == nil {
			e.Kind = backends.ErrUnavailable
		}
		return e
	}
	return nil
}

// Close closes idle connections.
func (b *Backend) Close() error {
	b.transport.CloseIdleConnections()
	return nil
}

func (b *Backend) key(path string) *string { return aws.String(b.set.Prefix + path) }

func (b *Backend) bucket() *string { return aws.String(b.set.Bucket) }
