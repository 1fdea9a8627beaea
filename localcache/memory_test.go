package localcache

import (
	"fmt"
	"strings"
	"testing"
)

// TestMemoryHitAllocatesTheFileAlone.
func TestMemoryHitAllocatesTheFileAlone(t *testing.T) {
	now := newClock()
	c := open(t, tiers(t, now)["both"])
	row := rowOf("var/site/cache/"+strings.Repeat("long/", 50), kilo, now.Now())
	put(t, c, row, kilo)
	n := testing.AllocsPerRun(1000, func() {
		f, ok := c.Get(row)
		if !ok {
			t.Fatal("no copy")
		}
		f.Close()
	})
	if n > 1 {
		t.Errorf("%v allocations, want 1", n)
	}
}

// TestMemoryBounded: MemorySize holds however many bodies there are.
func TestMemoryBounded(t *testing.T) {
	now := newClock()
	c := open(t, Options{MemorySize: 100_000, Now: now.Now})
	body := strings.Repeat("x", 10_000)
	for i := range 200 {
		put(t, c, rowOf(fmt.Sprint("var/", i), body, now.Now()), body)
	}
	c.memory.copies.CleanUp()
	if n := c.Stats().MemoryBytes; n > 100_000 || n < 50_000 {
		t.Errorf("%d bytes in memory, want at most 100000, and well used", n)
	}
	found := 0
	for i := range 200 {
		if f, ok := c.Stale(fmt.Sprint("var/", i)); ok {
			checkFile(t, f, rowOf(fmt.Sprint("var/", i), body, now.Now()), body)
			found++
		}
	}
	if found == 0 || found > 10 {
		t.Errorf("%d bodies in memory, want up to 9", found)
	}
}

// TestPromotion: what is small and found on disk is in memory from then on.
func TestPromotion(t *testing.T) {
	now := newClock()
	o := onDisk(t, now)
	row := rowOf("var/a", kilo, now.Now())
	put(t, open(t, o), row, kilo)
	o.MemorySize = 1 << 20
	c := open(t, o)
	for range 3 {
		wantBody(t, c, row, kilo)
	}
	if s := c.Stats(); s.DiskHits != 1 || s.MemoryHits != 2 {
		t.Errorf("%+v, want one hit on disk, then two in memory", s)
	}
	// Another process has a newer one: Stale finds that.
	now.add(1)
	newer := rowOf("var/a", "newer", now.Now())
	other := o
	other.MemorySize = 0
	put(t, open(t, other), newer, "newer")
	f, ok := c.Stale("var/a")
	if !ok {
		t.Fatal("no stale copy")
	}
	checkFile(t, f, newer, "newer")
	wantBody(t, c, newer, "newer")
}
