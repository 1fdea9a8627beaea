package gcs

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"testing"

	"example.com/ezdfs/backends"
)

// TestDeletePerPath: one path that fails does not keep the others.
func TestDeletePerPath(t *testing.T) {
	w := new(wire)
	b := newBackend(t, startService(t).config(t), w.option())
	var paths []string
	for i := range 40 {
		paths = append(paths, fmt.Sprintf("dir/%02d", i))
		put(t, b, paths[i], []byte("x"), backends.Attributes{Size: 1})
	}
	w.reset(func(_ int, r *http.Request, next http.RoundTripper) (*http.Response, error) {
		if strings.HasSuffix(r.URL.Path, "dir/07") {
			return answer(r, http.StatusForbidden, `{"error":{"code":403}}`)
		}
		return next.RoundTrip(r)
	})
	err := b.Delete(t.Context(), append(paths, "no//path"))
	var failed *backends.DeleteError
	if !errors.As(err, &failed) || len(failed.Failed) != 2 ||
		!errors.Is(failed.Failed["dir/07"], fs.ErrPermission) || !errors.Is(failed.Failed["no//path"], fs.ErrInvalid) {
		t.Fatalf("Delete: %v", err)
	}
	w.reset(nil)
	for info, err := range b.List(t.Context(), "", "") {
		if err != nil || info.Path != "dir/07" {
			t.Errorf("left: %q, %v", info.Path, err)
		}
	}
}

// TestDeleteOutage: a store that is down is not asked for each of many paths.
func TestDeleteOutage(t *testing.T) {
	w := new(wire)
	b := newBackend(t, startService(t).config(t), w.option())
	w.reset(func(_ int, r *http.Request, _ http.RoundTripper) (*http.Response, error) { return answer(r, 503, "{}") })
	paths := make([]string, 1000)
	for i := range paths {
		paths[i] = fmt.Sprintf("dir/%d", i)
	}
	var failed *backends.DeleteError
	if err := b.Delete(t.Context(), paths); !errors.As(err, &failed) || len(failed.Failed) != len(paths) {
		t.Fatalf("Delete: %v", err)
	}
	for path, err := range failed.Failed {
		var e *backends.Error
		if !errors.Is(err, backends.ErrUnavailable) || !backends.IsRetryable(err) || !errors.As(err, &e) || e.Path != path || e.Op != "delete" {
			t.Fatalf("%q: %v", path, err)
		}
	}
	if got := len(w.sent()); got > 2*deleteWorkers*maxAttempts {
		t.Errorf("%d requests to a store that is down", got)
	}
}
