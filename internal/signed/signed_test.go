package signed

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

// What was signed is verified, and nothing else is.
func TestVerify(t *testing.T) {
	now := time.Unix(1_700_000_000, 0).UTC()
	body := `{"time":"2023-11-14T22:13:20Z","x":1}`
	header := http.Header{}
	Set(header, "s3cret", []byte(body), now, "key")
	if header.Get(TimestampHeader) != "1700000000" || header.Get(IdempotencyHeader) != "key" {
		t.Errorf("%v", header)
	}
	for _, test := range []struct {
		name, secret, body string
		at                 time.Time
		ok                 bool
	}{
		{"as sent", "s3cret", body, now.Add(time.Minute), true},
		{"another secret", "secret", body, now, false},
		{"another body", "s3cret", strings.Replace(body, "1}", "2}", 1), now, false},
		{"too late", "s3cret", body, now.Add(2 * time.Minute), false},
	} {
		err := Verify(test.secret, header, []byte(test.body), test.at, time.Minute)
		if (err == nil) != test.ok || err != nil && !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	unsigned := http.Header{}
	if Set(unsigned, "", []byte(body), now, "key"); unsigned.Get(SignatureHeader) != "" {
		t.Error("signed without a secret")
	}
}
