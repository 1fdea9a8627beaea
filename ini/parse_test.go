package ini

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParseLineAgainstThePatterns(t *testing.T) {
	const alphabet = "#[]=a0 \t\v\f\x00ü;\""
	letters := []rune(alphabet)
	rapid.Check(t, func(t *rapid.T) {
		line := rapid.StringOfN(rapid.SampledFrom(letters), 0, 12, -1).Draw(t, "line")
		if got, want := parseLine(line), oracleLine(line); got != want {
			t.Fatalf("%q: %+v, want %+v", line, got, want)
		}
	})
}

func TestArrayAgainstTheModel(t *testing.T) {
	keys := []string{"a", "b", "1", "2", "7", "07", "-3", "-0", "100"}
	rapid.Check(t, func(t *rapid.T) {
		got, want := newArray(), oracleArray{}
		for range rapid.IntRange(0, 30).Draw(t, "steps") {
			value := rapid.StringN(0, 3, -1).Draw(t, "value")
			if rapid.Bool().Draw(t, "push") {
				got.add(value, Origin{})
				want.push(value)
				continue
			}
			key := rapid.SampledFrom(keys).Draw(t, "key")
			got.set(key, value, Origin{})
			want.set(key, value)
		}
		if !slices.Equal(got.entries, want) {
			t.Fatalf("%v, want %v", got.entries, want)
		}
	})
}

func TestEntryIndex(t *testing.T) {
	for key, want := range map[string]bool{
		"0": true, "7": true, "-5": true, "9223372036854775807": true, "-9223372036854775808": true,
		"": false, "08": false, "+1": false, "-0": false, "1.0": false, " 1": false, "1 ": false, "1e3": false,
		"0x1": false, "9223372036854775808": false, "-9223372036854775809": false, "١": false,
	} {
		if _, ok := (Entry{Key: key}).Index(); ok != want {
			t.Errorf("%q: an integer %v, want %v", key, ok, want)
		}
	}
}

func TestParseReportsEveryBadLine(t *testing.T) {
	doc, err := Parse("x.ini", []byte("[G]\na=1\na[b]=2\na[]=3\nb=4"))
	var line *LineError
	if !errors.As(err, &line) || line.Origin != (Origin{"x.ini", 3}) || line.Group != "G" || line.Key != "a" {
		t.Errorf("the first error is %+v", line)
	}
	if n := strings.Count(err.Error(), "\n") + 1; n != 2 {
		t.Errorf("%d errors, want 2: %v", n, err)
	}
	if v, ok := doc.Value("G", "b"); !ok || v != "4" {
		t.Errorf("b is %q, %v", v, ok)
	}
}

func TestBytesAreKept(t *testing.T) {
	value := []byte{}
	for b := range 256 {
		if b != '\n' && b != '\r' {
			value = append(value, byte(b))
		}
	}
	doc, err := Parse("x.ini", slices.Concat([]byte("[G]\nKey="), value))
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := doc.Value("G", "Key"); got != string(value) {
		t.Errorf("%q, want %q", got, value)
	}
}

func TestAbsent(t *testing.T) {
	doc, err := Parse("x.ini", []byte("[G]\nScalar=1\nArray[]=2"))
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := doc.Value("G", "Array"); ok {
		t.Error("an array has a scalar value")
	}
	if _, ok := doc.Array("G", "Scalar"); ok {
		t.Error("a scalar has entries")
	}
	for _, name := range [][2]string{{"G", "none"}, {"none", "Scalar"}, {"", "Scalar"}, {"DEFAULT", "Scalar"}} {
		_, scalar := doc.Value(name[0], name[1])
		_, array := doc.Array(name[0], name[1])
		_, origin := doc.Origin(name[0], name[1])
		if scalar || array || origin || doc.Keys("none") != nil {
			t.Errorf("%q is there: %v %v %v", name, scalar, array, origin)
		}
	}
	if groups := doc.Groups(); !slices.Equal(groups, []string{"G"}) {
		t.Errorf("asking made groups: %q", groups)
	}
}

func TestArrayIsACopy(t *testing.T) {
	doc, _ := Parse("x.ini", []byte("A[]=1"))
	entries, _ := doc.Array("", "A")
	entries[0].Value = "changed"
	if again, _ := doc.Array("", "A"); again[0].Value != "1" {
		t.Errorf("the document now says %q", again[0].Value)
	}
}

func TestManyEntries(t *testing.T) {
	var b bytes.Buffer
	for i := range 10_000 {
		b.WriteString("Rules[var/" + strings.Repeat("x", i%50) + string(rune('a'+i%26)) + "/" + strconv.Itoa(i) + "]=s3\n")
	}
	doc, err := Parse("x.ini", b.Bytes())
	entries, _ := doc.Array("", "Rules")
	if err != nil || len(entries) != 10_000 || entries[9_999].Origin.Line != 10_000 {
		t.Errorf("%d entries, %v", len(entries), err)
	}
}

// FuzzParse feeds the parser anything. The corpus starts from lines that look
// like settings, cut and shuffled.
func FuzzParse(f *testing.F) {
	lines := strings.Split("#?ini charset=\"iso-8859-1\"?|[G]|[G] x|K=v|K[]|K[]=v|K[a]=v|K[9223372036854775807]=v|K[0]=v## c|\ufeffK=v|K\r=v|*/ ?>|[DEFAULT]|L=%(K)s|\xff=\xfe|N[-1]=\x00", "|")
	r := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		r.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
		f.Add([]byte(strings.Join(lines[:r.IntN(len(lines))], "\n")))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		doc, err := Parse("fuzz.ini", data)
		checkInvariants(t, doc)
		checkOrigins(t, doc, err, bytes.Count(data, []byte("\n"))+1)
		dump, jsonErr := doc.MarshalJSON()
		if jsonErr != nil {
			t.Fatal(jsonErr)
		}
		// Carriage returns change nothing.
		crlf, _ := Parse("fuzz.ini", bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n")))
		if again, _ := crlf.MarshalJSON(); !bytes.Equal(again, dump) {
			t.Errorf("with CRLF:\n%s\nwith LF:\n%s", again, dump)
		}
		// Each line is read as the patterns read it.
		for line := range strings.SplitSeq(strings.ReplaceAll(string(data), "\r", ""), "\n") {
			if got, want := parseLine(line), oracleLine(line); got != want && validForOracle(line) {
				t.Errorf("%q: %+v, want %+v", line, got, want)
			}
		}
	})
}

// validForOracle leaves out lines in which Go's patterns, made for UTF-8, take
// broken bytes for a letter.
func validForOracle(line string) bool { return strings.ToValidUTF8(line, "") == line }

// checkOrigins holds every line number against the number of lines.
func checkOrigins(t *testing.T, doc *Document, err error, lines int) {
	t.Helper()
	check := func(origin Origin) {
		if origin.File != "fuzz.ini" || origin.Line < 1 || origin.Line > lines {
			t.Errorf("origin %s of %d lines", origin, lines)
		}
	}
	for _, group := range doc.Groups() {
		for _, key := range doc.Keys(group) {
			origin, _ := doc.Origin(group, key)
			check(origin)
			entries, _ := doc.Array(group, key)
			for _, entry := range entries {
				check(entry.Origin)
			}
		}
	}
	for _, warning := range doc.Warnings {
		check(warning.Origin)
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range joined.Unwrap() {
			var line *LineError
			if !errors.As(err, &line) {
				t.Errorf("not a LineError: %v", err)
				continue
			}
			check(line.Origin)
		}
	}
}
