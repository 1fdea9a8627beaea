// Package changestest is the conformance suite of change feeds: what every
// [changes.Source] must do, whatever it reads.
//
//	func TestConformance(t *testing.T) {
//		changestest.Run(t, func(t *testing.T) changestest.Fixture {
//			store := createStore(t)
//			return changestest.Fixture{Store: store, Open: func(t *testing.T) changes.Source { ... }}
//		})
//	}
//
// The suite writes as the cluster does: rows and their journal entries in one
// transaction, by a [metadata.Store].
package changestest

import (
	"errors"
	"testing"

	"example.com/ezdfs/changes"
	"example.com/ezdfs/metadata"
)

// Fixture is a fresh database and a way to read its changes.
type Fixture struct {
	// Store writes. Its tables exist and are empty.
	Store *metadata.Store
	// Open opens another source on the same database, which the test that is
	// given closes at its end. It is called several times.
	Open func(t *testing.T) changes.Source
	// Outage makes the database go away and come back, and returns when it is
	// back. Nil leaves the test out.
	Outage func(t *testing.T)
}

// Run runs the suite. New is called for each of its tests.
func Run(t *testing.T, new func(t *testing.T) Fixture) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, f Fixture)
	}{
		{"kinds", testKinds},
		{"rolled back", testRolledBack},
		{"oldest and newest", testEnds},
		{"bad positions", testBadPositions},
		{"order of each path", testOrder},
		{"resume anywhere", testResume},
		{"in flight", testInFlight},
		{"end of context", testContext},
		{"stop", testStop},
		{"outage", testOutage},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, new(t)) })
	}
}

// testKinds: each kind that every source knows, with all that it tells.
func testKinds(t *testing.T, f Fixture) {
	source := f.Open(t)
	const path = "var/s/storage/ü😀 a.png"
	w := writer{t, f.Store}
	w.store(path, 1)
	w.store(path, 2)
	w.expire(path)
	w.purge(path)
	got := collect(t, source, changes.Oldest)
	wantSteps(t, got, path+" store", path+" store", path+" expire", path+" purge")
	seen := map[changes.Position]bool{}
	for _, c := range got {
		if c.Hash != metadata.Hash(path) {
			t.Errorf("the hash of %q is %q", c.Subject, c.Hash)
		}
		if c.Position == "" || seen[c.Position] {
			t.Errorf("%s at position %q, which is not its own", c.Kind, c.Position)
		}
		seen[c.Position] = true
		if c.Time.IsZero() || c.Host == "" {
			t.Errorf("%s at %v by %q", c.Kind, c.Time, c.Host)
		}
	}
}

// testRolledBack: what was not committed never happened.
func testRolledBack(t *testing.T, f Fixture) {
	source := f.Open(t)
	w := writer{t, f.Store}
	w.store("var/s/storage/a", 1)
	broken := errors.New("broken")
	err := f.Store.Update(t.Context(), func(tx *metadata.Tx) error {
		return errors.Join(put(f.Store, tx, "var/s/storage/b", 1), broken)
	})
	if !errors.Is(err, broken) {
		t.Fatal(err)
	}
	w.store("var/s/storage/c", 1)
	wantSteps(t, collect(t, source, changes.Oldest), "var/s/storage/a store", "var/s/storage/c store")
}

// testEnds: Oldest is before everything, Newest and Head behind it.
func testEnds(t *testing.T, f Fixture) {
	source := f.Open(t)
	w := writer{t, f.Store}
	before := head(t, source)
	wantSteps(t, collect(t, source, before))
	w.store("var/s/storage/a", 1)
	between := head(t, source)
	w.store("var/s/storage/b", 1)
	after := head(t, source)
	wantSteps(t, collect(t, source, changes.Oldest), "var/s/storage/a store", "var/s/storage/b store")
	wantSteps(t, collect(t, source, before), "var/s/storage/a store", "var/s/storage/b store")
	wantSteps(t, collect(t, source, between), "var/s/storage/b store")
	wantSteps(t, collect(t, source, after))
	wantSteps(t, collect(t, source, changes.Newest))

	stream := follow(t, source, changes.Newest)
	w.storeUntilSeen(stream, "var/s/storage/c")
	if again := f.Open(t); again.Name() != source.Name() {
		t.Errorf("two sources are called %q and %q", again.Name(), source.Name())
	}
}

// testBadPositions: what is no position of the source cannot be resumed.
func testBadPositions(t *testing.T, f Fixture) {
	source := f.Open(t)
	writer{t, f.Store}.store("var/s/storage/a", 1)
	for _, p := range []changes.Position{
		"", "none", "nonesuch:1", "newest ", changes.Position(source.Name()), changes.Position(source.Name() + ":"),
		changes.Position(source.Name() + ":x"), head(t, source) + "x",
	} {
		for _, following := range []bool{false, true} {
			n := 0
			for c, err := range source.Changes(t.Context(), p, following) {
				var lost *changes.LostError
				if !errors.As(err, &lost) || lost.Position != p || lost.Source != source.Name() {
					t.Fatalf("after %q: %+v, %v", p, c, err)
				}
				n++
			}
			if n != 1 {
				t.Errorf("after %q: the stream ends with %d errors", p, n)
			}
		}
	}
}
