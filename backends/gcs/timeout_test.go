package gcs

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
	w := new(wire)
	b := newBackend(t, startService(t).config(t), w.option())
	put(t, b, "a", []byte("x"), backends.Attributes{Size: -1})
	nobody := &http.Transport{DialContext: (&net.Dialer{Timeout: time.Nanosecond}).DialContext}
	w.reset(func(_ int, r *http.Request, _ http.RoundTripper) (*http.Response, error) { return nobody.RoundTrip(r) })
	_, err := b.Open(t.Context(), "a", 0, -1)
	if !errors.Is(err, backends.ErrUnavailable) || !backends.IsRetryable(err) {
		t.Errorf("%v is no retryable ErrUnavailable", err)
	}
}
