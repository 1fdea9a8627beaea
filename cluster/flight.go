package cluster

import (
	"errors"
	"sync"
	"time"

	"example.com/ezdfs/metadata"
)

// flights are the cache files that this process generates or waits for: one
// call for each path works, the others take what it gets.
type flights struct {
	mu   sync.Mutex
	open map[string]*flight
	// away are the paths that another process was seen to generate, and until
	// when nobody need look again.
	away map[string]time.Time
}

// flight is one path that somebody works on.
type flight struct {
	callers int           // who have not left; guarded by flights.mu
	done    chan struct{} // closed when all of the following is set

	contents *spool // nil where there is nothing to share
	row      metadata.Row
	origin   Origin
	lost     bool // a deletion came meanwhile, perhaps before some who joined
	err      error
}

// errAlone is the err of a flight that ended without a result for the others:
// its caller went away, or found nothing to share.
var errAlone = errors.New("nothing to share")

// join returns the flight of a path, and whether the caller is to fly it. Who
// joins leaves.
func (f *flights) join(name string) (one *flight, leads bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if one = f.open[name]; one != nil {
		one.callers++
		return one, false
	}
	one = &flight{callers: 1, done: make(chan struct{}), err: errAlone}
	if f.open == nil {
		f.open = make(map[string]*flight)
	}
	f.open[name] = one
	return one, true
}

// share gives the others what the flight's caller got.
func (one *flight) share(contents *spool, row metadata.Row, origin Origin) {
	contents.users.Add(1)
	one.contents, one.row, one.origin, one.err = contents, row, origin, nil
}

// leave ends a caller's part in a flight. After the last one nobody needs its
// contents.
func (f *flights) leave(one *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if one.callers--; one.callers == 0 && one.contents != nil {
		one.contents.release()
	}
}

// land ends a flight.
func (f *flights) land(name string, one *flight) {
	f.mu.Lock()
	delete(f.open, name)
	f.mu.Unlock()
	close(one.done)
}

// entry opens what a flight got, for a caller that has not left it.
func (one *flight) entry() *Entry {
	return &Entry{Row: one.row, Origin: one.origin, body: one.contents.open()}
}

// setAway notes that another process generates a path.
func (f *flights) setAway(name string, until, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away == nil {
		f.away = make(map[string]time.Time)
	}
	if len(f.away) >= maxAway {
		for other, until := range f.away {
			if until.Before(now) {
				delete(f.away, other)
			}
		}
	}
	if len(f.away) < maxAway {
		f.away[name] = until
	}
}

// maxAway bounds the paths noted; without a note another look is taken.
const maxAway = 10_000

// isAway reports whether somebody else was seen to generate a path just now.
func (f *flights) isAway(name string, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	until, ok := f.away[name]
	if ok && !until.After(now) {
		delete(f.away, name)
	}
	return ok && until.After(now)
}
