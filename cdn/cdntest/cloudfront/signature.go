package cloudfront

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

var authorization = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=([^/]+)/\d{8}/us-east-1/cloudfront/aws4_request, SignedHeaders=([^,]+), Signature=[0-9a-f]{64}$`)

// authenticate reads the body of a request and returns why it is refused, ""
// where its signature is right (IAM User Guide, "AWS Signature Version 4").
func (s *Server) authenticate(r *http.Request) (body []byte, code string) {
	body, _ = io.ReadAll(r.Body)
	m := authorization.FindStringSubmatch(r.Header.Get("Authorization"))
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	switch {
	case m == nil || err != nil:
		return body, "MissingAuthenticationToken"
	case s.Denied != "" && m[1] == s.Denied:
		return body, "AccessDenied"
	case m[1] != s.Key:
		return body, "InvalidClientTokenId"
	}
	again, err := http.NewRequest(r.Method, "http://"+r.Host+r.URL.RequestURI(), nil)
	if err != nil {
		return body, "SignatureDoesNotMatch"
	}
	again.ContentLength = r.ContentLength
	for name := range strings.SplitSeq(m[2], ";") {
		if value := r.Header.Get(name); value != "" && name != "host" && name != "content-length" {
			again.Header.Set(name, value)
		}
	}
	sum := sha256.Sum256(body)
	err = v4.NewSigner().SignHTTP(r.Context(), aws.Credentials{AccessKeyID: s.Key, SecretAccessKey: s.Secret}, again,
		hex.EncodeToString(sum[:]), "cloudfront", "us-east-1", at)
	if err != nil || again.Header.Get("Authorization") != r.Header.Get("Authorization") {
		return body, "SignatureDoesNotMatch"
	}
	return body, ""
}
