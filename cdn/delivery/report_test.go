package delivery

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/cdn"
)

// Who only looks at the database sees how each process fares, and none that
// has ended.
func TestReports(t *testing.T) {
	store, feed := newStore(t), newScript()
	up, down := cache("t:up"), cache("t:down")
	up.limits.ItemRate, up.limits.ItemBurst = 1, 1000
	down.failing(down.unavailable)
	o := quick()
	o.BreakerDelay = time.Hour
	stop := run(t, pipeline(t, store, o, []Rule{{Targets: "t:up,t:down"}}, up, down), feed)
	waiting := run(t, pipeline(t, store, quick(), nil, cache("t:other")), nil)
	change := stored("var/a")
	change.Time = time.Now().Add(-time.Minute)
	feed.add(change)
	var all []Report
	byTarget := func(name string) *TargetReport {
		for _, r := range all {
			for i := range r.Targets {
				if r.Targets[i].Target == name {
					return &r.Targets[i]
				}
			}
		}
		return nil
	}
	until(t, "the breaker of one is reported", func() bool {
		var err error
		if all, err = Reports(t.Context(), store); err != nil {
			t.Fatal(err)
		}
		d := byTarget("t:down")
		return len(all) == 2 && d != nil && d.Breaker == "open"
	})
	u, d := byTarget("t:up"), byTarget("t:down")
	if u.Breaker != "closed" || u.Pause != 0 || u.Error != "" || u.Left["items"] == 0 || u.Left["items"] > 999 {
		t.Errorf("%+v", u)
	}
	if d.Pause < 2000 || !strings.Contains(d.Error, "down") || d.Failed.IsZero() || len(d.Left) != 0 {
		t.Errorf("%+v", d)
	}
	for _, r := range all {
		feeds := len(r.Targets) == 2
		if r.PID == 0 || r.Host == "" || r.Started.IsZero() || r.Silent || r.Feeding != feeds || feeds && (r.Source != "script" || r.Lag < 59 || !r.Change.Equal(change.Time)) {
			t.Errorf("%+v", r)
		}
	}
	stop()
	waiting()
	if all, err := Reports(context.WithoutCancel(t.Context()), store); err != nil || len(all) != 0 {
		t.Errorf("%+v, %v", all, err)
	}
}

// What another version says is left out, and not taken for a silence.
func TestReportsOfOthers(t *testing.T) {
	store := newStore(t)
	for name, text := range map[string]string{"a": "new format", "b": `{"host":"h"}`} {
		if err := store.ReportWorker(t.Context(), name, text); err != nil {
			t.Fatal(err)
		}
	}
	if all, err := Reports(t.Context(), store); err != nil || len(all) != 1 || all[0].Host != "h" {
		t.Errorf("%+v, %v", all, err)
	}
}

// A test invalidates what there is not, where the target forgets single files.
func TestTest(t *testing.T) {
	front, bucket := cache("t:front"), origin("t:bucket")
	for _, target := range []*fake{front, bucket} {
		if text, err := Test(t.Context(), target); err != nil || !strings.HasPrefix(text, "fine") {
			t.Errorf("%s: %q, %v", target.name, text, err)
		}
	}
	want(t, front.told(), "invalidate path var/ezdfs-test/none")
	want(t, bucket.told())
	front.failing(func(cdn.Item) error { return &cdn.Error{Target: "t:front", Kind: cdn.ErrRefused} })
	if _, err := Test(t.Context(), front); !errors.Is(err, cdn.ErrRefused) {
		t.Error(err)
	}
}
