package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
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
			all.Go(func() { status(h, "/dead/storage/migrating/new") })
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

// switchable is a store that opens nothing while it is down.
type switchable struct {
	backends.Backend
	down atomic.Bool
}

func (s *switchable) Open(ctx context.Context, path string, offset, length int64) (backends.Reader, error) {
	if s.down.Load() {
		return nil, &backends.Error{Backend: s.Name(), Op: "open", Path: path, Kind: backends.ErrUnavailable, Retry: true}
	}
	return s.Backend.Open(ctx, path, offset, length)
}

// TestTheOldStoreServesWhatItStillHas, through a cluster: what it gives, since the
// new one does not answer, is no sign that the new one works.
func TestTheOldStoreServesWhatItStillHas(t *testing.T) {
	s := loadSettings(t, "DFSBackend=eZDFSFileHandlerDFSDispatcher\n[DispatchableDFS]\n"+
		"PathBackends[var/storage]=nfs:new\nMigrateFrom[var/storage]=nfs\n[nfs:new]\nMountPointPath=new\n")
	for _, dir := range []string{"new/var", "mount/var/storage"} {
		if err := os.MkdirAll(filepath.Join(s.Root, dir), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	var fresh *switchable
	c := newCluster(t, s, cluster.WithBackendWrapper(func(b backends.Backend) backends.Backend {
		if b.Name() != "nfs:new" {
			return b
		}
		fresh = &switchable{Backend: b}
		return fresh
	}))
	row := store(t, c, "var/storage/a", "both have it")
	store(t, c, "var/storage/b", "only the new one has it")
	old := filepath.Join(s.Root, "mount/var/storage/a")
	if err := errors.Join(os.MkdirAll(filepath.Dir(old), 0o777), os.WriteFile(old, []byte("both have it"), 0o666), os.Chtimes(old, row.ModTime(), row.ModTime())); err != nil {
		t.Fatal(err)
	}
	h := gateway.New(c, gateway.Options{RetryAfter: time.Hour})
	wants := func(a, b int, down bool) {
		t.Helper()
		for range 10 {
			if w := get(t, h, "GET", "/var/storage/a"); w.Code != a || a == 200 && w.Body.String() != "both have it" {
				t.Fatalf("%d %q", w.Code, w.Body)
			}
			if got := status(h, "/var/storage/b"); got != b {
				t.Fatalf("what only the new one has: %d, want %d", got, b)
			}
		}
		for _, service := range h.Stats().Services {
			if want := down && service.Name == "nfs:new"; service.Down != want {
				t.Errorf("%s is left alone: %v, want %v", service.Name, service.Down, want)
			}
		}
	}
	wants(200, 200, false)
	fresh.down.Store(true)
	wants(200, 503, true)
	fresh.down.Store(false)
	h = gateway.New(c, gateway.Options{RetryAfter: time.Hour})
	wants(200, 200, false)
}
