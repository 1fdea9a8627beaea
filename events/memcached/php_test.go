package memcached

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/bradfitz/gomemcache/memcache"
	"pgregory.net/rapid"

	"example.com/ezdfs/metadata"
)

const vectorName = "var/site/storage/images/ü/a b.png"

// Rows that PHP stored are read, whichever way its driver returned numbers.
func TestDecodeRowOfPHP(t *testing.T) {
	v := loadVectors(t)
	want := metadata.Row{Name: vectorName, Trunk: vectorName, DataType: "image/png", Scope: "image", Size: 1234, MTime: 1_700_000_000}
	expired := want
	expired.MTime, expired.Expired = -want.MTime, true
	for name, want := range map[string]metadata.Row{"row": want, "native": expired} {
		c, ok := decodeRow(vectorName, v.item(t, name))
		if !ok || c.own || c.row != want {
			t.Errorf("%s: got %+v, %v", name, c, ok)
		}
	}
}

// What we store is what PHP would, to the byte.
func TestEncodeRowAsPHP(t *testing.T) {
	v := loadVectors(t)
	want := v.item(t, "ours")
	c, ok := decodeRow(vectorName, want)
	if !ok || !c.own || c.row.Table != "ezdfsfile" || !slices.Equal(c.tokens, []string{"one", "two"}) {
		t.Fatalf("got %+v, %v", c, ok)
	}
	got := encodeRow(c.row, c.tokens)
	if !bytes.Equal(got.Value, want.Value) || got.Flags != want.Flags {
		t.Errorf("got flags %d %s\nwant flags %d %s", got.Flags, got.Value, want.Flags, want.Value)
	}
	if array, ok := decodeArray(v.item(t, "map")); !ok || !bytes.Equal(appendPHP(nil, array), v.item(t, "map").Value) {
		t.Errorf("map: got %v, %v", array, ok)
	}
}

// What cannot be decoded, or is no row of the path, is not there.
func TestDecodeRowIsMiss(t *testing.T) {
	v := loadVectors(t)
	for _, name := range []string{"igbinary", "json", "msgpack", "fastlz", "zlib", "string", "long", "double", "bool", "map", "mixed", "object"} {
		if c, ok := decodeRow(vectorName, v.item(t, name)); ok {
			t.Errorf("%s: got %+v", name, c)
		}
	}
	if _, ok := decodeRow("var/another", v.item(t, "row")); ok {
		t.Error("the row of another path was taken")
	}
	if _, ok := decodeRow(vectorName, nil); ok {
		t.Error("a missing row was taken")
	}
	for _, bad := range []phpEntry{{"size", "-1"}, {"size", "many"}, {"mtime", nil}, {"scope", int64(1)}, {"expired", 1.5}} {
		item := v.item(t, "row")
		array, _ := decodeArray(item)
		for i := range array {
			if array[i].key == bad.key {
				array[i].value = bad.value
			}
		}
		item.Value = appendPHP(nil, array)
		if c, ok := decodeRow(vectorName, item); ok {
			t.Errorf("%v: got %+v", bad, c)
		}
	}
}

func TestParsePHP(t *testing.T) {
	nested := strings.Repeat("a:1:{i:0;", 8) + "N;" + strings.Repeat("}", 8)
	for text, want := range map[string]any{
		"N;": nil, "b:1;": true, "b:0;": false, "i:-12;": int64(-12), "d:1.5;": 1.5, `s:3:"a"b";`: `a"b`, `s:0:"";`: "",
		"a:0:{}": phpArray{}, `a:2:{i:1;b:1;s:1:"k";a:0:{}}`: phpArray{{int64(1), true}, {"k", phpArray{}}},
	} {
		got, err := parsePHP([]byte(text))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %#v, %v", text, got, err)
		}
	}
	if _, err := parsePHP([]byte(nested)); err != nil {
		t.Errorf("8 levels: %v", err)
	}
	for _, text := range []string{
		"", "N", "N;N;", "b:2;", "b:1", "i:1", "i:x;", "i:99999999999999999999;", "d:x;", `s:2:"a";`, `s:1:"a"`, `s:-1:"";`, `s:1:xay;`,
		`s:9223372036854775807:"a";`, "a:1:{}", "a:1:{i:0;N;", "a:0:{", "a:0:", "a:1000000000:{i:0;N;}", "a:1:{N;N;}", "a:1:{a:0:{}N;}", "a:-1:{}",
		`O:8:"stdClass":0:{}`, "a:1:{i:0;R:1;}", "a:1:{i:0;" + nested + "}", strings.Repeat("x", maxPHPBytes+1),
	} {
		if got, err := parsePHP([]byte(text)); err == nil {
			t.Errorf("%.40s: got %#v", text, got)
		}
	}
}

// Any row survives.
func TestRowRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		row := metadata.Row{
			Name: rapid.String().Draw(t, "name"), Trunk: rapid.String().Draw(t, "trunk"), DataType: rapid.String().Draw(t, "type"),
			Scope: rapid.String().Draw(t, "scope"), Size: rapid.Int64Min(0).Draw(t, "size"), MTime: rapid.Int64().Draw(t, "mtime"),
			Expired: rapid.Bool().Draw(t, "expired"), Table: rapid.SampledFrom([]string{"", "ezdfsfile"}).Draw(t, "table"),
		}
		tokens := rapid.SliceOfN(rapid.StringMatching(`[A-Za-z0-9_-]{12}`), 1, 20).Draw(t, "tokens")
		c, ok := decodeRow(row.Name, encodeRow(row, tokens))
		if !ok || c.row != row || !c.current(tokens) {
			t.Fatalf("got %+v, %v", c, ok)
		}
	})
}

// Nothing that a server may hold does harm, and what is read is written back
// as it was, but for the spelling of numbers.
func FuzzParsePHP(f *testing.F) {
	v := loadVectors(f)
	for name := range v.Values {
		f.Add(v.item(f, name).Value)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		value, err := parsePHP(data)
		decodeRow(vectorName, &memcache.Item{Value: data, Flags: flagPHP})
		if err != nil || bytes.Contains(data, []byte("d:")) {
			return
		}
		again, err := parsePHP(appendPHP(nil, value))
		if err != nil || !reflect.DeepEqual(value, again) {
			t.Fatalf("%q is read as %#v, written and read as %#v, %v", data, value, again, err)
		}
	})
}
