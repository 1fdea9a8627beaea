package s3

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"testing"

	"example.com/ezdfs/backends"
)

// onOp answers op with status and code and lists an empty bucket.
func onOp(op string, status int, code string) roundTripper {
	return func(req *http.Request) (*http.Response, error) {
		if got := operation(req); got != op && got == "ListObjectsV2" {
			return answer(req, 200, "<ListBucketResult></ListBucketResult>"), nil
		}
		return refuse(req, status, code), nil
	}
}

func TestKinds(t *testing.T) {
	for _, test := range []struct {
		op, code string
		status   int
		kind     error
		retry    bool
	}{
		{"GetObject", "NoSuchKey", 404, fs.ErrNotExist, false},
		{"GetObject", "NoSuchBucket", 404, backends.ErrUnavailable, false},
		{"GetObject", "AccessDenied", 403, fs.ErrPermission, false},
		{"GetObject", "InvalidObjectState", 403, fs.ErrPermission, false},
		{"GetObject", "InvalidAccessKeyId", 403, backends.ErrUnavailable, false},
		{"GetObject", "SignatureDoesNotMatch", 403, backends.ErrUnavailable, false},
		{"GetObject", "RequestTimeTooSkewed", 403, backends.ErrUnavailable, false},
		{"GetObject", "ExpiredToken", 400, backends.ErrUnavailable, false},
		{"GetObject", "PermanentRedirect", 301, backends.ErrUnavailable, false},
		{"GetObject", "AuthorizationHeaderMalformed", 400, backends.ErrUnavailable, false},
		{"GetObject", "KeyTooLongError", 400, fs.ErrInvalid, false},
		{"GetObject", "SlowDown", 503, backends.ErrUnavailable, true},
		{"GetObject", "TooManyRequests", 429, backends.ErrUnavailable, true},
		{"GetObject", "BadGateway", 502, backends.ErrUnavailable, true},
		{"PutObject", "QuotaExceeded", 403, backends.ErrNoSpace, false},
		{"PutObject", "InsufficientStorage", 507, backends.ErrNoSpace, false},
		{"PutObject", "InvalidArgument", 400, nil, false},
		{"HeadObject", "", 404, fs.ErrNotExist, false},
		{"HeadObject", "", 403, fs.ErrPermission, false},
		{"HeadObject", "", 503, backends.ErrUnavailable, true},
	} {
		t.Run(fmt.Sprintf("%s %d %s", test.op, test.status, test.code), func(t *testing.T) {
			b := stub(t, onOp(test.op, test.status, test.code))
			err := map[string]func() error{
				"GetObject":  func() error { _, err := b.Open(t.Context(), "a", 0, -1); return err },
				"HeadObject": func() error { _, err := b.Stat(t.Context(), "a"); return err },
				"PutObject":  func() error { return stageAndPublish(t, b, "a", nil) },
			}[test.op]()
			var e *backends.Error
			if !errors.As(err, &e) || e.Kind != test.kind || e.Retry != test.retry {
				t.Errorf("error %v (kind %v, retry %v), want kind %v, retry %v", err, e.Kind, e.Retry, test.kind, test.retry)
			}
		})
	}
}

// A HEAD is refused without a reason. What the bucket answers is the reason.
func TestHeadAsksTheBucket(t *testing.T) {
	for _, test := range []struct {
		head       int
		list       int
		code       string
		want, deny error
	}{
		{404, 404, "NoSuchBucket", backends.ErrUnavailable, fs.ErrNotExist},
		{404, 503, "SlowDown", backends.ErrUnavailable, fs.ErrNotExist},
		{404, 403, "AccessDenied", fs.ErrNotExist, backends.ErrUnavailable},
		{403, 403, "InvalidAccessKeyId", backends.ErrUnavailable, fs.ErrPermission},
		{403, 403, "SignatureDoesNotMatch", backends.ErrUnavailable, fs.ErrPermission},
		{403, 403, "AccessDenied", fs.ErrPermission, backends.ErrUnavailable},
		{400, 400, "ExpiredToken", backends.ErrUnavailable, fs.ErrNotExist},
	} {
		b := stub(t, func(req *http.Request) (*http.Response, error) {
			if req.Method == http.MethodHead {
				return refuse(req, test.head, ""), nil
			}
			return refuse(req, test.list, test.code), nil
		})
		if _, err := b.Stat(t.Context(), "a"); !errors.Is(err, test.want) || errors.Is(err, test.deny) {
			t.Errorf("HEAD %d, list %s: %v, want %v", test.head, test.code, err, test.want)
		}
	}
}

