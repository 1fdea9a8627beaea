package backendtest

import (
	"slices"
	"sort"
	"strings"
	"testing"

	"example.com/ezdfs/backends"
)

// treeNames are in byte order. What makes the order hard is that a directory
// sorts as its name with a slash: after "a-b" and "a.b", before "a0".
var treeNames = []string{
	"a!", "a-b", "a-b/1", "a-b/2", "a.b", "a/b", "a/b-c", "a/b.c", "a/b/c/d", "a/b0", "a/c", "a0", "aa/x", "ab", "b/a/a/a", "b/z", "c", "\u00e9/x", "\u00e90",
}

var listTests = []test{
	{"empty store", func(t *testing.T, h Harness, s store) {
		for _, prefix := range []string{"", "a", "a/b/", "a/b/c"} {
			if got := s.list(t, prefix, ""); len(got) > 0 {
				t.Errorf("List(%q) = %q", prefix, got)
			}
		}
	}},
	{"order, prefix and after", orderPrefixAfter},
	{"what it tells", func(t *testing.T, h Harness, s store) {
		s.put(t, "a/one", "1")
		s.put(t, "a/three", "333")
		for info, err := range s.List(t.Context(), "a/", "") {
			if err != nil {
				t.Fatal(err)
			}
			stat := s.stat(t, info.Path)
			if info.Size != stat.Size || info.ModTime.IsZero() || info.Stored.IsZero() {
				t.Errorf("List tells %+v, Stat %+v", info, stat)
			}
			if info.Version != "" && info.Version != stat.Version {
				t.Errorf("%q: Version %q by List, %q by Stat", info.Path, info.Version, stat.Version)
			}
		}
	}},
	{"early break", func(t *testing.T, h Harness, s store) {
		for _, path := range []string{"a/1", "a/2", "b/1"} {
			s.put(t, path, "x")
		}
		for n := range 3 {
			var got []string
			for info, err := range s.List(t.Context(), "", "") {
				if err != nil {
					t.Fatal(err)
				}
				if got = append(got, info.Path); len(got) > n {
					break
				}
			}
			if len(got) != n+1 {
				t.Errorf("%d entries, want %d", len(got), n+1)
			}
		}
	}},
	{"twice over one iterator", func(t *testing.T, h Harness, s store) {
		s.put(t, "a/1", "x")
		list := s.List(t.Context(), "", "")
		for range 2 {
			n := 0
			for range list {
				n++
			}
			if n != 1 {
				t.Errorf("%d entries, want 1", n)
			}
		}
	}},
	{"changed while listed", func(t *testing.T, h Harness, s store) {
		for _, path := range []string{"a/1", "b/1", "b/2", "c/d/1", "d/1"} {
			s.put(t, path, "x")
		}
		var got []string
		for info, err := range s.List(t.Context(), "", "") {
			if err != nil {
				t.Fatal(err)
			}
			if info.Path == "a/1" {
				if err := s.Delete(t.Context(), []string{"a/1", "b/1", "b/2", "c/d/1"}); err != nil {
					t.Fatal(err)
				}
			}
			got = append(got, info.Path)
		}
		if got[0] != "a/1" || got[len(got)-1] != "d/1" {
			t.Errorf("List = %q, want a/1 first and d/1 last", got)
		}
	}},
	{"many", func(t *testing.T, h Harness, s store) {
		paths := s.putMany(t)
		if got := s.list(t, "", ""); !slices.Equal(got, paths) {
			t.Errorf("listed %d paths, want %d", len(got), len(paths))
		}
		at := len(paths) / 2
		if got := s.list(t, "many/", paths[at]); !slices.Equal(got, paths[at+1:]) {
			t.Errorf("after %q: listed %d paths, want %d", paths[at], len(got), len(paths)-at-1)
		}
	}},
}

func orderPrefixAfter(t *testing.T, h Harness, s store) {
	names := treeNames
	if h.DirectoryConflict {
		names = withoutConflicts(names)
	}
	names = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return h.Unsupported != nil && h.Unsupported(name) })
	for _, i := range []int{3, 1, 2, 0} { // not in order
		for j := i; j < len(names); j += 4 {
			s.put(t, names[j], names[j])
		}
	}
	s.stage(t, "a/staged", []byte("invisible"), unknown)
	prefixes := []string{"", "a", "a/", "a/b", "a/b/", "a/b/c/d", "a/b/c/d/", "a-", "b/a/a", "b/a/a/", "\u00e9", "zzz", "a/missing/x", "A"}
	afters := append([]string{"", "a", "a/", "a/b/", "a/b/c", "a/b/c/", "a/b/c/d0", "a\xff", "b/a", "b/a/b", "b0", "zzz", "\xff", "0"}, names...)
	for _, prefix := range prefixes {
		for _, after := range afters {
			var want []string
			for _, name := range names {
				if strings.HasPrefix(name, prefix) && name > after {
					want = append(want, name)
				}
			}
			if got := s.list(t, prefix, after); !slices.Equal(got, want) {
				t.Errorf("List(%q, %q) = %q\nwant %q", prefix, after, got, want)
			}
		}
	}
}

// withoutConflicts drops the names that are a directory of another.
func withoutConflicts(names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		i := sort.SearchStrings(names, name+"/")
		return i < len(names) && strings.HasPrefix(names[i], name+"/")
	})
}

// listError returns the error that ends a listing, and checks that nothing
// follows it.
func listError(t *testing.T, list func(func(backends.Info, error) bool)) error {
	t.Helper()
	var last error
	for _, err := range list {
		if last != nil {
			t.Errorf("the listing went on after %v", last)
		}
		last = err
	}
	return last
}
