package memcached

import (
	"context"
	"errors"
	"iter"
	"testing"
	"time"

	"example.com/ezdfs/events"
	"example.com/ezdfs/internal/testservice"
	"example.com/ezdfs/metadata"
)

const (
	node2a   = "var/s/cache/content/s/2-a.cache"
	node2b   = "var/s/cache/content/s/2-b.cache"
	node3    = "var/s/cache/content/s/3-a.cache"
	picture  = "var/s/storage/images/a.png"
	original = "var/s/storage/original/a.pdf"
)

// site puts one row of each kind into a database.
func site() *database {
	db := &database{}
	for _, name := range []string{node2a, node2b, node3} {
		db.put(name, "viewcache")
	}
	db.put(picture, "image")
	db.put(original, "binaryfile")
	return db
}

var siteNames = []string{node2a, node2b, node3, picture, original}

// modes runs a test with and without PHP on the servers, of which there are
// one and three.
func modes(t *testing.T, test func(t *testing.T, shared bool, servers []*testservice.Memcached)) {
	for name, c := range map[string]struct {
		shared bool
		count  int
	}{"alone": {false, 1}, "alone, three servers": {false, 3}, "with PHP": {true, 1}, "with PHP, three servers": {true, 3}} {
		t.Run(name, func(t *testing.T) {
			test(t, c.shared, startServers(t, c.count))
		})
	}
}

func startServers(t testing.TB, count int) (servers []*testservice.Memcached) {
	t.Helper()
	for range count {
		servers = append(servers, testservice.StartMemcached(t))
	}
	return servers
}

// A row that was read is known afterwards, to every host.
func TestKeep(t *testing.T) {
	modes(t, func(t *testing.T, shared bool, servers []*testservice.Memcached) {
		db := site()
		one, two := newHost(t, db, shared, servers...), newHost(t, db, shared, servers...)
		one.expect(t, false, siteNames...)
		one.keep(t, siteNames...)
		for _, name := range siteNames {
			want, _ := db.get(name)
			if row, known := two.ask(t, name); !known || row != want {
				t.Errorf("got %+v, %v, want %+v", row, known, want)
			}
			answer, err := two.FileExists(t.Context(), name)
			if err != nil || !answer.Known || !answer.Exists || answer.Row.Name != name || answer.Row.MTime != want.MTime {
				t.Errorf("exists: got %+v, %v", answer, err)
			}
		}
	})
}

// Expired rows are rows; where there is none nothing is kept.
func TestKeepExpiredAndMissing(t *testing.T) {
	db := &database{}
	h := newHost(t, db, true, startServers(t, 1)...)
	row := db.put(picture, "image")
	row.MTime, row.Expired = -row.MTime, true
	db.rows[picture] = row
	h.load(t, picture)
	if got, known := h.ask(t, picture); !known || got != row {
		t.Errorf("got %+v, %v", got, known)
	}
	h.load(t, "var/missing")
	h.expect(t, false, "var/missing")
}

// Each deletion takes its family along, and with one exception no more than
// the family's directory. On servers shared with PHP the keys are gone too.
func TestDelete(t *testing.T) {
	all := siteNames
	for _, c := range []struct {
		event       events.Event
		gone, stays []string
	}{
		{deleteFile(node2a), []string{node2a}, []string{node2b, node3, picture, original}},
		{events.Event{Kind: events.DeleteFile, Hash: metadata.Hash(node2a)}, []string{node2a}, []string{node2b, node3, picture, original}},
		{events.Event{Kind: events.DeleteByNametrunk, Subject: "var/s/cache/content/s/2-"}, []string{node2a, node2b}, []string{node3, picture, original}},
		{events.Event{Kind: events.DeleteByNametrunk, Subject: picture}, []string{picture}, []string{node2a, node3, original}},
		{events.Event{Kind: events.DeleteByLike, Subject: "var/s/storage/images/"}, []string{picture}, []string{node2a, node3, original}},
		{events.Event{Kind: events.DeleteByLike, Subject: "var/s/storage/im"}, []string{picture}, []string{node2a, node3}},
		{events.Event{Kind: events.DeleteByDirList, Common: "var/s", Dir: "cache", Subject: "var/s/cache/"}, []string{node2a, node2b, node3}, []string{picture, original}},
		{events.Event{Kind: events.DeleteByWildcard, Subject: "var/s/storage/*.png"}, []string{picture}, []string{node2a, node3}},
		{events.Event{Kind: events.DeleteByScope, Subject: "image"}, []string{picture}, nil},
		{events.Event{Kind: events.Lost, Count: 3}, all, nil},
	} {
		t.Run(string(c.event.Kind)+" "+c.event.Subject, func(t *testing.T) {
			modes(t, func(t *testing.T, shared bool, servers []*testservice.Memcached) {
				db := site()
				one, two := newHost(t, db, shared, servers...), newHost(t, db, shared, servers...)
				php := newFrontend(t, servers...)
				one.keep(t, all...)
				two.tell(t, c.event)
				one.expect(t, false, c.gone...)
				one.expect(t, true, c.stays...)
				for _, name := range c.gone {
					if _, ok := php.load(name); ok && shared {
						t.Errorf("PHP still has %s", name)
					}
				}
				one.keep(t, all...)
			})
		})
	}
}

