package memcached

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"example.com/ezdfs/events"
)

func TestCuts(t *testing.T) {
	deep := strings.Repeat("d/", 20) + "f"
	for name, want := range map[string][]string{
		"a":                      {"", "a"},
		"a-b":                    {"", "a-", "a-b"},
		"a-":                     {"", "a-"},
		"var/s-1/a.png":          {"", "var/", "var/s-1/", "var/s-1/a.png"},
		"var/s/cache/2-abc-d.cc": {"", "var/", "var/s/", "var/s/cache/", "var/s/cache/2-", "var/s/cache/2-abc-d.cc"},
	} {
		if got := cuts(name); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if got := cuts(deep); len(got) != 1+maxDirs+1 || got[maxDirs] != strings.Repeat("d/", maxDirs) {
		t.Errorf("deep: got %q", got)
	}
}

// The token that a prefix's deletion removes is one of every path that begins
// with it, and the trunk of any row is a token of its own.
func TestFamiliesHaveTokens(t *testing.T) {
	segment := rapid.StringMatching(`[a-c.-]{1,4}`)
	rapid.Check(t, func(t *rapid.T) {
		name := strings.Join(rapid.SliceOfN(segment, 1, 24).Draw(t, "segments"), "/")
		prefix := name[:rapid.IntRange(0, len(name)).Draw(t, "length")]
		own := cuts(name)
		for _, e := range []events.Event{
			{Kind: events.DeleteByLike, Subject: prefix},
			{Kind: events.DeleteByDirList, Subject: prefix},
			{Kind: events.DeleteByWildcard, Subject: prefix + "*"},
			{Kind: events.DeleteByWildcard, Subject: prefix + "{a,b}?"},
			{Kind: events.DeleteByScope, Subject: "image"},
			{Kind: events.Lost},
		} {
			if !slices.Contains(own, familyCut(e)) {
				t.Fatalf("%s %q removes the token of %q, which %q does not have: %q", e.Kind, e.Subject, familyCut(e), name, own)
			}
		}
		if !slices.Contains(own, layout.Trunk(name, "viewcache")) {
			t.Fatalf("the trunk of %q is not one of %q", name, own)
		}
	})
}
