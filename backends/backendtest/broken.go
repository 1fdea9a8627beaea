package backendtest

import (
	"errors"
	"testing"

	"example.com/ezdfs/backends"
)

var brokenTests = []test{
	{"every method", func(t *testing.T, h Harness, s store) {
		if h.Break == nil {
			t.Skip("the harness cannot break this store")
		}
		s.put(t, "there", "x")
		s.put(t, "dir/there", "x")
		staged := s.stage(t, "dir/staged", random(31, h.LargeBody), unknown)
		mend := h.Break(t, s.Backend)
		for _, path := range []string{"there", "dir/there", "dir/missing", "missing/dir/file"} {
			for _, call := range pathCalls(s.Backend) {
				if call.op != "sign" { // needs no store
					s.wantError(t, call.do(t.Context(), path), backends.ErrUnavailable, call.op, "")
				}
			}
			s.wantDeleteUnavailable(t, path)
		}
		for _, call := range targetCalls(s.Backend) {
			if !(call.op == "stage" && h.StagesInMemory) {
				s.wantError(t, call.do(t.Context(), "dir/new"), backends.ErrUnavailable, call.op, "")
			}
		}
		s.wantError(t, staged.Publish(t.Context()), backends.ErrUnavailable, "publish", "")
		s.wantError(t, s.Ping(t.Context()), backends.ErrUnavailable, "ping", "")
		for _, prefix := range []string{"", "dir/", "dir/th", "missing/"} {
			s.wantError(t, listError(t, s.List(t.Context(), prefix, "")), backends.ErrUnavailable, "list", "")
		}
		mend()
		if err := s.Ping(t.Context()); err != nil {
			t.Errorf("Ping after the store is back: %v", err)
		}
		s.wantBody(t, "there", "x")
		s.wantBody(t, "dir/there", "x")
		s.wantMissing(t, "dir/missing")
	}},
}

func (s store) wantDeleteUnavailable(t *testing.T, path string) {
	t.Helper()
	err := s.Delete(t.Context(), []string{path})
	if failed := deleteFailures(err); !errors.Is(err, backends.ErrUnavailable) || failed[path] == nil {
		t.Errorf("Delete(%q): %v, want a *backends.DeleteError that says ErrUnavailable", path, err)
	}
}
