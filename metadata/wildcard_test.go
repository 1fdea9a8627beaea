package metadata

import (
	"errors"
	"strings"
	"testing"
)

// matches is the pattern language once more, by trying everything: the
// reference for the translation.
func matches(pattern, text string) bool {
	for _, p := range expandBraces(pattern) {
		if matchesFlat([]rune(p), []rune(text)) {
			return true
		}
	}
	return false
}

// expandBraces lists the patterns without braces that a pattern stands for.
func expandBraces(pattern string) []string {
	open := strings.IndexByte(pattern, '{')
	if open < 0 {
		return []string{pattern}
	}
	var parts []string
	depth, start := 0, open+1
	for i := open; ; i++ {
		switch pattern[i] {
		case '{':
			depth++
		case ',':
			if depth == 1 {
				parts = append(parts, pattern[start:i])
				start = i + 1
			}
		case '}':
			if depth--; depth == 0 {
				parts = append(parts, pattern[start:i])
				var all []string
				for _, part := range parts {
					all = append(all, expandBraces(pattern[:open]+part+pattern[i+1:])...)
				}
				return all
			}
		}
	}
}

func matchesFlat(pattern, text []rune) bool {
	switch {
	case len(pattern) == 0:
		return len(text) == 0
	case pattern[0] == '*':
		return matchesFlat(pattern[1:], text) || len(text) > 0 && matchesFlat(pattern, text[1:])
	case len(text) == 0:
		return false
	}
	return (pattern[0] == '?' || pattern[0] == text[0]) && matchesFlat(pattern[1:], text[1:])
}

func TestParseWildcard(t *testing.T) {
	for _, c := range []struct{ pattern, prefix, like string }{
		{"var/s/cache/*.png", "var/s/cache/", "var/s/cache/%.png"},
		{"a?b", "a", "a_b"},
		{"a{x,y}b", "a", "a%b"},
		{"a{x,{y*,z?}}b*", "a", "a%b%"},
		{"a_b%c|d,e", "a_b%c|d,e", "a|_b|%c||d,e"},
		{"{a}{b}", "", "%%"},
	} {
		w, err := parseWildcard(c.pattern)
		if err != nil || w.prefix != c.prefix || w.like != c.like {
			t.Errorf("%q: prefix %q, like %q, %v", c.pattern, w.prefix, w.like, err)
		}
	}
	for _, bad := range []string{"a{b", "a}b", "}{", "a{b}}", "{{}", "\x00", "\xff"} {
		var named *NameError
		if _, err := parseWildcard(bad); !errors.As(err, &named) || named.Name != bad {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// addWildcards gives a fuzz target patterns with texts.
func addWildcards(f *testing.F) {
	for _, seed := range [][2]string{
		{"var/*", "var/a"}, {"a.b", "axb"}, {"a?c", "aüc"}, {"{a,b}*", "bx"}, {"a{,b}c", "ac"},
		{"A", "a"}, {"a_%|", "a_%|"}, {"[a]+(b)^$\\", "[a]+(b)^$\\"}, {"a*", "a\nb"}, {"a", "a "}, {"a,b", "a"},
		{"{a,{b,c}?}d", "cxd"},
	} {
		f.Add(seed[0], seed[1])
	}
}

// FuzzWildcard holds the regular expression against the reference.
func FuzzWildcard(f *testing.F) {
	addWildcards(f)
	f.Fuzz(func(t *testing.T, pattern, text string) {
		w, err := parseWildcard(pattern)
		if err != nil || len(pattern) > 20 || len(text) > 20 || textFault(text) != "" {
			return
		}
		if got, want := w.exact.MatchString(text), matches(pattern, text); got != want {
			t.Errorf("%q on %q: %v, want %v", pattern, text, got, want)
		}
	})
}

// FuzzExpireWildcard holds what SQLite expires against the reference, so that
// neither the prefix nor the LIKE pattern hides a match.
func FuzzExpireWildcard(f *testing.F) {
	addWildcards(f)
	s := createTest(f, sqliteTestConfig(f))
	f.Fuzz(func(t *testing.T, pattern, text string) {
		name, err := CleanName(text)
		if err != nil || len(pattern) > 20 || len(text) > 20 {
			return
		}
		if _, err := parseWildcard(pattern); err != nil {
			return
		}
		row := complete(s, Row{Name: name})
		put(t, s, row)
		n, err := s.ExpireWildcard(t.Context(), pattern)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := n == 1, matches(pattern, name); got != want {
			t.Errorf("%q expires %q: %v, want %v", pattern, name, got, want)
		}
		if err := s.Update(t.Context(), func(tx *Tx) error { _, err := tx.Delete(row); return err }); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzLikePrefix holds the escaping of LIKE patterns against strings.HasPrefix
// where LIKE itself decides: MySQL has the same rules, but SQLite is quicker.
func FuzzLikePrefix(f *testing.F) {
	for _, seed := range [][2]string{{"a%", "ab"}, {"a_", "ab"}, {"a|", "a|b"}, {"|%", "%"}, {`a\`, `a\%`}, {"", "x"}} {
		f.Add(seed[0], seed[1])
	}
	s := createTest(f, sqliteTestConfig(f))
	f.Fuzz(func(t *testing.T, prefix, text string) {
		if textFault(prefix) != "" || textFault(text) != "" {
			return
		}
		lower := func(s string) string { // LIKE ignores the case of ASCII letters
			return strings.Map(func(r rune) rune {
				if 'A' <= r && r <= 'Z' {
					return r + 'a' - 'A'
				}
				return r
			}, s)
		}
		var got bool
		err := s.pools.read.QueryRowContext(t.Context(), "SELECT ? LIKE ? ESCAPE '|'", text, likePrefix(prefix)).Scan(&got)
		if want := strings.HasPrefix(lower(text), lower(prefix)); err != nil || got != want {
			t.Errorf("%q with prefix %q: %v, %v; want %v", text, prefix, got, err, want)
		}
	})
}

func TestSuccessor(t *testing.T) {
	for in, want := range map[string]string{"a": "b", "a/": "a0", "a\xff": "b", "\xff": "", "": "", "ü": "ý"} {
		if got := successor(in); got != want {
			t.Errorf("successor(%q) = %q, want %q", in, got, want)
		}
	}
}
