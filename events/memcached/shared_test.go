package memcached

import (
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"example.com/ezdfs/events"
	"example.com/ezdfs/metadata"
)

// The rows of either side are the other's.
func TestPHPSharesRows(t *testing.T) {
	db, servers := site(), startServers(t, 3)
	h, php := newHost(t, db, true, servers...), newFrontend(t, servers...)
	for i, name := range siteNames {
		want, _ := db.get(name)
		if i%2 == 0 {
			php.store(want)
			if row, known := h.ask(t, name); !known || row != want {
				t.Errorf("PHP's row: got %+v, %v, want %+v", row, known, want)
			}
			continue
		}
		h.keep(t, name)
		want.Table = "" // only ours
		row, ok := php.load(name)
		if row.Table = ""; !ok || row != want {
			t.Errorf("PHP got %+v, %v, want %+v", row, ok, want)
		}
	}
}

// PHP's deletions hit rows of both sides: a path, a trunk by its mistaken
// hashes, everything.
func TestPHPDeletes(t *testing.T) {
	for name, c := range map[string]struct {
		del  func(frontend)
		gone []string
	}{
		"path":  {func(f frontend) { f.deleteFile(picture) }, []string{picture}},
		"trunk": {func(f frontend) { f.deleteTrunk("var/s/cache/content/s/2-") }, []string{node2a, node2b}},
		"like":  {frontend.flush, siteNames},
	} {
		t.Run(name, func(t *testing.T) {
			for _, stored := range []string{"ours", "PHP's"} {
				t.Run(stored, func(t *testing.T) {
					db, servers := site(), startServers(t, 2)
					h, php := newHost(t, db, true, servers...), newFrontend(t, servers...)
					for _, name := range siteNames {
						if row, _ := db.get(name); stored == "ours" {
							h.keep(t, name)
						} else {
							php.store(row)
						}
					}
					h.expect(t, true, siteNames...)
					c.del(php)
					h.expect(t, false, c.gone...)
					for _, name := range c.gone {
						db.put(name, db.rows[name].Scope)
						h.keep(t, name)
					}
				})
			}
		})
	}
}

// After PHP deleted a trunk, a row of it that nobody stored anew is not
// believed because another one was.
func TestPHPTrunkMapComesBack(t *testing.T) {
	db, servers := site(), startServers(t, 1)
	h, php := newHost(t, db, true, servers...), newFrontend(t, servers...)
	h.keep(t, node2a)
	row, _ := db.get(node2b)
	php.store(row)
	php.deleteTrunk(row.Trunk)
	php.store(db.put("var/s/cache/content/s/2-c.cache", "viewcache"))
	h.expect(t, true, "var/s/cache/content/s/2-c.cache")
	h.expect(t, false, node2a, node2b)
}

// A map that we cannot write to makes rows of its trunk unknown, and only
// those.
func TestTrunkMapThatCannotBeUsed(t *testing.T) {
	compressed := loadVectors(t).item(t, "fastlz")
	long := make(phpArray, 0, 2000)
	for i := range cap(long) {
		long = append(long, phpEntry{metadata.Hash(string(rune(i))), true})
	}
	for name, item := range map[string]*memcache.Item{
		"compressed": compressed,
		"long":       {Flags: flagPHP, Value: appendPHP(nil, long)},
		"no array":   {Flags: flagPHP, Value: []byte("i:1;")},
	} {
		t.Run(name, func(t *testing.T) {
			servers := startServers(t, 1)
			h, php := newHost(t, site(), true, servers...), newFrontend(t, servers...)
			item.Key = "t_var/s/cache/content/s/2-"
			if err := php.clients[0].Set(item); err != nil {
				t.Fatal(err)
			}
			h.load(t, node2a)
			h.expect(t, false, node2a)
			h.keep(t, node3, picture)
			h.tell(t, events.Event{Kind: events.DeleteByNametrunk, Subject: "var/s/cache/content/s/2-"})
			h.keep(t, node2a) // the map was removed
		})
	}
}

// What PHP's map lists is removed even where the database does not list it.
func TestDeleteByTrunkWalksPHPMap(t *testing.T) {
	db, servers := site(), startServers(t, 3)
	h, php := newHost(t, db, true, servers...), newFrontend(t, servers...)
	row, _ := db.get(node2a)
	php.store(row)
	delete(db.rows, node2a)
	h.tell(t, events.Event{Kind: events.DeleteByNametrunk, Subject: row.Trunk})
	if _, ok := php.load(node2a); ok {
		t.Error("PHP still has the row")
	}
}

// Without PHP on the servers only rows with tokens are believed.
func TestAloneDoesNotBelievePHP(t *testing.T) {
	db, servers := site(), startServers(t, 1)
	h, php := newHost(t, db, false, servers...), newFrontend(t, servers...)
	row, _ := db.get(picture)
	php.store(row)
	h.expect(t, false, picture)
	h.keep(t, picture, node2a)
	if php.get("var/s/cache/content/s/2-") != nil {
		t.Error("a map was kept")
	}
}

// A store that finds that its row was deleted in between leaves nothing to PHP.
func TestStoreOfDeletedRowLeavesNothing(t *testing.T) {
	db, servers := site(), startServers(t, 1)
	one, two := newHost(t, db, true, servers...), newHost(t, db, true, servers...)
	php := newFrontend(t, servers...)
	one.ask(t, picture)
	old, _ := db.get(picture)
	asked := time.Now()
	db.put(picture, "image")
	two.tell(t, deleteFile(picture))
	one.came(t, old, true, asked)
	if _, ok := php.load(picture); ok {
		t.Error("PHP has the old row")
	}
}
