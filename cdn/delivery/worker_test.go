package delivery

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.com/ezdfs/cdn"
	"example.com/ezdfs/changes"
	"example.com/ezdfs/metadata"
)

// Errors of every kind: refused for good, throttled, down, too often.
func TestErrors(t *testing.T) {
	store, feed := newStore(t), newScript()
	target := cache("t:a")
	var throttled, down atomic.Int32
	target.fail = func(i cdn.Item) error {
		switch {
		case i.Subject == "var/refused":
			return &cdn.Error{Target: "t:a", Kind: cdn.ErrRefused, Status: 400, Reason: "bad URL"}
		case i.Subject == "var/throttled" && throttled.Add(1) < 4:
			return &cdn.Error{Target: "t:a", Kind: cdn.ErrThrottled, Status: 429, RetryAfter: time.Millisecond}
		case i.Subject == "var/down" && down.Add(1) < 4:
			return errors.New("connection reset")
		case i.Subject == "var/never":
			return target.unavailable(i)
		}
		return nil
	}
	o := quick()
	o.MaxAttempts = 7
	p := pipeline(t, store, o, []Rule{{Prefix: "var/", Targets: "t:a"}}, target)
	run(t, p, feed)
	feed.add(stored("var/refused"), stored("var/throttled"), stored("var/down"), stored("var/never"), stored("var/fine"))
	until(t, "all have ended", func() bool {
		now := states(t, store, "t:a")
		return now[metadata.DeliveryPending] == 0 && now[metadata.DeliveryFailed] == 2 && len(target.told()) == 3
	})
	want(t, target.told(), "invalidate path var/down", "invalidate path var/fine", "invalidate path var/throttled")
	reasons := map[string]string{}
	for d, err := range store.Deliveries(t.Context(), metadata.DeliveryFilter{State: metadata.DeliveryFailed}) {
		if err != nil {
			t.Fatal(err)
		}
		reasons[d.Subject] = d.Error
	}
	if len(reasons) != 2 || !strings.Contains(reasons["var/refused"], "bad URL") || !strings.Contains(reasons["var/never"], "after 7 attempts") {
		t.Errorf("%q", reasons)
	}
}

// What was delivered keeps its ID when it is tried again, and gets another when
// it changed again.
func TestItemIDs(t *testing.T) {
	store, feed := newStore(t), newScript()
	target := cache("t:a")
	target.fail = target.unavailable
	p := pipeline(t, store, quick(), []Rule{{Targets: "t:a"}}, target)
	run(t, p, feed)
	feed.add(stored("var/a"))
	until(t, "it was tried", func() bool { return target.callCount() >= 3 })
	target.failing(nil)
	drained(t, store)
	feed.add(stored("var/a"))
	until(t, "it was told twice", func() bool { return len(target.told()) == 2 })
	ids := map[string]bool{}
	for _, call := range target.calls[:len(target.calls)-1] {
		ids[call[0].ID] = true
	}
	last := target.calls[len(target.calls)-1][0].ID
	if len(ids) != 1 || ids[last] {
		t.Errorf("%v, then %s", ids, last)
	}
}

// A target that is down, or hangs, delays no other, and gets what waits when it
// is back, however long the pauses had become.
func TestOutageOfOneTarget(t *testing.T) {
	store, feed := newStore(t), newScript()
	bad, good := cache("t:bad"), cache("t:good")
	bad.fail = bad.unavailable
	o := quick()
	o.MaxBackoff, o.MinBackoff = time.Hour, time.Hour
	p := pipeline(t, store, o, []Rule{{Targets: "t:bad,t:good"}}, bad, good)
	run(t, p, feed)
	for i := range 50 {
		feed.add(stored(fmt.Sprint("var/", i)))
		until(t, "the good one is told", func() bool { return len(good.told()) == i+1 })
	}
	until(t, "the bad one is left alone", func() bool { return p.Report().Targets[0].Breaker != "closed" })
	bad.failing(nil)
	feed.add(stored("var/new")) // with which it is found to be back
	drained(t, store)
	if n := len(bad.told()); n != 51 {
		t.Errorf("told %d", n)
	}
}

