package cloudfront

import (
	"net/url"
	"strings"
	"testing"

	"example.com/ezdfs/cdn/cdntest"
	"example.com/ezdfs/settings"
)

// FuzzPath: whatever the name, the path is one that CloudFront takes and
// covers the URL of the name.
func FuzzPath(f *testing.F) {
	for _, name := range cdntest.OddPaths() {
		f.Add(name)
	}
	f.Add(strings.Repeat("ü*", 900))
	f.Add(strings.Repeat("ü", 3000))
	target := &Target{cfg: withDefaults(settings.CloudFront{})}
	f.Fuzz(func(t *testing.T, name string) {
		path := target.path(name)
		visited := "/" + escape(name)
		prefix, wild := strings.CutSuffix(path, "*")
		if !wild && path != visited || !strings.HasPrefix(visited, prefix) {
			t.Errorf("%q does not cover %q", path, visited)
		}
		if len(path) > maxPath || strings.Contains(prefix, "*") {
			t.Errorf("%d bytes, or a wildcard inside: %q", len(path), path)
		}
		decoded, err := url.PathUnescape(prefix)
		if err != nil || !strings.HasPrefix("/"+name, decoded) {
			t.Errorf("%q is %q, no beginning of %q: %v", prefix, decoded, name, err)
		}
	})
}
