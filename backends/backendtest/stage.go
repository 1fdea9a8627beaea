package backendtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"example.com/ezdfs/backends"
)

var errNotExist = fs.ErrNotExist

// kinds exclude each other.
var kinds = []error{fs.ErrNotExist, fs.ErrInvalid, backends.ErrUnavailable,
	backends.ErrNoSpace, backends.ErrSize, backends.ErrDamaged, backends.ErrChanged}

var stageTests = []test{
	{"invisible before publish", func(t *testing.T, h Harness, s store) {
		staged := s.stage(t, "a/b.txt", []byte("new"), unknown)
		if h.Staged != nil && len(h.Staged(t, s.Backend)) == 0 {
			t.Error("Harness.Staged shows nothing while a body is staged")
		}
		_, err := s.Stat(t.Context(), "a/b.txt")
		s.wantError(t, err, errNotExist, "stat", "a/b.txt")
		if got := s.list(t, "", ""); len(got) > 0 {
			t.Errorf("listed before Publish: %q", got)
		}
		if err := staged.Publish(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.wantBody(t, "a/b.txt", "new")
		s.wantNothingStaged(t)
	}},
	{"overwrite", func(t *testing.T, h Harness, s store) {
		s.put(t, "a/b.txt", "the old body")
		staged := s.stage(t, "a/b.txt", []byte("new"), unknown)
		s.wantBody(t, "a/b.txt", "the old body")
		if err := staged.Publish(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.wantBody(t, "a/b.txt", "new")
		s.wantNothingStaged(t)
	}},
	{"the later publish wins", func(t *testing.T, h Harness, s store) {
		first := s.stage(t, "a", []byte("staged first"), unknown)
		second := s.stage(t, "a", []byte("staged second"), unknown)
		for _, staged := range []backends.Staged{second, first} {
			if err := staged.Publish(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		s.wantBody(t, "a", "staged first")
	}},
	{"a type that no header can carry", func(t *testing.T, h Harness, s store) {
		for _, contentType := range []string{"text/plain\r\nX-Evil: 1", "text/plain\n", "\x00", "a\x7f"} {
			_, err := s.Stage(t.Context(), "a/b", strings.NewReader("body"), backends.Attributes{Size: -1, ContentType: contentType})
			s.wantError(t, err, fs.ErrInvalid, "stage", "a/b")
		}
		s.wantNothing(t, "a/b")
	}},
	{"discard", func(t *testing.T, h Harness, s store) {
		staged := s.stage(t, "a/b", []byte("x"), unknown)
		for range 2 {
			if err := staged.Discard(t.Context()); err != nil {
				t.Errorf("Discard: %v", err)
			}
		}
		s.wantNothing(t, "a/b")
	}},
	{"discard keeps the old body", func(t *testing.T, h Harness, s store) {
		s.put(t, "a/b", "old")
		if err := s.stage(t, "a/b", []byte("new"), unknown).Discard(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.wantBody(t, "a/b", "old")
		s.wantNothingStaged(t)
	}},
	{"discard after publish", func(t *testing.T, h Harness, s store) {
		staged := s.stage(t, "a", []byte("x"), unknown)
		if err := errors.Join(staged.Publish(t.Context()), staged.Discard(t.Context())); err != nil {
			t.Fatal(err)
		}
		s.wantBody(t, "a", "x")
	}},
	{"discard with a context that is done", func(t *testing.T, h Harness, s store) {
		for _, size := range []int{3, h.LargeBody} {
			staged := s.stage(t, "a", random(1, size), unknown)
			if err := staged.Discard(done(t)); err != nil {
				t.Errorf("Discard of %d bytes: %v", size, err)
			}
			s.wantNothing(t, "a")
		}
	}},
	{"sizes", func(t *testing.T, h Harness, s store) {
		for _, body := range []string{"", "0", "\x00", "x", strings.Repeat("0123456789", 1000)} {
			for _, size := range []int64{-1, int64(len(body))} {
				s.putWith(t, "dir/file", []byte(body), backends.Attributes{Size: size})
				s.wantBody(t, "dir/file", body)
				if got := s.stat(t, "dir/file").Size; got != int64(len(body)) {
					t.Errorf("Stat.Size = %d, want %d", got, len(body))
				}
			}
		}
	}},
	{"large body", func(t *testing.T, h Harness, s store) {
		body := random(2, h.LargeBody)
		for _, size := range []int64{-1, int64(len(body))} {
			s.putWith(t, "dir/large", body, backends.Attributes{Size: size})
			if got := s.read(t, "dir/large", 0, -1); !bytes.Equal(got, body) {
				t.Errorf("announced %d: read %d bytes that differ from the %d written", size, len(got), len(body))
			}
		}
		s.wantNothingStaged(t)
	}},
	{"one byte at a time", func(t *testing.T, h Harness, s store) {
		staged, err := s.Stage(t.Context(), "a", iotest.OneByteReader(strings.NewReader("slowly")), unknown)
		if err != nil {
			t.Fatal(err)
		}
		if err := staged.Publish(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.wantBody(t, "a", "slowly")
	}},
	{"wrong size", wrongSize},
	{"failing body", failingBody},
	{"attributes", attributes},
}

func wrongSize(t *testing.T, h Harness, s store) {
	large := int64(h.LargeBody)
	for _, test := range []struct{ announced, actual int64 }{
		{0, 1}, {1, 0}, {5, 4}, {5, 6}, {0, large}, {large, 0}, {large, large - 1}, {large, large + 1},
		{large - 1, large + 5}, {1 << 50, 3},
	} {
		for _, old := range []bool{false, true} {
			path := "missing/file"
			if old {
				path = "there/file"
				s.put(t, path, "old")
			}
			body := bytes.NewReader(random(3, int(test.actual)))
			// Without Len and Seek, as a body from the network is.
			_, err := s.Stage(t.Context(), path, io.MultiReader(body), backends.Attributes{Size: test.announced})
			s.wantError(t, err, backends.ErrSize, "stage", path)
			if old {
				s.wantBody(t, path, "old")
			}
		}
	}
	s.wantNothing(t, "missing/file")
}

// failingBody: a body that breaks off, as the network's do with
// io.ErrUnexpectedEOF, is never stored.
func failingBody(t *testing.T, h Harness, s store) {
	for _, broken := range []error{errors.New("the sender hung up"), io.ErrUnexpectedEOF} {
		failingBodyBy(t, h, s, broken)
	}
	s.wantNothing(t, "a/b")
}

func failingBodyBy(t *testing.T, h Harness, s store, broken error) {
	for _, before := range []int{0, 3, h.LargeBody} {
		for _, size := range []int64{-1, int64(before) + 10} {
			body := io.MultiReader(bytes.NewReader(random(4, before)), iotest.ErrReader(broken))
			_, err := s.Stage(t.Context(), "a/b", body, backends.Attributes{Size: size})
			if !errors.Is(err, broken) {
				t.Errorf("after %d bytes of %d: error %v, want the reader's own", before, size, err)
			}
			if backends.IsRetryable(err) {
				t.Errorf("after %d bytes of %d: a body that was read cannot be retried: %v", before, size, err)
			}
		}
	}
}

func attributes(t *testing.T, h Harness, s store) {
	mtime := time.Unix(1234567890, 0)
	for _, size := range []int{5, h.LargeBody} {
		before := time.Now()
		s.putWith(t, "a/b.png", random(5, size), backends.Attributes{
			Size: int64(size), ModTime: mtime, ContentType: "image/png",
		})
		s.checkAttributes(t, "a/b.png", mtime, "image/png", before)
	}
	s.put(t, "plain", "without any")
	if info := s.stat(t, "plain"); time.Since(info.ModTime).Abs() > time.Hour {
		t.Errorf("ModTime of a body stored without one = %v, want about now", info.ModTime)
	}
}

// checkAttributes compares what Stat, Open and List tell of path.
func (s store) checkAttributes(t *testing.T, path string, mtime time.Time, contentType string, since time.Time) {
	t.Helper()
	infos := map[string]backends.Info{"Stat": s.stat(t, path), "Open": s.open(t, path, 1, 1).Info()}
	for info, err := range s.List(t.Context(), path, "") {
		if err != nil {
			t.Fatal(err)
		}
		infos["List"] = info
	}
	for from, info := range infos {
		listed := from == "List"
		if s.h.KeepsModTime && (s.h.ListsModTime || !listed) && info.ModTime.Unix() != mtime.Unix() {
			t.Errorf("%s: ModTime = %v, want %v", from, info.ModTime, mtime)
		}
		if s.h.KeepsContentType && !listed && info.ContentType != contentType {
			t.Errorf("%s: ContentType = %q, want %q", from, info.ContentType, contentType)
		}
		if info.Size != infos["Stat"].Size {
			t.Errorf("%s: Size = %d, Stat tells %d", from, info.Size, infos["Stat"].Size)
		}
		if info.Version != infos["Stat"].Version && !(listed && info.Version == "") {
			t.Errorf("%s: Version = %q, Stat tells %q", from, info.Version, infos["Stat"].Version)
		}
		// The store's clock may be another, and count whole seconds.
		if info.Stored.Before(since.Add(-time.Hour)) || info.Stored.After(since.Add(time.Hour)) {
			t.Errorf("%s: Stored = %v, want about %v", from, info.Stored, since)
		}
	}
}

// done returns a context that is cancelled.
func done(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
