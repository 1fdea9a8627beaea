package frontends

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/gateway/surrogate"
)

const images = "var/site/storage/images/"

// cached are files with everything that a pattern could take for something
// else: [name, what is like it].
var cached = []string{
	images + "a/1.png", images + "a/2.png", images + "a/1xpng", images + "a.b/1.png", images + "aXb/1.png",
	images + "a+(b)/1.png", images + "ab/1.png", images + "b/1 2&&.png", "var/site/storage/images-versioned/a/1.png",
}

// fill has a cache keep all files.
func fill(t *testing.T, base string) {
	t.Helper()
	for _, name := range cached {
		ask(t, "GET", base+escaped(name))
		if a := ask(t, "GET", base+escaped(name)); a.StatusCode != 200 || a.Header.Get("X-Cache") != "hit" {
			t.Fatalf("%s: %d %v", name, a.StatusCode, a.Header)
		}
	}
}

// dropped returns which files the cache does not have any more.
func dropped(t *testing.T, base string) []string {
	t.Helper()
	var names []string
	for _, name := range cached {
		if ask(t, "GET", base+escaped(name)).Header.Get("X-Cache") != "hit" {
			names = append(names, name)
		}
	}
	return names
}

func escaped(name string) string { return "/" + backends.EscapePath(name) }

// TestVarnishInvalidates: each way to drop copies drops what it says, and no
// more.
func TestVarnishInvalidates(t *testing.T) {
	for name, keys := range map[string]replacement{
		"ban":  {"./keys-ban.vcl", "./keys-ban.vcl"},
		"xkey": {"./keys-ban.vcl", "./keys-xkey.vcl"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t)
			for _, name := range cached {
				s.store(t, name, name)
			}
			base := startVarnish(t, s, keys)
			for _, test := range []struct {
				name, method, path string
				line               string
				want               []string
			}{
				{"a URL", "PURGE", escaped(cached[0]), "X: y", cached[:1]},
				{"a URL with a query", "PURGE", escaped(cached[0]) + "?v=3", "X: y", cached[:1]},
				{"a URL under another name", "PURGE", escaped(cached[0]), "X-Forwarded-Host: other.example", cached[:1]},
				{"an escaped URL", "PURGE", escaped(cached[7]), "X: y", cached[7:8]},
				{"a URL that is not there", "PURGE", "/" + images + "none", "X: y", nil},
				{"a prefix", "BAN", "/", "X-Ban-Prefix: /" + images + "a/", cached[:3]},
				{"a prefix with a dot", "BAN", "/", "X-Ban-Prefix: /" + images + "a.b", cached[3:4]},
				{"a prefix with all kinds of characters", "BAN", "/", "X-Ban-Prefix: " + escaped(images+"a+(b)/"), cached[5:6]},
				{"a prefix of nothing", "BAN", "/", `X-Ban-Prefix: /x[]\^$.|?*+(){}`, nil},
				{"a part that is no prefix", "BAN", "/", "X-Ban-Prefix: /storage/images/a/", nil},
				{"a pattern", "BAN", "/", `X-Ban-Pattern: ^/var/[^/]+/storage/images/a/1\.png$`, cached[:1]},
				{"a pattern without anchors", "BAN", "/", `X-Ban-Pattern: 1.png`, []string{cached[0], cached[2], cached[3], cached[4], cached[5], cached[6], cached[8]}},
				{"the key of a path", "PURGE", "/", "xkey: " + surrogate.Path(cached[1]), cached[1:2]},
				{"keys of paths", "PURGE", "/", "xkey: " + surrogate.Path(cached[1]) + " " + surrogate.Path(cached[4]), []string{cached[1], cached[4]}},
				{"the key of a directory", "PURGE", "/", "xkey: " + surrogate.Directory(images+"a"), cached[:3]},
				{"the key of a directory above", "PURGE", "/", "xkey: " + surrogate.Directory(images), cached[:8]},
				{"the key of a scope", "PURGE", "/", "xkey: " + surrogate.Scope("image"), cached},
				{"the end of a key", "PURGE", "/", "xkey: " + surrogate.Path(cached[1])[8:], nil},
				{"a part of a key", "PURGE", "/", "xkey: " + surrogate.Path(cached[1])[:8], nil},
				{"a key of nothing", "PURGE", "/", "xkey: " + surrogate.Path("none"), nil},
			} {
				t.Run(test.name, func(t *testing.T) {
					fill(t, base)
					a := askFrom(t, trusted, test.method, base+test.path, test.line)
					if a.StatusCode != 200 {
						t.Fatalf("%d %s", a.StatusCode, a.body)
					}
					if got := dropped(t, base); !slices.Equal(got, test.want) {
						t.Errorf("dropped %q, want %q", got, test.want)
					}
				})
			}
		})
	}
}

