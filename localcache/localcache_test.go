package localcache

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/ezdfs/metadata"
)

// tiers are the caches that keep something, by name.
func tiers(t testing.TB, now *clock) map[string]Options {
	both := onDisk(t, now)
	both.MemorySize = 16 << 20
	return map[string]Options{
		"memory": {MemorySize: 16 << 20, Now: now.Now},
		"disk":   onDisk(t, now),
		"both":   both,
	}
}

func TestGet(t *testing.T) {
	now := newClock()
	for name, o := range tiers(t, now) {
		t.Run(name, func(t *testing.T) {
			c := open(t, o)
			for _, body := range []string{"", "x", strings.Repeat("y", 10_000), strings.Repeat("z", maxSmall)} {
				for _, path := range []string{"var/a", "var/a/b", "var/" + strings.Repeat("long", 500), "../../etc/passwd"} {
					row := rowOf(path, body, now.Now())
					put(t, c, row, body)
					wantBody(t, c, row, body)
					expired := row
					expired.MTime, expired.Expired = -row.MTime, true
					wantBody(t, c, expired, body)
					for _, other := range []metadata.Row{
						{Name: path + "x", Size: row.Size, MTime: row.MTime},
						{Name: path, Size: row.Size + 1, MTime: row.MTime},
						{Name: path, Size: row.Size, MTime: row.MTime + 1},
					} {
						wantNone(t, c, other)
					}
					c.Remove(path)
					wantNone(t, c, row)
				}
			}
		})
	}
}

func TestLargeBody(t *testing.T) {
	now := newClock()
	o := tiers(t, now)["both"]
	c := open(t, o)
	body := large("0123456789")
	row := rowOf("var/large", body, now.Now())
	put(t, c, row, body)
	wantBody(t, c, row, body)
	if s := c.Stats(); s.DiskHits != 1 || s.MemoryHits != 0 || s.MemoryBytes != 0 {
		t.Errorf("%+v, want a hit on disk and nothing in memory", s)
	}
	info, err := os.Stat(files(t, o.Dir)[0])
	if err != nil || !info.ModTime().Equal(row.ModTime()) {
		t.Errorf("mtime %v, %v, want that of the row, %v", info.ModTime(), err, row.ModTime())
	}
	if left := temps(t, o.Dir); len(left) > 0 {
		t.Errorf("left in tmp: %v", left)
	}
	memoryOnly := open(t, Options{MemorySize: 16 << 20, Now: now.Now})
	if err := create(memoryOnly, row, body, now.Now()); !errors.Is(err, ErrNotKept) {
		t.Errorf("in memory alone: %v, want ErrNotKept", err)
	}
}

func TestKeepsNothing(t *testing.T) {
	now := newClock()
	for _, o := range []Options{{}, {Dir: t.TempDir() + "/none"}, {MaxSize: 1 << 20}} {
		c := open(t, o)
		row := rowOf("var/a", "body", now.Now())
		if err := create(c, row, "body", now.Now()); !errors.Is(err, ErrNotKept) {
			t.Errorf("%+v: %v, want ErrNotKept", o, err)
		}
		wantNone(t, c, row)
		if _, ok := c.Stale("var/a"); ok {
			t.Errorf("%+v: a stale copy", o)
		}
		c.Remove("var/a")
	}
}

// TestSameSecond: a body written in the second in which the copy was read may
// have the same row.
func TestSameSecond(t *testing.T) {
	for name, tt := range map[string]struct {
		skew, after time.Duration // begun after the second of the row began
		trusted     bool
	}{
		"before it":                       {0, -time.Second, false},
		"in it":                           {0, 500 * time.Millisecond, false},
		"right after it":                  {0, time.Second, false},
		"just within the default skew":    {0, 3*time.Second - 1, false},
		"after the default skew":          {0, 3 * time.Second, true},
		"without skew, in it":             {-1, time.Second - 1, false},
		"without skew, after it":          {-1, time.Second, true},
		"within a long skew":              {time.Minute, time.Minute, false},
		"after a long skew":               {time.Minute, 61 * time.Second, true},
		"at a time that is yet to come":   {0, time.Hour + time.Second, false},
		"at a time that nobody remembers": {0, -1 << 62, false},
	} {
		t.Run(name, func(t *testing.T) {
			now := newClock()
			for tier, o := range tiers(t, now) {
				o.Skew = tt.skew
				c := open(t, o)
				row := rowOf("var/a", "old", now.Now())
				begun := row.ModTime().Add(tt.after)
				if tt.after == -1<<62 {
					begun = time.Time{}
				}
				if err := create(c, row, "old", begun); err != nil {
					t.Fatal(err)
				}
				if tt.trusted {
					wantBody(t, c, row, "old")
				} else {
					wantNone(t, c, row)
				}
				f, ok := c.Stale("var/a")
				if !ok {
					t.Fatalf("%s: no stale copy", tier)
				}
				checkFile(t, f, row, "old")
				// The body is read again, now that its second is over.
				put(t, c, row, "new")
				if !begun.After(now.Now()) {
					wantBody(t, c, row, "new")
				}
			}
		})
	}
}

