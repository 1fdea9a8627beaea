package frontends

import (
	"fmt"
	"testing"
)

// TestRestartLosesNoRequest: while gateways replace each other at one address,
// as they do under systemd, each request through the connections that a front
// end keeps is answered. Varnish and the cache of nginx ask for another file
// each time.
func TestRestartLosesNoRequest(t *testing.T) {
	for name, start := range tables {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t, settingsOf[name]...)
			s.store(t, images+"a", "a")
			url := start(t, s)
			ask(t, "GET", url+"/"+images+"a")
			s.requests()

			h := newHammer(t, func(n int64) string { return fmt.Sprintf("%s/%s%d", url, images, n) },
				func(a answer) bool { return a.StatusCode == 404 })
			for range 3 {
				h.more(t)
				old := s.stop
				s.start(t)
				old()
			}
			asked := h.stop()
			if seen := len(s.requests()); seen < asked {
				t.Errorf("%d requests reached the gateways, of %d", seen, asked)
			}
		})
	}
}
