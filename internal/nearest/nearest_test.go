package nearest

import (
	"testing"

	"pgregory.net/rapid"
)

func TestName(t *testing.T) {
	known := []string{"DBHost", "DBPort", "DB"}
	for word, want := range map[string]string{
		"DBHsot": "DBHost", "dbport": "DBPort", "DBHosts": "DBHost", "DBUser": "", "D": "", "": "", "db": "DB", "DX": "",
	} {
		if got, ok := Name(word, known, 2); got != want || ok != (want != "") {
			t.Errorf("%q: %q, %v; want %q", word, got, ok, want)
		}
	}
	if got, ok := Name("SiteSettings", []string{"FileSettings"}, 1); ok {
		t.Errorf("two slips where one is allowed: %q", got)
	}
}

func TestDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"a", "", 1}, {"", "abc", 3}, {"DBHost", "DBHost", 0}, {"DBHsot", "DBHost", 1},
		{"DBHost", "DBHosts", 1}, {"DBHost", "DBPort", 2}, {"ca", "abc", 3}, {"abcd", "badc", 2},
	} {
		if got := distance(test.a, test.b); got != test.want {
			t.Errorf("%q to %q: %d, want %d", test.a, test.b, got, test.want)
		}
	}
	word := rapid.StringOfN(rapid.SampledFrom([]rune("abc")), 0, 6, -1)
	rapid.Check(t, func(t *rapid.T) {
		a, b := word.Draw(t, "a"), word.Draw(t, "b")
		d := distance(a, b)
		if d != distance(b, a) || (d == 0) != (a == b) || d > max(len(a), len(b)) || d < max(len(a), len(b))-min(len(a), len(b)) {
			t.Fatalf("%q and %q: %d, back %d", a, b, d, distance(b, a))
		}
	})
}
