package metadata

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// change is a delivery of a path to a target that becomes pending.
func change(target, path string) Delivery {
	return Delivery{Target: target, Extent: DeliveryPath, Subject: path, Action: "invalidate", Changed: time.UnixMicro(1_000_000)}
}

// enqueue makes deliveries pending in one transaction.
func enqueue(tb testing.TB, s *Store, list ...Delivery) {
	tb.Helper()
	if err := s.Update(tb.Context(), func(tx *Tx) error { return tx.Enqueue(list...) }); err != nil {
		tb.Fatal(err)
	}
}

// lease takes what is due and returns it by subject.
func lease(tb testing.TB, s *Store, target, owner string, n int, d time.Duration) map[string]Delivery {
	tb.Helper()
	list, err := s.LeaseDeliveries(tb.Context(), target, owner, n, d)
	if err != nil {
		tb.Fatal(err)
	}
	leased := make(map[string]Delivery)
	for _, d := range list {
		leased[d.Subject] = d
	}
	return leased
}

// finish gives deliveries one outcome.
func finish(tb testing.TB, s *Store, owner string, o Outcome, list ...Delivery) {
	tb.Helper()
	var outcomes []Outcome
	for _, d := range list {
		o.Delivery = d
		outcomes = append(outcomes, o)
	}
	if err := s.FinishDeliveries(tb.Context(), owner, outcomes); err != nil {
		tb.Fatal(err)
	}
}

// deliveriesOf is all rows by target and subject.
func deliveriesOf(tb testing.TB, s *Store, f DeliveryFilter) map[string]Delivery {
	tb.Helper()
	all := make(map[string]Delivery)
	for d, err := range s.Deliveries(tb.Context(), f) {
		if err != nil {
			tb.Fatal(err)
		}
		all[d.Target+" "+d.Subject] = d
	}
	return all
}

var (
	done   = Outcome{State: DeliveryDelivered}
	failed = Outcome{State: DeliveryFailed, Error: "refused"}
)

func tryAgain(delay time.Duration) Outcome {
	return Outcome{State: DeliveryPending, Delay: delay, Error: "busy"}
}

func TestDeliveryIsDelivered(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		d := change("varnish:a", "var/s/ü 😀.png")
		d.Scope, d.Followers = "image", "cloudfront:b"
		enqueue(t, s, d)
		if got := lease(t, s, "varnish:b", "w", 10, time.Hour); len(got) != 0 {
			t.Errorf("another target's: %v", got)
		}
		got := lease(t, s, "varnish:a", "w1", 10, time.Hour)[d.Subject]
		if got.Scope != "image" || got.Followers != "cloudfront:b" || got.Version != 1 || got.Owner != "w1" ||
			got.State != DeliveryPending || !got.Since.Equal(d.Changed) || !got.Changed.Equal(d.Changed) || got.Due.IsZero() {
			t.Errorf("%+v", got)
		}
		if other := lease(t, s, "varnish:a", "w2", 10, time.Hour); len(other) != 0 {
			t.Errorf("leased twice: %v", other)
		}
		finish(t, s, "w2", done, got) // not its own
		if n := len(deliveriesOf(t, s, DeliveryFilter{State: DeliveryPending})); n != 1 {
			t.Errorf("%d are pending", n)
		}
		finish(t, s, "w1", done, got)
		after := deliveriesOf(t, s, DeliveryFilter{Target: "varnish:a"})["varnish:a "+d.Subject]
		if after.State != DeliveryDelivered || !after.Due.IsZero() || after.Owner != "" || after.Since.Equal(d.Changed) {
			t.Errorf("%+v", after)
		}
		stats, err := s.DeliveryStats(t.Context())
		if err != nil || len(stats) != 1 || stats[0] != (DeliveryStats{Target: "varnish:a", Delivered: 1}) {
			t.Errorf("%+v, %v", stats, err)
		}
	})
}