func TestBucketIsAskedOnceInAWhile(t *testing.T) {
	asked := 0
	b := stub(t, func(req *http.Request) (*http.Response, error) {
		if req.Method == http.MethodHead {
			return refuse(req, 404, ""), nil
		}
		asked++
		return answer(req, 200, "<ListBucketResult></ListBucketResult>"), nil
	})
	for range 10 {
		if _, err := b.Stat(t.Context(), "a"); !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	if asked != 1 {
		t.Errorf("the bucket was asked %d times, want once", asked)
	}
}

func TestWrongCredentials(t *testing.T) {
	set := testSettings(t)
	set.SecretAccessKey = "another"
	b := newBackend(t, set, quick)
	_, statErr := b.Stat(t.Context(), "a")
	_, readErr := read(t, b, "a", 0, -1)
	for op, err := range map[string]error{"stat": statErr, "open": readErr, "ping": b.Ping(t.Context())} {
		if !errors.Is(err, backends.ErrUnavailable) || backends.IsRetryable(err) || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v, want ErrUnavailable", op, err)
		}
		if err != nil && strings.Contains(err.Error(), "another") {
			t.Errorf("%s: the error tells the secret: %v", op, err)
		}
	}
}

func TestMissingBucket(t *testing.T) {
	set := testSettings(t)
	set.Bucket = "no-such-bucket"
	b := newBackend(t, set, quick)
	_, statErr := b.Stat(t.Context(), "a")
	_, openErr := b.Open(t.Context(), "a", 0, -1)
	_, _, copyErr := b.StageCopy(t.Context(), "a", "b")
	for op, err := range map[string]error{
		"stat": statErr, "open": openErr, "copy": copyErr, "ping": b.Ping(t.Context()),
		"publish": stageAndPublish(t, b, "a", nil), "delete": b.Delete(t.Context(), []string{"a", "b"}),
	} {
		if !errors.Is(err, backends.ErrUnavailable) || errors.Is(err, fs.ErrNotExist) || retryable(err) {
			t.Errorf("%s: %v, want ErrUnavailable, not worth a retry", op, err)
		}
	}
}

func TestDeleteReportsEachKey(t *testing.T) {
	b := stub(t, func(req *http.Request) (*http.Response, error) {
		if req.Header.Get("Content-Md5") == "" || req.URL.RawQuery != "delete=" {
			t.Errorf("%s?%s has no Content-MD5", req.Method, req.URL.RawQuery)
		}
		return answer(req, 200, `<DeleteResult>
			<Error><Key>pre/denied</Key><Code>AccessDenied</Code></Error>
			<Error><Key>pre/busy</Key><Code>InternalError</Code></Error>
			<Error><Key>pre/gone</Key><Code>NoSuchKey</Code></Error>
			<Error><Key>pre/odd</Key><Code>SomethingElse</Code></Error>
		</DeleteResult>`), nil
	})
	b.set.Prefix = "pre/"
	err := b.Delete(t.Context(), []string{"denied", "busy", "gone", "odd", "fine"})
	var failed *backends.DeleteError
	if !errors.As(err, &failed) || len(failed.Failed) != 3 {
		t.Fatalf("error %v, want a DeleteError of three paths", err)
	}
	if err := failed.Failed["denied"]; !errors.Is(err, fs.ErrPermission) || backends.IsRetryable(err) {
		t.Errorf("denied: %v", err)
	}
	if err := failed.Failed["busy"]; !errors.Is(err, backends.ErrUnavailable) || !backends.IsRetryable(err) {
		t.Errorf("busy: %v", err)
	}
	if err := failed.Failed["odd"]; err == nil || backends.IsRetryable(err) {
		t.Errorf("odd: %v", err)
	}
}

