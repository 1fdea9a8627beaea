package frontends

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/gateway"
	"example.com/ezdfs/gateway/gatewaytest"
)

// TestSignedURLsAreForTheirHolder: no cache keeps what one of them opens.
func TestSignedURLsAreForTheirHolder(t *testing.T) {
	for name, start := range tables {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t, settingsOf[name]...)
			gatewaytest.Populate(t, s.cluster)
			url := start(t, s, everything)
			signed := url + gateway.SignPath(gatewaytest.Key, gatewaytest.Private, time.Unix(4_000_000_000, 0))
			for range 2 {
				if a := ask(t, "GET", signed); a.StatusCode != 200 || a.body != "SECRET" {
					t.Errorf("signed: %d %q %v", a.StatusCode, a.body, a.Header)
				}
				if a := ask(t, "GET", strings.Replace(signed, "signature=", "x=", 1)); a.StatusCode != 404 {
					t.Errorf("without its signature: %d", a.StatusCode)
				}
			}
			if seen := len(s.requests()); seen != 4 {
				t.Errorf("%d of 4 requests reached the gateway", seen)
			}
		})
	}
}

// TestDateIsTheGateways: Expires and Age are meant by its clock.
func TestDateIsTheGateways(t *testing.T) {
	for name, start := range tables {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t, settingsOf[name]...)
			s.store(t, images+"a", "a")
			s.stop()
			now := time.Now().Add(-time.Minute)
			s.options.Now = func() time.Time { return now }
			s.start(t)
			a := ask(t, "GET", start(t, s)+"/"+images+"a")
			if got, want := a.Header.Get("Date"), now.UTC().Format(http.TimeFormat); got != want {
				t.Errorf("Date: %s, want %s", got, want)
			}
		})
	}
}

// TestKeptConnectionsMayClose: the gateway closes the connections that a front
// end keeps just when the next request is due. None is lost.
func TestKeptConnectionsMayClose(t *testing.T) {
	for name, start := range tables {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t, settingsOf[name]...)
			s.stop()
			s.network.IdleTimeout = time.Millisecond
			s.start(t)
			url := start(t, s)
			h := newHammer(t, func(n int64) string { return fmt.Sprintf("%s/%s%d", url, images, n) },
				func(a answer) bool { return a.StatusCode == 404 })
			for range 6 {
				h.more(t)
			}
			h.stop()
		})
	}
}
