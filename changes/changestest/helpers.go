package changestest

import (
	"context"
	"slices"
	"testing"
	"time"

	"example.com/ezdfs/changes"
	"example.com/ezdfs/metadata"
)

// patience is how long a test waits for what must come. Nothing is measured by
// it: it only ends a test that has failed.
const patience = time.Minute

// writer makes changes as the cluster does. It may be used by any goroutine:
// it does not end the test.
type writer struct {
	t    *testing.T
	into *metadata.Store
}

func (w writer) update(fn func(tx *metadata.Tx) error) {
	if err := w.into.Update(w.t.Context(), fn); err != nil {
		w.t.Error(err)
	}
}

// put writes the row of a path, which size makes another one each time, and
// its entry.
func put(store *metadata.Store, tx *metadata.Tx, path string, size int64) error {
	row := metadata.Row{
		Name: path, Trunk: store.Layout().Trunk(path, "image"), Scope: "image",
		DataType: "image/png", Size: size, MTime: 1_700_000_000,
	}
	if err := tx.Upsert(row); err != nil {
		return err
	}
	return tx.Record(metadata.Change{Kind: metadata.KindStore, Subject: path, Scope: "image"})
}

func (w writer) store(path string, size int64) {
	w.update(func(tx *metadata.Tx) error { return put(w.into, tx, path, size) })
}

func (w writer) expire(path string) {
	if n, err := w.into.Expire(w.t.Context(), path); n != 1 || err != nil {
		w.t.Errorf("expire %q: %d, %v", path, n, err)
	}
}

func (w writer) purge(path string) {
	w.update(func(tx *metadata.Tx) error {
		if _, err := tx.Delete(metadata.Row{Name: path}); err != nil {
			return err
		}
		return tx.Record(metadata.Change{Kind: metadata.KindPurge, Subject: path, Scope: "image"})
	})
}

// storeUntilSeen stores a path again and again until a stream yields it: when
// a stream that begins at the newest change has begun, nobody can tell.
func (w writer) storeUntilSeen(s *stream, path string) {
	w.t.Helper()
	deadline := time.After(patience)
	for size := int64(1); ; size++ {
		w.store(path, size)
		select {
		case c := <-s.changes:
			if c.Subject != path {
				w.t.Errorf("%q came before %q", c.Subject, path)
			}
			return
		case <-deadline:
			w.t.Fatal("a change of now is not seen")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// steps is what changes say of their paths.
func steps(got []changes.Change) []string {
	list := make([]string, len(got))
	for i, c := range got {
		list[i] = c.Subject + " " + string(c.Kind)
	}
	return list
}

func wantSteps(t *testing.T, got []changes.Change, want ...string) {
	t.Helper()
	if list := steps(got); !slices.Equal(list, want) {
		t.Errorf("the changes are %q, not %q", list, want)
	}
}

// collect reads what there is after a position.
func collect(t *testing.T, source changes.Source, after changes.Position) (all []changes.Change) {
	t.Helper()
	for c, err := range source.Changes(t.Context(), after, false) {
		if err != nil {
			t.Errorf("after %q: %v", after, err)
			return all
		}
		all = append(all, c)
	}
	return all
}

func head(t *testing.T, source changes.Source) changes.Position {
	t.Helper()
	p, err := source.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// stream is what somebody who follows sees.
type stream struct {
	t       *testing.T
	changes chan changes.Change
}

// follow follows a source until the test ends.
func follow(t *testing.T, source changes.Source, after changes.Position) *stream {
	t.Helper()
	s := &stream{t, make(chan changes.Change, 10_000)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for c, err := range source.Changes(ctx, after, true) {
			if err != nil {
				t.Errorf("following after %q: %v", after, err)
				return
			}
			s.changes <- c
		}
		if ctx.Err() == nil {
			t.Errorf("following after %q: the stream ended", after)
		}
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return s
}

// take waits for the next n changes.
func (s *stream) take(n int) (got []changes.Change) {
	s.t.Helper()
	deadline := time.After(patience)
	for len(got) < n {
		select {
		case c := <-s.changes:
			got = append(got, c)
		case <-deadline:
			s.t.Fatalf("only %d of %d changes came: %q", len(got), n, steps(got))
		}
	}
	return got
}

// until waits for a change.
func (s *stream) until(step string) {
	s.t.Helper()
	for steps(s.take(1))[0] != step {
	}
}
