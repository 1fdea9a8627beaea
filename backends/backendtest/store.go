package backendtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"example.com/ezdfs/backends"
)

// store is the backend under test with the short forms the tests use: each
// fails the test where the backend does not do its part.
type store struct {
	backends.Backend
	h Harness
}

// unknown are the attributes of a body about which nothing is known.
var unknown = backends.Attributes{Size: -1}

func (s store) stage(t *testing.T, path string, body []byte, attrs backends.Attributes) backends.Staged {
	t.Helper()
	staged, err := s.Stage(t.Context(), path, bytes.NewReader(body), attrs)
	if err != nil {
		t.Fatalf("Stage(%q): %v", path, err)
	}
	t.Cleanup(func() { staged.Discard(context.WithoutCancel(t.Context())) })
	if staged.Size() != int64(len(body)) {
		t.Errorf("Stage(%q).Size() = %d, want %d", path, staged.Size(), len(body))
	}
	return staged
}

func (s store) putWith(t *testing.T, path string, body []byte, attrs backends.Attributes) {
	t.Helper()
	if err := s.stage(t, path, body, attrs).Publish(t.Context()); err != nil {
		t.Fatalf("Publish(%q): %v", path, err)
	}
}

func (s store) put(t *testing.T, path, body string) {
	t.Helper()
	s.putWith(t, path, []byte(body), backends.Attributes{Size: int64(len(body))})
}

func (s store) stat(t *testing.T, path string) backends.Info {
	t.Helper()
	info, err := s.Stat(t.Context(), path)
	if err != nil {
		t.Fatalf("Stat(%q): %v", path, err)
	}
	if info.Path != path {
		t.Errorf("Stat(%q).Path = %q", path, info.Path)
	}
	if info.Version == "" {
		t.Errorf("Stat(%q): no Version", path)
	}
	return info
}

func (s store) open(t *testing.T, path string, offset, length int64) backends.Reader {
	t.Helper()
	r, err := s.Open(t.Context(), path, offset, length)
	if err != nil {
		t.Fatalf("Open(%q, %d, %d): %v", path, offset, length, err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func (s store) read(t *testing.T, path string, offset, length int64) []byte {
	t.Helper()
	r := s.open(t, path, offset, length)
	body, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("reading %q: %v", path, err)
	}
	if err := r.Close(); err != nil {
		t.Errorf("closing the reader of %q: %v", path, err)
	}
	return body
}

// wantBody checks that path holds body, whole.
func (s store) wantBody(t *testing.T, path, body string) {
	t.Helper()
	if got := s.read(t, path, 0, -1); string(got) != body {
		t.Errorf("body of %q = %.60q, want %.60q", path, got, body)
	}
}

// wantNothing checks that path has no body and the store no staged one.
func (s store) wantNothing(t *testing.T, path string) {
	t.Helper()
	_, err := s.Stat(t.Context(), path)
	s.wantError(t, err, errNotExist, "stat", path)
	if got := s.list(t, "", ""); slices.Contains(got, path) {
		t.Errorf("%q is listed", path)
	}
	s.wantNothingStaged(t)
}

func (s store) wantNothingStaged(t *testing.T) {
	t.Helper()
	if s.h.Staged == nil {
		return
	}
	if left := s.h.Staged(t, s.Backend); len(left) > 0 {
		t.Errorf("staged bodies left behind: %q", left)
	}
}

// list returns the listed paths.
func (s store) list(t *testing.T, prefix, after string) []string {
	t.Helper()
	var paths []string
	for info, err := range s.List(t.Context(), prefix, after) {
		if err != nil {
			t.Fatalf("List(%q, %q): %v", prefix, after, err)
		}
		paths = append(paths, info.Path)
	}
	return paths
}

// wantError checks the kind of an error and that it says where it happened.
// An empty op or path is not checked.
func (s store) wantError(t *testing.T, err, kind error, op, path string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("%s %q: error %v, want %v", op, path, err, kind)
		return
	}
	for _, other := range kinds {
		if other != kind && errors.Is(err, other) {
			t.Errorf("%s %q: error %v is %v and %v", op, path, err, kind, other)
		}
	}
	var e *backends.Error
	if !errors.As(err, &e) {
		t.Errorf("%s %q: error %v is a %T, want a *backends.Error", op, path, err, err)
		return
	}
	if s.h.Dispatches {
		return
	}
	if e.Backend != s.Name() {
		t.Errorf("%s %q: error %v names backend %q, want %q", op, path, err, e.Backend, s.Name())
	}
	if op != "" && e.Op != op {
		t.Errorf("%s %q: error %v names operation %q", op, path, err, e.Op)
	}
	if path != "" && e.Path != path {
		t.Errorf("%s %q: error %v names path %q", op, path, err, e.Path)
	}
}

// random returns n reproducible bytes that no compression makes small.
func random(seed uint64, n int) []byte {
	source := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	body := make([]byte, n)
	source.Read(body)
	return body
}
