package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/gateway"
	"example.com/ezdfs/metadata"
)

// migrating is a file that may lie on either of two stores.
type migrating struct{ *fake }

func (migrating) MigratesFrom(string) string { return "old" }

func (m migrating) OpenSecond(ctx context.Context, row metadata.Row, options ...cluster.ReadOption) (*cluster.File, error) {
	return m.OpenRow(ctx, row, options...)
}

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
type partly struct {
	*stores
	asked atomic.Int64 // how often the old store was
}

func (p *partly) MigratesFrom(path string) string {
	if strings.Contains(path, "migrating") {
		return "old"
	}
	return ""
}

func (p *partly) OpenSecond(_ context.Context, row metadata.Row, _ ...cluster.ReadOption) (*cluster.File, error) {
	p.asked.Add(1)
	if strings.Contains(row.Name, "new") {
		return nil, fs.ErrNotExist
	}
	return fileOf(p.row, bytes.NewReader(p.body), "1"), nil
}

// TestFilesThatMigrateToAStoreThatIsDown are served from the old one, and at once,
// however many ask for what the new one alone has.
func TestFilesThatMigrateToAStoreThatIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &partly{stores: &stores{fake: fakeFile("body"), open: map[string]func(context.Context) (*cluster.File, error){}}}
		var back atomic.Bool
		s.open["dead"] = func(ctx context.Context) (*cluster.File, error) {
			if back.Load() {
				return fileOf(s.row, bytes.NewReader(s.body), "1"), nil
			}
			<-ctx.Done() // as one waits who has patience
			return nil, ctx.Err()
		}
		h := gateway.New(s, gateway.Options{StoreTimeout: time.Second, StoreRequests: 4, RetryAfter: 5 * time.Second})
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				status(h, "/dead/storage/migrating/new")
				status(h, "/dead/storage/file")
			})
		}
		all.Wait()
		begin := time.Now()
		for path, want := range map[string]int{
			"/dead/storage/file": 503, "/dead/storage/migrating/new": 503, "/dead/storage/migrating/old": 200,
		} {
			if got := status(h, path); got != want {
				t.Errorf("%s: %d, want %d", path, got, want)
			}
		}
		if waited := time.Since(begin); waited > 0 {
			t.Errorf("all that took %v", waited)
		}
		back.Store(true)
		time.Sleep(5 * time.Second)
		for _, path := range []string{"/dead/storage/migrating/new", "/dead/storage/migrating/old", "/dead/storage/file"} {
			before := s.asked.Load()
			if got := status(h, path); got != 200 || s.asked.Load() != before {
				t.Errorf("%s when the store is back: %d", path, got)
			}
		}
	})
}

// hooked is a store that does something before it opens a body.
type hooked struct {
	backends.Backend
	before atomic.Pointer[func(ctx context.Context) error]
}

func (s *hooked) Open(ctx context.Context, path string, offset, length int64) (backends.Reader, error) {
	if before := s.before.Load(); before != nil {
		if err := (*before)(ctx); err != nil {
			return nil, err
		}
	}
	return s.Backend.Open(ctx, path, offset, length)
}

func isDown(context.Context) error {
	return &backends.Error{Backend: "test", Op: "open", Kind: backends.ErrUnavailable, Retry: true}
}

