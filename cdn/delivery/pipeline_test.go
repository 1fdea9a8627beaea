package delivery

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"example.com/ezdfs/cdn"
	"example.com/ezdfs/changes"
	"example.com/ezdfs/metadata"
)

// Every kind of change to a target that takes families, one that takes paths
// alone, and one that takes bodies.
func TestDelivers(t *testing.T) {
	const images, other = "var/s/storage/images/", "var/s/storage/other/"
	for _, c := range []struct {
		name   string
		change changes.Change
		front  []string // takes all families
		paths  []string // takes none
		bodies []string // takes bodies, of images alone
	}{
		{"store", stored(images + "a"), []string{"invalidate path " + images + "a"}, []string{"invalidate path " + images + "a"}, []string{"push path " + images + "a"}},
		{"store elsewhere", stored(other + "a"), []string{"invalidate path " + other + "a"}, nil, nil},
		{"store of what is gone again", stored(images + "gone"), []string{"invalidate path " + images + "gone"}, []string{"invalidate path " + images + "gone"}, []string{"invalidate path " + images + "gone"}},
		{"expire", kind(metadata.KindExpire, images+"a"), []string{"invalidate path " + images + "a"}, []string{"invalidate path " + images + "a"}, []string{"invalidate path " + images + "a"}},
		{"lock of a generation", stored(images + "a.generating"), nil, nil, nil},
		{"no rule", stored("design/a"), nil, nil, nil},
		{"prefix inside a rule", kind(metadata.KindExpirePrefix, images+"b"), []string{"invalidate prefix " + images + "b"},
			[]string{"invalidate path " + images + "b1", "invalidate path " + images + "b2"}, []string{"push path " + images + "b1", "push path " + images + "b2"}},
		{"prefix of two rules", kind(metadata.KindExpirePrefix, "var/s/storage/"), []string{"invalidate prefix var/s/storage/"},
			[]string{"invalidate path " + images + "a", "invalidate path " + images + "b1", "invalidate path " + images + "b2"},
			[]string{"push path " + images + "a", "push path " + images + "b1", "push path " + images + "b2"}},
		{"trunk", kind(metadata.KindExpireTrunk, images+"a"), []string{"invalidate trunk " + images + "a"}, []string{"invalidate path " + images + "a"}, []string{"push path " + images + "a"}},
		{"scope", kind(metadata.KindExpireScope, "image"), []string{"invalidate scope image"},
			[]string{"invalidate path " + images + "a", "invalidate path " + images + "b1", "invalidate path " + images + "b2"},
			[]string{"push path " + images + "a", "push path " + images + "b1", "push path " + images + "b2"}},
		{"wildcard", kind(metadata.KindExpireWildcard, "var/*/{a,b1}"),
			[]string{"invalidate path " + images + "a", "invalidate path " + images + "b1", "invalidate path " + other + "a"},
			[]string{"invalidate path " + images + "a", "invalidate path " + images + "b1"}, []string{"push path " + images + "a", "push path " + images + "b1"}},
		{"truncate", kind(metadata.KindTruncate, "ezdfsfile_cache"), []string{"invalidate all "},
			[]string{"invalidate path " + images + "a", "invalidate path " + images + "b1", "invalidate path " + images + "b2"},
			[]string{"push path " + images + "a", "push path " + images + "b1", "push path " + images + "b2"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			store, feed := newStore(t), newScript()
			put(t, store, images+"a", images+"b1", images+"b2", other+"a", images+"b3.generating")
			front, paths, bodies := cache("t:front", cdn.Prefix, cdn.Trunk, cdn.Scope, cdn.All), cache("t:paths"), origin("t:bodies")
			p := pipeline(t, store, quick(), []Rule{
				{Prefix: images, Targets: "t:front, t:paths,t:bodies"}, {Prefix: "var/s/storage/", Targets: "t:front"},
			}, front, paths, bodies)
			run(t, p, feed)
			feed.add(c.change, stored("var/s/storage/z"))
			until(t, "the change behind it is delivered", func() bool { return slices.Contains(front.told(), "invalidate path var/s/storage/z") })
			drained(t, store)
			last := "invalidate path var/s/storage/z"
			want(t, front.told(), append(slices.Clone(c.front), last)...)
			want(t, paths.told(), c.paths...)
			want(t, bodies.told(), c.bodies...)
		})
	}
}

