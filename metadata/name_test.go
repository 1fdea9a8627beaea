package metadata

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCleanName(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"var/s/storage/a.png", "var/s/storage/a.png"},
		{`var\s\a.png`, "var/s/a.png"},
		{"var//s///a.png", "var/s/a.png"},
		{`var/\/s/a.png`, "var/s/a.png"},
		{"var/s/dir/", "var/s/dir"},
		{"var/s/dir//", "var/s/dir"},
		{"var/s/..a", "var/s/..a"},
		{"var/s/a b+%#ü😀", "var/s/a b+%#ü😀"},
		{" a ", " a "},
		{"0", "0"},
		{"", ""}, {"/", ""}, {"/var/a", ""}, {`\var\a`, ""}, {"//", ""},
		{".", ""}, {"..", ""}, {"a/../b", ""}, {"./a", ""}, {"a/.", ""}, {`a\..\b`, ""},
		{"a\x00b", ""}, {"a\xffb", ""}, {"a\xed\xa0\x80", ""},
	} {
		got, err := CleanName(c.in)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("CleanName(%q) = %q, %v; want %q", c.in, got, err, c.want)
		}
		var named *NameError
		if err != nil && (!errors.As(err, &named) || named.Name != c.in || !errors.Is(err, fs.ErrInvalid)) {
			t.Errorf("CleanName(%q): %v does not name the path", c.in, err)
		}
	}
}

func TestCleanNameOfACleanNameCostsNothing(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { CleanName("var/s/storage/images/a.png") }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzCleanName(f *testing.F) {
	for _, seed := range []string{"var/s/a", `a\b//c/`, "..", "a/./b", "\xff", "/"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		clean, err := CleanName(in)
		if err != nil {
			return
		}
		if again, err := CleanName(clean); again != clean || err != nil {
			t.Errorf("%q is cleaned to %q, that to %q, %v", in, clean, again, err)
		}
		if !fs.ValidPath(clean) || clean == "." || !utf8.ValidString(clean) || strings.ContainsAny(clean, "\\\x00") {
			t.Errorf("%q is cleaned to %q", in, clean)
		}
	})
}