// Changes of one path join while it waits, and make it pending anew while it is
// under way, whatever becomes of that.
func TestDeliveryChangesMeanwhile(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		for i, outcome := range []Outcome{done, failed, tryAgain(-time.Second), {State: DeliveryPending}} {
			target := fmt.Sprint("t:", i)
			d := change(target, "a")
			enqueue(t, s, d, d)
			d.Action, d.Changed = "push", d.Changed.Add(time.Second)
			enqueue(t, s, d)
			got := lease(t, s, target, "w1", 10, time.Hour)["a"]
			if got.Action != "push" || !got.Changed.Equal(d.Changed) || !got.Since.Equal(d.Changed.Add(-time.Second)) || got.Version != 2 {
				t.Errorf("%+v", got)
			}
			d.Action, d.Changed = "invalidate", d.Changed.Add(time.Second)
			enqueue(t, s, d)
			if other := lease(t, s, target, "w2", 10, time.Hour); len(other) > 0 {
				t.Errorf("%s: taken by two: %+v", target, other)
			}
			finish(t, s, "w1", outcome, got)
			next := lease(t, s, target, "w3", 10, time.Hour)["a"]
			if next.Version != 3 || next.Action != "invalidate" || !next.Changed.Equal(d.Changed) || next.State != DeliveryPending {
				t.Errorf("%s: after the first %+v", target, next)
			}
			finish(t, s, "w3", done, next)
			if list := deliveriesOf(t, s, DeliveryFilter{Target: target, State: DeliveryDelivered}); len(list) != 1 {
				t.Errorf("%s: %+v", target, list)
			}
		}
	})
}

// Another change while one waits extends the wait, but not for ever, and one
// while it is under way waits too.
func TestDeliveryWaitsForTheNewest(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		waits := func(when string, least, most time.Duration) {
			t.Helper()
			if left := time.Until(deliveriesOf(t, s, DeliveryFilter{})["t a"].Due); left < least || left > most {
				t.Errorf("%s: due in %v, want %v to %v", when, left, least, most)
			}
		}
		d := change("t", "a")
		for _, hours := range []time.Duration{1, 3, 2, 0} {
			d.Wait = hours * time.Hour
			enqueue(t, s, d)
		}
		waits("after four changes", 2*time.Hour, 3*time.Hour)
		if _, err := s.pools.write.ExecContext(t.Context(), "UPDATE "+quoted(ledgerTable)+" SET `enqueued` = `enqueued` - ?", (50 * time.Hour).Microseconds()); err != nil {
			t.Fatal(err)
		}
		d.Wait = 4 * time.Hour
		enqueue(t, s, d)
		waits("after more than ten times as long", 2*time.Hour, 3*time.Hour)
		if err := s.DeliverIn(t.Context(), time.Hour, d); err != nil {
			t.Fatal(err)
		}
		waits("put forward", 30*time.Minute, time.Hour)
		if err := s.DeliverIn(t.Context(), 0, d); err != nil {
			t.Fatal(err)
		}
		for _, o := range []Outcome{tryAgain(-time.Second), {State: DeliveryPending}, failed, done} {
			got := lease(t, s, "t", "w"+string(o.State)+o.Error, 1, 9*time.Hour)["a"]
			enqueue(t, s, d)
			waits("under way", 8*time.Hour, 9*time.Hour)
			o.Again = time.Hour
			finish(t, s, got.Owner, o, got)
			waits("changed while under way", 30*time.Minute, time.Hour)
			if err := s.DeliverIn(t.Context(), -time.Second, d); err != nil {
				t.Fatal(err)
			}
		}
		finish(t, s, "w", tryAgain(9*time.Hour), lease(t, s, "t", "w", 1, time.Hour)["a"])
		if n, err := s.HastenDeliveries(t.Context(), "t", 2*time.Hour); n != 1 || err != nil {
			t.Errorf("%d hastened, %v", n, err)
		}
		waits("hastened", time.Hour, 2*time.Hour)
	})
}

// Who is told next stays with what is pending, unless a newer change names
// others.
func TestDeliveryKeepsFollowers(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		for _, step := range []struct{ followers, want string }{{"u", "u"}, {"", "u"}, {"v>w", "v>w"}, {"", "v>w"}} {
			d := change("t", "a")
			d.Followers = step.followers
			enqueue(t, s, d)
			if got := deliveriesOf(t, s, DeliveryFilter{})["t a"].Followers; got != step.want {
				t.Errorf("after %q: %q, want %q", step.followers, got, step.want)
			}
		}
		finish(t, s, "w", done, lease(t, s, "t", "w", 1, time.Hour)["a"])
		enqueue(t, s, change("t", "a"))
		if got := deliveriesOf(t, s, DeliveryFilter{})["t a"].Followers; got != "" {
			t.Errorf("followers of what was delivered come back: %q", got)
		}
	})
}

