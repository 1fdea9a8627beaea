package s3

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"example.com/ezdfs/settings"
)

// needs are the permissions that each operation of the API needs, by the name
// of the operation, where the policy of contract section 6 may grant them.
// What is missing here is refused.
var needs = map[string]string{
	"GetObject":               "s3:GetObject",
	"GetObjectVersion":        "s3:GetObjectVersion",
	"HeadObject":              "s3:GetObject",
	"PutObject":               "s3:PutObject",
	"CopyObject":              "s3:PutObject", // and s3:GetObject
	"CreateMultipartUpload":   "s3:PutObject",
	"UploadPart":              "s3:PutObject",
	"UploadPartCopy":          "s3:PutObject",
	"CompleteMultipartUpload": "s3:PutObject",
	"DeleteObject":            "s3:DeleteObject",
	"DeleteObjects":           "s3:DeleteObject",
	"ListObjectsV2":           "s3:ListBucket",
	"HeadBucket":              "s3:ListBucket",
	"GetBucketLocation":       "s3:GetBucketLocation",
	"ListBuckets":             "s3:ListAllMyBuckets",
}

// policy is a transport that lets pass what the policy of contract section 6
// allows, answers 403 to everything else, and remembers both.
type policy struct {
	also []string // allowed too

	mu   sync.Mutex
	seen map[string]int // by operation
}

func newPolicy(also ...string) *policy { return &policy{also: also, seen: map[string]int{}} }

// wrap is an argument for WithTransport.
func (p *policy) wrap(base http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		op := operation(req)
		p.mu.Lock()
		p.seen[op]++
		p.mu.Unlock()
		if needs[op] == "" && !slices.Contains(p.also, op) {
			return refuse(req, http.StatusForbidden, "AccessDenied"), nil
		}
		return base.RoundTrip(req)
	})
}

// operation names the API operation of a path-style request, with whatever it
// carries that needs a permission of its own.
func operation(req *http.Request) string {
	_, key, _ := strings.Cut(strings.TrimPrefix(req.URL.Path, "/"), "/")
	op := named(req, key != "")
	for _, header := range []string{"X-Amz-Acl", "X-Amz-Grant-Read", "X-Amz-Grant-Full-Control", "X-Amz-Tagging",
		"X-Amz-Object-Lock-Mode", "X-Amz-Bypass-Governance-Retention", "X-Amz-Website-Redirect-Location"} {
		if req.Header.Get(header) != "" {
			op += " with " + header
		}
	}
	// A copy takes tags along, which needs s3:GetObjectTagging, unless told not to.
	if op == "CopyObject" && req.Header.Get("X-Amz-Tagging-Directive") != "REPLACE" {
		op += " with tags"
	}
	return op
}

func named(req *http.Request, onKey bool) string {
	query := req.URL.Query()
	copies := req.Header.Get("X-Amz-Copy-Source") != ""
	for _, known := range []struct {
		op, method string
		onKey      bool
		params     string // all of them, in order, but for those of ranges and listings
		copies     bool
	}{
		{"GetObject", "GET", true, "", false},
		{"GetObjectVersion", "GET", true, "versionId", false},
		{"HeadObject", "HEAD", true, "", false},
		{"PutObject", "PUT", true, "", false},
		{"CopyObject", "PUT", true, "", true},
		{"CreateMultipartUpload", "POST", true, "uploads", false},
		{"UploadPart", "PUT", true, "partNumber uploadId", false},
		{"UploadPartCopy", "PUT", true, "partNumber uploadId", true},
		{"CompleteMultipartUpload", "POST", true, "uploadId", false},
		{"AbortMultipartUpload", "DELETE", true, "uploadId", false},
		{"DeleteObject", "DELETE", true, "", false},
		{"DeleteObjects", "POST", false, "delete", false},
		{"ListObjectsV2", "GET", false, "list-type", false},
		{"HeadBucket", "HEAD", false, "", false},
	} {
		if known.method == req.Method && known.onKey == onKey && known.copies == copies && known.params == subresource(query) {
			return known.op
		}
	}
	return fmt.Sprintf("%s ?%s", req.Method, subresource(query))
}

// subresource is what a query names, without the parameters of a listing and
// the SDK's name for the operation.
func subresource(query map[string][]string) string {
	plain := []string{"x-id", "prefix", "start-after", "continuation-token", "max-keys", "encoding-type"}
	names := slices.Sorted(maps.Keys(query))
	return strings.Join(slices.DeleteFunc(names, func(name string) bool { return slices.Contains(plain, name) }), " ")
}

// check fails the test unless exactly these operations were used, in the order
// of their names, and the policy allows each.
func (p *policy) check(t *testing.T, want ...string) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	got := slices.Sorted(maps.Keys(p.seen))
	if !slices.Equal(got, want) {
		t.Errorf("operations used: %q\nwant %q", got, want)
	}
	for _, op := range got {
		if needs[op] == "" && !slices.Contains(p.also, op) {
			t.Errorf("%s, used %d times, is beyond the policy", op, p.seen[op])
		}
	}
}

// restricted are settings of a user who has the permissions of contract
// section 6 and no other.
func restricted(t *testing.T, set settings.S3) settings.S3 {
	t.Helper()
	access, secret := gateway.Get(t).User(t, set.Bucket, "s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", "s3:DeleteObject",
		"s3:ListBucket", "s3:GetBucketLocation")
	set.AccessKeyID, set.SecretAccessKey = access, settings.Secret(secret)
	return set
}

func TestOperation(t *testing.T) {
	for _, test := range []struct{ method, target, header, want string }{
		{"GET", "/b/k", "", "GetObject"},
		{"GET", "/b/k?x-id=GetObject&versionId=1", "", "GetObjectVersion"},
		{"GET", "/b/k?tagging", "", "GET ?tagging"},
		{"GET", "/b?list-type=2&prefix=a", "", "ListObjectsV2"},
		{"GET", "/b?uploads", "", "GET ?uploads"},
		{"GET", "/b/k?uploadId=1", "", "GET ?uploadId"},
		{"DELETE", "/b/k?uploadId=1", "", "AbortMultipartUpload"},
		{"PUT", "/b/k?acl", "", "PUT ?acl"},
		{"PUT", "/b/k", "X-Amz-Acl", "PutObject with X-Amz-Acl"},
		{"PUT", "/b/k", "X-Amz-Copy-Source", "CopyObject with tags"},
		{"DELETE", "/b", "", "DELETE ?"},
	} {
		req, err := http.NewRequestWithContext(t.Context(), test.method, "http://s3"+test.target, nil)
		if err != nil {
			t.Fatal(err)
		}
		if test.header != "" {
			req.Header.Set(test.header, "x")
		}
		if got := operation(req); got != test.want {
			t.Errorf("%s %s: %q, want %q", test.method, test.target, got, test.want)
		}
	}
}
