package rowcache_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/events"
	"example.com/ezdfs/events/rowcache"
	"example.com/ezdfs/metadata"
)

// clock is a time that tests move.
type clock struct{ now time.Time }

func newClock() *clock { return &clock{time.Unix(1_700_000_000, 0)} }

func (c *clock) Now() time.Time { return c.now }

// testRow is a row with a trunk and a scope.
func testRow(name, trunk, scope string) metadata.Row {
	return metadata.Row{Name: name, Trunk: trunk, Scope: scope, MTime: 1, DataType: "text/plain"}
}

// read tells a cache of a row that was read.
func read(c *rowcache.Cache, at time.Time, seq uint64, row metadata.Row) {
	c.NotifyInline(events.Event{Kind: events.StoreMetadata, Row: row, Seq: seq, Time: at})
}

// knows reports whether the cache answers for a path.
func knows(t *testing.T, c *rowcache.Cache, name string) bool {
	t.Helper()
	answer, err := c.LoadMetadata(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	exists, err := c.FileExists(t.Context(), name)
	if err != nil || exists != answer {
		t.Errorf("%s: loadMetadata says %v, fileExists %v %v", name, answer, exists, err)
	}
	return answer.Known
}

// Every kind of deletion forgets what it is about, and little else.
func TestDeletions(t *testing.T) {
	rows := []metadata.Row{
		testRow("var/s/cache/content/2-a.cache", "var/s/cache/content/2-", "viewcache"),
		testRow("var/s/cache/content/2-b.cache", "var/s/cache/content/2-", "viewcache"),
		testRow("var/s/cache/content/20-a.cache", "var/s/cache/content/20-", "viewcache"),
		testRow("var/s/storage/a.png", "var/s/storage/a.png", "image"),
		testRow("var/s/storage/A.png", "var/s/storage/A.png", "image"),
		testRow("var/s/storage/"+strings.Repeat("long/", 60)+"1", "t1", "binaryfile"),
		testRow("var/s/storage/"+strings.Repeat("long/", 60)+"2", "t2", "binaryfile"),
	}
	tests := []struct {
		event events.Event
		gone  []int
	}{
		{events.Event{Kind: events.DeleteFile, Subject: rows[3].Name}, []int{3}},
		{events.Event{Kind: events.DeleteFile, Hash: rows[3].Hash()}, []int{3}},
		{events.Event{Kind: events.DeleteFile, Subject: "var/s/none"}, nil},
		{events.Event{Kind: events.DeleteByNametrunk, Subject: rows[0].Trunk}, []int{0, 1}},
		{events.Event{Kind: events.DeleteByNametrunk, Subject: "viewcache"}, nil},
		{events.Event{Kind: events.DeleteByScope, Subject: "image"}, []int{3, 4}},
		{events.Event{Kind: events.DeleteByLike, Subject: "var/s/cache/content/2"}, []int{0, 1, 2}},
		{events.Event{Kind: events.DeleteByLike, Subject: "var/s/storage/a"}, []int{3}},
		{events.Event{Kind: events.DeleteByLike, Subject: rows[3].Name}, []int{3}},
		{events.Event{Kind: events.DeleteByLike, Subject: rows[5].Name}, []int{5, 6}}, // beyond what is compared
		{events.Event{Kind: events.DeleteByLike, Subject: ""}, []int{0, 1, 2, 3, 4, 5, 6}},
		{events.Event{Kind: events.DeleteByDirList, Common: "var/s/cache/content", Dir: "2", Suffix: "-a", Subject: "var/s/cache/content/2/-a"}, nil},
		{events.Event{Kind: events.DeleteByDirList, Common: "var/s", Dir: "cache", Suffix: "content", Subject: "var/s/cache/content"}, []int{0, 1, 2}},
		{events.Event{Kind: events.DeleteByWildcard, Subject: "var/s/storage/a.{png,gif}"}, []int{3}},
		{events.Event{Kind: events.DeleteByWildcard, Subject: "*.png"}, []int{0, 1, 2, 3, 4, 5, 6}},
		{events.Event{Kind: events.Lost, Count: 3}, []int{0, 1, 2, 3, 4, 5, 6}},
		{events.Event{Kind: "deleteByMoon"}, []int{0, 1, 2, 3, 4, 5, 6}},
	}
	for _, test := range tests {
		t.Run(fmt.Sprint(test.event.Kind, " ", test.event.Subject, test.event.Hash), func(t *testing.T) {
			at := newClock()
			c := rowcache.New(rowcache.Options{Now: at.Now})
			for _, row := range rows {
				read(c, at.now, 1, row)
				if !knows(t, c, row.Name) {
					t.Fatalf("%s is not kept", row.Name)
				}
			}
			test.event.Seq = 2
			if err := c.Notify(t.Context(), []events.Event{test.event}); err != nil {
				t.Fatal(err)
			}
			var gone []int
			for i, row := range rows {
				if !knows(t, c, row.Name) {
					gone = append(gone, i)
				}
				answer, _, stale := c.Stale(row.Name)
				if lost := test.event.Kind == events.Lost; answer.Known != knows(t, c, row.Name) || stale != (answer.Known || lost) {
					t.Errorf("%s: stale %v, %+v", row.Name, stale, answer)
				}
			}
			if fmt.Sprint(gone) != fmt.Sprint(test.gone) {
				t.Errorf("forgot %v, want %v", gone, test.gone)
			}
			for _, row := range rows { // a query from before the deletion, and one from after it
				read(c, at.now, 1, row)
			}
			for _, i := range gone {
				if knows(t, c, rows[i].Name) {
					t.Errorf("%s was kept although it was read before", rows[i].Name)
				}
				read(c, at.now, 2, rows[i])
				if !knows(t, c, rows[i].Name) {
					t.Errorf("%s was not kept although it was read after", rows[i].Name)
				}
			}
		})
	}
}

// What is known to be missing may have got any trunk and scope since.
func TestDeletionsOfMissing(t *testing.T) {
	for _, test := range []struct {
		event events.Event
		known bool
	}{
		{events.Event{Kind: events.DeleteFile, Subject: "var/b"}, true},
		{events.Event{Kind: events.DeleteFile, Subject: "var/a"}, false},
		{events.Event{Kind: events.DeleteByLike, Subject: "var/b"}, true},
		{events.Event{Kind: events.DeleteByLike, Subject: "var/"}, false},
		{events.Event{Kind: events.DeleteByNametrunk, Subject: "t"}, false},
		{events.Event{Kind: events.DeleteByScope, Subject: "image"}, false},
	} {
		t.Run(fmt.Sprint(test.event.Kind, " ", test.event.Subject), func(t *testing.T) {
			at := newClock()
			c := rowcache.New(rowcache.Options{NegativeTTL: time.Minute, Now: at.Now})
			c.NotifyInline(events.Event{Kind: events.StoreMetadata, Row: metadata.Row{Name: "var/a"}, Missing: true, Seq: 1, Time: at.now})
			if !knows(t, c, "var/a") {
				t.Fatal("not kept")
			}
			test.event.Seq = 2
			c.NotifyInline(test.event)
			if knows(t, c, "var/a") != test.known {
				t.Errorf("known: %v", !test.known)
			}
		})
	}
}

// Events may arrive in another order than that of their numbers.
func TestOutOfOrder(t *testing.T) {
	at := newClock()
	c := rowcache.New(rowcache.Options{Now: at.Now})
	row := testRow("var/s/a", "var/s/a", "image")
	read(c, at.now, 1, row)
	c.NotifyInline(events.Event{Kind: events.DeleteByLike, Subject: "var/x", Seq: 3})
	if !knows(t, c, row.Name) {
		t.Fatal("a deletion of others took it along")
	}
	c.NotifyInline(events.Event{Kind: events.DeleteByLike, Subject: "var/s", Seq: 2})
	if knows(t, c, row.Name) {
		t.Error("a deletion that arrived late was not heeded")
	}
}

// Of two reads the one that asked later stays, by the deletions that it must
// have seen or by the clock.
func TestLaterReadWins(t *testing.T) {
	tests := []struct {
		name      string
		seqs      [2]uint64
		later     time.Duration
		backwards bool
	}{
		{"by the clock", [2]uint64{1, 1}, time.Second, false},
		{"by the clock, told first", [2]uint64{1, 1}, time.Second, true},
		{"by the number", [2]uint64{1, 2}, 0, false},
		{"by the number, told first", [2]uint64{1, 2}, 0, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			at := newClock()
			c := rowcache.New(rowcache.Options{Now: at.Now})
			first, second := testRow("a", "a", "image"), testRow("a", "a", "image")
			second.MTime = 2
			tell := []func(){
				func() { read(c, at.now, test.seqs[0], first) },
				func() { read(c, at.now.Add(test.later), test.seqs[1], second) },
			}
			if test.backwards {
				slices.Reverse(tell)
			}
			for _, one := range tell {
				one()
			}
			if answer, _ := c.LoadMetadata(t.Context(), "a"); answer.Row.MTime != 2 {
				t.Errorf("got mtime %d", answer.Row.MTime)
			}
		})
	}
}

