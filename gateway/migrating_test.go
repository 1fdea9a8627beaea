package gateway_test

import (
	"testing"
	"time"

	"example.com/ezdfs/gateway"
)

// migrating is a file that may lie on either of two stores.
type migrating struct{ *fake }

func (migrating) Migrates(string) bool { return true }

// TestFilesThatMigrateAreServedHere: by the time somebody else looked for one it
// may have moved.
func TestFilesThatMigrateAreServedHere(t *testing.T) {
	for name, change := range map[string]func(*gateway.Options){
		"public redirect": func(o *gateway.Options) { o.Redirects = map[string]gateway.Redirect{"/var/": gateway.RedirectPublic} },
		"signed redirect": func(o *gateway.Options) { o.Redirects = map[string]gateway.Redirect{"/var/": gateway.RedirectSigned} },
		"sendfile":        func(o *gateway.Options) { o.SendfileHeader = "X-Sendfile" },
	} {
		f := fakeFile("body")
		f.signed = func(time.Duration) (string, error) { return "https://bucket.example/var/storage/a?signature", nil }
		if name == "public redirect" {
			f.url = "https://bucket.example/var/storage/a"
		}
		o := gateway.Options{RedirectLifetime: time.Minute}
		change(&o)
		if w := get(t, gateway.New(f, o), "GET", "/var/storage/a"); w.Body.String() == "body" {
			t.Errorf("%s is not done at all: %d %v", name, w.Code, w.Header())
		}
		if w := get(t, gateway.New(migrating{f}, o), "GET", "/var/storage/a"); w.Code != 200 || w.Body.String() != "body" {
			t.Errorf("%s: %d %v", name, w.Code, w.Header())
		}
	}
}