// TestVarnishRefusesInvalidation: from other addresses, through a proxy, and
// what would not mean what it says.
func TestVarnishRefusesInvalidation(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	for _, name := range cached {
		s.store(t, name, name)
	}
	base := startVarnish(t, s)
	fill(t, base)
	for _, test := range []struct {
		name, from, method string
		lines              []string
		status             int
	}{
		{"a visitor's purge", visitor, "PURGE", nil, 405},
		{"a visitor's ban", visitor, "BAN", []string{"X-Ban-Prefix: /"}, 405},
		{"a visitor's purge by key", visitor, "PURGE", []string{"xkey: " + surrogate.Scope("image")}, 405},
		{"a visitor who claims to be trusted", visitor, "PURGE", []string{"X-Forwarded-For: 127.0.0.1"}, 405},
		{"through a proxy", trusted, "PURGE", []string{"X-Forwarded-For: 9.9.9.9"}, 405},
		{"through a proxy, by a trusted host", trusted, "BAN", []string{"X-Forwarded-For: 127.0.0.1", "X-Ban-Prefix: /"}, 405},
		{"a ban of nothing", trusted, "BAN", nil, 400},
		{"an empty prefix", trusted, "BAN", []string{"X-Ban-Prefix: "}, 400},
		{"a prefix of no path", trusted, "BAN", []string{"X-Ban-Prefix: " + images}, 400},
		{"a prefix that goes on", trusted, "BAN", []string{"X-Ban-Prefix: /x || obj.status == 200"}, 400},
		{"a pattern that goes on", trusted, "BAN", []string{"X-Ban-Pattern: . && obj.status == 200"}, 400},
		{"a pattern with a tab", trusted, "BAN", []string{"X-Ban-Pattern: .\t&&\tobj.status == 200"}, 400},
		{"a quoted pattern", trusted, "BAN", []string{`X-Ban-Pattern: "."`}, 400},
		{"a pattern that is none", trusted, "BAN", []string{"X-Ban-Pattern: ("}, 400},
		{"a key that is a pattern", trusted, "PURGE", []string{"xkey: .*"}, 400},
		{"a key with a condition", trusted, "PURGE", []string{"xkey: a) && obj.status != 0"}, 400},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := askFrom(t, test.from, test.method, base+escaped(cached[0]), test.lines...)
			if a.StatusCode != test.status {
				t.Errorf("%d, want %d", a.StatusCode, test.status)
			}
			if got := dropped(t, base); got != nil {
				t.Errorf("dropped %q", got)
			}
		})
	}
}