// Batches keep within the limits, and a target that takes several calls at a
// time gets them, never two for one path.
func TestLimits(t *testing.T) {
	store, feed := newStore(t), newScript()
	target := cache("t:a", cdn.Prefix)
	target.limits.Items, target.limits.Families, target.limits.Concurrent = 7, 2, 3
	target.limits.Bytes, target.limits.Size = 60, func(i cdn.Item) int { return len(i.Subject) }
	target.limits.ItemRate, target.limits.ItemBurst = 5000, 7
	target.limits.FamilyRate, target.limits.FamilyBurst, target.limits.Rate, target.limits.Burst = 500, 1, 1000, 2
	p := pipeline(t, store, quick(), []Rule{{Targets: "t:a"}}, target)
	var list []changes.Change
	for i := range 200 {
		list = append(list, stored(fmt.Sprint("var/file", i)))
		if i%10 == 0 {
			list = append(list, kind(metadata.KindExpirePrefix, fmt.Sprint("var/dir", i)))
		}
	}
	run(t, p, feed)
	feed.add(list...)
	until(t, "all are told", func() bool { return len(target.told()) >= 220 })
	drained(t, store)
	for _, call := range target.calls {
		families, bytes := 0, 0
		for _, i := range call {
			bytes += len(i.Subject)
			if i.Extent != cdn.Path {
				families++
			}
		}
		if len(call) > 7 || families > 2 || bytes > 60 {
			t.Errorf("%d items, %d families, %d bytes", len(call), families, bytes)
		}
	}
	told := target.told()
	slices.Sort(told)
	if len(slices.Compact(told)) != 220 {
		t.Error("not every item once")
	}
}

// Stopping waits for the call under way, writes its outcome down, and gives the
// rest back.
func TestStops(t *testing.T) {
	for _, hangs := range []bool{false, true} {
		t.Run(fmt.Sprint("hangs ", hangs), func(t *testing.T) {
			store, feed := newStore(t), newScript()
			target := cache("t:a")
			target.limits.Items = 1
			entered, leave := make(chan struct{}, 10), make(chan struct{})
			target.hook = func(ctx context.Context) {
				entered <- struct{}{}
				select {
				case <-leave:
				case <-ctx.Done():
				}
			}
			if hangs {
				target.fail = target.unavailable
			}
			o := quick()
			o.Grace = 50 * time.Millisecond
			if !hangs {
				o.Grace = time.Hour
			}
			p := pipeline(t, store, o, []Rule{{Targets: "t:a"}}, target)
			stop := run(t, p, feed)
			feed.add(stored("var/a"), stored("var/b"))
			<-entered
			if !hangs {
				time.AfterFunc(20*time.Millisecond, func() { close(leave) })
			}
			stop()
			for d, err := range store.Deliveries(t.Context(), metadata.DeliveryFilter{}) {
				if err != nil || d.Owner != "" || d.Attempts != 0 {
					t.Errorf("%+v, %v", d, err)
				}
			}
			if n := states(t, store, "t:a")[metadata.DeliveryDelivered]; n == 1 == hangs {
				t.Errorf("%d delivered", n)
			}
			if owner, _, err := store.DeliveryFeed(t.Context()); owner != "" || err != nil {
				t.Errorf("the feed is still %q's, %v", owner, err)
			}
		})
	}
}

// A backlog becomes prefixes where most of what begins with them changed.
func TestBacklogBecomesPrefixes(t *testing.T) {
	store := newStore(t)
	target := cache("t:a", cdn.Prefix)
	target.limits.Items = 5
	o := quick()
	o.CoalesceAbove, o.CoalesceAtLeast = 20, 30
	p := pipeline(t, store, o, []Rule{{Targets: "t:a"}}, target)
	var changed, untouched []string
	for i := range 100 {
		changed = append(changed, fmt.Sprintf("var/all/%d/%d", i%3, i), fmt.Sprint("var/some/", i))
		for k := range 3 {
			untouched = append(untouched, fmt.Sprintf("var/some/other/%d-%d", i, k))
		}
	}
	put(t, store, append(changed, untouched...)...)
	if list, err := p.Enqueue(t.Context(), "", cdn.Invalidate, cdn.Path, changed...); len(list) != 200 || err != nil {
		t.Fatal(list, err)
	}
	run(t, p, nil)
	drained(t, store)
	told := target.told()
	prefixes := slices.DeleteFunc(slices.Clone(told), func(s string) bool { return strings.HasPrefix(s, "invalidate path") })
	want(t, prefixes, "invalidate prefix var/all/")
	for _, name := range changed {
		if strings.HasPrefix(name, "var/some/") && !slices.Contains(told, "invalidate path "+name) {
			t.Errorf("%s is lost", name)
		}
	}
}

