package changestest

import (
	"context"
	"errors"
	"testing"

	"example.com/ezdfs/changes"
)

// testContext: a stream that follows ends with its context, without an error,
// whether it waits or not; one that does not follow says that it was cut off.
func testContext(t *testing.T, f Fixture) {
	source := f.Open(t)
	writer{t, f.Store}.store("var/s/storage/a", 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	for c, err := range source.Changes(ctx, changes.Oldest, true) {
		if err != nil {
			t.Fatalf("%+v, %v", c, err)
		}
		n++
		cancel()
	}
	if n != 1 {
		t.Errorf("%d changes before the end of the context", n)
	}
	for c, err := range source.Changes(ctx, changes.Oldest, true) {
		t.Errorf("a context that is done: %+v, %v", c, err)
	}
	n = 0
	for c, err := range source.Changes(ctx, changes.Oldest, false) {
		n++
		if !errors.Is(err, context.Canceled) {
			t.Errorf("a context that is done: %+v, %v", c, err)
		}
	}
	if n != 1 {
		t.Errorf("a stream that was cut off ended with %d errors", n)
	}
}

// testStop: whoever has enough leaves the loop; the source goes on.
func testStop(t *testing.T, f Fixture) {
	source := f.Open(t)
	w := writer{t, f.Store}
	w.store("var/s/storage/a", 1)
	w.store("var/s/storage/b", 1)
	for _, following := range []bool{false, true} {
		for c, err := range source.Changes(t.Context(), changes.Oldest, following) {
			if err != nil || c.Subject != "var/s/storage/a" {
				t.Errorf("%+v, %v", c, err)
			}
			break
		}
	}
	if got := collect(t, source, changes.Oldest); len(got) != 2 {
		t.Errorf("then %v", steps(got))
	}
}

// testOutage: who follows does not notice that the database was away.
func testOutage(t *testing.T, f Fixture) {
	if f.Outage == nil {
		t.Skip("this database cannot go away")
	}
	source := f.Open(t)
	w := writer{t, f.Store}
	w.store("var/s/storage/a", 1)
	streams := []*stream{follow(t, source, changes.Oldest), follow(t, source, head(t, source))}
	wantSteps(t, streams[0].take(1), "var/s/storage/a store")
	for i := range 2 {
		w.store("var/s/storage/b", int64(2*i+1))
		f.Outage(t)
		w.store("var/s/storage/b", int64(2*i+2))
		for _, s := range streams {
			wantSteps(t, s.take(2), "var/s/storage/b store", "var/s/storage/b store")
		}
	}
	late := follow(t, source, changes.Oldest)
	wantSteps(t, late.take(5)[:1], "var/s/storage/a store")
}