// XML cannot name every key, so some are deleted one by one.
func TestDeleteOfKeysBeyondXML(t *testing.T) {
	ops := newPolicy()
	b := newBackend(t, testSettings(t), WithTransport(ops.wrap))
	paths := []string{"bell\a", "plain", "line\nfeed", "\x01", "\uFFFE"}
	for _, path := range paths {
		put(t, b, path, []byte("x"))
	}
	if err := b.Delete(t.Context(), paths); err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if _, err := b.Stat(t.Context(), path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q after Delete: %v", path, err)
		}
	}
	ops.check(t, "DeleteObject", "DeleteObjects", "HeadObject", "ListObjectsV2", "PutObject")
}

// listing answers with one page after the other.
func listing(pages ...string) roundTripper {
	return func(req *http.Request) (*http.Response, error) {
		page := pages[0]
		pages = pages[1:]
		return answer(req, 200, "<ListBucketResult>"+page+"</ListBucketResult>"), nil
	}
}

func contents(keys ...string) string {
	var b strings.Builder
	for _, key := range keys {
		fmt.Fprintf(&b, "<Contents><Key>%s</Key><Size>1</Size></Contents>", key)
	}
	return b.String()
}

func TestListings(t *testing.T) {
	const more = "<IsTruncated>true</IsTruncated><NextContinuationToken>next</NextContinuationToken>"
	for _, test := range []struct {
		name  string
		pages []string
		want  string
		fails bool
	}{
		{"encoded keys", []string{"<EncodingType>url</EncodingType>" + contents("%25", "a%01b", "a+b", "a%2Bb", "a%2Fb")},
			"%|a\x01b|a b|a+b|a/b", false},
		{"keys as they are", []string{contents("%25", "a+b")}, "%25|a+b", false},
		{"pages without keys", []string{more, contents("a") + more, more, contents("b")}, "a|b", false},
		{"keys that are no paths", []string{contents("/abs", "a/", "a//b", "b", "ezfile-tmp.x", "x/../y", "z")}, "b|z", false},
		{"out of order", []string{contents("a", "c", "b", "d")}, "a|c", true},
		{"twice", []string{contents("a") + more, contents("a", "b")}, "a", true},
		{"no token", []string{contents("a") + "<IsTruncated>true</IsTruncated>"}, "a", true},
		{"badly encoded", []string{"<EncodingType>url</EncodingType>" + contents("%zz")}, "", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			var last error
			for info, err := range stub(t, listing(test.pages...)).List(t.Context(), "", "") {
				if last = err; err == nil {
					got = append(got, info.Path)
				}
			}
			if strings.Join(got, "|") != test.want || (last != nil) != test.fails {
				t.Errorf("listed %q, error %v; want %q, error: %v", got, last, test.want, test.fails)
			}
		})
	}
}

func TestAnswersThatMakeNoSense(t *testing.T) {
	for _, contentRange := range []string{"", "bytes 0-9/10", "bytes 4-9/*", "bytes 5-7/10", "bytes x-y/z", "5-9/10"} {
		b := stub(t, func(req *http.Request) (*http.Response, error) {
			resp := answer(req, 206, "01234")
			resp.Header.Set("Content-Range", contentRange)
			resp.Header.Set("Content-Length", "5")
			return resp, nil
		})
		if got, err := read(t, b, "a", 5, -1); !errors.Is(err, backends.ErrUnavailable) {
			t.Errorf("Content-Range %q: read %q, %v, want ErrUnavailable", contentRange, got, err)
		}
	}
	longer := stub(t, func(req *http.Request) (*http.Response, error) {
		resp := answer(req, 200, "0123456789")
		resp.Header.Set("Content-Length", "4")
		return resp, nil
	})
	if got, err := read(t, longer, "a", 0, -1); string(got) != "0123" || !errors.Is(err, backends.ErrUnavailable) {
		t.Errorf("more than announced: read %q, %v", got, err)
	}
}
