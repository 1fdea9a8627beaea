package rowcache_test

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/ezdfs/events"
	"example.com/ezdfs/events/rowcache"
	"example.com/ezdfs/metadata"
)

// database is a model of the tables: every path has a version, kept in the
// row's size. What was published is what no reader may be behind.
type database struct {
	mu        sync.RWMutex
	versions  map[string]int64
	published map[string]*atomic.Int64
}

const modelPaths = 24

// modelRow is the row of path i at a version; every fourth version is missing.
func modelRow(name string, i int, version int64) metadata.Row {
	return metadata.Row{Name: name, Trunk: fmt.Sprint("trunk", i%5), Scope: fmt.Sprint("scope", i%3), Size: version}
}

func modelName(i int) string { return fmt.Sprintf("var/%d/%d", i%4, i) }

func newDatabase() *database {
	db := &database{versions: make(map[string]int64), published: make(map[string]*atomic.Int64)}
	for i := range modelPaths {
		db.published[modelName(i)] = new(atomic.Int64)
	}
	return db
}

// get reads a row, slowly enough to be overtaken at any point.
func (db *database) get(i int) events.Query {
	return func(context.Context) (metadata.Row, error) {
		name := modelName(i)
		yield()
		db.mu.RLock()
		version := db.versions[name]
		db.mu.RUnlock()
		yield()
		if version%4 == 3 {
			return metadata.Row{}, &metadata.Error{Op: "get", Subject: name, Kind: fs.ErrNotExist}
		}
		return modelRow(name, i, version), nil
	}
}

func yield() {
	for range rand.N(4) {
		runtime.Gosched()
	}
}

// change commits a new version of the paths that match, tells the hub, and
// only then holds readers to it.
func (db *database) change(tell func(), matches func(i int) bool) {
	reached := make(map[string]int64)
	db.mu.Lock()
	for i := range modelPaths {
		if matches(i) {
			db.versions[modelName(i)]++
			reached[modelName(i)] = db.versions[modelName(i)]
		}
	}
	db.mu.Unlock()
	yield()
	tell()
	for name, version := range reached {
		for at := db.published[name]; ; {
			old := at.Load()
			if old >= version || at.CompareAndSwap(old, version) {
				break
			}
		}
	}
}

// randomChange makes one change of a random kind.
func (db *database) randomChange(hub *events.Hub) {
	tell := hub.Publish
	if rand.N(2) == 0 {
		tell = hub.Invalidate
	}
	n := rand.N(modelPaths)
	event, matches := events.Event{}, func(i int) bool { return i == n }
	switch rand.N(8) {
	case 0:
		event = events.Event{Kind: events.DeleteByNametrunk, Subject: fmt.Sprint("trunk", n%5)}
		matches = func(i int) bool { return i%5 == n%5 }
	case 1:
		event = events.Event{Kind: events.DeleteByScope, Subject: fmt.Sprint("scope", n%3)}
		matches = func(i int) bool { return i%3 == n%3 }
	case 2:
		event = events.Event{Kind: events.DeleteByLike, Subject: fmt.Sprintf("var/%d/", n%4)}
		matches = func(i int) bool { return i%4 == n%4 }
	case 3:
		event = events.Event{Kind: events.DeleteByWildcard, Subject: fmt.Sprintf("var/%d/*", n%4)}
		matches = func(i int) bool { return i%4 == n%4 }
	case 4:
		event = events.Event{Kind: events.DeleteFile, Hash: metadata.Hash(modelName(n))}
	default:
		event = events.Event{Kind: events.DeleteFile, Subject: modelName(n)}
	}
	db.change(func() { tell(event) }, matches)
}

// A reader that begins after a deletion was published never sees what was
// there before, whatever runs at the same time; and what it sees was there.
func TestNeverBehindADeletion(t *testing.T) {
	for _, negative := range []time.Duration{0, time.Hour} {
		t.Run(fmt.Sprint("negative=", negative), func(t *testing.T) {
			db := newDatabase()
			cache := rowcache.New(rowcache.Options{TTL: time.Hour, NegativeTTL: negative, MaxEntries: 16})
			hub := events.New([]events.Listener{cache}, events.Options{})
			var writers, readers sync.WaitGroup
			var done atomic.Bool
			for range 4 {
				readers.Go(func() {
					for !done.Load() {
						db.check(t, hub, rand.N(modelPaths))
					}
				})
			}
			for range 3 {
				writers.Go(func() {
					for range 1500 {
						db.randomChange(hub)
						for range rand.N(20) {
							yield()
						}
					}
				})
			}
			writers.Wait()
			done.Store(true)
			readers.Wait()
			if s := cache.Stats(); s.Hits == 0 || s.Misses == 0 {
				t.Errorf("the test saw no hits, or no misses: %+v", s)
			}
			if err := hub.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// check loads a path and compares it with what was published before and what
// is committed after.
func (db *database) check(t *testing.T, hub *events.Hub, i int) {
	name := modelName(i)
	atLeast := db.published[name].Load()
	row, exists, err := hub.Exists(t.Context(), name, db.get(i))
	if err != nil {
		t.Error(err)
		return
	}
	db.mu.RLock()
	atMost := db.versions[name]
	db.mu.RUnlock()
	if exists {
		if row.Size < atLeast || row.Size > atMost {
			t.Errorf("%s: version %d, want %d to %d", name, row.Size, atLeast, atMost)
		}
		return
	}
	for v := atLeast; v <= atMost; v++ {
		if v%4 == 3 {
			return
		}
	}
	t.Errorf("%s: missing, though it was not from version %d to %d", name, atLeast, atMost)
}
