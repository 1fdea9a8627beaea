package s3

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/settings"
)

// What settings say goes with every write, and nothing that they do not say.
func TestHeadersOfWrites(t *testing.T) {
	names := []string{"X-Amz-Acl", "X-Amz-Storage-Class", "X-Amz-Server-Side-Encryption", "Cache-Control"}
	for _, test := range []struct {
		change func(*settings.S3)
		want   string
	}{
		{func(*settings.S3) {}, ""},
		{func(s *settings.S3) {
			s.ACL, s.StorageClass, s.ServerSideEncryption, s.CacheControl = "public-read", "STANDARD_IA", "AES256", "max-age=60"
		}, "public-read STANDARD_IA AES256 max-age=60"},
	} {
		var mu sync.Mutex
		writes := map[string]string{}
		b := stub(t, func(req *http.Request) (*http.Response, error) {
			op, _, _ := strings.Cut(operation(req), " ")
			var values []string
			for _, name := range names {
				if value := req.Header.Get(name); value != "" {
					values = append(values, value)
				}
			}
			mu.Lock()
			writes[op] = strings.Join(values, " ")
			mu.Unlock()
			resp := answer(req, 200, map[string]string{
				"CreateMultipartUpload":   "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>",
				"CompleteMultipartUpload": "<CompleteMultipartUploadResult/>",
				"CopyObject":              "<CopyObjectResult><ETag>1</ETag></CopyObjectResult>",
				"GetObject":               "body",
			}[op])
			resp.Header.Set("Etag", `"1"`)
			return resp, nil
		})
		test.change(&b.set)
		for _, size := range []int{3, 5<<20 + 1} {
			staged, err := b.Stage(t.Context(), "a", strings.NewReader(strings.Repeat("x", size)), backends.Attributes{Size: -1})
			if err == nil {
				err = staged.Publish(t.Context())
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := backends.Copy(t.Context(), b, "a", "b"); err != nil {
			t.Fatal(err)
		}
		for _, op := range []string{"PutObject", "CreateMultipartUpload", "CopyObject"} {
			if got, ok := writes[op]; !ok || got != test.want {
				t.Errorf("%s: headers %q, want %q", op, got, test.want)
			}
		}
	}
}

// A copy of an object that others wrote keeps what they gave it.
func TestCopyKeepsMetadata(t *testing.T) {
	var sent http.Header
	b := stub(t, func(req *http.Request) (*http.Response, error) {
		resp := answer(req, 200, "")
		if req.Method == http.MethodPut {
			sent = req.Header
			return answer(req, 200, "<CopyObjectResult><ETag>1</ETag></CopyObjectResult>"), nil
		}
		for name, value := range map[string]string{
			"Etag": `"1"`, "Content-Type": "image/png", "Cache-Control": "max-age=5", "Content-Disposition": "inline",
			"Content-Encoding": "gzip", "Content-Language": "de", "X-Amz-Meta-Owner": "me", "X-Amz-Meta-Ezdfs-Upload": "old",
			"Last-Modified": "Fri, 13 Feb 2009 23:31:30 GMT",
		} {
			resp.Header.Set(name, value)
		}
		return resp, nil
	})
	if err := backends.Copy(t.Context(), b, "a b/\u00e9+%", "b"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"X-Amz-Copy-Source": "bucket/a%20b/%C3%A9%2B%25", "X-Amz-Copy-Source-If-Match": `"1"`,
		"X-Amz-Metadata-Directive": "REPLACE", "X-Amz-Tagging-Directive": "REPLACE", "X-Amz-Tagging": "",
		"Content-Type": "image/png", "Cache-Control": "max-age=5", "Content-Disposition": "inline",
		"Content-Encoding": "gzip", "Content-Language": "de",
		"X-Amz-Meta-Owner": "me", "X-Amz-Meta-Mtime": "1234567890", "X-Amz-Meta-Ezdfs-Upload": "",
	} {
		if got := sent.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
