package gateway

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strconv"
	"strings"
	"time"

	"example.com/ezdfs/backends"
)

// The query parameters of a signed URL.
const (
	paramExpires   = "expires"   // Unix seconds
	paramSignature = "signature" // HMAC-SHA256, base64url without padding
)

// SignPath returns the path and query of a URL that lets whoever holds it read
// a private file of the gateway until expires, to the second. key is one of
// Options.URLKeys. Nobody is asked whether the file exists.
func SignPath(key, path string, expires time.Time) string {
	name := strings.TrimPrefix(path, "/")
	until := strconv.FormatInt(expires.Unix(), 10)
	signature := base64.RawURLEncoding.EncodeToString(signature(key, name, until))
	return "/" + backends.EscapePath(name) + "?" + paramExpires + "=" + until + "&" + paramSignature + "=" + signature
}

// signature signs the expiry and the path; no text of digits has a line break,
// so that no other pair reads the same.
func signature(key, name, until string) []byte {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte("ezdfs-url-1\n" + until + "\n" + name))
	return mac.Sum(nil)
}

// verify reports whether one of keys signed the query of a path, and until
// when that holds. Every key is tried, in constant time.
func verify(keys []string, name string, query url.Values, now time.Time) (time.Time, bool) {
	until := query.Get(paramExpires)
	given, err := base64.RawURLEncoding.Strict().DecodeString(query.Get(paramSignature))
	if err != nil {
		return time.Time{}, false
	}
	valid := false
	for _, key := range keys {
		if key != "" && hmac.Equal(given, signature(key, name, until)) {
			valid = true
		}
	}
	seconds, err := strconv.ParseInt(until, 10, 64)
	if !valid || err != nil || now.Unix() >= seconds {
		return time.Time{}, false
	}
	return time.Unix(seconds, 0), true
}