// TestBansAreForTheLurker: a ban is tested on the objects in the background,
// and gone when it was.
func TestBansAreForTheLurker(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	for _, name := range cached {
		s.store(t, name, name)
	}
	base, varnish := varnish(t, s)
	fill(t, base)
	askFrom(t, trusted, "BAN", base+"/", "X-Ban-Prefix: /"+images+"a/")
	askFrom(t, trusted, "PURGE", base+"/", "xkey: "+surrogate.Path(cached[4]))
	eventually(t, "the ban lurker is done", func() bool { return varnish.Counter("MAIN.bans_completed") == varnish.Counter("MAIN.bans") })
	if got, want := varnish.Counter("MAIN.bans_lurker_obj_killed"), 4; got != want {
		t.Errorf("the lurker dropped %d objects, want %d", got, want)
	}
	if got, want := dropped(t, base), []string{cached[0], cached[1], cached[2], cached[4]}; !slices.Equal(got, want) {
		t.Errorf("dropped %q, want %q", got, want)
	}
}

// TestVarnishKeepsOneCopy of a file for all visitors and queries.
func TestVarnishKeepsOneCopy(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.store(t, cached[0], "body")
	base := startVarnish(t, s)
	for _, test := range []struct{ path, line string }{
		{"", "X: y"}, {"", "X: y"}, {"?v=2", "X: y"}, {"?x=signature", "X: y"}, {"", "Cookie: session=1"}, {"", "Authorization: Basic x"}, {"", "Host: other.example"},
		{"", "Accept: image/webp"}, {"", "Accept-Encoding: gzip"}, {"", "Range: bytes=1-2"}, {"", `If-None-Match: "1700000000-4"`},
	} {
		if a := ask(t, "GET", base+escaped(cached[0])+test.path, test.line); a.StatusCode > 304 || a.Header.Get("X-Ezdfs-Url") != "" || a.Header.Get("Xkey") != "" {
			t.Errorf("%v: %d %v", test, a.StatusCode, a.Header)
		}
	}
	if seen := s.requests(); len(seen) != 1 || seen[0].header["Cookie"] != nil {
		t.Errorf("%v reached the gateway", seen)
	}
}

// TestVarnishLargeFiles: ranges of files that are not kept are fetched as
// ranges.
func TestVarnishLargeFiles(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.store(t, images+"big", strings.Repeat("0123456789", 1000))
	base := startVarnish(t, s, replacement{"67108864", "5000"})
	for range 3 {
		a := ask(t, "GET", base+"/"+images+"big", "Range: bytes=9990-9992")
		if a.StatusCode != 206 || a.body != "012" || a.Header.Get("Content-Range") != "bytes 9990-9992/10000" {
			t.Errorf("%d %q %v", a.StatusCode, a.body, a.Header)
		}
	}
	seen := s.requests()
	if last := seen[len(seen)-1]; len(seen) != 3 || last.header.Get("Range") != "bytes=9990-9992" {
		t.Errorf("%v reached the gateway", seen)
	}
}

// TestVarnishServesStale: without a gateway, what was kept is served though it
// has expired; a file that is not kept is an error.
func TestVarnishServesStale(t *testing.T) {
	for name, ready := range map[string]bool{"before the probe notices": true, "when it has": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t, "ExpiryTimeout=1")
			s.store(t, cached[0], "old")
			// No time in which an expired copy is served anyway.
			base := startVarnish(t, s, replacement{"req.grace = 10s", "req.grace = 0s"})
			ask(t, "GET", base+escaped(cached[0]))
			s.stop()
			s.ready.Store(ready)
			eventually(t, "the copy expires", func() bool {
				a := ask(t, "GET", base+escaped(cached[0]))
				if a.StatusCode != 200 || a.body != "old" {
					t.Fatalf("%d %q %v", a.StatusCode, a.body, a.Header)
				}
				age, _ := strconv.Atoi(a.Header.Get("Age"))
				return age >= 3
			})
			if a := ask(t, "GET", base+escaped(cached[1])); a.StatusCode != 503 {
				t.Errorf("another file: %d", a.StatusCode)
			}
			s.store(t, cached[0], "newer")
			s.start(t)
			eventually(t, "the new body is served", func() bool { return ask(t, "GET", base+escaped(cached[0])).body == "newer" })
		})
	}
}
