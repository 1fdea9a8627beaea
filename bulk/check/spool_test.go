package check

import (
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
)

func hashOf(text string) hash { return md5.Sum([]byte(text)) }

func TestSpoolGivesBackWhatItTook(t *testing.T) {
	dir := t.TempDir()
	s := &spool{dir: dir}
	const n, goroutines = 40_000, 4 // enough for every file to be written
	var running sync.WaitGroup
	for g := range goroutines {
		running.Go(func() {
			for i := g; i < n; i += goroutines {
				text := fmt.Sprint("a path of some length, so that buffers fill up, number ", i)
				if err := s.add(hashOf(text), []byte(text)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	running.Wait()
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("%d temporary files have names", len(left))
	}
	total := 0
	for _, count := range s.counts() {
		total += count
	}
	if total != n {
		t.Errorf("counts %d records, want %d", total, n)
	}
	seen := map[string]int{}
	for _, part := range []span{{0, 1}, {1, 0x7fff_ffff}, {0x7fff_ffff, 0xff00_0001}, {0xff00_0001, 1 << 32}} {
		err := s.read(part, func(h hash, fields []byte) error {
			if h != hashOf(string(fields)) {
				t.Fatalf("%x came back with %q", h, fields)
			}
			if !part.has(h) {
				t.Fatalf("%x is not of %x", h, part)
			}
			seen[string(fields)]++
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(seen) != n {
		t.Errorf("%d records came back, want %d", len(seen), n)
	}
	if err := s.close(); err != nil {
		t.Error(err)
	}
}

func TestSpoolOfMissingDirectory(t *testing.T) {
	s := &spool{dir: "/nonexistent/dir"}
	var err error
	for i := range 1000 {
		h := hash{0, byte(i >> 8), byte(i)}
		if err = s.add(h, make([]byte, 100)); err != nil {
			break
		}
	}
	if err == nil {
		t.Error("records beyond the buffer were kept nowhere")
	}
}

func TestSpansCoverEverythingOnce(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var counts [spoolParts]int
		for i := range counts {
			switch random.IntN(4) {
			case 0:
			case 1:
				counts[i] = random.IntN(100_000)
			default:
				counts[i] = random.IntN(300)
			}
		}
		whole := span{0, 1 << 32}
		if random.IntN(2) == 0 {
			from := random.Uint64N(1 << 32)
			whole = span{from, from + 1 + random.Uint64N(1<<32-from)}
		}
		at := whole.from
		for _, part := range spans(whole, counts, 1000) {
			if part.from != at || part.to <= part.from {
				t.Fatalf("%x follows %x in %x", part, at, whole)
			}
			at = part.to
			if n := expected(counts, part); n > 2200 {
				t.Errorf("%x holds about %d records, want some 1000", part, n)
			}
		}
		if at != whole.to {
			t.Fatalf("the spans of %x end at %x", whole, at)
		}
	}
}

// expected is how many records a span has if each file is evenly spread.
func expected(counts [spoolParts]int, part span) (n int) {
	for i, count := range counts {
		from, to := max(part.from, uint64(i)<<24), min(part.to, uint64(i+1)<<24)
		if from < to {
			n += int(uint64(count) * (to - from) >> 24)
		}
	}
	return n
}

func TestSpanBounds(t *testing.T) {
	for _, test := range []struct {
		part     span
		from, to string
	}{
		{span{0, 1 << 32}, "", ""},
		{span{0, 0x10}, "", "00000010"},
		{span{0xab00_0000, 1 << 32}, "ab000000", ""},
	} {
		if from, to := test.part.bounds(); from != test.from || to != test.to {
			t.Errorf("%x: %q to %q, want %q to %q", test.part, from, to, test.from, test.to)
		}
	}
}

func TestHashesOrderAsTheirDigitsDo(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	var hashes []hash
	for range 1000 {
		var h hash
		binary.BigEndian.PutUint64(h[:], random.Uint64N(4)<<62)
		binary.BigEndian.PutUint64(h[8:], random.Uint64())
		hashes = append(hashes, h)
	}
	slices.SortFunc(hashes, compareHashes)
	if !slices.IsSortedFunc(hashes, func(a, b hash) int { return slices.Compare([]byte(fmt.Sprintf("%x", a)), []byte(fmt.Sprintf("%x", b))) }) {
		t.Error("sorted otherwise than as text")
	}
}

func TestOptionBounds(t *testing.T) {
	for _, test := range []struct {
		from, to string
		want     span
		wrong    bool
	}{
		{"", "", span{0, 1 << 32}, false},
		{"8", "", span{0x8000_0000, 1 << 32}, false},
		{"", "0a", span{0, 0x0a00_0000}, false},
		{"d41d8cd98f00b204e9800998ecf8427e", "", span{0xd41d_8cd9, 1 << 32}, false},
		{"A0", "", span{}, true},
		{"xyz", "", span{}, true},
		{"", "0", span{}, true},
		{"80", "7f", span{}, true},
	} {
		o := Options{From: test.from, To: test.to}
		got, err := o.span()
		if (err != nil) != test.wrong || err == nil && got != test.want {
			t.Errorf("from %q to %q: %x, %v, want %x", test.from, test.to, got, err, test.want)
		}
	}
}
