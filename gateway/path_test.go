package gateway

import (
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/metadata"
)

func TestRequestName(t *testing.T) {
	for target, want := range map[string]int{
		"/var/site/storage/images/a.png":     0,
		"/var/..a/b..c/...":                  0,
		"/var/%2525":                         0,
		"/":                                  404,
		"":                                   400,
		"*":                                  400,
		"var/a":                              400,
		"/var/a/":                            404,
		"/var//a":                            404,
		"//var/a":                            404,
		"/var/./a":                           400,
		"/var/%2e%2E/a":                      400,
		"/..":                                400,
		`/var\a`:                             400,
		"/var%5Ca":                           400,
		"/var%00a":                           400,
		"/var/%ff":                           400,
		"/var/ezfile-tmp.1/a":                404,
		"/var/a.png.generating":              404,
		"/" + strings.Repeat("a", maxPath):   0,
		"/" + strings.Repeat("a", maxPath+1): 414,
	} {
		u, err := url.ParseRequestURI(target) // as the server does
		if err != nil {
			u = &url.URL{Path: target}
		}
		got := 0
		if _, err := requestName(u); err != nil {
			got = faultOf(err).status
		}
		if got != want {
			t.Errorf("%.60q: %d, want %d", target, got, want)
		}
	}
}

func TestPermit(t *testing.T) {
	const key = "0123456789abcdef"
	h := New(nil, Options{
		PublicPrefixes:  []string{"/var/cache/open/", "var/storage/private/open/", "var/storage/both/"},
		PrivatePrefixes: []string{"var/storage/private/", "var/storage/both/", "var/cache/open/not/"},
		URLKeys:         []string{"another key of 16", key},
	})
	for _, test := range []struct {
		name         string
		plain, asked bool // without and with a signed URL
	}{
		{"var/storage/a", true, true},
		{"var/other/a", true, true},
		{"var/cache/a", false, false},
		{"var/cache/storage/a", true, true},
		{"var/cache/open/a", true, true},
		{"var/cache/open", false, false},
		{"var/cache/open/not/a", false, true},
		{"var/storage/private/a", false, true},
		{"var/storage/private/open/a", true, true},
		{"var/storage/both/a", false, true},
	} {
		for signed, want := range map[bool]bool{false: test.plain, true: test.asked} {
			target := "/" + test.name
			if signed {
				target = SignPath(key, test.name, noon.Add(time.Minute))
			}
			u, err := url.Parse(target)
			if err != nil {
				t.Fatal(err)
			}
			_, err = h.permit(test.name, u, noon)
			if (err == nil) != want || err != nil && faultOf(err).status != http.StatusNotFound {
				t.Errorf("%s: %v, want %v", target, err, want)
			}
		}
	}
}

func TestSignedURLs(t *testing.T) {
	const key, name = "0123456789abcdef", "var/storage/a b+c%?é.txt"
	until := noon.Add(time.Hour)
	signed, err := url.Parse(SignPath(key, "/"+name, until))
	if err != nil || signed.Path != "/"+name {
		t.Fatalf("%v, %v", signed, err)
	}
	change := func(param, value string) url.Values {
		query := signed.Query()
		query.Set(param, value)
		return query
	}
	of := func(key, name string, until time.Time) url.Values {
		u, err := url.Parse(SignPath(key, name, until))
		if err != nil {
			t.Fatal(err)
		}
		return u.Query()
	}
	signature := signed.Query().Get(paramSignature)
	for _, test := range []struct {
		what  string
		keys  []string
		query url.Values
		now   time.Time
		want  bool
	}{
		{"good", []string{key}, signed.Query(), noon, true},
		{"good to the last second", []string{key}, signed.Query(), until.Add(-time.Second), true},
		{"expired", []string{key}, signed.Query(), until, false},
		{"an older key", []string{"new new new new ", key}, signed.Query(), noon, true},
		{"a dropped key", []string{"new new new new "}, signed.Query(), noon, false},
		{"no key", nil, signed.Query(), noon, false},
		{"the empty key", []string{""}, of("", name, until), noon, false},
		{"a later expiry", []string{key}, change(paramExpires, "99999999999"), noon, false},
		{"the same expiry, written otherwise", []string{key}, change(paramExpires, "0"+signed.Query().Get(paramExpires)), noon, false},
		{"another path", []string{key}, of(key, "var/storage/b", until), noon, false},
		{"a cut signature", []string{key}, change(paramSignature, signature[:len(signature)-2]), noon, false},
		{"a padded signature", []string{key}, change(paramSignature, signature+"="), noon, false},
		{"a signature with other idle bits", []string{key}, change(paramSignature, signature[:len(signature)-1]+string(signature[len(signature)-1]+1)), noon, false},
		{"no signature", []string{key}, change(paramSignature, ""), noon, false},
		{"nothing", []string{key}, url.Values{}, noon, false},
	} {
		got, ok := verify(test.keys, name, test.query, test.now)
		if ok != test.want || ok && !got.Equal(until) {
			t.Errorf("%s: %v, %v", test.what, got, ok)
		}
	}
}

// FuzzRequestName: whatever a request target is, the name made of it is one
// that the cluster uses as it is, and nothing but a storage file is served.
func FuzzRequestName(f *testing.F) {
	for _, target := range []string{"/var/storage/a", "/%2e%2e/a", "//a", "/a%5c..%5cb", "http://h/var/cache/x", "/a?b#c", "/%252e", "/var/cache%2fx"} {
		f.Add(target)
	}
	h := New(nil, Options{})
	f.Fuzz(func(t *testing.T, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		name, err := requestName(u)
		if err != nil {
			return
		}
		if clean, err := metadata.CleanName(name); clean != name || err != nil {
			t.Fatalf("%q: %q is not clean: %v", target, name, err)
		}
		if !fs.ValidPath(name) || path.Clean("/"+name) != "/"+name || "/"+name != u.Path {
			t.Fatalf("%q: %q", target, name)
		}
		if _, err := h.permit(name, u, noon); err == nil && strings.Contains(name, "cache") && !strings.Contains(name, "storage") {
			t.Fatalf("%q serves the cache file %q", target, name)
		}
	})
}
