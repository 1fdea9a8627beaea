package localcache

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/metadata"
)

const kilo = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// numbered makes rows for small bodies, which take a block each.
func numbered(now *clock, n int) []metadata.Row {
	rows := make([]metadata.Row, n)
	for i := range rows {
		rows[i] = rowOf(fmt.Sprint("var/", i), kilo, now.Now())
	}
	return rows
}

// kept returns which of the rows have a copy, without using any.
func kept(c *Cache, rows []metadata.Row) []int {
	var there []int
	for i, row := range rows {
		if _, err := os.Stat(c.disk.path(keyOf(row.Name))); err == nil {
			there = append(there, i)
		}
	}
	return there
}

func TestEvictionOrder(t *testing.T) {
	now := newClock()
	o := onDisk(t, now)
	o.MaxSize = 16 * blockSize
	c := open(t, o)
	rows := numbered(now, 17)
	for _, row := range rows[:15] {
		put(t, c, row, kilo)
		now.add(time.Second)
	}
	for _, i := range []int{0, 3} { // used again
		wantBody(t, c, rows[i], kilo)
		now.add(time.Second)
	}
	f, ok := c.Get(rows[1]) // and so is this one, but it stays open
	if !ok {
		t.Fatal("no copy")
	}
	c.Remove(rows[1].Name)
	put(t, c, rows[15], kilo)
	now.add(time.Second)
	c.disk.evict(0, 10*blockSize)
	if got, want := kept(c, rows), []int{0, 3, 8, 9, 10, 11, 12, 13, 14, 15}; !slices.Equal(got, want) {
		t.Errorf("kept %v, want %v", got, want)
	}
	checkFile(t, f, rows[1], kilo)
}

// TestBounded: the directory never takes more than MaxSize.
func TestBounded(t *testing.T) {
	now := newClock()
	o := onDisk(t, now)
	o.MaxSize = 50 * blockSize
	c := open(t, o)
	rows := numbered(now, 500)
	for i, row := range rows {
		put(t, c, row, kilo)
		now.add(time.Second)
		wantBody(t, c, row, kilo)
		if s := c.Stats(); s.Bytes > o.MaxSize || i > 100 && s.Files < 40 {
			t.Fatalf("%+v after %d", s, i)
		}
	}
	if n := int64(len(files(t, o.Dir))); n != c.Stats().Files {
		t.Errorf("%d files, %d counted", n, c.Stats().Files)
	}
	body := strings.Repeat("x", 40*blockSize)
	row := rowOf("var/large", body, now.Now())
	put(t, c, row, body)
	wantBody(t, c, row, body)
	if s := c.Stats(); s.Bytes > o.MaxSize || s.Files > 9 {
		t.Errorf("%+v, want room made for the large one", s)
	}
	if err := create(c, rowOf("var/huge", strings.Repeat("x", 50*blockSize), now.Now()), "", now.Now()); err != ErrNotKept {
		t.Errorf("larger than the cache: %v, want ErrNotKept", err)
	}
	wantBody(t, c, row, body)
}

// TestMemoryUseCounts: a copy that is always found in memory is not the least
// recently used one of the directory.
func TestMemoryUseCounts(t *testing.T) {
	now := newClock()
	o := onDisk(t, now)
	o.MemorySize = 1 << 20
	c := open(t, o)
	rows := numbered(now, 10)
	for _, row := range rows {
		put(t, c, row, kilo)
		now.add(time.Second)
	}
	now.add(2 * savedUse)
	wantBody(t, c, rows[0], kilo)
	c.disk.evict(0, 3*blockSize)
	if got, want := kept(c, rows), []int{0, 8, 9}; !slices.Equal(got, want) || c.Stats().MemoryHits != 1 {
		t.Errorf("kept %v, want %v; %+v", got, want, c.Stats())
	}
}

// TestRestart: size and order survive.
func TestRestart(t *testing.T) {
	now := newClock()
	o := onDisk(t, now)
	c := open(t, o)
	rows := numbered(now, 10)
	for _, row := range rows {
		put(t, c, row, kilo)
		now.add(time.Second)
	}
	now.add(2 * savedUse)
	wantBody(t, c, rows[2], kilo)
	before := c.Stats()
	c.Close()

	now.add(time.Hour)
	c = open(t, o)
	if s := c.Stats(); s.Bytes != before.Bytes || s.Files != 10 {
		t.Errorf("%d bytes, %d files, want %d, 10", s.Bytes, s.Files, before.Bytes)
	}
	c.disk.evict(0, 3*blockSize)
	if got, want := kept(c, rows), []int{2, 8, 9}; !slices.Equal(got, want) {
		t.Errorf("kept %v, want %v", got, want)
	}
	wantBody(t, c, rows[2], kilo)
	now.add(time.Hour)
	c.Close()
	o.MaxSize = 2 * blockSize // less than there is
	c = open(t, o)
	c.Close() // which evicts no more after it
	c.disk.evict(c.disk.high(), c.disk.low())
	if got := kept(c, rows); !slices.Equal(got, []int{2}) {
		t.Errorf("kept %v, want the last one used", got)
	}
}

// TestTwoCaches share a directory as two processes do.
func TestTwoCaches(t *testing.T) {
	now := newClock()
	o := onDisk(t, now)
	o.MaxSize = 32 * blockSize
	a, b := open(t, o), open(t, o)
	rows := numbered(now, 60)
	for i, row := range rows[:20] {
		put(t, []*Cache{a, b}[i%2], row, kilo)
		now.add(time.Second)
	}
	for _, row := range rows[:20] {
		wantBody(t, a, row, kilo)
		now.add(time.Second)
	}
	// What a uses b does not evict, even before it looks again.
	now.add(2 * savedUse)
	for _, row := range rows[:4] {
		wantBody(t, a, row, kilo)
	}
	b.disk.scan()
	now.add(2 * savedUse)
	wantBody(t, a, rows[7], kilo)
	b.disk.evict(0, 5*blockSize)
	if got, want := kept(b, rows), []int{0, 1, 2, 3, 7}; !slices.Equal(got, want) {
		t.Errorf("kept %v, want %v", got, want)
	}
	// a does not know yet, and evicts what is gone.
	if n := a.Stats().Files; n != 20 {
		t.Errorf("a knows %d files, want 20", n)
	}
	a.disk.evict(0, 5*blockSize)
	if s, got := a.Stats(), kept(a, rows); s.Files != 5 || len(got) != 5 || s.Errors != 0 {
		t.Errorf("%+v, kept %v, want 5 files and no errors", s, got)
	}
	// Each replaces and removes what the other wrote.
	for i, row := range rows {
		now.add(time.Second)
		put(t, a, row, kilo)
		put(t, b, row, kilo)
		if i%2 == 0 {
			a.Remove(row.Name)
		}
	}
	now.add(time.Second)
	for _, c := range []*Cache{a, b} {
		c.disk.scan()
		if s, n := c.Stats(), len(files(t, o.Dir)); s.Files != int64(n) || s.Bytes != int64(n)*blockSize || n > 32 {
			t.Errorf("%+v with %d files", s, n)
		}
	}
}

// TestFasterThanTheScan: entries made while a scan runs stay.
func TestFasterThanTheScan(t *testing.T) {
	now := newClock()
	c := open(t, onDisk(t, now))
	rows := numbered(now, 200)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, row := range rows {
			put(t, c, row, kilo)
		}
	}()
	for range 5 {
		c.disk.scan()
	}
	<-done
	if s := c.Stats(); s.Files != 200 || s.Bytes != 200*blockSize {
		t.Errorf("%+v, want 200 files", s)
	}
}
