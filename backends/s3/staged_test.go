package s3

import (
	"bytes"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/backends"
)

// leftovers returns the uploads below a prefix.
func leftovers(tb testing.TB, b *Backend, prefix string) (list []backends.Leftover) {
	tb.Helper()
	for l, err := range b.ListStaged(tb.Context(), prefix) {
		if err != nil {
			tb.Fatal(err)
		}
		list = append(list, l)
	}
	slices.SortFunc(list, func(a, b backends.Leftover) int { return strings.Compare(a.Path, b.Path) })
	return list
}

func TestListAndDropStaged(t *testing.T) {
	for _, prefix := range []string{"", "a prefix+/"} {
		set := testSettings(t)
		set.Prefix = prefix
		b := newBackend(t, set)
		names := []string{"var/a/large", "var/b/large & odd+\u00e9"}
		for _, name := range names {
			// Never published: its writer died.
			if _, err := b.Stage(t.Context(), name, bytes.NewReader(random(5<<20+1)), backends.Attributes{Size: -1}); err != nil {
				t.Fatal(err)
			}
		}
		list := leftovers(t, b, "var/")
		if len(list) != 2 || list[0].Path != names[0] || list[1].Path != names[1] {
			t.Fatalf("with prefix %q: %+v", prefix, list)
		}
		for _, l := range list {
			if l.Size != 5<<20+1 || l.ID == "" || time.Since(l.Active).Abs() > time.Hour {
				t.Errorf("with prefix %q: %+v", prefix, l)
			}
		}
		if below := leftovers(t, b, "var/b"); len(below) != 1 || below[0].Path != names[1] {
			t.Errorf("below var/b: %+v", below)
		}
		for range 2 { // what is gone is gone
			if err := b.DropStaged(t.Context(), list[0]); err != nil {
				t.Error(err)
			}
		}
		if left := leftovers(t, b, ""); len(left) != 1 || left[0].ID != list[1].ID {
			t.Errorf("left: %+v", left)
		}
	}
}

// Under the policy of the legacy's guide the uploads cannot be listed, which is
// no reason to call the store unavailable.
func TestListStagedWithoutPermission(t *testing.T) {
	b := newBackend(t, restricted(t, testSettings(t)))
	var last error
	for _, err := range b.ListStaged(t.Context(), "") {
		last = err
	}
	if !errors.Is(last, fs.ErrPermission) {
		t.Errorf("ListStaged = %v, want fs.ErrPermission", last)
	}
}

func TestListStagedOfMissingBucket(t *testing.T) {
	set := testSettings(t)
	set.Bucket = "no-such-bucket"
	b := newBackend(t, set)
	var last error
	for _, err := range b.ListStaged(t.Context(), "") {
		last = err
	}
	if !errors.Is(last, backends.ErrUnavailable) {
		t.Errorf("ListStaged = %v, want ErrUnavailable", last)
	}
}