func TestDeliveryLeaseExpires(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		enqueue(t, s, change("t", "a"), change("t", "b"))
		dead := lease(t, s, "t", "dead", 10, -time.Second)
		if len(dead) != 2 {
			t.Fatalf("%v", dead)
		}
		if n, err := s.RenewDeliveries(t.Context(), "dead", time.Hour, []Delivery{dead["a"]}); n != 1 || err != nil {
			t.Errorf("%d renewed, %v", n, err)
		}
		live := lease(t, s, "t", "live", 10, time.Hour)
		if len(live) != 1 || live["b"].Subject != "b" {
			t.Errorf("%v", live)
		}
		if n, err := s.RenewDeliveries(t.Context(), "dead", time.Hour, []Delivery{dead["a"], dead["b"]}); n != 1 || err != nil {
			t.Errorf("%d renewed, %v", n, err)
		}
	})
}

func TestDeliveryRetriesAndFails(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		enqueue(t, s, change("t", "a"), change("t", "b"))
		got := lease(t, s, "t", "1", 10, time.Hour)
		finish(t, s, "1", tryAgain(time.Hour), got["a"])
		finish(t, s, "1", failed, got["b"])
		if left := lease(t, s, "t", "2", 10, time.Hour); len(left) != 0 {
			t.Errorf("tried again too early: %v", left)
		}
		all := deliveriesOf(t, s, DeliveryFilter{})
		if a, b := all["t a"], all["t b"]; a.Attempts != 1 || a.Error != "busy" || b.Attempts != 1 || b.Error != "refused" ||
			b.State != DeliveryFailed || !b.Due.IsZero() {
			t.Errorf("%+v", all)
		}
		if n, err := s.HastenDeliveries(t.Context(), "t", 0); n != 1 || err != nil {
			t.Errorf("%d hastened, %v", n, err)
		}
		if got := lease(t, s, "t", "3", 10, time.Hour); len(got) != 1 || got["a"].Attempts != 1 {
			t.Errorf("%v", got)
		}
		if n, err := s.RetryDeliveries(t.Context(), "t", change("t", "a"), change("t", "none")); n != 0 || err != nil {
			t.Errorf("%d retried, %v", n, err)
		}
		if n, err := s.RetryDeliveries(t.Context(), "t", change("t", "b")); n != 1 || err != nil {
			t.Errorf("%d retried, %v", n, err)
		}
		got = lease(t, s, "t", "4", 10, time.Hour)
		if len(got) != 1 || got["b"].Attempts != 0 || got["b"].Version != 2 {
			t.Errorf("%v", got)
		}
		finish(t, s, "4", failed, got["b"])
		enqueue(t, s, change("t", "b")) // a change is another chance
		if got := lease(t, s, "t", "5", 10, time.Hour); len(got) != 1 || got["b"].Attempts != 0 || got["b"].Error != "" {
			t.Errorf("%v", got)
		}
		finish(t, s, "5", Outcome{State: DeliveryFailed, Error: strings.Repeat("ü", 5000)}, got["b"])
		if text := deliveriesOf(t, s, DeliveryFilter{})["t b"].Error; len(text) > maxDeliveryError {
			t.Errorf("an error of %d bytes is kept", len(text))
		}
		if n, err := s.RetryDeliveries(t.Context(), "t"); n > 1 || err != nil {
			t.Errorf("%d retried, %v", n, err)
		}
	})
}

