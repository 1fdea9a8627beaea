package backendtest

import (
	"errors"
	"fmt"
	"testing"

	"example.com/ezdfs/backends"
)

var deleteTests = []test{
	{"one", func(t *testing.T, h Harness, s store) {
		s.put(t, "a/b/c", "x")
		s.put(t, "a/b/d", "x")
		if err := s.Delete(t.Context(), []string{"a/b/c"}); err != nil {
			t.Fatal(err)
		}
		s.wantNothing(t, "a/b/c")
		s.wantBody(t, "a/b/d", "x")
	}},
	{"idempotent", func(t *testing.T, h Harness, s store) {
		s.put(t, "a/b", "x")
		s.put(t, "a/other", "x")
		for _, paths := range [][]string{nil, {}, {"a/b"}, {"a/b"}, {"a/b", "missing", "missing/dir/file", "a/b/below"}, {"a", "a/othe"}} {
			if err := s.Delete(t.Context(), paths); err != nil {
				t.Errorf("Delete(%q): %v", paths, err)
			}
		}
		s.wantBody(t, "a/other", "x")
	}},
	{"duplicates", func(t *testing.T, h Harness, s store) {
		s.put(t, "a", "x")
		if err := s.Delete(t.Context(), []string{"a", "b", "a", "b", "a"}); err != nil {
			t.Error(err)
		}
		s.wantNothing(t, "a")
	}},
	{"all but what cannot be", func(t *testing.T, h Harness, s store) {
		s.put(t, "a", "x")
		s.put(t, "b", "x")
		err := s.Delete(t.Context(), []string{"a", "../c", "b"})
		if failed := deleteFailures(err); len(failed) != 1 || failed["../c"] == nil {
			t.Errorf("Delete: %v, want an error that names ../c alone", err)
		}
		s.wantNothing(t, "a")
		s.wantNothing(t, "b")
	}},
	{"the last body", func(t *testing.T, h Harness, s store) {
		s.put(t, "only/one", "x")
		if err := s.Delete(t.Context(), []string{"only/one"}); err != nil {
			t.Fatal(err)
		}
		if err := s.Ping(t.Context()); err != nil {
			t.Errorf("Ping of the empty store: %v", err)
		}
		s.wantNothing(t, "only/one")
		s.put(t, "only/one", "again")
		s.wantBody(t, "only/one", "again")
	}},
	{"many", func(t *testing.T, h Harness, s store) {
		paths := s.putMany(t)
		doomed := append([]string{"missing/before"}, paths[1:]...)
		doomed = append(doomed, "missing/after")
		if err := s.Delete(t.Context(), doomed); err != nil {
			t.Fatal(err)
		}
		if got := s.list(t, "", ""); len(got) != 1 || got[0] != paths[0] {
			t.Errorf("left after Delete: %d paths, want only %q", len(got), paths[0])
		}
	}},
	{"replace after delete", func(t *testing.T, h Harness, s store) {
		staged := s.stage(t, "a/b", []byte("staged"), unknown)
		s.put(t, "a/b", "old")
		if err := s.Delete(t.Context(), []string{"a/b"}); err != nil {
			t.Fatal(err)
		}
		if err := staged.Publish(t.Context()); err != nil {
			t.Fatalf("Publish after the directory became empty: %v", err)
		}
		s.wantBody(t, "a/b", "staged")
	}},
}

// putMany stores h.ManyPaths small bodies, eight at a time, and returns their
// paths in byte order.
func (s store) putMany(t *testing.T) []string {
	t.Helper()
	paths := make([]string, s.h.ManyPaths)
	for i := range paths {
		paths[i] = fmt.Sprintf("many/%02d/%05d", i/100, i)
	}
	err := parallel(8, len(paths), func(i int) error {
		return s.write(t, paths[i], []byte(paths[i]))
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// deleteFailures are the paths that err names.
func deleteFailures(err error) map[string]error {
	var e *backends.DeleteError
	if errors.As(err, &e) {
		return e.Failed
	}
	return nil
}
