// Package signed is how ezdfs proves to receivers of its requests that it made
// them: an HMAC of the body, which holds the time.
package signed

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// The headers of a request.
const (
	SignatureHeader   = "X-Ezdfs-Signature"
	TimestampHeader   = "X-Ezdfs-Timestamp"
	IdempotencyHeader = "Idempotency-Key"
)

// ErrSignature is wrapped by the errors of [Verify].
var ErrSignature = errors.New("webhook: not a request of this sender")

// Set adds the headers to a request whose body, a JSON object with the member
// "time", was made at now: the signature only where there is a secret.
func Set(header http.Header, secret string, body []byte, now time.Time, idempotencyKey string) {
	header.Set("Content-Type", "application/json")
	header.Set("User-Agent", "ezdfs")
	header.Set(TimestampHeader, strconv.FormatInt(now.Unix(), 10))
	header.Set(IdempotencyHeader, idempotencyKey)
	if secret != "" {
		header.Set(SignatureHeader, sign(secret, body))
	}
}

// sign returns the value of the signature header.
func sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// Verify reports whether a request was signed with a secret, at most maxAge
// before or after now. An error wraps [ErrSignature].
func Verify(secret string, header http.Header, body []byte, now time.Time, maxAge time.Duration) error {
	if !hmac.Equal([]byte(header.Get(SignatureHeader)), []byte(sign(secret, body))) {
		return fmt.Errorf("%w: the signature is wrong", ErrSignature)
	}
	var m struct{ Time time.Time }
	if err := json.Unmarshal(body, &m); err != nil || now.Sub(m.Time).Abs() > maxAge {
		return fmt.Errorf("%w: it was made at %v, more than %v from now", ErrSignature, m.Time, maxAge)
	}
	return nil
}
