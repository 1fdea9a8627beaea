package check

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"example.com/ezdfs/metadata"
)

// naive says what a check of rows and bodies must find, from both as maps: the
// model of the join and of what is looked at afterwards. Bodies are by path,
// then by backend. It knows the faults that random needs.
func naive(rows map[string]metadata.Row, placed map[string]map[string]int) (lines []string) {
	for name, row := range rows {
		here, there := placed[name]["nfs"], placed[name][past]
		switch live := row.Live(); {
		case live && here == 0 && there == int(row.Size):
			lines = append(lines, "misplaced-body "+name)
		case live && here == 0:
			lines = append(lines, "missing-body "+name)
		case live && here != int(row.Size):
			lines = append(lines, "wrong-size "+name)
		}
		if there > 0 && (here > 0 || !row.Live()) {
			lines = append(lines, "stray-body "+name)
		}
	}
	for name, at := range placed {
		if _, ok := rows[name]; !ok {
			for range at {
				lines = append(lines, "orphan-body "+name)
			}
		}
	}
	slices.Sort(lines)
	return lines
}

// TestJoinAgainstModel makes random clusters and holds the findings of a check,
// of one in parts and of prefixes against the model.
func TestJoinAgainstModel(t *testing.T) {
	f := newFixture(t, "sqlite", false)
	f.putRows(f.row("var/there is always a row", 1))
	f.putBodies(bodies{{"nfs", "var/there is always a row"}: 1})
	// A tree without anything in it cannot be told from a share that is not
	// mounted, while its last bodies are deleted too.
	if err := os.Mkdir(filepath.Join(f.settings.NFS[past].MountPointPath, "lost+found"), 0o777); err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		rows, placed := draw(t, f)
		t.Cleanup(func() { f.clear(rows, placed) })
		want := naive(rows, placed)
		span := rapid.SampledFrom([]int{1, 3, 10, spanSize}).Draw(t, "span")
		for _, from := range []string{"", rapid.StringMatching(`[0-9a-f]{1,8}`).Draw(t, "cut")} {
			var got []string
			if from == "" {
				found, _ := f.check(Options{Now: later, spanSize: span})
				got = summarize(found)
			} else if strings.Trim(from, "0") != "" {
				below, _ := f.check(Options{Now: later, spanSize: span, To: from})
				above, _ := f.check(Options{Now: later, spanSize: span, From: from})
				got = summarize(slices.Concat(below, above))
			} else {
				continue
			}
			if !slices.Equal(got, want) {
				t.Fatalf("cut at %q: found %q, want %q", from, got, want)
			}
		}
		prefix := rapid.SampledFrom([]string{"var/m/", "var/m/a", "var/m/b/", "var/m/b"}).Draw(t, "prefix")
		found, _ := f.check(Options{Now: later, spanSize: span, Prefix: prefix})
		wantBelow := slices.DeleteFunc(slices.Clone(want), func(line string) bool {
			return !strings.HasPrefix(line[strings.IndexByte(line, ' ')+1:], prefix)
		})
		if got := summarize(found); !slices.Equal(got, wantBelow) {
			t.Fatalf("below %q: found %q, want %q", prefix, got, wantBelow)
		}
	})
}

// draw makes a random cluster.
func draw(t *rapid.T, f *fixture) (rows map[string]metadata.Row, placed map[string]map[string]int) {
	rows, placed = map[string]metadata.Row{}, map[string]map[string]int{}
	put := make(bodies)
	seed := rapid.Uint64().Draw(t, "seed")
	random := rand.New(rand.NewPCG(seed, seed))
	for i := range rapid.IntRange(0, 40).Draw(t, "names") {
		name := fmt.Sprintf("var/m/%c/%d", 'a'+rune(random.IntN(3)), i)
		if random.IntN(5) > 0 {
			row := f.row(name, 1+random.IntN(2))
			if random.IntN(4) == 0 {
				row.MTime, row.Expired = -row.MTime, true
			}
			rows[name] = row
		}
		for _, backend := range []string{"nfs", past} {
			if backend == "nfs" && random.IntN(5) > 0 || backend == past && random.IntN(5) == 0 {
				if placed[name] == nil {
					placed[name] = map[string]int{}
				}
				placed[name][backend] = 1 + random.IntN(2)
				put[[2]string{backend, name}] = placed[name][backend]
			}
		}
	}
	if len(rows) > 0 {
		f.putRows(slices.Collect(maps.Values(rows))...)
	}
	f.putBodies(put)
	return rows, placed
}

// clear removes what draw made.
func (f *fixture) clear(rows map[string]metadata.Row, placed map[string]map[string]int) {
	f.Helper()
	f.exec("DELETE FROM ezdfsfile WHERE name LIKE 'var/m/%'")
	names := slices.Collect(maps.Keys(placed))
	for _, s := range f.stores {
		if err := s.Backend.Delete(f.Context(), names); err != nil {
			f.Fatal(err)
		}
	}
}
