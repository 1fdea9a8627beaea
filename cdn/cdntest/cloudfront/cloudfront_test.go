package cloudfront_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"example.com/ezdfs/cdn/cdntest/cloudfront"
)

// body is an invalidation of some paths.
func body(reference string, quantity int, paths ...string) string {
	var items strings.Builder
	for _, path := range paths {
		items.WriteString("<Path>")
		xml.EscapeText(&items, []byte(path))
		items.WriteString("</Path>")
	}
	return fmt.Sprintf("<InvalidationBatch><CallerReference>%s</CallerReference><Paths><Items>%s</Items><Quantity>%d</Quantity></Paths></InvalidationBatch>",
		reference, &items, quantity)
}

// post signs a request and returns the status of the answer and its code.
func post(api http.Handler, distribution, secret, body string) string {
	r := httptest.NewRequest(http.MethodPost, "/2020-05-31/distribution/"+distribution+"/invalidation", strings.NewReader(body))
	sum := sha256.Sum256([]byte(body))
	err := v4.NewSigner().SignHTTP(context.Background(), aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: secret}, r,
		hex.EncodeToString(sum[:]), "cloudfront", "us-east-1", time.Unix(1_700_000_000, 0))
	if err != nil {
		return err.Error()
	}
	w := httptest.NewRecorder()
	api.ServeHTTP(w, r)
	var answer struct{ Error struct{ Code string } }
	xml.Unmarshal(w.Body.Bytes(), &answer)
	return strings.TrimSpace(fmt.Sprint(w.Code, " ", answer.Error.Code))
}

// TestPaths: what CloudFront takes for a path or a tag.
func TestPaths(t *testing.T) {
	long := "/" + strings.Repeat("n", cloudfront.MaxLength)
	for path, ok := range map[string]bool{
		"/a": true, "/a/b*": true, "/*": true, "/a%20b": true, "/%C3%BC": true, "/a+b=c&(d)'e',f;g:h@i!$j-k_l.m": true, "/%7Euser": true,
		"#p-8b34107b1400": true, "#a*": true, "/%25": true, long[:cloudfront.MaxLength]: true,
		"a": false, "": false, "/a*b": false, "/a b": false, "/ü": false, "/%41": false, "/%2B": false, "/~user": false, "/a%": false, "/a%2": false,
		"/[a]": false, "/a?b": false, "#": false, "#a,b": false, long: false,
	} {
		got := post(cloudfront.New("E", "AKID", "secret"), "E", "secret", body("r", 1, path))
		if want := map[bool]string{true: "201", false: "400 InvalidArgument"}[ok]; got != want {
			t.Errorf("%.40q: %s, want %s", path, got, want)
		}
	}
}

// TestRefuses what the API refuses.
func TestRefuses(t *testing.T) {
	many := make([]string, cloudfront.MaxPaths+1)
	for i := range many {
		many[i] = fmt.Sprint("/", i)
	}
	for name, test := range map[string]struct{ distribution, secret, body, want string }{
		"a wrong secret":     {"E", "wrong", body("r", 1, "/a"), "403 SignatureDoesNotMatch"},
		"another one's":      {"F", "secret", body("r", 1, "/a"), "404 NoSuchDistribution"},
		"no XML":             {"E", "secret", "{}", "400 MalformedInput"},
		"a wrong quantity":   {"E", "secret", body("r", 2, "/a"), "400 InconsistentQuantities"},
		"no reference":       {"E", "secret", body("", 1, "/a"), "400 InvalidArgument"},
		"nothing":            {"E", "secret", body("r", 0), "400 InvalidArgument"},
		"3,001 paths":        {"E", "secret", body("r", len(many), many...), "413 BatchTooLarge"},
		"3,000 paths":        {"E", "secret", body("r", len(many)-1, many[1:]...), "201"},
		"sixteen wildcards":  {"E", "secret", body("r", 16, strings.Split(strings.Repeat("/a* ", 15)+"/a*", " ")...), "400 TooManyInvalidationsInProgress"},
		"fifteen and a path": {"E", "secret", body("r", 16, strings.Split(strings.Repeat("/a* ", 15)+"/a", " ")...), "201"},
	} {
		if got := post(cloudfront.New("E", "AKID", "secret"), test.distribution, test.secret, test.body); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}

// TestTampered: a signature is one of the body, too.
func TestTampered(t *testing.T) {
	api := cloudfront.New("E", "AKID", "secret")
	tamper := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		other := r.Clone(r.Context())
		other.Body = http.NoBody
		api.ServeHTTP(w, other)
	})
	if got := post(tamper, "E", "secret", body("r", 1, "/a")); got != "403 SignatureDoesNotMatch" {
		t.Errorf("%s", got)
	}
	w := httptest.NewRecorder()
	api.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", nil))
	if w.Code != http.StatusForbidden {
		t.Errorf("unsigned: %d", w.Code)
	}
}

// Example: a reference that was used is answered as before, with other paths
// refused; what is in progress counts until it is finished.
func Example() {
	api := cloudfront.New("E", "AKID", "secret")
	fmt.Println(post(api, "E", "secret", body("1", 1, "/a/*")))
	fmt.Println(post(api, "E", "secret", body("1", 1, "/a/*")))
	fmt.Println(post(api, "E", "secret", body("1", 1, "/b/*")))
	fmt.Println(api.Invalidated("/a/b.png"), api.Invalidated("/b/b.png"), api.Sizes())
	// Output:
	// 201
	// 201
	// 400 InvalidationBatchAlreadyExists
	// true false [1]
}
