package gateway_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/gateway"
	"example.com/ezdfs/gateway/surrogate"
	"example.com/ezdfs/metadata"
)

func TestZeroOptions(t *testing.T) {
	w := get(t, gateway.New(fakeFile("0123456789"), gateway.Options{}), "GET", target)
	if w.Code != 200 || w.Body.String() != "0123456789" {
		t.Fatalf("%d %q", w.Code, w.Body)
	}
	for _, key := range []string{"Expires", "Cache-Control", "X-Powered-By", "Served-By", "Surrogate-Key", "Cache-Tag", "Edge-Cache-Tag", "Xkey",
		"Content-Disposition", "Access-Control-Allow-Origin", "Vary"} {
		if got, ok := w.Header()[key]; ok {
			t.Errorf("%s: %q", key, got)
		}
	}
}

// TestLegacyHeaders holds the defaults of the settings against contract
// section 8.
func TestLegacyHeaders(t *testing.T) {
	s := loadSettings(t, "[Gateway]\nServedBy=www1\n")
	o, err := gateway.OptionsFrom(s)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	o.Now = func() time.Time { return now }
	w := get(t, gateway.New(fakeFile("0123456789"), o), "GET", target)
	for key, want := range map[string]string{
		"Content-Type": "text/plain", "Last-Modified": "Tue, 14 Nov 2023 22:13:20 GMT", "Etag": `"1700000000-10"`,
		"Expires": "Sun, 22 Nov 2026 12:00:00 GMT", "Cache-Control": "max-age=86400", "Accept-Ranges": "bytes",
		"Content-Length": "10", "X-Powered-By": "eZ Publish", "Served-By": "www1", "X-Content-Type-Options": "nosniff",
		"Date": "Sat, 21 Nov 2026 12:00:00 GMT",
	} {
		if got := w.Header().Get(key); got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
}

func TestSettingsThatCannotBeMeant(t *testing.T) {
	for lines, want := range map[string]string{
		"[Gateway]\nPrivatePrefixes[]=var/p/\n":                               "PrivatePrefixes: nobody could read var/p/",
		"[Gateway]\nURLSecret=0123456789abcdef short\n":                       "URLSecret",
		"[Gateway]\nURLSecret=0123456789abcdef fedcba9876543210":              "",
		"[Gateway]\nAllowOrigins[]=www.example.com\n":                         "AllowOrigins",
		"[Gateway]\nAllowOrigins[]=https://www.example.com/\n":                "AllowOrigins",
		"[Gateway]\nAllowOrigins[]=http://localhost:8080\nAllowOrigins[]=*\n": "",
		"[Gateway]\nSendfileHeader=X-Sendfile: x\n":                           "SendfileHeader",
	} {
		_, err := gateway.OptionsFrom(loadSettings(t, lines))
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "short")) {
			t.Errorf("%q: %v", lines, err)
		}
	}
}

