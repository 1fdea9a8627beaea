package changestest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"example.com/ezdfs/changes"
	"example.com/ezdfs/metadata"
)

// history is what the writers of a test did, path by path.
type history struct {
	mu    sync.Mutex
	steps map[string][]string
	n     int
}

// write makes random changes by several writers at once, each of paths of its
// own, and returns what they did.
func write(t *testing.T, store *metadata.Store, writers, each int) *history {
	h := &history{steps: map[string][]string{}}
	var all sync.WaitGroup
	for i := range writers {
		all.Go(func() { h.write(writer{t, store}, i, each) })
	}
	all.Wait()
	return h
}

// write is one writer: every path goes from store to store or expire, and from
// there to purge.
func (h *history) write(w writer, number, steps int) {
	random := rand.New(rand.NewPCG(1, uint64(number)))
	last := map[string]string{}
	for i := range steps {
		path := fmt.Sprintf("var/s/storage/%d/%d", number, random.IntN(4))
		next := "store"
		switch {
		case last[path] == "store" && random.IntN(3) == 0:
			next = "expire"
			w.expire(path)
		case last[path] == "expire" && random.IntN(2) == 0:
			next = "purge"
			w.purge(path)
		default:
			w.store(path, int64(i+1))
		}
		last[path] = next
		h.mu.Lock()
		h.steps[path] = append(h.steps[path], next)
		h.n++
		h.mu.Unlock()
	}
}

// check compares changes with what was done: nothing missing, nothing twice,
// each path in order.
func (h *history) check(t *testing.T, got []changes.Change) {
	t.Helper()
	steps := map[string][]string{}
	for _, c := range got {
		steps[c.Subject] = append(steps[c.Subject], string(c.Kind))
	}
	for path, want := range h.steps {
		if !slices.Equal(steps[path], want) {
			t.Errorf("%s: the changes are %q, not %q", path, steps[path], want)
		}
	}
	if len(got) != h.n {
		t.Errorf("%d changes were made and %d seen", h.n, len(got))
	}
}

// testOrder: several write at once while one follows from the beginning, one
// from now on, and one reads in pieces.
func testOrder(t *testing.T, f Fixture) {
	const writers, each = 6, 40
	streams := []*stream{follow(t, f.Open(t), changes.Oldest), follow(t, f.Open(t), head(t, f.Open(t)))}
	pieces := f.Open(t)
	var seen []changes.Change
	done := make(chan struct{})
	var reading sync.WaitGroup
	reading.Go(func() {
		position := changes.Oldest
		for last := false; !last; {
			select {
			case <-done:
				last = true
			default:
			}
			for _, c := range collect(t, pieces, position) {
				seen, position = append(seen, c), c.Position
			}
		}
	})
	h := write(t, f.Store, writers, each)
	close(done)
	reading.Wait()
	h.check(t, seen)
	for _, s := range streams {
		h.check(t, s.take(h.n))
	}
	h.check(t, collect(t, f.Open(t), changes.Oldest))
}

// testResume: a stream that is resumed behind any of its changes goes on with
// the next.
func testResume(t *testing.T, f Fixture) {
	h := write(t, f.Store, 3, 8)
	all := collect(t, f.Open(t), changes.Oldest)
	h.check(t, all)
	source := f.Open(t)
	for i, c := range all {
		rest := collect(t, source, c.Position)
		if !slices.EqualFunc(rest, all[i+1:], func(a, b changes.Change) bool { return a.Subject == b.Subject && a.Kind == b.Kind }) {
			t.Fatalf("after %q: %v, not %v", c.Position, steps(rest), steps(all[i+1:]))
		}
		if i%8 == 0 {
			wantSteps(t, follow(t, source, c.Position).take(len(all)-i-1), steps(all[i+1:])...)
		}
	}
}

// testInFlight: a transaction recorded its change before another one committed
// and commits after it, after the streams began and positions were taken. On
// an engine with one writer there is no such thing.
func testInFlight(t *testing.T, f Fixture) {
	if version, err := f.Store.Version(t.Context()); err != nil || version[:3] == "SQL" {
		t.Skipf("%s has one writer (%v)", version, err)
	}
	source := f.Open(t)
	w := writer{t, f.Store}
	w.store("var/s/storage/first", 1)
	fromOldest := follow(t, source, changes.Oldest)
	var atHead changes.Position
	var fromNewest *stream
	err := f.Store.Update(t.Context(), func(tx *metadata.Tx) error {
		if err := put(f.Store, tx, "var/s/storage/slow", 1); err != nil {
			return err
		}
		w.store("var/s/storage/fast", 1)
		wantSteps(t, fromOldest.take(2), "var/s/storage/first store", "var/s/storage/fast store")
		atHead = head(t, source)
		for range 2 { // a stream that began with something in flight hands that on
			w.store("var/s/storage/fast", 2)
			w.expire("var/s/storage/fast")
			got := collect(t, source, atHead)
			wantSteps(t, got, "var/s/storage/fast store", "var/s/storage/fast expire")
			if len(got) > 0 {
				atHead = got[len(got)-1].Position
			}
		}
		fromNewest = follow(t, source, changes.Newest)
		w.storeUntilSeen(fromNewest, "var/s/storage/probe")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	const slow = "var/s/storage/slow store"
	for name, s := range map[string]*stream{"oldest": fromOldest, "newest": fromNewest, "head": follow(t, source, atHead)} {
		s.until(slow)
		t.Log(name)
	}
	if got := steps(collect(t, source, atHead)); !slices.Contains(got, slow) {
		t.Errorf("after the head: %q", got)
	}
}