func TestDeliveriesAreListedAndPruned(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		const n = 2*defaultPageSize + 7
		var list []Delivery
		for i := range n {
			d := change("t:1", fmt.Sprint("var/", i))
			d.Changed = time.UnixMicro(int64(1 + i%3))
			list = append(list, d)
		}
		enqueue(t, s, append(list, change("t:0", "x"))...)
		var seen []Delivery
		for d, err := range s.Deliveries(t.Context(), DeliveryFilter{}) {
			if err != nil {
				t.Fatal(err)
			}
			seen = append(seen, d)
		}
		if len(seen) != n+1 || seen[0].Target != "t:0" || !slices.IsSortedFunc(seen[1:], func(a, b Delivery) int { return a.Since.Compare(b.Since) }) {
			t.Errorf("%d rows", len(seen))
		}
		stats, err := s.DeliveryStats(t.Context(), "t:1", "none")
		if err != nil || stats[0].Pending != n || !stats[0].Oldest.Equal(time.UnixMicro(1)) || stats[1] != (DeliveryStats{Target: "none"}) {
			t.Errorf("%+v, %v", stats, err)
		}
		for limit, want := range map[int]int{5: 5, n + 10: n} {
			if got, err := s.Backlog(t.Context(), "t:1", limit); got != want || err != nil {
				t.Errorf("a backlog of %d, %v", got, err)
			}
		}
		got, err := s.LeaseDeliveries(t.Context(), "t:1", "w", n-1, time.Hour)
		if err != nil || len(got) != n-1 {
			t.Fatalf("%d leased, %v", len(got), err)
		}
		finish(t, s, "w", done, got...)
		if n, err := s.PruneDeliveries(t.Context(), "t:1", time.Hour); n != 0 || err != nil {
			t.Errorf("%d pruned, %v", n, err)
		}
		if pruned, err := s.PruneDeliveries(t.Context(), "t:1", -time.Minute); pruned != n-1 || err != nil {
			t.Errorf("%d pruned, %v", pruned, err)
		}
		if left := deliveriesOf(t, s, DeliveryFilter{}); len(left) != 2 {
			t.Errorf("%d are left", len(left))
		}
		if n, err := s.DropDeliveries(t.Context(), "t:1", ""); n != 1 || err != nil {
			t.Errorf("%d dropped, %v", n, err)
		}
		if left := deliveriesOf(t, s, DeliveryFilter{}); len(left) != 1 {
			t.Errorf("%d are left", len(left))
		}
	})
}

// A page and how far it goes commit together, and only for who has the lease.
func TestDeliveryOfFamilyAdvances(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		family := Delivery{Target: "t", Extent: "prefix", Subject: "var/", Action: "invalidate", Changed: time.UnixMicro(5)}
		enqueue(t, s, family)
		got := lease(t, s, "t", "w", 1, -time.Second)["var/"]
		if held, err := s.AdvanceDelivery(t.Context(), "w", got, "abc", -time.Second, []Delivery{change("t", "var/a")}); !held || err != nil {
			t.Fatal(held, err)
		}
		if held, err := s.AdvanceDelivery(t.Context(), "other", got, "def", time.Hour, []Delivery{change("t", "var/b")}); held || err != nil {
			t.Fatal(held, err)
		}
		next := lease(t, s, "t", "w2", 10, time.Hour)
		if len(next) != 2 || next["var/"].Progress != "abc" {
			t.Errorf("%v", next)
		}
		enqueue(t, s, family) // begins anew
		if held, err := s.AdvanceDelivery(t.Context(), "w2", got, "ghi", time.Hour, nil); !held || err != nil {
			t.Fatal(held, err)
		}
		finish(t, s, "w2", Outcome{State: DeliveryPending}, next["var/"])
		if anew := lease(t, s, "t", "w3", 10, time.Hour)["var/"]; anew.Version != 2 || anew.Progress != "" {
			t.Errorf("%+v", anew)
		}
	})
}

func TestDeliveriesAreFolded(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		push, followed := change("t", "var/push"), change("t", "var/followed")
		push.Action, followed.Followers = "push", "u"
		enqueue(t, s, change("t", "var/leased"))
		lease(t, s, "t", "w", 1, time.Hour)
		list := []Delivery{change("t", "var/a"), change("t", "var/b"), push, followed}
		enqueue(t, s, list...)
		list = append(list, change("t", "var/leased"), change("t", "var/gone"))
		family := Delivery{Target: "t", Extent: "prefix", Subject: "var/", Action: "invalidate", Changed: time.UnixMicro(5)}
		if n, err := s.FoldDeliveries(t.Context(), family, time.Hour, list); n != 2 || err != nil {
			t.Errorf("%d folded, %v", n, err)
		}
		if n, err := s.FoldDeliveries(t.Context(), family, time.Hour, list); n != 0 || err != nil {
			t.Errorf("%d folded, %v", n, err)
		}
		if due := lease(t, s, "t", "w2", 10, time.Hour); len(due) != 2 || due["var/push"].Action != "push" || due["var/followed"].Followers != "u" {
			t.Errorf("%v", due)
		}
		if err := s.DeliverIn(t.Context(), 0, family); err != nil {
			t.Fatal(err)
		}
		if due := lease(t, s, "t", "w3", 10, time.Hour); len(due) != 1 || due["var/"].Extent != "prefix" {
			t.Errorf("%v", due)
		}
	})
}

