package s3

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"example.com/ezdfs/backends"
)

func TestPayload(t *testing.T) {
	p := newPayload([]byte("0123456789"))
	if err := iotest.TestReader(p, []byte("0123456789")); err != nil {
		t.Fatal(err)
	}
	p.release()
	if n, err := p.Read(make([]byte, 1)); n != 0 || !errors.Is(err, errReleased) {
		t.Errorf("Read after release: %d, %v", n, err)
	}
	if _, err := p.Seek(0, io.SeekStart); !errors.Is(err, errReleased) {
		t.Errorf("Seek after release: %v", err)
	}
}

func TestBuffers(t *testing.T) {
	memory := &buffers{size: 100, most: 2}
	one, two, other := memory.get(100), memory.get(100), memory.get(50)
	for _, buf := range [][]byte{append(one, 1), two, other, make([]byte, 0, 100)} {
		memory.put(buf)
	}
	if len(memory.free) != 2 {
		t.Errorf("%d buffers kept, want 2", len(memory.free))
	}
	if buf := memory.get(50); cap(buf) != 50 || len(memory.free) != 2 {
		t.Errorf("a short buffer of %d bytes, %d left", cap(buf), len(memory.free))
	}
	if buf := memory.get(100); len(buf) != 0 || cap(buf) != 100 || len(memory.free) != 1 {
		t.Errorf("a buffer of %d of %d bytes, %d left", len(buf), cap(buf), len(memory.free))
	}
}

func TestChecksum(t *testing.T) {
	// The check value of CRC-32/ISO-HDLC, cbf43926, in base64.
	if got := checksum([]byte("123456789")); got != "y/Q5Jg==" {
		t.Errorf("checksum = %q", got)
	}
}

func TestFill(t *testing.T) {
	body := random(200_000)
	for _, limit := range []int64{0, 1, 65_536, 199_999, 200_000, 200_001, 1 << 40} {
		for name, wrap := range map[string]func(io.Reader) io.Reader{
			"plain": func(r io.Reader) io.Reader { return r }, "halves": iotest.HalfReader, "data with EOF": iotest.DataErrReader,
		} {
			got, err := fill(t.Context(), wrap(bytes.NewReader(body)), nil, limit, &buffers{})
			want := body[:min(limit, int64(len(body)))]
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("limit %d, %s: %d bytes, %v; want %d", limit, name, len(got), err, len(want))
			}
			if cap(got) > 4*len(body)+64<<10 {
				t.Errorf("limit %d, %s: a buffer of %d bytes for a body of %d", limit, name, cap(got), len(body))
			}
		}
	}
}

// Bodies around the length of a part, announced or not, arrive whole.
func TestSizesAroundAPart(t *testing.T) {
	b := newBackend(t, testSettings(t))
	const part = 5 << 20
	for _, size := range []int{part - 1, part, part + 1, 2 * part, 2*part + 1} {
		body := random(size)
		for _, announced := range []int64{-1, int64(size)} {
			staged, err := b.Stage(t.Context(), "a", io.MultiReader(bytes.NewReader(body)), backends.Attributes{Size: announced})
			if err != nil {
				t.Fatal(err)
			}
			if _, small := staged.(*stagedPut); small != (size <= part) {
				t.Errorf("%d bytes, announced %d: staged as %T", size, announced, staged)
			}
			if err := staged.Publish(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got, err := read(t, b, "a", 0, -1); err != nil || !bytes.Equal(got, body) {
				t.Errorf("%d bytes, announced %d: read %d, %v", size, announced, len(got), err)
			}
		}
	}
}

func TestTooManyParts(t *testing.T) {
	b := newBackend(t, testSettings(t), withLimits(func(l *limits) { l.maxParts, l.maxPart = 2, 6<<20 }))
	b.set.AbortUploads = true
	_, err := b.Stage(t.Context(), "a", bytes.NewReader(random(17<<20)), backends.Attributes{Size: -1})
	if !errors.Is(err, backends.ErrSize) || !strings.Contains(err.Error(), "2 parts") {
		t.Errorf("Stage of more than the parts hold: %v", err)
	}
	if left := gateway.Get(t).Uploads(t, b.set.Bucket); len(left) > 0 {
		t.Errorf("uploads left: %q", left)
	}
}

func TestModTimeOfOthers(t *testing.T) {
	stored := time.Unix(2000, 0)
	for value, want := range map[string]int64{"1234567890": 1234567890, "1234567890.5": 1234567890, "-5": -5, "": 2000, "yesterday": 2000} {
		info := newInfo("a", 1, nil, nil, &stored, map[string]string{metaModTime: value})
		if info.ModTime.Unix() != want || !info.Stored.Equal(stored) {
			t.Errorf("mtime %q: %+v, want ModTime %d", value, info, want)
		}
	}
}
