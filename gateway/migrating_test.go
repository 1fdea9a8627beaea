package gateway_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/cluster"
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

// partly are stores of which one is down, and some of its files lie elsewhere yet.
type partly struct{ *stores }

func (partly) Migrates(path string) bool { return strings.Contains(path, "migrating") }

// TestFilesThatMigrateToAStoreThatIsDown are asked for although the store is left
// alone.
func TestFilesThatMigrateToAStoreThatIsDown(t *testing.T) {
	s := &stores{fake: fakeFile("body"), open: map[string]func(context.Context) (*cluster.File, error){}}
	s.open["dead"] = func(context.Context) (*cluster.File, error) {
		return nil, &backends.Error{Backend: "dead", Op: "open", Kind: backends.ErrUnavailable}
	}
	h := gateway.New(partly{s}, gateway.Options{RetryAfter: time.Hour})
	for range 10 {
		for _, path := range []string{"/dead/storage/file", "/dead/storage/migrating"} { // the latter is there only
			if got := status(h, path); got != 503 {
				t.Fatalf("a file of the store: %d", got)
			}
		}
	}
	s.open["dead"] = nil // the cluster finds those that migrate where they were
	if got := status(h, "/dead/storage/file"); got != 503 {
		t.Errorf("a file of the store, which is left alone: %d", got)
	}
	if got := status(h, "/dead/storage/migrating"); got != 200 {
		t.Errorf("a file that migrates there: %d", got)
	}
}