func hangs(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// halfMigrated returns a cluster with files that both stores of a migration have,
// only the new one, only the old one, and that do not migrate.
func halfMigrated(t *testing.T) (c *cluster.Cluster, fresh, old *hooked) {
	t.Helper()
	s := loadSettings(t, "DFSBackend=eZDFSFileHandlerDFSDispatcher\n[DispatchableDFS]\n"+
		"PathBackends[var/storage]=nfs:new\nPathBackends[var/x]=nfs:new\nMigrateFrom[var/storage]=nfs\n[nfs:new]\nMountPointPath=new\n")
	for _, dir := range []string{"new/var", "mount/var"} {
		if err := os.MkdirAll(filepath.Join(s.Root, dir), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	stores := map[string]*hooked{}
	c = newCluster(t, s, cluster.WithBackendWrapper(func(b backends.Backend) backends.Backend {
		stores[b.Name()] = &hooked{Backend: b}
		return stores[b.Name()]
	}))
	for _, name := range []string{"var/storage/both", "var/storage/new", "var/storage/old", "var/x/never"} {
		row := store(t, c, name, name)
		file := filepath.Join(s.Root, "mount", name)
		var err error
		if name == "var/storage/both" || name == "var/storage/old" {
			err = errors.Join(os.MkdirAll(filepath.Dir(file), 0o777), os.WriteFile(file, []byte(name), 0o666), os.Chtimes(file, row.ModTime(), row.ModTime()))
		}
		if name == "var/storage/old" {
			err = errors.Join(err, os.Remove(filepath.Join(s.Root, "new", name)))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return c, stores["nfs:new"], stores["nfs"]
}

// serves wants these statuses of files, and their bodies where they are served.
func serves(t *testing.T, h http.Handler, want map[string]int) {
	t.Helper()
	for name, code := range want {
		if w := get(t, h, "GET", "/"+name); w.Code != code || code == 200 && w.Body.String() != name {
			t.Errorf("%s: %d %q, want %d", name, w.Code, w.Body, code)
		}
	}
}

// many asks for a file by some at once.
func many(h http.Handler, name string) {
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() { status(h, "/"+name) })
	}
	all.Wait()
}

var migratingOptions = gateway.Options{RetryAfter: time.Hour, StoreTimeout: 5 * time.Second, PublicPrefixes: []string{"var/x"}}

// TestTheOldStoreServesWhatItStillHas: what it gives, since the new one does not
// answer, is no sign that the new one works.
func TestTheOldStoreServesWhatItStillHas(t *testing.T) {
	c, fresh, _ := halfMigrated(t)
	h := gateway.New(c, migratingOptions)
	serves(t, h, map[string]int{"var/storage/both": 200, "var/storage/new": 200, "var/storage/old": 200, "var/x/never": 200})
	down := isDown
	fresh.before.Store(&down)
	for range 10 {
		serves(t, h, map[string]int{"var/storage/both": 200, "var/storage/new": 503, "var/storage/old": 200, "var/x/never": 503})
	}
	for _, service := range h.Stats().Services {
		if want := strings.HasPrefix(service.Name, "nfs:new"); service.Down != want {
			t.Errorf("%s is left alone: %v, want %v", service.Name, service.Down, want)
		}
	}
	for method, lines := range map[string][]string{"HEAD": nil, "GET": {"Range: bytes=1-2"}} {
		if w := get(t, h, method, "/var/storage/both", lines...); w.Code >= 300 || method == "GET" && w.Body.String() != "ar" {
			t.Errorf("%s: %d %q", method, w.Code, w.Body)
		}
	}
	if w := get(t, h, "GET", "/var/storage/both", "Range: bytes=0-0,2-3"); w.Code != 206 || !strings.Contains(w.Body.String(), "\r\n\r\nr/\r\n") {
		t.Errorf("parts: %d %q", w.Code, w.Body)
	}
}

// TestTheOldStoreTakesNothingAlong but what it alone has.
func TestTheOldStoreTakesNothingAlong(t *testing.T) {
	for name, how := range map[string]func(context.Context) error{"down": isDown, "hangs": hangs} {
		t.Run(name, func(t *testing.T) {
			c, _, old := halfMigrated(t)
			o := migratingOptions
			o.StoreTimeout = time.Second
			h := gateway.New(c, o)
			old.before.Store(&how)
			many(h, "var/storage/old")
			serves(t, h, map[string]int{"var/storage/both": 200, "var/storage/new": 200, "var/storage/old": 503, "var/x/never": 200})
		})
	}
}

// TestAHiccupOfTheNewStore is no outage, however many met it.
func TestAHiccupOfTheNewStore(t *testing.T) {
	c, fresh, _ := halfMigrated(t)
	h := gateway.New(c, migratingOptions)
	until := time.Now().Add(1100 * time.Millisecond)
	hiccup := func(ctx context.Context) error {
		time.Sleep(time.Until(until))
		return ctx.Err()
	}
	fresh.before.Store(&hiccup)
	many(h, "var/storage/both")
	fresh.before.Store(nil)
	serves(t, h, map[string]int{"var/storage/both": 200, "var/storage/new": 200, "var/storage/old": 200, "var/x/never": 200})
}
