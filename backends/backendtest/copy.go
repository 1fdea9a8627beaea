package backendtest

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"example.com/ezdfs/backends"
)

var copyTests = []test{
	{"copy", func(t *testing.T, h Harness, s store) {
		mtime := time.Unix(1234567890, 0)
		for _, size := range []int{0, 1, 1000, h.LargeBody} {
			body := random(11, size)
			s.putWith(t, "from/src", body, backends.Attributes{Size: -1, ModTime: mtime, ContentType: "image/png"})
			before := time.Now()
			staged, info, err := backends.StageCopy(t.Context(), s.Backend, "from/src", s.Backend, "to/new/dst")
			if err != nil {
				t.Fatal(err)
			}
			if src := s.stat(t, "from/src"); info.Path != "from/src" || info.Version != src.Version || info.Size != int64(size) {
				t.Errorf("StageCopy describes %+v, want the source %+v", info, src)
			}
			if staged.Size() != int64(size) {
				t.Errorf("Size of the staged copy = %d, want %d", staged.Size(), size)
			}
			s.wantMissing(t, "to/new/dst")
			if err := staged.Publish(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := s.read(t, "to/new/dst", 0, -1); !bytes.Equal(got, body) {
				t.Errorf("the copy of %d bytes differs", size)
			}
			if got := s.read(t, "from/src", 0, -1); !bytes.Equal(got, body) {
				t.Errorf("the source of %d bytes differs after the copy", size)
			}
			s.checkAttributes(t, "to/new/dst", mtime, "image/png", before)
			if err := s.Delete(t.Context(), []string{"to/new/dst"}); err != nil {
				t.Fatal(err)
			}
			s.wantNothingStaged(t)
		}
	}},
	{"copy over another", func(t *testing.T, h Harness, s store) {
		s.put(t, "src", "new")
		s.put(t, "dst", "the old body")
		if err := backends.Copy(t.Context(), s.Backend, "src", "dst"); err != nil {
			t.Fatal(err)
		}
		s.wantBody(t, "dst", "new")
		s.wantBody(t, "src", "new")
	}},
	{"copy to itself", func(t *testing.T, h Harness, s store) {
		s.put(t, "a/b", "body")
		if err := backends.Copy(t.Context(), s.Backend, "a/b", "a/b"); err != nil {
			t.Fatal(err)
		}
		s.wantBody(t, "a/b", "body")
		s.wantNothingStaged(t)
	}},
	{"copy discarded", func(t *testing.T, h Harness, s store) {
		s.putWith(t, "src", random(12, h.LargeBody), unknown)
		staged, _, err := backends.StageCopy(t.Context(), s.Backend, "src", s.Backend, "dst")
		if err != nil {
			t.Fatal(err)
		}
		if err := staged.Discard(done(t)); err != nil {
			t.Error(err)
		}
		s.wantNothing(t, "dst")
	}},
	{"copy of what is missing", func(t *testing.T, h Harness, s store) {
		s.put(t, "dst", "old")
		_, _, err := backends.StageCopy(t.Context(), s.Backend, "missing/src", s.Backend, "dst")
		if !errors.Is(err, errNotExist) || errors.Is(err, backends.ErrUnavailable) {
			t.Errorf("StageCopy of a missing body: %v, want fs.ErrNotExist", err)
		}
		s.wantBody(t, "dst", "old")
		s.wantNothingStaged(t)
	}},
	{"source replaced", sourceReplaced},
	{"rename", func(t *testing.T, h Harness, s store) {
		mtime := time.Unix(1234567890, 0)
		for _, dst := range []string{"a/c", "b/new/dir/c", "top", "existing/x"} {
			s.put(t, "existing/x", "the old body")
			before := time.Now()
			s.putWith(t, "a/b", []byte("body"), backends.Attributes{Size: 4, ModTime: mtime, ContentType: "text/x-test"})
			if err := backends.Rename(t.Context(), s.Backend, "a/b", dst); err != nil {
				t.Fatalf("Rename to %q: %v", dst, err)
			}
			s.wantNothing(t, "a/b")
			s.wantBody(t, dst, "body")
			s.checkAttributes(t, dst, mtime, "text/x-test", before)
		}
	}},
	{"rename to itself", func(t *testing.T, h Harness, s store) {
		s.put(t, "a/b", "body")
		if err := backends.Rename(t.Context(), s.Backend, "a/b", "a/b"); err != nil {
			t.Fatal(err)
		}
		if renamer, ok := backends.As[backends.Renamer](s.Backend); ok {
			if err := renamer.Rename(t.Context(), "a/b", "a/b"); err != nil {
				t.Fatal(err)
			}
		}
		s.wantBody(t, "a/b", "body")
	}},
	{"rename of what is missing", func(t *testing.T, h Harness, s store) {
		s.put(t, "dst/x", "old")
		for _, dst := range []string{"dst/x", "elsewhere/x", "missing"} {
			err := backends.Rename(t.Context(), s.Backend, "missing", dst)
			if !errors.Is(err, errNotExist) || errors.Is(err, backends.ErrUnavailable) {
				t.Errorf("Rename of a missing body to %q: %v, want fs.ErrNotExist", dst, err)
			}
		}
		s.wantBody(t, "dst/x", "old")
		if got := s.list(t, "", ""); len(got) != 1 {
			t.Errorf("List = %q, want only dst/x", got)
		}
	}},
}

func (s store) wantMissing(t *testing.T, path string) {
	t.Helper()
	_, err := s.Stat(t.Context(), path)
	s.wantError(t, err, errNotExist, "stat", path)
}

// sourceReplaced replaces or deletes the source between StageCopy and Publish:
// the target is the body that StageCopy described, or Publish says ErrChanged
// and leaves the target alone.
func sourceReplaced(t *testing.T, h Harness, s store) {
	for _, size := range []int{100, h.LargeBody} {
		for name, change := range map[string]func() error{
			"overwritten": func() error { return s.write(t, "src", random(14, size)) },
			"deleted":     func() error { return s.Delete(t.Context(), []string{"src"}) },
		} {
			old := random(13, size)
			s.putWith(t, "src", old, unknown)
			s.put(t, "dst", "before")
			staged, info, err := backends.StageCopy(t.Context(), s.Backend, "src", s.Backend, "dst")
			if err != nil {
				t.Fatal(err)
			}
			if err := change(); err != nil {
				t.Fatal(err)
			}
			want := old
			if err := staged.Publish(t.Context()); err != nil {
				if !errors.Is(err, backends.ErrChanged) {
					t.Errorf("source %s: %v, want ErrChanged or nothing", name, err)
				}
				want = []byte("before")
			}
			if got := s.read(t, "dst", 0, -1); !bytes.Equal(got, want) {
				t.Errorf("source %s: the target holds %d bytes that are not version %q", name, len(got), info.Version)
			}
			if err := staged.Discard(t.Context()); err != nil {
				t.Error(err)
			}
			s.wantNothingStaged(t)
		}
	}
}