func TestSwitchedOff(t *testing.T) {
	o := gateway.Options{NoCache: true, MaxAge: time.Hour}
	w := get(t, gateway.New(fakeFile("0123456789"), o), "GET", target, `If-None-Match: "1700000000-10"`, `If-Match: "x"`)
	if w.Code != 200 || w.Header().Get("Etag")+w.Header().Get("Last-Modified")+w.Header().Get("Expires") != "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	o = gateway.Options{NoRange: true}
	w = get(t, gateway.New(fakeFile("0123456789"), o), "GET", target, "Range: bytes=0-0")
	if w.Code != 200 || w.Header().Get("Accept-Ranges") != "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

func TestSurrogateKeys(t *testing.T) {
	f := fakeFile("x")
	f.row.Name, f.row.Scope, f.row.Trunk = "var/site/storage/a b\r\n,c.png", "image, s-1", "var/site/t-"
	h := gateway.New(f, gateway.Options{SurrogateKey: true, CacheTag: true, EdgeCacheTag: true, XKey: true})
	header := get(t, h, "GET", "/var/site/storage/a%20b%0d%0a,c.png").Header()
	keys := strings.Fields(header.Get("Surrogate-Key"))
	for _, want := range []string{
		"p-" + metadata.Hash(f.row.Name)[:12], surrogate.Scope(f.row.Scope), surrogate.Trunk(f.row.Trunk),
		surrogate.Directory("var"), surrogate.Directory("/var/site/"), surrogate.Directory("var/site/storage"),
	} {
		if !strings.Contains(header.Get("Surrogate-Key"), want) {
			t.Errorf("%q lacks %s", keys, want)
		}
	}
	for _, key := range keys {
		if !regexp.MustCompile(`^[pdst]-[0-9a-f]{12}$`).MatchString(key) {
			t.Errorf("key %q", key)
		}
	}
	if len(keys) != 6 || header.Get("Xkey") != header.Get("Surrogate-Key") ||
		header.Get("Cache-Tag") != strings.Join(keys, ",") || header.Get("Edge-Cache-Tag") != header.Get("Cache-Tag") {
		t.Errorf("%v", header)
	}
	f.row.Name = strings.Repeat("d/", 200) + "a"
	if got := len(surrogate.Keys(f.row)); got != surrogate.MaxDirectories+3 {
		t.Errorf("%d keys of a deep path", got)
	}
}

func TestPrivateAnswersAreForOneClient(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	h := gateway.New(fakeFile("0123456789"), gateway.Options{
		PrivatePrefixes: []string{"var/storage/"}, URLKeys: []string{"0123456789abcdef"}, MaxAge: 24 * time.Hour,
		SurrogateKey: true, Now: func() time.Time { return now },
	})
	signed := gateway.SignPath("0123456789abcdef", target, now.Add(time.Minute))
	w := get(t, h, "GET", signed)
	header := w.Header()
	if w.Code != 200 || header.Get("Cache-Control") != "private, max-age=60" ||
		header.Get("Expires") != "Sat, 21 Nov 2026 12:01:00 GMT" || header.Get("Surrogate-Key") != "" {
		t.Errorf("%d %v", w.Code, header)
	}
	now = now.Add(time.Minute)
	if w := get(t, h, "GET", signed); w.Code != 404 {
		t.Errorf("expired: %d", w.Code)
	}
}

func TestCORS(t *testing.T) {
	const a, b = "https://a.example", "https://b.example"
	for _, test := range []struct {
		allow         []string
		origin        string
		allowed, vary string
	}{
		{nil, a, "", ""},
		{[]string{a}, a, a, "Origin"},
		{[]string{a}, b, "", "Origin"},
		{[]string{a}, "", "", "Origin"},
		{[]string{a}, "null", "", "Origin"},
		{[]string{a}, a + ".evil.example", "", "Origin"},
		{[]string{"*"}, b, "*", ""},
		{[]string{"*"}, "", "*", ""},
	} {
		h := gateway.New(fakeFile("x"), gateway.Options{AllowOrigins: test.allow})
		lines := []string{"Access-Control-Request-Method: GET"}
		if test.origin != "" {
			lines = append(lines, "Origin: "+test.origin)
		}
		for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
			header := get(t, h, method, target, lines...).Header()
			if header.Get("Access-Control-Allow-Origin") != test.allowed || header.Get("Vary") != test.vary ||
				(header.Get("Access-Control-Allow-Methods") != "") != (method == "OPTIONS" && test.allowed != "") {
				t.Errorf("%v %s %s: %v", test.allow, method, test.origin, header)
			}
		}
	}
	h := gateway.New(fakeFile("x"), gateway.Options{AllowOrigins: []string{a}})
	if got := get(t, h, "POST", target, "Origin: "+a).Header().Values("Vary"); strings.Join(got, ",") != "Origin,Accept" {
		t.Errorf("an error varies by %q", got)
	}
}

func TestElsewhere(t *testing.T) {
	const public, signed = "https://bucket.example/var/storage/a", "https://bucket.example/a?X-Sig=1"
	sign := func(expires time.Duration) (string, error) {
		if expires != time.Minute {
			return "", storeDown
		}
		return signed, nil
	}
	gone := func() (metadata.Row, error) {
		return metadata.Row{Name: "var/storage/a", MTime: -5, Expired: true}, nil
	}
	redirects := func(prefix string, kind gateway.Redirect) gateway.Options {
		return gateway.Options{MaxAge: time.Hour, RedirectLifetime: time.Minute,
			Redirects: map[string]gateway.Redirect{"var/": gateway.RedirectPublic, prefix: kind}}
	}
	accel := gateway.Options{SendfileHeader: "X-Accel-Redirect", SendfilePrefix: "/mnt/", MaxAge: time.Hour}
	for _, test := range []struct {
		name                     string
		files                    *fake
		o                        gateway.Options
		status                   int
		location, control, accel string
	}{
		{"public", &fake{url: public}, redirects("/var/storage/", "public"), 302, public, "max-age=3600", ""},
		{"signed", &fake{url: public, signed: sign}, redirects("var/storage/", "signed"), 302, signed, "no-store", ""},
		{"public, on NFS", &fake{url: target}, redirects("var/storage/", "public"), 200, "", "max-age=3600", ""},
		{"signed, on NFS", &fake{url: target}, redirects("var/storage/", "signed"), 200, "", "max-age=3600", ""},
		{"public, expired", &fake{url: public, stat: gone}, redirects("var/storage/", "public"), 404, "", "no-store", ""},
		{"signing fails", &fake{url: public, signed: sign}, gateway.Options{Redirects: map[string]gateway.Redirect{"": "signed"}}, 503, "", "no-store", ""},
		{"accel", &fake{url: target}, accel, 200, "", "max-age=3600", "/mnt/var/storage/a"},
		{"accel, on S3", &fake{url: public}, accel, 200, "", "max-age=3600", ""},
		{"accel, expired", &fake{url: target, stat: gone}, accel, 404, "", "no-store", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := fakeFile("0123456789")
			f.url, f.signed, f.stat = test.files.url, test.files.signed, test.files.stat
			w := get(t, gateway.New(f, test.o), "GET", target)
			header := w.Header()
			if w.Code != test.status || header.Get("Location") != test.location || header.Get("Cache-Control") != test.control ||
				header.Get("X-Accel-Redirect") != test.accel {
				t.Errorf("%d %v", w.Code, header)
			}
			if sent := w.Body.String() == "0123456789"; sent != (test.status == http.StatusOK && test.accel == "") {
				t.Errorf("body %q", w.Body)
			}
			if elsewhere := test.location + test.accel; elsewhere != "" && header.Get("Etag")+header.Get("Last-Modified") != "" {
				t.Errorf("validators of what somebody else sends: %v", header)
			}
		})
	}
}

