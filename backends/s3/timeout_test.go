package s3

import (
	"errors"
	"net"
	"net/http"
	"testing"
	"time"

	"example.com/ezdfs/backends"
)

// TestUnreachable: a service whose network drops what is sent to it is away like
// one that refuses connections.
func TestUnreachable(t *testing.T) {
	nobody := &http.Transport{DialContext: (&net.Dialer{Timeout: time.Nanosecond}).DialContext}
	b := stub(t, nobody.RoundTrip)
	_, err := b.Open(t.Context(), "a", 0, -1)
	if !errors.Is(err, backends.ErrUnavailable) || !backends.IsRetryable(err) {
		t.Errorf("%v is no retryable ErrUnavailable", err)
	}
}
