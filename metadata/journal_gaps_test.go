package metadata

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestGapSet runs random operations on a set of runs and on a set of numbers.
func TestGapSet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var set gapSet
		var model []uint64
		next := uint64(1)
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				// Few different widths and distances, so that runs come about.
				lo := next + rapid.SampledFrom([]uint64{1, 1, 1, 2, 90}).Draw(t, "distance")
				hi := lo + rapid.SampledFrom([]uint64{0, 1, 1, 1, 5, 200}).Draw(t, "more")
				set.add(lo, hi)
				for id := lo; id <= hi; id++ {
					model = append(model, id)
				}
				next = hi + 1
			},
			"remove": func(t *rapid.T) {
				lo := rapid.Uint64Range(0, next+2).Draw(t, "lo")
				hi := lo + rapid.SampledFrom([]uint64{0, 0, 0, 3, 100}).Draw(t, "more")
				set.remove(lo, hi)
				model = slices.DeleteFunc(model, func(id uint64) bool { return lo <= id && id <= hi })
			},
			"fill": func(t *rapid.T) {
				if len(model) > 0 {
					i := rapid.IntRange(0, len(model)-1).Draw(t, "i")
					set.remove(model[i], model[i])
					model = slices.Delete(model, i, i+1)
				}
			},
			"": func(t *rapid.T) {
				if got := slices.Collect(set.ids()); !slices.Equal(got, model) {
					t.Fatalf("%s is %v, not %v", set, got, model)
				}
				below, rest := set.split(next / 2)
				i, _ := slices.BinarySearch(model, next/2)
				if !slices.Equal(slices.Collect(below.ids()), model[:i]) || !slices.Equal(slices.Collect(rest.ids()), model[i:]) {
					t.Fatalf("%s below %d is %s, the rest %s", set, next/2, below, rest)
				}
				if len(set) == 0 {
					return
				}
				text := JournalPosition{next + 1, set}.String()
				p, err := ParseJournalPosition(text)
				if err != nil || !slices.Equal(slices.Collect(p.gaps.ids()), model) {
					t.Fatalf("%q parses as %s, %v", text, p, err)
				}
				var pieces gapSet
				for _, r := range set {
					for _, piece := range r.pieces(7) {
						if piece.cost() > 7 && piece.count > 1 {
							t.Fatalf("%v costs %d", piece, piece.cost())
						}
						pieces = append(pieces, piece)
					}
				}
				if !slices.Equal(slices.Collect(pieces.ids()), model) {
					t.Fatalf("the pieces of %s are %s", set, pieces)
				}
			},
		})
	})
}

// A server that hands out every third identifier leaves one run, whatever its
// length.
func TestGapsOfGaleraAreOneRun(t *testing.T) {
	var set gapSet
	for id := uint64(2); id < 30_000; id += 3 {
		set.add(id+1, id+2)
	}
	if got := set.String(); got != "3-4+3x10000" {
		t.Errorf("the gaps are %s", got)
	}
	set.remove(1501, 1501)
	set.remove(0, 20)
	if got := set.String(); got != "21-22+3x493,1500,1503-1504+3x9500" {
		t.Errorf("then they are %s", got)
	}
}

var positions = map[string]string{ // and what is wrong with them
	"1": "", "1234": "", "1234;1201-1203,1210": "", "9;3": "", "90;3-4+3x20,70": "",
	"": "number", "0": "number", "01": "number", "-1": "number", "+1": "number", "1e3": "number", "x": "number",
	"18446744073709551615": "number", "4611686018427387904": "number",
	"9;": "number", "9;0": "range", "9;8": "below", "9;9": "below", "9;5-3": "range", "9;5-5-5": "number",
	"9;5,4": "follow", "9;4,4": "follow", "9;4-6,5": "follow", "9;3,": "number", "9;3;4": "number",
	"90;3+3": "number", "90;3+3x1": "range", "90;3-5+2x4": "range", "90;3+x4": "number", "90;3+65x2": "range",
	"90;3+3x40": "below", "99;3+64x4611686018427387903": "range",
	"2001;" + strings.TrimSuffix(strings.Repeat("%", 1001), ","): "number",
}

func TestParseJournalPosition(t *testing.T) {
	for text, wrong := range positions {
		p, err := ParseJournalPosition(text)
		if wrong == "" && (err != nil || p.String() != text) || wrong != "" && !strings.Contains(fmt.Sprint(err), wrong) {
			t.Errorf("%q: %s, %v", text, p, err)
		}
	}
	var many []string
	for i := range maxGaps + 1 {
		many = append(many, fmt.Sprint(100*i+1))
	}
	if _, err := ParseJournalPosition("999999;" + strings.Join(many, ",")); err == nil {
		t.Error("a position of any length")
	}
	if got := (JournalPosition{}).String(); got != "1" {
		t.Errorf("the beginning is %q", got)
	}
}

func FuzzParseJournalPosition(f *testing.F) {
	for text := range positions {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParseJournalPosition(text)
		if err != nil {
			return
		}
		again, err := ParseJournalPosition(p.String())
		if err != nil || again.String() != p.String() {
			t.Fatalf("%q is %q, which is %q, %v", text, p, again, err)
		}
		if c := p.gaps.condition(); strings.Count(c.sql, "?") != len(c.args) {
			t.Fatalf("%s with %d arguments", c.sql, len(c.args))
		}
	})
}
