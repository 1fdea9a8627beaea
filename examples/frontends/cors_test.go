package frontends

import (
	"fmt"
	"testing"
)

// TestOriginsShareCopies: caches keep a copy for each origin that is allowed,
// and one for all others, however many they make up.
func TestOriginsShareCopies(t *testing.T) {
	const allowed = "https://www.example.com"
	for name, start := range map[string]starter{"varnish": startVarnish, "nginx": startNginxCache} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t, "AllowOrigins[]="+allowed, "AllowOrigins[]=https://another.example")
			s.store(t, images+"a.png", "body")
			url := start(t, s) + "/" + images + "a.png"
			check := func(origin string) {
				t.Helper()
				want, lines := "", []string{"X: y"}
				if origin != "" {
					lines = append(lines, "Origin: "+origin)
				}
				if origin == allowed {
					want = allowed
				}
				a := ask(t, "GET", url, lines...)
				if got := a.Header.Get("Access-Control-Allow-Origin"); a.StatusCode != 200 || a.body != "body" || got != want {
					t.Errorf("%q: %d %q %v", origin, a.StatusCode, a.body, a.Header)
				}
			}
			for i := range 20 {
				check(fmt.Sprintf("https://%d.example", i))
				check(fmt.Sprintf("https://www.example.com.%d.example", i))
				check(allowed)
				check("")
				check("null")
			}
			if seen := s.requests(); len(seen) != 2 {
				t.Errorf("%d requests reached the gateway, want one for each kind", len(seen))
			}
			if a := ask(t, "OPTIONS", url, "Origin: "+allowed, "Access-Control-Request-Method: GET"); a.StatusCode != 204 ||
				a.Header.Get("Access-Control-Allow-Methods") == "" || a.Header.Get("Access-Control-Allow-Origin") != allowed {
				t.Errorf("preflight: %d %v", a.StatusCode, a.Header)
			}
			if name != "varnish" {
				return
			}
			if a := askFrom(t, trusted, "PURGE", url); a.StatusCode != 200 {
				t.Errorf("purge: %d", a.StatusCode)
			}
			s.requests()
			check(allowed)
			check("")
			if seen := s.requests(); len(seen) != 2 {
				t.Errorf("after a purge %d requests reached the gateway, want one for each kind", len(seen))
			}
		})
	}
}
