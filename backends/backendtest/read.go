package backendtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"testing"

	"example.com/ezdfs/backends"
)

var readTests = []test{
	{"missing", func(t *testing.T, h Harness, s store) {
		s.put(t, "there/file", "x")
		for _, path := range []string{"missing", "missing/dir/file", "there", "there/other", "there/file/below", "ther", "there/fil"} {
			_, err := s.Stat(t.Context(), path)
			s.wantError(t, err, errNotExist, "stat", path)
			_, err = s.Open(t.Context(), path, 0, -1)
			s.wantError(t, err, errNotExist, "open", path)
		}
	}},
	{"missing in an empty store", func(t *testing.T, h Harness, s store) {
		_, err := s.Stat(t.Context(), "var/site/storage/a.png")
		s.wantError(t, err, errNotExist, "stat", "var/site/storage/a.png")
		if err := s.Ping(t.Context()); err != nil {
			t.Errorf("Ping: %v", err)
		}
	}},
	{"ranges", ranges},
	{"ranges of an empty body", func(t *testing.T, h Harness, s store) {
		s.put(t, "empty", "")
		for _, r := range [][2]int64{{0, -1}, {0, 0}, {0, 1}, {1, -1}, {7, 3}, {math.MaxInt64, 1}} {
			if got := s.read(t, "empty", r[0], r[1]); len(got) > 0 {
				t.Errorf("Open(%d, %d) of an empty body = %q", r[0], r[1], got)
			}
		}
	}},
	{"ranges of a large body", func(t *testing.T, h Harness, s store) {
		body := random(6, h.LargeBody)
		s.putWith(t, "large", body, unknown)
		for _, at := range []int{1, h.LargeBody / 2, h.LargeBody - 100} {
			if got := s.read(t, "large", int64(at), 100); !bytes.Equal(got, body[at:at+100]) {
				t.Errorf("100 bytes at %d differ", at)
			}
		}
		tail := h.LargeBody - 70_000
		if got := s.read(t, "large", int64(tail), -1); !bytes.Equal(got, body[tail:]) {
			t.Errorf("the last %d bytes differ", len(body)-tail)
		}
	}},
	{"closed early", func(t *testing.T, h Harness, s store) {
		s.putWith(t, "large", random(7, h.LargeBody), unknown)
		r := s.open(t, "large", 0, -1)
		if _, err := io.ReadFull(r, make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}},
	{"replaced while read", replacedWhileRead},
	{"versions", func(t *testing.T, h Harness, s store) {
		seen := map[string]int{}
		for i := range 20 {
			s.put(t, "dir/file", fmt.Sprintf("body %2d", i))
			version := s.stat(t, "dir/file").Version
			if old, ok := seen[version]; ok {
				t.Fatalf("body %d has version %q, as body %d had", i, version, old)
			}
			seen[version] = i
			if again := s.stat(t, "dir/file").Version; again != version {
				t.Errorf("Version of one body: %q, then %q", version, again)
			}
			if opened := s.open(t, "dir/file", 0, -1).Info().Version; opened != version {
				t.Errorf("Version by Open %q, by Stat %q", opened, version)
			}
		}
	}},
}

func ranges(t *testing.T, h Harness, s store) {
	const body = "0123456789"
	s.put(t, "a/digits", body)
	for _, test := range []struct {
		offset, length int64
		want           string
	}{
		{0, -1, body}, {0, 10, body}, {0, 11, body}, {0, math.MaxInt64, body},
		{0, 0, ""}, {0, 1, "0"}, {3, 4, "3456"}, {3, 0, ""}, {3, -1, "3456789"}, {3, -7, "3456789"},
		{9, 1, "9"}, {9, 2, "9"}, {9, -1, "9"}, {3, math.MaxInt64, "3456789"},
		{10, -1, ""}, {10, 0, ""}, {10, 5, ""}, {11, -1, ""}, {1 << 40, 5, ""},
		{math.MaxInt64, -1, ""}, {math.MaxInt64, math.MaxInt64, ""},
	} {
		r := s.open(t, "a/digits", test.offset, test.length)
		got, err := io.ReadAll(r)
		if err != nil || string(got) != test.want {
			t.Errorf("Open(%d, %d) = %q, %v, want %q", test.offset, test.length, got, err, test.want)
		}
		if info := r.Info(); info.Size != 10 || info.Path != "a/digits" || info.Version == "" {
			t.Errorf("Open(%d, %d).Info() = %+v, want the whole body's", test.offset, test.length, info)
		}
	}
	_, err := s.Open(t.Context(), "a/digits", -1, 5)
	s.wantError(t, err, errInvalid, "open", "a/digits")
	_, err = s.Open(t.Context(), "a/missing", 20, 5)
	s.wantError(t, err, errNotExist, "open", "a/missing")
	_, err = s.Open(t.Context(), "a/missing", 0, 0)
	s.wantError(t, err, errNotExist, "open", "a/missing")
}

// replacedWhileRead opens a body, replaces it, and reads on: the old body
// whole or an error, never two in one.
func replacedWhileRead(t *testing.T, h Harness, s store) {
	old, replacement := random(8, h.LargeBody), random(9, h.LargeBody)
	for _, already := range []int{0, 1, h.LargeBody / 3} {
		s.putWith(t, "a", old, unknown)
		r := s.open(t, "a", 0, -1)
		got := make([]byte, already)
		if _, err := io.ReadFull(r, got); err != nil {
			t.Fatal(err)
		}
		s.putWith(t, "a", replacement, unknown)
		rest, err := io.ReadAll(r)
		got = append(got, rest...)
		switch {
		case err != nil && !errors.Is(err, backends.ErrChanged):
			t.Errorf("replaced after %d bytes: %v, want ErrChanged", already, err)
		case err != nil && !bytes.HasPrefix(old, got):
			t.Errorf("replaced after %d bytes: read something else before failing", already)
		case err == nil && !bytes.Equal(got, old):
			t.Errorf("replaced after %d bytes: read %d bytes that are not the old body", already, len(got))
		}
	}
}
