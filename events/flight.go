package events

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"example.com/ezdfs/metadata"
)

// Query reads the row of a path from the database. A path without one is an
// error that satisfies errors.Is(err, fs.ErrNotExist).
type Query func(ctx context.Context) (metadata.Row, error)

// flightKey says who may share a query: those who ask for the same path and
// have heard of the same deletions.
type flightKey struct {
	name  string
	stamp uint64
}

// flight is one query that is under way.
type flight struct {
	callers int // still waiting; guarded by flights.mu
	cancel  context.CancelFunc
	done    chan struct{}

	row      metadata.Row
	err      error
	panicked any
}

// flights are the queries that are under way.
type flights struct {
	mu      sync.Mutex
	open    map[flightKey]*flight
	running sync.WaitGroup
	closed  bool
}

// do runs query once for all who call it with the same key at the same time.
// It goes on until the last of them has gone away. finished is called with
// its result before anybody gets it.
func (f *flights) do(ctx context.Context, key flightKey, query Query, finished func(metadata.Row, error)) (metadata.Row, error) {
	one := f.join(ctx, key, query, finished)
	if one == nil { // closed
		return query(ctx)
	}
	defer f.leave(key, one)
	select {
	case <-one.done:
	case <-ctx.Done():
		return metadata.Row{}, ctx.Err()
	}
	if one.panicked != nil {
		panic(one.panicked)
	}
	return one.row, one.err
}

// join returns the flight of a key and starts it where there is none.
func (f *flights) join(ctx context.Context, key flightKey, query Query, finished func(metadata.Row, error)) *flight {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil
	}
	if one := f.open[key]; one != nil {
		one.callers++
		return one
	}
	one := &flight{callers: 1, done: make(chan struct{}), err: errors.New("events: the query ended its goroutine")}
	ctx, one.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if f.open == nil {
		f.open = make(map[flightKey]*flight)
	}
	f.open[key] = one
	f.running.Go(func() {
		defer f.land(key, one)
		defer func() {
			if p := recover(); p != nil {
				one.panicked = fmt.Sprintf("events: the query for %q panicked: %v", key.name, p)
			}
		}()
		row, err := query(ctx)
		finished(row, err)
		one.row, one.err = row, err
	})
	return one
}

// land ends a flight: who comes later starts another.
func (f *flights) land(key flightKey, one *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.remove(key, one)
	one.cancel()
	close(one.done)
}

// leave cancels a query that nobody waits for any more.
func (f *flights) leave(key flightKey, one *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if one.callers--; one.callers == 0 {
		f.remove(key, one)
		one.cancel()
	}
}

func (f *flights) remove(key flightKey, one *flight) {
	if f.open[key] == one {
		delete(f.open, key)
	}
}

// close cancels the queries under way and waits for them; later ones are not
// shared.
func (f *flights) close() {
	f.mu.Lock()
	f.closed = true
	for _, one := range f.open {
		one.cancel()
	}
	f.mu.Unlock()
	f.running.Wait()
}
