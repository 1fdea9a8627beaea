package memcached

import (
	"fmt"
	"testing"
	"time"

	"example.com/ezdfs/events"
)

// A row that memcached has.
func BenchmarkLoadHit(b *testing.B) {
	for name, path := range map[string]string{"image": picture, "viewcache": node2a} {
		b.Run(name, func(b *testing.B) {
			h := newHost(b, site(), true, startServers(b, 1)...)
			h.keep(b, path)
			for b.Loop() {
				if _, known := h.ask(b, path); !known {
					b.Fatal("not known")
				}
			}
		})
	}
}

// A row that memcached does not have, and its store.
func BenchmarkMissAndStore(b *testing.B) {
	h := newHost(b, site(), true, startServers(b, 1)...)
	for b.Loop() {
		h.tell(b, deleteFile(picture))
		if _, known := h.load(b, picture); known {
			b.Fatal("known")
		}
	}
}

// The deletion of a trunk of 100 rows, by its token alone and where the rows
// have to go because of PHP.
func BenchmarkDeleteTrunkOf100(b *testing.B) {
	for name, shared := range map[string]bool{"alone": false, "with PHP": true} {
		b.Run(name, func(b *testing.B) {
			db := &database{}
			h := newHost(b, db, shared, startServers(b, 1)...)
			var trunk string
			for i := range 100 {
				trunk = db.put(fmt.Sprintf("var/s/cache/content/s/2-%d.cache", i), "viewcache").Trunk
			}
			var spent time.Duration
			rounds := 0
			for b.Loop() {
				for name := range db.rows {
					h.load(b, name)
				}
				start := time.Now()
				h.tell(b, events.Event{Kind: events.DeleteByNametrunk, Subject: trunk})
				spent += time.Since(start)
				rounds++
			}
			b.ReportMetric(float64(spent.Microseconds())/float64(rounds), "µs/deletion")
		})
	}
}