func TestDeliveryFeed(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		take := func(owner string, lease time.Duration, want bool, at string) {
			t.Helper()
			if position, taken, err := s.TakeDeliveryFeed(t.Context(), owner, lease); taken != want || position != at || err != nil {
				t.Errorf("%s: %v at %q, %v", owner, taken, position, err)
			}
		}
		advance := func(owner, position string, lease time.Duration) error {
			return s.Update(t.Context(), func(tx *Tx) error {
				if err := tx.Enqueue(change("t", position)); err != nil {
					return err
				}
				return tx.AdvanceDeliveryFeed(owner, position, lease)
			})
		}
		take("a", time.Hour, true, "")
		take("b", time.Hour, false, "")
		if err := advance("a", "journal:1", time.Hour); err != nil {
			t.Error(err)
		}
		take("a", -time.Second, true, "journal:1")
		take("b", time.Hour, true, "journal:1")
		if err := advance("a", "journal:2", time.Hour); !errors.Is(err, ErrFeedLost) {
			t.Errorf("the one before may go on: %v", err)
		}
		if all := deliveriesOf(t, s, DeliveryFilter{}); len(all) != 1 {
			t.Errorf("%v", all)
		}
		if owner, position, err := s.DeliveryFeed(t.Context()); owner != "b" || position != "journal:1" || err != nil {
			t.Errorf("%q at %q, %v", owner, position, err)
		}
		for _, owner := range []string{"a", "b"} {
			if err := s.LeaveDeliveryFeed(t.Context(), owner); err != nil {
				t.Error(err)
			}
		}
		if owner, _, err := s.DeliveryFeed(t.Context()); owner != "" || err != nil {
			t.Errorf("%q, %v", owner, err)
		}
		take("c", time.Hour, true, "journal:1")
	})
}

func TestNoLedger(t *testing.T) {
	onBothEngines(t, func(t *testing.T, old *Store) {
		if _, err := old.pools.write.ExecContext(t.Context(), "DROP TABLE ezdfs_cdn_delivery"); err != nil {
			t.Fatal(err)
		}
		s := openTest(t, old.config)
		for name, try := range map[string]func() error{
			"enqueue": func() error {
				return s.Update(t.Context(), func(tx *Tx) error { return tx.Enqueue(change("t", "a")) })
			},
			"lease":  func() error { _, err := s.LeaseDeliveries(t.Context(), "t", "w", 1, time.Hour); return err },
			"report": func() error { return s.ReportWorker(t.Context(), "w", "") },
			"stats":  func() error { _, err := s.DeliveryStats(t.Context()); return err },
			"list": func() error {
				for _, err := range s.Deliveries(t.Context(), DeliveryFilter{Target: "t"}) {
					return err
				}
				return nil
			},
			"prune": func() error { _, err := s.PruneDeliveries(t.Context(), "t", 0); return err },
			"feed":  func() error { _, _, err := s.TakeDeliveryFeed(t.Context(), "w", time.Hour); return err },
		} {
			if err := try(); !errors.Is(err, ErrSchema) || !strings.Contains(err.Error(), "dfsctl schema create") {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := old.CreateSchema(t.Context()); err != nil {
			t.Fatal(err)
		}
		enqueue(t, s, change("t", "a")) // noticed
	})
}

func TestCountUpToAndWildcard(t *testing.T) {
	onBothEngines(t, func(t *testing.T, s *Store) {
		put(t, s, Row{Name: "var/s/storage/a1.png"}, Row{Name: "var/s/storage/a2.gif"}, Row{Name: "var/s/cache/a1.png"}, Row{Name: "var/t/a1.png"})
		for limit, want := range map[int64]int64{1: 1, 3: 3, 10: 3} {
			if n, err := s.CountUpTo(t.Context(), "var/s/", limit); n != want || err != nil {
				t.Errorf("up to %d: %d, %v", limit, n, err)
			}
		}
		var names []string
		for row, err := range s.Wildcard(t.Context(), "var/s/*/a?.{png,jpg}", Filter{}) {
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, row.Name)
		}
		slices.Sort(names)
		if fmt.Sprint(names) != "[var/s/cache/a1.png var/s/storage/a1.png]" {
			t.Error(names)
		}
		if prefix, err := WildcardPrefix("var/s/*"); prefix != "var/s/" || err != nil {
			t.Errorf("%q %v", prefix, err)
		}
		for _, err := range s.Wildcard(t.Context(), "var/{a", Filter{}) {
			if err == nil {
				t.Error("a brace without its partner is taken")
			}
		}
	})
}
