package frontends

import (
	"strings"
	"testing"
)

// TestNginxCache: files are fetched in slices, once, and served from the copy
// after they expired while there is no gateway.
func TestNginxCache(t *testing.T) {
	t.Parallel()
	s := newStack(t, "ExpiryTimeout=1")
	body := strings.Repeat("0123456789", 400_000)
	s.store(t, images+"film", body)
	s.store(t, images+"small", "small")
	url := startNginxCache(t, s)
	film := url + "/" + images + "film"

	a := ask(t, "GET", film, "Range: bytes=2000000-2000004")
	if a.StatusCode != 206 || a.body != "01234" || a.Header.Get("Content-Range") != "bytes 2000000-2000004/4000000" {
		t.Errorf("%d %.20q %v", a.StatusCode, a.body, a.Header)
	}
	if seen := s.requests(); len(seen) != 1 || seen[0].header.Get("Range") != "bytes=1048576-2097151" {
		t.Errorf("%v reached the gateway, not one slice", seen)
	}
	if a := ask(t, "GET", film+"?v=2"); a.StatusCode != 200 || a.body != body {
		t.Errorf("%d, %d bytes", a.StatusCode, len(a.body))
	}
	if a := ask(t, "GET", url+"/"+images+"small"); a.StatusCode != 200 || a.body != "small" {
		t.Errorf("%d %q", a.StatusCode, a.body)
	}
	s.stop()
	eventually(t, "the copy expires", func() bool {
		a := ask(t, "GET", url+"/"+images+"small")
		if a.StatusCode != 200 || a.body != "small" {
			t.Fatalf("%d %q", a.StatusCode, a.body)
		}
		return a.Header.Get("X-Cache") == "STALE"
	})
	if a := ask(t, "GET", film); a.StatusCode != 200 || a.body != body {
		t.Errorf("stale: %d, %d bytes", a.StatusCode, len(a.body))
	}
	if a := ask(t, "GET", url+"/"+images+"other"); a.StatusCode != 502 {
		t.Errorf("another file: %d", a.StatusCode)
	}
}
