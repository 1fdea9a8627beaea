package cloudfront

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"example.com/ezdfs/cdn"
	"example.com/ezdfs/cdn/internal/httpcall"
)

// busyDelay is how long invalidations are in progress, about.
const busyDelay = 10 * time.Second

// kinds are the codes that mean another thing than their status (API reference,
// "CreateInvalidation" and "Common errors").
var kinds = map[string]error{
	"TooManyInvalidationsInProgress": cdn.ErrThrottled,
	"Throttling":                     cdn.ErrThrottled,
	"ThrottlingException":            cdn.ErrThrottled,
	"TooManyRequestsException":       cdn.ErrThrottled,
	"RequestLimitExceeded":           cdn.ErrThrottled,
	"ExpiredToken":                   cdn.ErrUnavailable, // the chain gets another
	"RequestExpired":                 cdn.ErrUnavailable,
	"RequestTimeTooSkewed":           cdn.ErrUnavailable,
}

// advice is what to do about a code.
var advice = map[string]string{
	"AccessDenied":          "grant cloudfront:CreateInvalidation on the distribution",
	"NoSuchDistribution":    "see whether DistributionID is right",
	"InvalidClientTokenId":  "see whether AccessKeyID is right",
	"SignatureDoesNotMatch": "see whether SecretAccessKey and the clock of this host are right",
	"RequestExpired":        "see whether the clock of this host is right",
	"RequestTimeTooSkewed":  "see whether the clock of this host is right",
}

// classify makes a *cdn.Error of an error of the SDK: by its code, then by its
// status. What was not answered is unavailable.
func (t *Target) classify(ctx context.Context, err error) *cdn.Error {
	var response *smithyhttp.ResponseError
	var api smithy.APIError
	if !errors.As(err, &response) {
		return t.unanswered(ctx, err)
	}
	e := t.fail(kindOf(response.HTTPStatusCode()), "")
	e.Status = response.HTTPStatusCode()
	if errors.As(err, &api) {
		e.Reason = httpcall.Clip(api.ErrorCode() + ": " + api.ErrorMessage())
		if kind := kinds[api.ErrorCode()]; kind != nil {
			e.Kind = kind
		}
		if todo := advice[api.ErrorCode()]; todo != "" {
			e.Reason += ": " + todo
		}
		if api.ErrorCode() == "TooManyInvalidationsInProgress" {
			e.RetryAfter = busyDelay
		}
	}
	if wait := httpcall.RetryAfter(response.Response.Header.Get("Retry-After"), time.Now()); wait > 0 && e.Kind != cdn.ErrRefused {
		e.RetryAfter = wait
	}
	if ctx.Err() != nil { // the answer broke off
		e.Kind, e.Err = cdn.ErrUnavailable, ctx.Err()
	}
	return e
}

// unanswered is the error of a call without an answer: a network's, or that
// there are no credentials.
func (t *Target) unanswered(ctx context.Context, err error) *cdn.Error {
	e := t.fail(cdn.ErrUnavailable, "")
	var sending *smithyhttp.RequestSendError
	var place *url.Error
	switch {
	case ctx.Err() != nil:
		e.Err = ctx.Err()
	case errors.As(err, &place): // without the URL that it repeats
		e.Err = place.Err
	case errors.As(err, &sending):
		e.Err = sending.Err
	default:
		e.Reason = httpcall.Clip(err.Error())
		return e
	}
	e.Reason = "no answer from CloudFront"
	return e
}

// kindOf sorts the statuses that are no success. A success that is an error
// was not CloudFront's.
func kindOf(status int) error {
	switch {
	case status == http.StatusTooManyRequests:
		return cdn.ErrThrottled
	case status >= 500, status < 300, status == http.StatusRequestTimeout:
		return cdn.ErrUnavailable
	}
	return cdn.ErrRefused
}

// isContent reports whether a refusal is for some of the paths.
func isContent(e *cdn.Error) bool {
	return e.Status == http.StatusBadRequest || e.Status == http.StatusRequestEntityTooLarge
}

func (t *Target) fail(kind error, reason string) *cdn.Error {
	return &cdn.Error{Target: t.cfg.Name, Kind: kind, Reason: reason}
}

func (t *Target) throttled(reason string) *cdn.Error {
	e := t.fail(cdn.ErrThrottled, reason)
	e.RetryAfter = busyDelay
	return e
}
