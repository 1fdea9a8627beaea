package memcached

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/ezdfs/events"
	"example.com/ezdfs/internal/testservice"
	"example.com/ezdfs/metadata"
)

// A row that was read before a deletion and stored after it is not believed,
// whatever was deleted and by whom.
func TestOldRowComesLate(t *testing.T) {
	for _, e := range []events.Event{
		deleteFile(node2a),
		{Kind: events.DeleteByNametrunk, Subject: "var/s/cache/content/s/2-"},
		{Kind: events.DeleteByLike, Subject: "var/s/cache/"},
		{Kind: events.DeleteByWildcard, Subject: "var/*2-a.cache"},
		{Kind: events.DeleteByScope, Subject: "viewcache"},
		{Kind: events.Lost},
	} {
		t.Run(string(e.Kind), func(t *testing.T) {
			modes(t, func(t *testing.T, shared bool, servers []*testservice.Memcached) {
				db := site()
				one, two := newHost(t, db, shared, servers...), newHost(t, db, shared, servers...)
				one.ask(t, node2a)
				asked := time.Now()
				old, _ := db.get(node2a)
				fresh := db.put(node2a, "viewcache")
				two.tell(t, e)
				one.came(t, old, true, asked)
				one.expect(t, false, node2a)
				two.expect(t, false, node2a)

				// Another question, and only then the first one's answer.
				one.came(t, old, true, asked)
				one.expect(t, false, node2a)
				one.keep(t, node2a)
				if row, _ := two.ask(t, node2a); row != fresh {
					t.Errorf("got %+v, want %+v", row, fresh)
				}
			})
		})
	}
}

// The set of an old row that reaches the server after the deletion, as from a
// host that was stopped in between, is not believed.
func TestLateSetIsNotBelieved(t *testing.T) {
	db, servers := site(), startServers(t, 1)
	h := newHost(t, db, true, servers...)
	h.keep(t, picture)
	php := newFrontend(t, servers...)
	late := php.get(metadata.Hash(picture))
	db.put(picture, "image")
	h.tell(t, deleteFile(picture))
	if err := php.clients[0].Set(late); err != nil {
		t.Fatal(err)
	}
	h.expect(t, false, picture)
}

// A token that is evicted makes its rows unknown for good.
func TestEvictedTokens(t *testing.T) {
	for _, cut := range cuts(node2a) {
		t.Run(cut, func(t *testing.T) {
			db, servers := site(), startServers(t, 1)
			h, php := newHost(t, db, true, servers...), newFrontend(t, servers...)
			h.keep(t, node2a)
			late := php.get(metadata.Hash(node2a))
			if err := php.clients[0].Delete(h.tokenKey(cut)); err != nil {
				t.Fatal(err)
			}
			h.expect(t, false, node2a) // and makes a new token
			if err := php.clients[0].Set(late); err != nil {
				t.Fatal(err)
			}
			h.expect(t, false, node2a)
			h.keep(t, node2a)
		})
	}
}

// Two hosts read and change at the same time, on servers that lose keys all
// the time: nobody is answered from before a deletion that has ended.
func TestNothingStaleConcurrently(t *testing.T) {
	modes(t, func(t *testing.T, shared bool, servers []*testservice.Memcached) {
		db := &database{}
		hosts := []host{newHost(t, db, shared, servers...), newHost(t, db, shared, servers...)}
		trial := newTrial(db, 40)
		trial.run(t, hosts, hosts, func() {
			for !t.Failed() && (trial.loads.Load() < 1000 || trial.hits.Load() < 200) {
				trial.waitLoads(t, 10)
				evict(t, hosts[0], trial.names[rand.IntN(len(trial.names))])
			}
		})
	})
}

// evict makes a server lose one of the keys that a path depends on.
func evict(t *testing.T, h host, name string) {
	t.Helper()
	hash := metadata.Hash(name)
	keys := h.keys(name, hash)
	s, key := h.server(hash), keys[rand.IntN(len(keys))]
	if trunk := layout.Trunk(name, "viewcache"); rand.IntN(len(keys)) == 0 {
		s, key = h.server(trunk), h.prefix+trunk
	}
	if err := s.drop(key); err != nil {
		t.Error(err)
	}
}

// trial changes rows and reads them, and compares what it reads with floors:
// the versions that were there when the last deletion ended.
type trial struct {
	db     *database
	names  []string
	mu     sync.Mutex // one change at a time
	floors []atomic.Int64
	hits   atomic.Int64
	loads  atomic.Int64
}

func newTrial(db *database, count int) *trial {
	c := &trial{db: db, floors: make([]atomic.Int64, count)}
	for i := range count {
		c.names = append(c.names, fmt.Sprintf("var/s/cache/content/%d/%d-%d.cache", i%4, i%8, i))
		c.floors[i].Store(c.db.put(c.names[i], "viewcache").Size)
	}
	return c
}

// run lets writers change and readers read until meanwhile returns.
func (c *trial) run(t *testing.T, writers, readers []host, meanwhile func()) {
	t.Helper()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	loop := func(h host, step func(host, *rand.Rand)) {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(rand.Uint64(), 1))
			for {
				select {
				case <-stop:
					return
				default:
					step(h, rnd)
				}
			}
		})
	}
	for _, h := range writers {
		loop(h, func(h host, rnd *rand.Rand) { c.change(t, h, rnd) })
	}
	for _, h := range readers {
		for range 3 {
			loop(h, func(h host, rnd *rand.Rand) { c.read(t, h, rnd.IntN(len(c.names))) })
		}
	}
	meanwhile()
	close(stop)
	wg.Wait()
}

// change commits new versions of a family, and has them deleted.
func (c *trial) change(t *testing.T, h host, rnd *rand.Rand) {
	i := rnd.IntN(len(c.names))
	row, _ := c.db.get(c.names[i])
	event := []events.Event{
		deleteFile(row.Name), deleteFile(row.Name),
		{Kind: events.DeleteByNametrunk, Subject: row.Trunk},
		{Kind: events.DeleteByLike, Subject: row.Name[:len("var/s/cache/content/0/")]},
	}[rnd.IntN(4)]
	c.mu.Lock()
	defer c.mu.Unlock()
	changed := map[int]int64{}
	for i, name := range c.names {
		row, _ := c.db.get(name)
		if name == event.Subject || event.Family() && inFamily(event, row) {
			changed[i] = c.db.put(name, "viewcache").Size
		}
	}
	h.tell(t, event)
	for i, version := range changed {
		c.floors[i].Store(version)
	}
}

func (c *trial) read(t *testing.T, h host, i int) {
	floor := c.floors[i].Load()
	row, known := h.load(t, c.names[i])
	c.loads.Add(1)
	if known {
		c.hits.Add(1)
	}
	if row.Size < floor {
		t.Errorf("%s: version %d was read after %d had been deleted", row.Name, row.Size, floor)
	}
}