// TestSendfileLooksFirst: what is not the row's file is found out before the
// web server in front is told to send it, and the row mended (invariant 4).
func TestSendfileLooksFirst(t *testing.T) {
	s := loadSettings(t, "[Gateway]\nSendfileHeader=X-Accel-Redirect\nSendfilePrefix=/protected/\n")
	c := newCluster(t, s)
	o, err := gateway.OptionsFrom(s)
	if err != nil {
		t.Fatal(err)
	}
	h := gateway.New(c, o)
	for _, test := range []struct {
		name   string
		change func(file string) error
		status int
		size   int64
	}{
		{"as stored", func(string) error { return nil }, 200, 5},
		{"shorter", func(file string) error { return os.Truncate(file, 3) }, 200, 3},
		{"gone", os.Remove, 500, 5},
		{"a directory", func(file string) error { return errors.Join(os.Remove(file), os.Mkdir(file, 0o777)) }, 500, 5},
	} {
		t.Run(test.name, func(t *testing.T) {
			name := "var/storage/" + test.name
			store(t, c, name, "12345")
			if err := test.change(filepath.Join(s.NFS["nfs"].MountPointPath, name)); err != nil {
				t.Fatal(err)
			}
			target := "/" + strings.ReplaceAll(name, " ", "%20")
			header := ""
			if test.status == 200 {
				header = "/protected" + target
			}
			w := get(t, h, "GET", target)
			if w.Code != test.status || w.Header().Get("X-Accel-Redirect") != header {
				t.Errorf("%d %v", w.Code, w.Header())
			}
			if row, err := c.Stat(t.Context(), name); err != nil || row.Size != test.size {
				t.Errorf("%+v, %v", row, err)
			}
		})
	}
}

// TestRedirectsCanBePurged: what a cache keeps of a redirect has the keys of
// its file; what it must not keep needs none.
func TestRedirectsCanBePurged(t *testing.T) {
	f := fakeFile("0123456789")
	f.url = "https://bucket.example/a"
	f.signed = func(time.Duration) (string, error) { return f.url + "?s", nil }
	for kind, want := range map[gateway.Redirect]bool{gateway.RedirectPublic: true, gateway.RedirectSigned: false} {
		o := gateway.Options{MaxAge: time.Hour, XKey: true, Redirects: map[string]gateway.Redirect{"var/": kind}}
		w := get(t, gateway.New(f, o), "GET", target)
		if w.Code != 302 || (w.Header().Get("Xkey") != "") != want {
			t.Errorf("%s: %d %v", kind, w.Code, w.Header())
		}
	}
}

// TestPrivateFilesAreNotSentToTheirPublicURL, and a signed one outlives no
// gateway URL.
func TestPrivateFilesAreNotSentToTheirPublicURL(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	f := fakeFile("0123456789")
	f.url = "https://bucket.example/a"
	var lifetime time.Duration
	f.signed = func(expires time.Duration) (string, error) {
		lifetime = expires
		return "https://bucket.example/a?s", nil
	}
	o := gateway.Options{PrivatePrefixes: []string{"var/"}, URLKeys: []string{"0123456789abcdef"}, Now: func() time.Time { return now }}
	url := gateway.SignPath("0123456789abcdef", target, now.Add(30*time.Second))
	for kind, status := range map[gateway.Redirect]int{gateway.RedirectPublic: 200, gateway.RedirectSigned: 302} {
		o.Redirects = map[string]gateway.Redirect{"var/": kind}
		if w := get(t, gateway.New(f, o), "GET", url); w.Code != status {
			t.Errorf("%s: %d", kind, w.Code)
		}
		if w := get(t, gateway.New(f, o), "GET", target); w.Code != 404 {
			t.Errorf("%s, unsigned: %d", kind, w.Code)
		}
	}
	if lifetime != 30*time.Second {
		t.Errorf("the store's URL is good for %v", lifetime)
	}
}