// A bucket is fed before the CDN in front of it forgets, also where the bucket
// is down for a while, and where it is told path by path.
func TestFollowersWait(t *testing.T) {
	store, feed := newStore(t), newScript()
	put(t, store, "var/a", "var/b")
	bucket, cloud, mirror := origin("t:bucket"), cache("t:cloud", cdn.Prefix), cache("t:mirror", cdn.Prefix)
	bucket.fail = bucket.unavailable
	p := pipeline(t, store, quick(), []Rule{{Targets: "t:bucket>t:cloud>t:mirror,t:front"}}, bucket, cloud, mirror, cache("t:front", cdn.Prefix))
	run(t, p, feed)
	feed.add(stored("var/a"))
	until(t, "the bucket is tried", func() bool { return bucket.callCount() > 2 })
	if got := append(cloud.told(), mirror.told()...); len(got) > 0 {
		t.Errorf("told before the bucket: %q", got)
	}
	cloud.mu.Lock()
	cloud.hook = func(context.Context) {
		if len(bucket.told()) == 0 {
			t.Error("the cdn is told before the bucket")
		}
	}
	cloud.mu.Unlock()
	bucket.failing(nil)
	until(t, "the last is told", func() bool { return len(mirror.told()) == 1 })
	want(t, bucket.told(), "push path var/a")
	feed.add(kind(metadata.KindExpirePrefix, "var/"))
	until(t, "the last is told of a family", func() bool { return len(mirror.told()) >= 3 })
	drained(t, store)
	want(t, mirror.told(), "invalidate path var/a", "invalidate path var/a", "invalidate path var/b")
	// One that refuses for good does not keep the others.
	bucket.failing(func(cdn.Item) error { return &cdn.Error{Target: "t:bucket", Kind: cdn.ErrRefused, Reason: "no"} })
	feed.add(stored("var/b"))
	until(t, "the last is told all the same", func() bool { return len(mirror.told()) == 4 })
}

// When changes are lost, everything is invalidated, unless told otherwise, and
// the feed goes on.
func TestLostChanges(t *testing.T) {
	for _, ignore := range []bool{false, true} {
		store, feed := newStore(t), newScript()
		put(t, store, "var/a", "design/b")
		all, paths := cache("t:all", cdn.All), cache("t:paths")
		o := quick()
		o.IgnoreLost = ignore
		rules := []Rule{{Prefix: "var/", Targets: "t:all,t:paths", Kinds: []metadata.Kind{metadata.KindStore}}}
		stop := run(t, pipeline(t, store, o, rules, all, paths), feed)
		feed.add(stored("var/a"))
		until(t, "it is told", func() bool { return len(all.told()) == 1 && len(paths.told()) == 1 })
		stop()
		feed.add(stored("var/missed"))
		feed.lost = true
		stop = run(t, pipeline(t, store, o, rules, all, paths), feed)
		until(t, "the feed goes on behind the loss", func() bool {
			_, position, err := store.DeliveryFeed(t.Context())
			return err == nil && position == "script:2"
		})
		if !ignore {
			until(t, "everything is told", func() bool { return len(all.told()) == 2 && len(paths.told()) == 2 })
			want(t, all.told()[1:], "invalidate all ")
			want(t, paths.told()[1:], "invalidate path var/a")
		}
		feed.add(stored("var/new"))
		until(t, "what follows is told", func() bool { return slices.Contains(all.told(), "invalidate path var/new") })
		if ignore && len(all.told()) != 2 {
			t.Errorf("%q", all.told())
		}
		stop()
	}
}

