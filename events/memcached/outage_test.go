package memcached

import (
	"strings"
	"testing"

	"example.com/ezdfs/events"
	"example.com/ezdfs/internal/testservice"
	"example.com/ezdfs/metadata"
)

// memcached is killed and started again, twice, while a host reads and
// changes: no call fails, and what the host reads is never older than what it
// was told.
func TestKilledUnderLoad(t *testing.T) {
	for name, shared := range map[string]bool{"alone": false, "with PHP": true} {
		t.Run(name, func(t *testing.T) {
			servers := startServers(t, 2)
			db := &database{}
			h := newHost(t, db, shared, servers...)
			trial := newTrial(db, 40)
			hosts := []host{h}
			trial.run(t, hosts, hosts, func() {
				for range 2 {
					trial.waitHits(t, 100)
					servers[0].Kill()
					trial.waitLoads(t, 1000)
					servers[0].Start(t)
					eventually(t, "the server is used again", func() bool { return !h.servers[0].owes() })
				}
				trial.waitHits(t, 100)
			})
		})
	}
}

func (c *trial) waitHits(t *testing.T, more int64) {
	t.Helper()
	limit := c.hits.Load() + more
	eventually(t, "memcached answers", func() bool { return c.hits.Load() >= limit })
}

func (c *trial) waitLoads(t *testing.T, more int64) {
	t.Helper()
	limit := c.loads.Load() + more
	eventually(t, "loads go on", func() bool { return c.loads.Load() >= limit })
}

// A server that could not be reached while rows were deleted comes back with
// its old contents: nothing of them is believed, and PHP does not find it.
func TestPartition(t *testing.T) {
	for _, e := range []events.Event{deleteFile(picture), {Kind: events.DeleteByLike, Subject: "var/s/storage/"}} {
		t.Run(string(e.Kind), func(t *testing.T) {
			db, servers := site(), startServers(t, 1)
			h, other := newHost(t, db, true, servers...).hurry(), newHost(t, db, true, servers...)
			h.keep(t, siteNames...)
			servers[0].Pause(t)
			fresh := db.put(picture, "image")
			h.tell(t, e)
			if row, known := h.load(t, picture); known || row != fresh {
				t.Errorf("during the outage: got %+v, %v", row, known)
			}
			servers[0].Resume(t)
			// A set of the new row that timed out may land only now, so a row may be
			// known. An old one may not.
			if row, _ := h.load(t, picture); row != fresh {
				t.Errorf("after the outage: got %+v", row)
			}
			eventually(t, "the debt is settled", func() bool { return !h.server(metadata.Hash(picture)).owes() })
			if row, _ := other.load(t, picture); row != fresh {
				t.Errorf("another host has %+v", row)
			}
			if row, ok := newFrontend(t, servers...).load(picture); ok && row.Size != fresh.Size {
				t.Errorf("PHP has %+v", row)
			}
			eventually(t, "rows are kept again", func() bool { _, known := h.load(t, picture); return known })
		})
	}
}

// A change while a debt is being settled stays owed.
func TestDebtGrowsWhileItIsSettled(t *testing.T) {
	h := newHost(t, site(), false, startServers(t, 1)...)
	h.keep(t, picture)
	s := h.servers[0]
	s.mu.Lock()
	s.owing, s.paying, s.debts = true, true, 1 // nobody settles it
	s.mu.Unlock()
	h.expect(t, false, picture)
	for settled, more := range map[bool]bool{true: false, false: true} {
		s.mu.Lock()
		before := s.debts
		s.owing = true
		if more {
			s.debts++
		}
		s.mu.Unlock()
		if got := s.settle(before); got != settled || s.owes() == settled {
			t.Errorf("more debts %v: settled %v, owes %v", more, got, s.owes())
		}
	}
	if !h.pay(s) || s.owes() {
		t.Error("what was owed could not be settled")
	}
}

// One server that hangs delays nobody after the first few calls, and the rows
// of the others stay known.
func TestOneServerHangs(t *testing.T) {
	db, servers := &database{}, startServers(t, 3)
	h := newHost(t, db, true, servers...).hurry()
	var hung, fine []string
	for len(hung) < 5 || len(fine) < 5 {
		name := db.put("var/s/storage/"+string(rune('a'+len(db.rows))), "image").Name
		if h.server(metadata.Hash(name)) == h.servers[0] {
			hung = append(hung, name)
		} else {
			fine = append(fine, name)
		}
	}
	h.keep(t, fine...)
	servers[0].Pause(t)
	defer servers[0].Resume(t)
	for range breakerFailures {
		h.load(t, hung[0])
	}
	if !h.servers[0].breaker.IsOpen() {
		t.Error("the breaker is closed")
	}
	if err := h.servers[0].flush(); err != errSpared {
		t.Errorf("a spared server was asked: %v", err)
	}
	h.expect(t, true, fine...)
	h.tell(t, deleteFile(hung[0]), deleteFile(fine[0]))
	h.expect(t, false, fine[0])
	h.expect(t, true, fine[1:]...)
	if !h.servers[0].owes() || h.servers[1].owes() || h.servers[2].owes() {
		t.Error("the wrong servers owe")
	}
	servers[0].Resume(t)
	eventually(t, "the server is used again", func() bool { _, known := h.load(t, hung[1]); return known })
}

// Connections that memcached closed while they were idle do not count as an
// outage.
func TestIdleConnectionsClosed(t *testing.T) {
	db, servers := site(), startServers(t, 1)
	h := newHost(t, db, true, servers...)
	h.keep(t, siteNames...)
	servers[0].Stop()
	servers[0].Start(t)
	h.tell(t, deleteFile(picture))
	if h.servers[0].owes() {
		t.Error("a deletion failed")
	}
	h.keep(t, siteNames...)
}

// A memcached that is not there costs nothing but its rows.
func TestNeverThere(t *testing.T) {
	server := testservice.StartMemcached(t)
	server.Stop()
	db := site()
	h := openHost(t, db, true, server)
	for range 2 {
		for _, name := range siteNames {
			if row, known := h.load(t, name); known || row.Name != name {
				t.Errorf("got %+v, %v", row, known)
			}
		}
		h.tell(t, deleteFile(picture), events.Event{Kind: events.Lost})
	}
	err := h.Close()
	if err == nil || !strings.Contains(err.Error(), server.Addr+" could not be told of changes") {
		t.Errorf("Close: %v", err)
	}
}