// Without a complete list of a family's names everything is flushed.
func TestDeleteFlushes(t *testing.T) {
	servers := startServers(t, 2)
	trunk := events.Event{Kind: events.DeleteByNametrunk, Subject: "var/s/cache/content/s/2-"}
	for name, family := range map[string]func(context.Context, events.Event) iter.Seq2[string, error]{
		"no list": nil,
		"failing": func(context.Context, events.Event) iter.Seq2[string, error] {
			return func(yield func(string, error) bool) { _ = yield(node2a, nil) && yield("", errors.ErrUnsupported) }
		},
		"too long": func(context.Context, events.Event) iter.Seq2[string, error] {
			return func(yield func(string, error) bool) {
				for range maxNames + 1 {
					if !yield(node2a, nil) {
						return
					}
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			db := site()
			h := newHost(t, db, true, servers...)
			h.opts.Family = family
			php := newFrontend(t, servers...)
			h.keep(t, siteNames...)
			h.tell(t, trunk)
			for _, name := range siteNames {
				if _, ok := php.load(name); ok {
					t.Errorf("PHP still has %s", name)
				}
			}
			h.expect(t, false, siteNames...)
			h.keep(t, siteNames...)
		})
	}
}

// Without PHP nothing of anybody else is touched.
func TestAloneFlushesNothing(t *testing.T) {
	servers := startServers(t, 1)
	h := newHost(t, site(), false, servers...)
	php := newFrontend(t, servers...)
	php.set("other", "application")
	h.keep(t, siteNames...)
	h.tell(t, events.Event{Kind: events.Lost}, events.Event{Kind: events.DeleteByScope, Subject: "image"},
		events.Event{Kind: events.DeleteByLike, Subject: ""})
	h.expect(t, false, siteNames...)
	if php.get("other") == nil {
		t.Error("another application's key is gone")
	}
}

// A row whose trunk its path does not tell cannot be found by its trunk, and so
// is not kept.
func TestOddTrunkIsNotKept(t *testing.T) {
	db := &database{}
	h := newHost(t, db, false, startServers(t, 1)...)
	for name, trunk := range map[string]string{"var/a.cache": "var/other/", "var/b.cache": "", "var/b b/2-a.cache": "var/b b/2-a"} {
		row := db.put(name, "")
		row.Trunk = trunk
		db.rows[name] = row
		h.load(t, name)
		h.expect(t, false, name)
	}
	shared := newHost(t, db, true, startServers(t, 1)...)
	spaced := db.put("var/b b/2-a.cache", "viewcache").Name // PHP cannot have its trunk as a key
	shared.load(t, spaced)
	shared.expect(t, false, spaced)
	h.keep(t, spaced)
}

// A context that is done stops a batch, which will come again.
func TestContext(t *testing.T) {
	h := newHost(t, site(), true, startServers(t, 1)...)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Notify(ctx, []events.Event{deleteFile(picture)}); !errors.Is(err, context.Canceled) {
		t.Errorf("Notify: %v", err)
	}
	if _, err := h.LoadMetadata(ctx, picture); !errors.Is(err, context.Canceled) {
		t.Errorf("LoadMetadata: %v", err)
	}
}

// Rows, tokens and maps do not outlive TTL by much.
func TestEverythingExpires(t *testing.T) {
	db, servers := site(), startServers(t, 1)
	h := openHost(t, db, true, servers...)
	defer h.Close()
	h.ttl = 1 // which may be over with memcached's next tick
	eventually(t, "the row is kept", func() bool { _, known := h.load(t, node2a); return known })
	eventually(t, "the row expires", func() bool {
		_, known := h.ask(t, node2a)
		return !known
	})
}

// eventually waits for what happens in other processes.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("after a minute it is not true that %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
