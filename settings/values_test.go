package settings

import (
	"io/fs"
	"testing"

	"pgregory.net/rapid"
)

func TestSizes(t *testing.T) {
	for word, want := range map[string]int64{
		"0": 0, "1": 1, "8M": 8 << 20, "8m": 8 << 20, "5G": 5 << 30, "3K": 3 << 10,
		"": -1, "M": -1, "-1": -1, "8MB": -1, "8 M": -1, "1.5M": -1, "99999999999G": -1, "9223372036854775808": -1,
	} {
		got, err := ParseSize(word)
		if (err == nil) != (want >= 0) || err == nil && got != want {
			t.Errorf("%q: %d, %v; want %d", word, got, err, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(0, 1<<40).Draw(t, "n") << rapid.SampledFrom([]int{0, 10, 20}).Draw(t, "shift")
		if got, err := ParseSize(formatSize(n)); got != n || err != nil {
			t.Fatalf("%d as %s: %d, %v", n, formatSize(n), got, err)
		}
	})
}

func TestModes(t *testing.T) {
	for word, want := range map[string]fs.FileMode{
		"0666": 0o666, "666": 0o666, "0": 0, "2775": 0o775 | fs.ModeSetgid, "07777": 0o777 | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky,
	} {
		got, err := parseMode(word)
		if got != want || err != nil {
			t.Errorf("%q: %v, %v; want %v", word, got, err, want)
		}
		if again, _ := parseMode(formatMode(got)); again != got {
			t.Errorf("%v as %s is %v", got, formatMode(got), again)
		}
	}
	for _, word := range []string{"", "8", "0o666", "rw", "-1", "10000", "100666"} {
		if mode, err := parseMode(word); err == nil {
			t.Errorf("%q: %v", word, mode)
		}
	}
}

func TestBools(t *testing.T) {
	for want, words := range map[bool][]string{
		true:  {"enabled", "Enabled", "true", "yes", "1"},
		false: {"disabled", "FALSE", "no", "0"},
	} {
		for _, word := range words {
			if got, err := parseBool(word); got != want || err != nil {
				t.Errorf("%q: %v, %v", word, got, err)
			}
		}
	}
	if _, err := parseBool("on"); err == nil {
		t.Error("on")
	}
}
