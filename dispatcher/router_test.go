package dispatcher

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// firstMatch is the rule as the contract states it, without any index.
func firstMatch(rules []Rule, matching Matching, path string) int {
	for i, rule := range rules {
		if matching == Prefix && strings.HasPrefix(path, rule.Key) ||
			matching == Contains && strings.Contains(path, rule.Key) {
			return i
		}
	}
	return DefaultRule
}

func mustRouter(tb testing.TB, rules []Rule, matching Matching) *Router {
	tb.Helper()
	r, err := NewRouter(rules, matching)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func keys(keys ...string) []Rule {
	rules := make([]Rule, len(keys))
	for i, key := range keys {
		rules[i] = Rule{Key: key, Backend: fmt.Sprint("b", i)}
	}
	return rules
}

func TestRouterFirstMatchWins(t *testing.T) {
	rules := keys(
		"var/s/storage/images/a", // before the shorter key it begins with
		"var/s/storage/images",
		"var/s/storage/images-versioned", // shadowed
		"storage/original",
		"var/s/storage",
	)
	for _, test := range []struct {
		path             string
		prefix, contains int
	}{
		{"var/s/storage/images/a/1.png", 0, 0},
		{"var/s/storage/images/b.png", 1, 1},
		{"var/s/storage/images-versioned/x.png", 1, 1}, // a string prefix, not a directory
		{"var/s/storage/original/x.pdf", 4, 3},
		{"var/s/storage", 4, 4},
		{"var/s/storag", DefaultRule, DefaultRule},
		{"", DefaultRule, DefaultRule},
		{"x/var/s/storage/images/b.png", DefaultRule, 1},
		{"zzz", DefaultRule, DefaultRule},
	} {
		if got := mustRouter(t, rules, Prefix).Lookup(test.path); got != test.prefix {
			t.Errorf("prefix %q: rule %d, want %d", test.path, got, test.prefix)
		}
		if got := mustRouter(t, rules, Contains).Lookup(test.path); got != test.contains {
			t.Errorf("contains %q: rule %d, want %d", test.path, got, test.contains)
		}
	}
}

func TestRouterRejects(t *testing.T) {
	if _, err := NewRouter(keys("a", ""), Prefix); err == nil || !strings.Contains(err.Error(), "rule 2") {
		t.Errorf("empty key: %v", err)
	}
	if _, err := NewRouter(nil, Matching(7)); err == nil {
		t.Error("unknown matching accepted")
	}
}

// TestRouterModel holds both indexes against the plain loop over few letters,
// so that keys overlap, repeat and nest in every way.
func TestRouterModel(t *testing.T) {
	text := rapid.StringOfN(rapid.SampledFrom([]rune("ab/é")), 0, 8, -1)
	rapid.Check(t, func(t *rapid.T) {
		rules := keys(rapid.SliceOfN(text.Filter(func(s string) bool { return s != "" }), 0, 12).Draw(t, "keys")...)
		path := text.Draw(t, "path")
		for _, matching := range []Matching{Prefix, Contains} {
			r, err := NewRouter(rules, matching)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := r.Lookup(path), firstMatch(rules, matching, path); got != want {
				t.Fatalf("matching %d, rules %q, path %q: rule %d, want %d", matching, rules, path, got, want)
			}
		}
	})
}

func manyRules(n int) ([]Rule, []string) {
	random := rand.New(rand.NewPCG(1, 2))
	rules, paths := make([]Rule, n), make([]string, 1024)
	for i := range rules {
		rules[i] = Rule{Key: fmt.Sprintf("var/site%d/storage/images/%d/", i%17, random.IntN(10*n)), Backend: "s3"}
	}
	for i := range paths {
		paths[i] = rules[random.IntN(n)].Key + "4711-1-eng-GB/a-picture-of-something.jpg"
		if i%2 == 0 {
			paths[i] = strings.Replace(paths[i], "images/", "images/9", 1)
		}
	}
	return rules, paths
}

func TestRouterAllocatesNothing(t *testing.T) {
	rules, paths := manyRules(10_000)
	for _, matching := range []Matching{Prefix, Contains} {
		r := mustRouter(t, rules, matching)
		if allocs := testing.AllocsPerRun(10, func() {
			for _, path := range paths {
				r.Lookup(path)
			}
		}); allocs != 0 {
			t.Errorf("matching %d: %v allocations", matching, allocs)
		}
	}
}

func BenchmarkLookup(b *testing.B) {
	for matching, name := range []string{Prefix: "prefix", Contains: "contains"} {
		for _, n := range []int{10, 100, 10_000} {
			rules, paths := manyRules(n)
			r := mustRouter(b, rules, Matching(matching))
			b.Run(fmt.Sprintf("%s/rules=%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					r.Lookup(paths[i&1023])
					i++
				}
			})
		}
	}
}
