package gateway_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/cluster"
	"example.com/ezdfs/gateway"
	"example.com/ezdfs/gateway/gatewaytest"
	"example.com/ezdfs/metadata"
)

// TestConformanceFromMemory: the table over bodies in memory, twice, so that
// they are there.
func TestConformanceFromMemory(t *testing.T) {
	c, o := tableCluster(t)
	h := gateway.New(c, o)
	url := serve(t, h).URL
	gatewaytest.Run(t, url)
	gatewaytest.Run(t, url)
	if n := h.Stats().Bodies; n.MemoryHits < 50 || o.BodyCacheSize == 0 {
		t.Errorf("few came from memory: %+v", n)
	}
}

// TestHotBodies: a small body is read once as long as its row stays the same.
func TestHotBodies(t *testing.T) {
	f := fakeFile("0123456789")
	h := gateway.New(f, gateway.Options{BodyCacheSize: 1 << 20})
	expect := func(opened int64, body string, lines ...string) {
		t.Helper()
		if w := get(t, h, "GET", target, lines...); w.Body.String() != body || f.opened.Load() != opened {
			t.Errorf("%d %q, opened %d times, want %q and %d", w.Code, w.Body, f.opened.Load(), body, opened)
		}
	}
	expect(1, "345", "Range: bytes=3-5") // takes all of it
	expect(1, "0123456789")
	expect(1, "789", "Range: bytes=-3")
	if w := get(t, h, "HEAD", target); w.Code != 200 || f.opened.Load() != 1 {
		t.Errorf("HEAD: %d, opened %d times", w.Code, f.opened.Load())
	}
	f.row.MTime++
	f.body = []byte("abcdefghij")
	expect(2, "abcdefghij")
	expect(2, "abcdefghij")
	f.row.MTime = time.Now().Unix() // its second is not over: another could follow
	expect(3, "abcdefghij")
	expect(4, "abcdefghij")
}

// TestLargeBodiesAreNotKept: what is over the limit is streamed.
func TestLargeBodiesAreNotKept(t *testing.T) {
	f := fakeFile(strings.Repeat("x", 256<<10+1))
	h := gateway.New(f, gateway.Options{BodyCacheSize: 64 << 20})
	for opened := range int64(3) {
		if w := get(t, h, "GET", target); w.Body.Len() != len(f.body) || f.opened.Load() != opened+1 {
			t.Errorf("%d bytes, opened %d times", w.Body.Len(), f.opened.Load())
		}
	}
}

// TestSmallBodiesThatAreWrong are not kept, and known to be wrong before the
// first byte of the answer.
func TestSmallBodiesThatAreWrong(t *testing.T) {
	for name, test := range map[string]struct {
		body   func() *bytes.Reader
		err    error
		status int
	}{
		"short":      {func() *bytes.Reader { return bytes.NewReader([]byte("01234")) }, nil, 503},
		"long":       {func() *bytes.Reader { return bytes.NewReader([]byte("0123456789a")) }, nil, 503},
		"broken off": {func() *bytes.Reader { return bytes.NewReader([]byte("01234")) }, storeDown, 503},
		"odd":        {func() *bytes.Reader { return bytes.NewReader(nil) }, errors.New("odd"), 500},
	} {
		t.Run(name, func(t *testing.T) {
			f := fakeFile("0123456789")
			f.open = func() (*cluster.File, error) {
				if test.err != nil {
					return fileOf(f.row, &failing{test.body(), test.err}, "1"), nil
				}
				return fileOf(f.row, test.body(), "1"), nil
			}
			h := gateway.New(f, gateway.Options{BodyCacheSize: 1 << 20})
			for range 2 {
				if w := get(t, h, "GET", target); w.Code != test.status {
					t.Errorf("%d %q", w.Code, w.Body)
				}
			}
			if f.opened.Load() != 2 {
				t.Errorf("opened %d times", f.opened.Load())
			}
		})
	}
}

// TestMemoryOutlivesTheStore: what is in memory needs no store.
func TestMemoryOutlivesTheStore(t *testing.T) {
	s := loadSettings(t, "")
	c := newCluster(t, s)
	store(t, c, "var/storage/a", "0123456789")
	h := gateway.New(c, gateway.Options{BodyCacheSize: 1 << 20})
	get(t, h, "GET", target)
	if err := os.Rename(s.DFS.MountPointPath, s.DFS.MountPointPath+"-gone"); err != nil {
		t.Fatal(err)
	}
	if w := get(t, h, "GET", target); w.Code != 200 || w.Body.String() != "0123456789" {
		t.Errorf("%d %q", w.Code, w.Body)
	}
}

// TestMemoryIsBounded: the bodies in memory never take more than they may.
func TestMemoryIsBounded(t *testing.T) {
	f := fakeFile(strings.Repeat("x", 10_000))
	h := gateway.New(f, gateway.Options{BodyCacheSize: 100_000})
	for i := range 200 {
		f.row.Name = fmt.Sprintf("var/storage/%d", i)
		f.stat = func() (metadata.Row, error) { return f.row, nil }
		get(t, h, "GET", "/"+f.row.Name)
	}
	if n := h.Stats().Bodies.MemoryBytes; n > 100_000 || n == 0 {
		t.Errorf("%d bytes are kept", n)
	}
}
