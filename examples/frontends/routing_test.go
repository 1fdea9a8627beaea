package frontends

import (
	"testing"
)

// TestRouting: the legacy's rewrite rule, and nothing else, leads to the
// gateway, which gets the path as the client wrote it and knows the client.
func TestRouting(t *testing.T) {
	for name, start := range tables {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t, settingsOf[name]...)
			url := start(t, s)
			for _, path := range []string{
				"/var/storage/images/a.png",
				"/var/site/storage/images/12/3-eng/a.png",
				"/var/site/storage/images-versioned/12/a.png",
				"/var/site/storage/images/50%25%20off%3f%2B%c3%bc.png",
			} {
				a := ask(t, "GET", url+path, "X-Forwarded-For: 6.6.6.6", "Forwarded: for=7.7.7.7", "Cookie: a=b")
				seen := s.requests()
				if a.StatusCode != 404 || len(seen) != 1 {
					t.Fatalf("%s: %d, %d requests reached the gateway", path, a.StatusCode, len(seen))
				}
				if seen[0].path != path || seen[0].client != visitor {
					t.Errorf("%s came as %s from %s", path, seen[0].path, seen[0].client)
				}
			}
			for _, path := range []string{
				"/", "/index.php", "/content/view/full/2", "/var/site/cache/public/a.css", "/var/site/storage/original/a.pdf",
				"/var/site/storage/imagesx/a.png", "/var/a/b/storage/images/a.png", "/x/var/storage/images/a.png", "/design/var/storage/images/a.png",
			} {
				if a := ask(t, "GET", url+path); a.StatusCode != 200 || a.body != "site:"+path {
					t.Errorf("%s: %d %s", path, a.StatusCode, a.body)
				}
			}
			if seen := s.requests(); len(seen) > 0 {
				t.Errorf("%v reached the gateway", seen)
			}
		})
	}
}