// Of several hosts one feeds; when it leaves another goes on where it was.
func TestFeedOfManyHosts(t *testing.T) {
	store, feed := newStore(t), newScript()
	target := cache("t:a")
	o := quick()
	o.Lease = 300 * time.Millisecond
	var stops []func()
	for range 3 {
		stops = append(stops, run(t, pipeline(t, store, o, []Rule{{Targets: "t:a"}}, target), feed))
	}
	for i, stop := range stops {
		for k := range 20 {
			feed.add(stored(fmt.Sprintf("var/%d-%d", i, k)))
		}
		// A host that does not get to renew its short leases is helped by another,
		// and some is told twice.
		until(t, "all are told", func() bool {
			told := target.told()
			slices.Sort(told)
			return len(slices.Compact(told)) == 20*(i+1)
		})
		stop()
	}
}

// A path of which only the hash is told is found if anybody was told of it
// before, and counted if not.
func TestHashesAlone(t *testing.T) {
	store, feed := newStore(t), newScript()
	target := cache("t:a")
	p := pipeline(t, store, quick(), []Rule{{Targets: "t:a"}}, target)
	run(t, p, feed)
	feed.add(stored("var/known"))
	until(t, "it is told", func() bool { return len(target.told()) == 1 })
	feed.add(changes.Change{Kind: metadata.KindPurge, Hash: metadata.Hash("var/unknown")},
		changes.Change{Kind: metadata.KindPurge, Hash: metadata.Hash("var/known")})
	until(t, "it is told again", func() bool { return len(target.told()) == 2 })
	want(t, target.told(), "invalidate path var/known", "invalidate path var/known")
}

func TestMetrics(t *testing.T) {
	store, feed := newStore(t), newScript()
	target := cache("t:a")
	target.fail = func(i cdn.Item) error {
		if i.Subject == "var/refused" {
			return &cdn.Error{Target: "t:a", Kind: cdn.ErrRefused}
		}
		return nil
	}
	registry := prometheus.NewRegistry()
	o := quick()
	o.Registerer, o.Logger = registry, slog.New(slog.DiscardHandler)
	p := pipeline(t, store, o, []Rule{{Targets: "t:a"}}, target)
	run(t, p, feed)
	feed.add(stored("var/a"), stored("var/refused"))
	value := func(metric, label string) float64 {
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			for _, m := range f.Metric {
				if f.GetName() == metric && strings.Contains(m.String(), label) {
					return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
				}
			}
		}
		return -1
	}
	until(t, "both are counted", func() bool {
		return value("ezdfs_cdn_deliveries_total", `"delivered"`) == 1 && value("ezdfs_cdn_deliveries_total", `"failed"`) == 1
	})
	for metric, want := range map[string]float64{
		"ezdfs_cdn_lag_seconds": 1, "ezdfs_cdn_changes_total": 2, "ezdfs_cdn_feeding": 1, "ezdfs_cdn_target_down": 0,
	} {
		if got := value(metric, ""); got != want {
			t.Errorf("%s is %v, not %v", metric, got, want)
		}
	}
}

func TestNewMistakes(t *testing.T) {
	store := newStore(t)
	rules, err := NewRules([]Rule{{Prefix: "var/", Targets: "t:a>t:b"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(store, []cdn.Target{cache("t:a")}, rules, Options{}); err == nil || !strings.Contains(err.Error(), "t:b") {
		t.Errorf("a target that is not there: %v", err)
	}
	if _, err := New(store, []cdn.Target{cache("t:a"), cache("t:b"), cache("t:a")}, rules, Options{}); err == nil {
		t.Error("two of one name")
	}
	p := pipeline(t, store, Options{}, nil, cache("t:a"))
	if _, err := p.Enqueue(t.Context(), "t:c", cdn.Push, cdn.Path, "x"); err == nil || !strings.Contains(err.Error(), "t:c") {
		t.Errorf("a target that is not there: %v", err)
	}
	bare, err := metadata.Open(t.Context(), metadata.Config{Engine: metadata.SQLite, Name: t.TempDir() + "/x.db", Create: true, Layout: testLayout})
	if err != nil {
		t.Fatal(err)
	}
	defer bare.Close()
	if err := pipeline(t, bare, Options{}, nil, cache("t:a")).Run(t.Context(), newScript()); err == nil || !strings.Contains(err.Error(), "dfsctl schema create") {
		t.Errorf("without tables: %v", err)
	}
}