// Nothing is believed beyond its TTL, counted from when the database was
// asked; for a while it can be had as stale.
func TestAge(t *testing.T) {
	tests := []struct {
		age     time.Duration
		missing bool
		known   bool
		stale   bool
	}{
		{0, false, true, true},
		{59 * time.Second, false, true, true},
		{60 * time.Second, false, false, true},
		{89 * time.Second, false, false, true},
		{90 * time.Second, false, false, false},
		{4 * time.Second, true, true, true},
		{5 * time.Second, true, false, true},
		{34 * time.Second, true, false, true},
		{35 * time.Second, true, false, false},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%v missing=%v", test.age, test.missing), func(t *testing.T) {
			at := newClock()
			c := rowcache.New(rowcache.Options{
				TTL: time.Minute, NegativeTTL: 5 * time.Second, StaleIfError: 30 * time.Second, Now: at.Now,
			})
			c.NotifyInline(events.Event{Kind: events.StoreMetadata, Row: testRow("a", "a", ""), Missing: test.missing, Time: at.now})
			at.now = at.now.Add(test.age)
			answer, err := c.LoadMetadata(t.Context(), "a")
			if err != nil || answer.Known != test.known || answer.Known && answer.Exists == test.missing {
				t.Errorf("got %+v, %v", answer, err)
			}
			answer, age, ok := c.Stale("a")
			if ok != test.stale || ok && (age != test.age || answer.Exists == test.missing || !answer.Known) {
				t.Errorf("stale: got %+v, %v, %v", answer, age, ok)
			}
			want := rowcache.Stats{Size: 1, Misses: 1}
			if test.known {
				want = rowcache.Stats{Size: 1, Hits: 1}
			}
			if got := c.Stats(); got != want {
				t.Errorf("stats %+v, want %+v", got, want)
			}
		})
	}
}