// TestKeeps agrees with what Create and Get do.
func TestKeeps(t *testing.T) {
	now := newClock()
	small := tiers(t, now)["disk"]
	small.MaxSize = 1 << 20
	for name, o := range map[string]Options{"none": {Now: now.Now}, "memory": {MemorySize: 1 << 20, Now: now.Now}, "disk": small} {
		c := open(t, o)
		for _, size := range []int{0, 1000, maxSmall, maxSmall + 1, 1<<20 - headerSize, 1 << 20} {
			for _, age := range []time.Duration{-time.Hour, 0, time.Second, 3 * time.Second, time.Hour} {
				body := strings.Repeat("x", size)
				row := metadata.Row{Name: "var/a", Size: int64(size), MTime: now.Now().Add(-age).Unix()}
				create(c, row, body, now.Now())
				f, ok := c.Get(row)
				if ok {
					f.Close()
				}
				if got := c.Keeps(row); got != ok {
					t.Errorf("%s: Keeps %d bytes, %v old: %v, but Get: %v", name, size, age, got, ok)
				}
				c.Remove("var/a")
			}
		}
		if c.Keeps(metadata.Row{Size: -1}) {
			t.Errorf("%s: keeps a negative size", name)
		}
	}
}

func TestStale(t *testing.T) {
	now := newClock()
	for name, o := range tiers(t, now) {
		t.Run(name, func(t *testing.T) {
			c := open(t, o)
			older := rowOf("var/a", "older", now.Now())
			newer := rowOf("var/a", "newer!", now.Now().Add(time.Minute))
			put(t, c, older, "older")
			began := now.Now()
			now.add(time.Second)
			put(t, c, newer, "newer!")
			// One that was begun earlier ends later.
			if err := create(c, older, "older", began); err != nil {
				t.Error(err)
			}
			f, ok := c.Stale("var/a")
			if !ok {
				t.Fatal("no stale copy")
			}
			checkFile(t, f, newer, "newer!")
			wantBody(t, c, newer, "newer!")
			wantNone(t, c, older)
			// The row may go back in time: a file is stored with an old mtime.
			now.add(time.Second)
			put(t, c, older, "older")
			wantBody(t, c, older, "older")
			if n := c.Stats().StaleHits; n != 1 {
				t.Errorf("%d stale hits, want 1", n)
			}
		})
	}
}

func TestWrongSize(t *testing.T) {
	now := newClock()
	for name, o := range tiers(t, now) {
		for _, length := range []int{0, 9, 11, 50_000} {
			c := open(t, o)
			row := rowOf("var/a", "0123456789", now.Now())
			w := c.Create(row, now.Now())
			n, err := io.WriteString(w, strings.Repeat("x", length))
			if n != length || err != nil {
				t.Errorf("Write: %d, %v; it must not fail", n, err)
			}
			var wrong *SizeError
			if err := w.Commit(); !errors.As(err, &wrong) || wrong.Size != int64(length) || wrong.Row != 10 {
				t.Errorf("%s: Commit of %d bytes: %v", name, length, err)
			}
			wantNone(t, c, row)
			if s := c.Stats(); s.Bytes != 0 || s.MemoryBytes != 0 {
				t.Errorf("%+v, want nothing left", s)
			}
		}
	}
	if err := open(t, tiers(t, now)["both"]).Create(metadata.Row{Name: "a", Size: -1}, now.Now()).Commit(); err == nil {
		t.Error("a negative size was accepted")
	}
}

func TestDiscard(t *testing.T) {
	now := newClock()
	o := tiers(t, now)["both"]
	c := open(t, o)
	for _, body := range []string{"small", large("large")} {
		row := rowOf("var/a", body, now.Now())
		w := c.Create(row, now.Now())
		io.WriteString(w, body)
		w.Discard()
		w.Discard()
		if err := w.Commit(); err == nil {
			t.Error("Commit after Discard did not fail")
		}
		wantNone(t, c, row)
	}
	if n := len(temps(t, o.Dir)); n != 0 || c.Stats().Bytes != 0 {
		t.Errorf("%d temporary files, %d bytes left", n, c.Stats().Bytes)
	}
}

// TestConcurrentCreate: many copy one body at once, and read while others
// replace what they read.
func TestConcurrentCreate(t *testing.T) {
	now := newClock()
	for name, o := range tiers(t, now) {
		t.Run(name, func(t *testing.T) {
			c := open(t, o)
			var group sync.WaitGroup
			for i := range 16 {
				group.Go(func() {
					for n := range 20 {
						body := fmt.Sprintf("%d %s", n%3, strings.Repeat("x", 5000))
						row := rowOf(fmt.Sprint("var/", n%3), body, now.Now())
						if err := create(c, row, body, now.Now()); err != nil {
							t.Errorf("%d: %v", i, err)
						}
						if f, ok := c.Stale(row.Name); ok {
							checkFile(t, f, row, body)
						}
						if f, ok := c.Get(row); ok {
							checkFile(t, f, row, body)
						}
						if i == 0 {
							c.Remove(row.Name)
						}
						c.Stats()
					}
				})
			}
			group.Wait()
		})
	}
}

func TestCloseTwice(t *testing.T) {
	now := newClock()
	c := open(t, tiers(t, now)["both"])
	body := large("x")
	row := rowOf("var/a", body, now.Now())
	put(t, c, row, body)
	f, ok := c.Get(row)
	if !ok {
		t.Fatal("no copy")
	}
	for range 2 {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	checkFile(t, f, row, body)
}
