package delivery

import (
	"context"
	"testing"
	"time"

	"example.com/ezdfs/cdn"
	"example.com/ezdfs/metadata"
)

// While a gateway may serve what was there before, a cache whose calls cost
// something is not told; another is told at once, and again, and is warmed only
// then; who holds bodies asks no gateway.
func TestSettle(t *testing.T) {
	store, feed := newStore(t), newScript()
	cheap, charged, holds := cache("t:cheap", cdn.Prefix), cache("t:charged", cdn.Prefix), origin("t:origin")
	cheap.limits.Cheap = true
	o := quick()
	o.Settle = time.Hour
	p := pipeline(t, store, o, []Rule{{Targets: "t:cheap,t:charged,t:origin>t:behind"}}, cheap, charged, holds, cache("t:behind"))
	stop := run(t, p, feed)
	put(t, store, "var/a")
	feed.add(stored("var/a"), kind(metadata.KindExpirePrefix, "var/b/"))
	until(t, "all are told that need not wait", func() bool {
		return len(cheap.told()) == 2 && len(holds.told()) == 1 && states(t, store, "t:behind")[metadata.DeliveryDelivered] == 1
	})
	for d, err := range store.Deliveries(t.Context(), metadata.DeliveryFilter{Target: "t:charged"}) {
		if err != nil || d.State != metadata.DeliveryPending || d.Attempts > 0 || time.Until(d.Due) < 30*time.Minute {
			t.Errorf("%+v, %v", d, err)
		}
	}
	if _, err := p.Enqueue(t.Context(), "t:charged", cdn.Invalidate, cdn.Path, "var/by-hand"); err != nil {
		t.Fatal(err)
	}
	until(t, "what is asked for by hand does not wait", func() bool { return len(charged.told()) == 1 })
	want(t, charged.told(), "invalidate path var/by-hand")
	stop()
	want(t, cheap.told(), "invalidate path var/a", "invalidate prefix var/b/", "invalidate path var/a", "invalidate prefix var/b/")
	want(t, holds.told(), "push path var/a")
}

// When the moment is over, everything is said.
func TestSettled(t *testing.T) {
	store, feed := newStore(t), newScript()
	cheap, charged := cache("t:cheap"), cache("t:charged")
	cheap.limits.Cheap = true
	o := quick()
	o.Settle = 50 * time.Millisecond
	run(t, pipeline(t, store, o, []Rule{{Targets: "t:cheap,t:charged"}}, cheap, charged), feed)
	feed.add(stored("var/a"))
	until(t, "all is said", func() bool { return len(cheap.told()) == 2 && len(charged.told()) == 1 })
	drained(t, store)
}

// What a cheap target refused is not said again.
func TestSettleRefused(t *testing.T) {
	store, feed := newStore(t), newScript()
	cheap := cache("t:cheap")
	cheap.limits.Cheap = true
	cheap.failing(func(i cdn.Item) error {
		if i.Subject == "var/bad" {
			return &cdn.Error{Target: "t:cheap", Kind: cdn.ErrRefused}
		}
		return nil
	})
	o := quick()
	o.Settle = time.Hour
	stop := run(t, pipeline(t, store, o, []Rule{{Targets: "t:cheap"}}, cheap), feed)
	feed.add(stored("var/bad"), stored("var/good"))
	until(t, "both are judged", func() bool {
		s := states(t, store, "t:cheap")
		return s[metadata.DeliveryFailed] == 1 && s[metadata.DeliveryDelivered] == 1
	})
	stop()
	want(t, cheap.told(), "invalidate path var/good", "invalidate path var/good")
	if last := cheap.calls[len(cheap.calls)-1]; len(last) != 1 {
		t.Errorf("again: %v", last)
	}
}

// Where a cache is told again, the one behind it waits until after that: it
// would get from there what that had before.
func TestSettleBehind(t *testing.T) {
	store, feed := newStore(t), newScript()
	front, behind := cache("t:front"), cache("t:behind")
	front.limits.Cheap = true
	o := quick()
	o.Settle = time.Hour
	run(t, pipeline(t, store, o, []Rule{{Targets: "t:front>t:behind"}}, front, behind), feed)
	feed.add(stored("var/a"))
	until(t, "the second is to be told", func() bool { return states(t, store, "t:behind")[metadata.DeliveryPending] == 1 })
	for d, err := range store.Deliveries(t.Context(), metadata.DeliveryFilter{Target: "t:behind"}) {
		if err != nil || time.Until(d.Due) < 90*time.Minute {
			t.Errorf("due in %v, %v", time.Until(d.Due), err)
		}
	}
}

// A change while a target is being told waits like any other.
func TestSettleChangeDuringCall(t *testing.T) {
	store := newStore(t)
	charged := cache("t:charged")
	o := quick()
	o.Settle = time.Hour
	p := pipeline(t, store, o, []Rule{{Targets: "t:charged"}}, charged)
	charged.hook = func(context.Context) {
		again := p.deliveries(stored("var/a"))
		p.hold(again)
		if err := store.Update(t.Context(), func(tx *metadata.Tx) error { return tx.Enqueue(again...) }); err != nil {
			t.Error(err)
		}
	}
	run(t, p, nil)
	if _, err := p.Enqueue(t.Context(), "", cdn.Invalidate, cdn.Path, "var/a"); err != nil {
		t.Fatal(err)
	}
	until(t, "it waits anew", func() bool {
		for d := range store.Deliveries(t.Context(), metadata.DeliveryFilter{Target: "t:charged"}) {
			return d.Owner == "" && d.Version == 2
		}
		return false
	})
	for d, err := range store.Deliveries(t.Context(), metadata.DeliveryFilter{Target: "t:charged"}) {
		if err != nil || d.State != metadata.DeliveryPending || time.Until(d.Due) < 30*time.Minute {
			t.Errorf("%+v, %v", d, err)
		}
	}
	if n := charged.callCount(); n != 1 {
		t.Errorf("%d calls", n)
	}
}

// What changes all the time is told although the newest change has not waited,
// and then once more.
func TestSettleToldOnceMore(t *testing.T) {
	cheap, charged := cache("t:cheap"), cache("t:charged")
	cheap.limits.Cheap = true
	o := quick()
	o.Settle = time.Minute
	p := pipeline(t, newStore(t), o, []Rule{{Targets: "t:cheap,t:charged"}}, cheap, charged)
	now := time.Now()
	for _, c := range []struct {
		target           string
		state            metadata.DeliveryState
		enqueued, change time.Duration // ago
		want             int
	}{
		{"t:charged", metadata.DeliveryDelivered, 10 * time.Minute, 10 * time.Second, 1},
		{"t:charged", metadata.DeliveryDelivered, 10 * time.Minute, 2 * time.Minute, 0}, // it has waited
		{"t:charged", metadata.DeliveryDelivered, 2 * time.Minute, 10 * time.Second, 0}, // it was put off
		{"t:charged", metadata.DeliveryPending, 10 * time.Minute, 10 * time.Second, 0},
		{"t:cheap", metadata.DeliveryDelivered, 10 * time.Minute, 10 * time.Second, 0},
	} {
		d := metadata.Delivery{Target: c.target, Extent: metadata.DeliveryPath, Subject: "var/a", Enqueued: now.Add(-c.enqueued), Changed: now.Add(-c.change)}
		next := p.workers[c.target].after([]metadata.Outcome{{Delivery: d, State: c.state}})
		if len(next) != c.want || c.want > 0 && next[0].Wait != o.Settle {
			t.Errorf("%+v: %+v", c, next)
		}
	}
}
