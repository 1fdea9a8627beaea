package s3

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"example.com/ezdfs/backends"
)

// meaning is what an answer of the service says in terms of package backends.
type meaning struct {
	kind  error
	retry bool
}

// meanings are the error codes that say more than their HTTP status.
var meanings = map[string]meaning{
	"NoSuchKey":     {fs.ErrNotExist, false},
	"NoSuchVersion": {fs.ErrNotExist, false},

	// What is wrong is the store or our way to it, not the path.
	"NoSuchBucket":                       {backends.ErrUnavailable, false},
	"InvalidBucketName":                  {backends.ErrUnavailable, false},
	"PermanentRedirect":                  {backends.ErrUnavailable, false},
	"AuthorizationHeaderMalformed":       {backends.ErrUnavailable, false},
	"IllegalLocationConstraintException": {backends.ErrUnavailable, false},
	"InvalidAccessKeyId":                 {backends.ErrUnavailable, false},
	"SignatureDoesNotMatch":              {backends.ErrUnavailable, false},
	"InvalidToken":                       {backends.ErrUnavailable, false},
	"ExpiredToken":                       {backends.ErrUnavailable, false},
	"InvalidSecurity":                    {backends.ErrUnavailable, false},
	"RequestTimeTooSkewed":               {backends.ErrUnavailable, false},
	"AccountProblem":                     {backends.ErrUnavailable, false},
	"AllAccessDisabled":                  {backends.ErrUnavailable, false},
	"NoSuchUpload":                       {nil, false}, // of a part or a completion, never of a body
	"NotSignedUp":                        {backends.ErrUnavailable, false},

	"InternalError":      {backends.ErrUnavailable, true},
	"RequestTimeout":     {backends.ErrUnavailable, true},
	"OperationAborted":   {backends.ErrUnavailable, true},
	"ServiceUnavailable": {backends.ErrUnavailable, true},

	"QuotaExceeded":       {backends.ErrNoSpace, false},
	"InsufficientStorage": {backends.ErrNoSpace, false},

	"KeyTooLongError": {fs.ErrInvalid, false},
	"EntityTooLarge":  {fs.ErrInvalid, false},

	"PreconditionFailed": {backends.ErrChanged, false},
}

// statuses are the HTTP statuses of answers whose code is not in meanings; a
// HEAD is answered without any code.
var statuses = map[int]meaning{
	301: {backends.ErrUnavailable, false},
	307: {backends.ErrUnavailable, true},
	401: {backends.ErrUnavailable, false},
	403: {fs.ErrPermission, false},
	404: {fs.ErrNotExist, false},
	412: {backends.ErrChanged, false},
	429: {backends.ErrUnavailable, true},
	507: {backends.ErrNoSpace, false},
}

// fail makes the error of op on path out of one of the SDK's. Answers that do
// not say whether the key or the whole bucket is meant are cleared up by a
// question to the bucket: a store that is gone never reads as "not exist".
func (b *Backend) fail(ctx context.Context, op, path string, err error) *backends.Error {
	if e, ok := err.(*backends.Error); ok {
		return e
	}
	e := b.classify(op, path, err)
	if !vague(err) {
		return e
	}
	if doubt := b.reachable(ctx); doubt != nil {
		d := b.classify(op, path, doubt)
		if d.Kind == fs.ErrPermission {
			return e // not allowed to ask, so the first answer stands
		}
		if ctx.Err() == nil {
			d.Kind = backends.ErrUnavailable
		}
		return d
	}
	return e
}

// classify maps an error of the SDK without asking the service.
func (b *Backend) classify(op, path string, err error) *backends.Error {
	e := &backends.Error{Backend: b.set.Name, Op: op, Path: path, Err: reply{err}}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return e
	}
	m := meaningOf(err)
	e.Kind, e.Retry, e.Throttled = m.kind, m.retry, throttled(code(err)) || status(err) == 429
	return e
}

// reply is an error of the SDK whose text begins with the cause and leaves
// out what no reader can use.
type reply struct{ error }

func (r reply) Unwrap() error { return r.error }

func (r reply) Error() string {
	var api smithy.APIError
	var sending *smithyhttp.RequestSendError
	var response *smithyhttp.ResponseError
	switch {
	case errors.As(r.error, &api) && errors.As(r.error, &response) && api.ErrorMessage() != "":
		return fmt.Sprintf("%s: %s (HTTP %d)", api.ErrorCode(), strings.TrimSuffix(api.ErrorMessage(), "."), response.HTTPStatusCode())
	case errors.As(r.error, &sending):
		return sending.Err.Error()
	}
	return r.error.Error()
}

func meaningOf(err error) meaning {
	if m, ok := meaningOfCode(code(err)); ok {
		return m
	}
	if status := status(err); status != 0 {
		if m, ok := statuses[status]; ok {
			return m
		}
		if status >= 500 {
			return meaning{backends.ErrUnavailable, true}
		}
		return meaning{}
	}
	// No answer at all. Without credentials, for one, a retry is no help.
	var sending *smithyhttp.RequestSendError
	var garbled *smithy.DeserializationError
	var tooMany ratelimit.QuotaExceededError
	retry := errors.As(err, &sending) || errors.As(err, &garbled) || errors.As(err, &tooMany)
	return meaning{backends.ErrUnavailable, retry}
}

func meaningOfCode(code string) (meaning, bool) {
	if m, ok := meanings[code]; ok {
		return m, true
	}
	return meaning{backends.ErrUnavailable, true}, throttled(code)
}

// throttled reports whether a code says that requests are too many.
func throttled(code string) bool {
	_, throttled := retry.DefaultThrottleErrorCodes[code]
	return throttled
}

// vague reports whether err is an answer whose code does not say what is
// meant: that of a HEAD has no code but what the SDK makes of the status.
func vague(err error) bool {
	_, coded := meanings[code(err)]
	switch status(err) {
	case 400, 403, 404:
		return !coded && code(err) != "AccessDenied"
	}
	return false
}

func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

func status(err error) int {
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) {
		return response.HTTPStatusCode()
	}
	return 0
}

// bucketTrust is how long a bucket that has answered is believed to be there:
// long enough to make a run of lookups of missing keys cheap.
const bucketTrust = 5 * time.Second

// reachable returns nil when the bucket is there and ours to use, or has been
// a moment ago.
func (b *Backend) reachable(ctx context.Context) error {
	if time.Since(time.Unix(0, b.bucketSeen.Load())) < bucketTrust {
		return nil
	}
	return b.probe(ctx)
}

// probe lists at most one key of the bucket.
func (b *Backend) probe(ctx context.Context, options ...func(*s3.Options)) error {
	_, err := b.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{
		Bucket: b.bucket(), Prefix: aws.String(b.set.Prefix), MaxKeys: aws.Int32(1),
	}, options...)
	if err == nil {
		b.bucketSeen.Store(time.Now().UnixNano())
	}
	return err
}