// A large family of a target that takes paths alone: page by page, and after
// the worker stopped in the middle it goes on there.
func TestExpandsAndResumes(t *testing.T) {
	store := newStore(t)
	var names []string
	for i := range 3*expandPage + 7 {
		names = append(names, fmt.Sprint("var/s/storage/", i))
	}
	put(t, store, names...)
	target := cache("t:a")
	p := pipeline(t, store, quick(), []Rule{{Targets: "t:a"}}, target)
	if list, err := p.Enqueue(t.Context(), "", cdn.Invalidate, cdn.Prefix, "var/s/"); len(list) != 1 || err != nil {
		t.Fatal(list, err)
	}
	leased, err := store.LeaseDeliveries(t.Context(), "t:a", "dead", 1, -time.Second)
	if err != nil || len(leased) != 1 {
		t.Fatal(leased, err)
	}
	half := "7" // as if the worker had died there
	if held, err := store.AdvanceDelivery(t.Context(), "dead", leased[0], half, -time.Second, nil); !held || err != nil {
		t.Fatal(held, err)
	}
	run(t, p, nil)
	expected := slices.DeleteFunc(names, func(name string) bool { return metadata.Hash(name) < half })
	until(t, "the rest is told", func() bool { return len(target.told()) >= len(expected) })
	drained(t, store)
	for i, name := range expected {
		expected[i] = "invalidate path " + name
	}
	want(t, target.told(), expected...)
}

// Caches are warmed by requests for what they forgot, as long as it is there.
func TestWarms(t *testing.T) {
	var asked atomic.Value
	asked.Store("")
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked.Store(r.URL.Path) }))
	defer server.Close()
	store, feed := newStore(t), newScript()
	put(t, store, "var/a b")
	target := cache("t:a")
	p := pipeline(t, store, quick(), []Rule{{Targets: "t:a", Warm: server.URL + "/"}}, target)
	run(t, p, feed)
	feed.add(stored("var/gone"), stored("var/a b"))
	until(t, "the URL is requested", func() bool { return asked.Load() != "" })
	if asked.Load() != "/var/a b" {
		t.Errorf("asked for %q", asked.Load())
	}
}

// A call that takes longer than a lease keeps it: no other host delivers the
// same meanwhile.
func TestLongCallsKeepTheirLease(t *testing.T) {
	store, feed := newStore(t), newScript()
	target := cache("t:a")
	o := quick()
	o.Lease = 2 * time.Second
	target.hook = func(ctx context.Context) { sleep(ctx, 2*o.Lease) }
	rules := []Rule{{Targets: "t:a"}}
	run(t, pipeline(t, store, o, rules, target), feed)
	run(t, pipeline(t, store, o, rules, target), nil)
	feed.add(stored("var/a"))
	until(t, "it is delivered", func() bool { return len(target.told()) > 0 })
	drained(t, store)
	if n := target.callCount(); n != 1 {
		t.Errorf("delivered %d times", n)
	}
}

// A mass expiry seen path by path costs few calls even where the target is
// slow: what has not been sent yet becomes a prefix.
func TestMassExpiry(t *testing.T) {
	const files = 6000
	store := openStore(t, mysqlConfig(t))
	var names []string
	for i := range files {
		names = append(names, fmt.Sprintf("var/s/storage/images/%d/%d.png", i%50, i))
	}
	put(t, store, names...)
	slow := cache("t:slow", cdn.Prefix)
	slow.limits.Items, slow.limits.Rate, slow.limits.Burst = 30, 20, 1
	byPath := cache("t:paths")
	byPath.limits.Items = 500
	p := pipeline(t, store, Options{CoalesceAbove: 1000, Linger: time.Millisecond}, []Rule{{Targets: "t:slow,t:paths"}}, slow, byPath)
	if _, err := p.Enqueue(t.Context(), "", cdn.Invalidate, cdn.Path, names...); err != nil {
		t.Fatal(err)
	}
	run(t, p, nil)
	drained(t, store)
	t.Logf("%d files: %d calls by prefix, %d by path", files, slow.callCount(), byPath.callCount())
	if n := slow.callCount(); n > files/30/2 {
		t.Errorf("%d calls", n)
	}
	if n := byPath.callCount(); n < files/500 || n > 2*files/500 {
		t.Errorf("%d calls by path", n)
	}
}
