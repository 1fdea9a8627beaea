package backends_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"example.com/ezdfs/backends"
)

// TestOwnTimeouts: a transport's timeouts are not the end of a context, which
// stays what it is.
func TestOwnTimeouts(t *testing.T) {
	nobody := &http.Transport{DialContext: (&net.Dialer{Timeout: time.Nanosecond}).DialContext}
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:1/", nil)
	if _, err := nobody.RoundTrip(request); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("net calls a timeout of its own %v: nothing needs to be done about it", err)
	}
	_, err := backends.OwnTimeouts(nobody).RoundTrip(request)
	var slow net.Error
	if errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &slow) || !slow.Timeout() {
		t.Errorf("a store that nobody reaches: %v", err)
	}
	ctx, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	if _, err := backends.OwnTimeouts(nobody).RoundTrip(request.WithContext(ctx)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a context that is over: %v", err)
	}
}
