package frontends

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/ezdfs/gateway/gatewaytest"
)

// odd and percent are files whose names one encoding too many or too few would
// spoil.
const (
	odd     = "var/site/storage/gw/a b+c%d?eü.txt"
	percent = "var/site/storage/gw/%41.txt"
)

// TestSendfile: the web server in front sends the files on NFS itself, as the
// gateway's header says, and what the gateway does not name, nobody gets.
func TestSendfile(t *testing.T) {
	for name, start := range map[string]func(*testing.T) (*stack, string){
		"nginx": func(t *testing.T) (*stack, string) {
			s := newStack(t, "SendfileHeader=X-Accel-Redirect", "SendfilePrefix=/protected/")
			return s, startNginx("ezdfs-sendfile.conf")(t, s, everything, replacement{"/mnt/nfs", s.mount})
		},
		"apache": func(t *testing.T) (*stack, string) {
			s := newStack(t, "SendfileHeader=X-Sendfile")
			s.options.SendfilePrefix = s.mount + "/"
			s.stop()
			s.start(t)
			return s, startApache("ezdfs-xsendfile.conf", "xsendfile")(t, s, everything, replacement{"/mnt/nfs", s.mount})
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, url := start(t)
			gatewaytest.Populate(t, s.cluster)
			s.store(t, percent, "percent")
			path := "/var/site/storage/gw/ten.txt"
			// PHP died between writing the body and the row: the gateway mends
			// the row first.
			if err := os.WriteFile(filepath.Join(s.mount, path), []byte("from the mount"), 0o666); err != nil {
				t.Fatal(err)
			}
			a := ask(t, "GET", url+path)
			tag := a.Header.Get("Etag")
			if a.StatusCode != 200 || a.body != "from the mount" || a.Header.Get("Content-Type") != "text/plain" || (tag == "") != (name == "apache") {
				t.Errorf("%d %q %v", a.StatusCode, a.body, a.Header)
			}
			row, err := s.cluster.Stat(t.Context(), path[1:])
			if own := fmt.Sprintf(`"%d-%d"`, row.MTime, row.Size); err != nil || row.Size != int64(len(a.body)) || tag == own {
				t.Errorf("the gateway sent it: %s, %+v, %v", tag, row, err)
			}
			for _, key := range []string{"X-Content-Type-Options", "Surrogate-Key", "Cache-Tag", "Xkey", "Served-By", "Cache-Control", "Expires", "Last-Modified"} {
				if got := a.Header.Values(key); len(got) != 1 {
					t.Errorf("%s: %q", key, got)
				}
			}
			if got := a.Header.Get("X-Accel-Redirect") + a.Header.Get("X-Sendfile"); got != "" {
				t.Errorf("the name of the file came through: %s", got)
			}
			for _, test := range []struct {
				method, path, line string
				status             int
				body               string
			}{
				{"GET", path, "Range: bytes=5-7", 206, "the"},
				{"GET", path, "Range: bytes=-5", 206, "mount"},
				{"GET", path, "Range: bytes=99-", 416, "-"},
				{"GET", path, "If-None-Match: " + cmp.Or(tag, "*"), 304, ""},
				{"GET", path, `If-None-Match: "0"`, 200, "from the mount"}, // what Apache would say of any file
				{"GET", path, "If-None-Match: " + cmp.Or(ask(t, "GET", url+escaped(odd)).Header.Get("Etag"), `"a"`), 200, "from the mount"},
				{"GET", path, "If-Modified-Since: " + a.Header.Get("Last-Modified"), 304, ""},
				{"HEAD", path, "X: y", 200, ""},
				{"GET", escaped(odd), "X: y", 200, "odd"},
				{"GET", escaped(percent), "X: y", 200, "percent"},
				{"GET", "/var/site/storage/gw/empty.txt", "X: y", 200, ""},
				{"GET", "/var/site/storage/gw/gone.txt", "X: y", 404, "-"},
				{"GET", "/var/site/storage/gw/stray.txt", "X: y", 404, "-"},
				{"GET", "/" + gatewaytest.Private, "X: y", 404, "-"},
				{"GET", "/protected/" + gatewaytest.Private, "X: y", 404, "-"},
				{"GET", "/protected/" + gatewaytest.Private, "X-Accel-Redirect: /protected/" + gatewaytest.Private, 404, "-"},
				{"GET", "/var/site/storage/gw/none", "X-Sendfile: " + filepath.Join(s.mount, gatewaytest.Private), 404, "-"},
			} {
				a := ask(t, test.method, url+test.path, test.line)
				if a.StatusCode != test.status || test.body != "-" && a.body != test.body {
					t.Errorf("%s %s, %s: %d %q", test.method, test.path, test.line, a.StatusCode, a.body)
				}
			}
			gatewaytest.RunHostile(t, url)
			bodiless(t, s, url)
			if name == "nginx" { // mod_xsendfile cannot be kept from it
				linked(t, s, url)
			}
		})
	}
}

// bodiless: where there is no body, such as on a share that is not mounted, or
// a directory has its name, nobody may keep the answer.
func bodiless(t *testing.T, s *stack, url string) {
	t.Helper()
	for name, instead := range map[string]func(string) error{
		"var/site/storage/gw/bodiless.txt": func(string) error { return nil },
		"var/site/storage/gw/directory":    func(file string) error { return os.Mkdir(file, 0o755) },
	} {
		s.store(t, name, "gone")
		file := filepath.Join(s.mount, name)
		if err := errors.Join(os.Remove(file), instead(file)); err != nil {
			t.Fatal(err)
		}
		a := ask(t, "GET", url+"/"+name)
		kept := strings.Join(a.Header.Values("Cache-Control"), ",")
		if a.StatusCode < 400 || a.Header.Get("Location") != "" || strings.Contains(kept, "max-age") && !strings.Contains(kept, "no-store") {
			t.Errorf("%s: %d %v", name, a.StatusCode, a.Header)
		}
	}
}

// linked: a link on the mount leads nobody out of it.
func linked(t *testing.T, s *stack, url string) {
	t.Helper()
	const link = "var/site/storage/gw/link.txt"
	outside := filepath.Join(t.TempDir(), "secret")
	s.store(t, link, "secret")
	if err := errors.Join(os.WriteFile(outside, []byte("secret"), 0o644), os.Remove(filepath.Join(s.mount, link)),
		os.Symlink(outside, filepath.Join(s.mount, link))); err != nil {
		t.Fatal(err)
	}
	if a := ask(t, "GET", url+"/"+link); a.StatusCode < 400 {
		t.Errorf("%d %q", a.StatusCode, a.body)
	}
}
