package localcache

import (
	"bytes"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"
)

func TestHeaderRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := header{
			key:   keyOf(rapid.String().Draw(t, "name")),
			size:  rapid.Int64Range(0, math.MaxInt64).Draw(t, "size"),
			mtime: rapid.Int64Range(0, math.MaxInt64).Draw(t, "mtime"),
			begun: rapid.Int64().Draw(t, "begun"),
			boot:  rapid.Uint64().Draw(t, "boot"),
			sum:   rapid.Uint32().Draw(t, "sum"),
		}
		var b [headerSize]byte
		h.encode(b[:])
		if got, err := parseHeader(b[:]); got != h || err != nil {
			t.Fatalf("%+v came back as %+v, %v", h, got, err)
		}
		at := rapid.IntRange(0, 8*headerSize-1).Draw(t, "bit")
		b[at/8] ^= 1 << (at % 8)
		if got, err := parseHeader(b[:]); err == nil {
			t.Fatalf("bit %d of %+v flipped is %+v", at, h, got)
		}
	})
}

// FuzzFile: whatever a file holds, opening it ends in a copy that is exactly
// what its header says, or in none.
func FuzzFile(f *testing.F) {
	h := header{key: keyOf("var/a"), size: 4, mtime: 1, begun: 2, sum: crc32.Checksum([]byte("body"), castagnoli)}
	var b [headerSize]byte
	h.encode(b[:])
	f.Add(append(b[:], "body"...), false)
	f.Add(b[:], false)
	f.Add([]byte{}, false)
	f.Add(bytes.Repeat([]byte{0xff}, 100), true)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, file []byte, fix bool) {
		if fix && len(file) >= headerSize { // past the first hurdle
			copy(file, magic)
			sum := crc32.Checksum(file[:60], castagnoli)
			file[60], file[61], file[62], file[63] = byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24)
		}
		path := filepath.Join(dir, "file")
		writeFile(t, path, string(file))
		opened, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer opened.Close()
		got, err := readHeader(opened)
		if err == nil && (got.size != int64(len(file)-headerSize) || got.mtime < 0) {
			t.Errorf("%d bytes are taken for %+v", len(file), got)
		}
	})
}

func TestKey(t *testing.T) {
	k := keyOf("var/a")
	if got, want := k.path(), "8e/5/8e5e0b0d"; len(got) != len("8e/5/")+32 || got[:2] != got[5:7] || got[3] != got[7] {
		t.Errorf("path %q, want one like %q", got, want)
	}
	if got, ok := parseKey(filepath.Base(k.path())); got != k || !ok {
		t.Errorf("parseKey = %x, %v", got, ok)
	}
	for _, name := range []string{"", "x", "8E5E0B0D8E5E0B0D8E5E0B0D8E5E0B0D", "8e5e0b0d8e5e0b0d8e5e0b0d8e5e0b0", "ge5e0b0d8e5e0b0d8e5e0b0d8e5e0b0d"} {
		if _, ok := parseKey(name); ok {
			t.Errorf("%q is taken for a key", name)
		}
	}
}