// Without a negative TTL nothing is kept of paths without a row.
func TestNoNegativeEntries(t *testing.T) {
	at := newClock()
	c := rowcache.New(rowcache.Options{Now: at.Now})
	c.NotifyInline(events.Event{Kind: events.StoreMetadata, Row: metadata.Row{Name: "a"}, Missing: true, Time: at.now})
	if size := c.Stats().Size; size != 0 {
		t.Errorf("%d entries", size)
	}
}

// The cache does not grow beyond its bound, nor keep what was closed.
func TestBound(t *testing.T) {
	at := newClock()
	c := rowcache.New(rowcache.Options{MaxEntries: 100, Now: at.Now})
	for i := range 5000 {
		read(c, at.now, 1, testRow(fmt.Sprint("var/", i), "", ""))
		if size := c.Stats().Size; size > 1000 {
			t.Fatalf("%d entries after %d", size, i)
		}
	}
	known := 0
	for i := range 5000 {
		if knows(t, c, fmt.Sprint("var/", i)) {
			known++
		}
	}
	if known == 0 || known > 200 {
		t.Errorf("%d entries are known", known)
	}
	if err := c.Close(); err != nil || c.Stats().Size != 0 {
		t.Errorf("after Close: %v, %d entries", err, c.Stats().Size)
	}
}
