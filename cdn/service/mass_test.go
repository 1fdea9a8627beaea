package service

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"example.com/ezdfs/cdn"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

const massPrefix = "var/site/storage/images/"

// TestMassExpiry expires all files of a prefix, 2,000, or 100,000 with
// DFS_TEST_LONG=1, and prints what each target was asked: where the change
// names the prefix, as dfsctl expire --prefix does, and where it names every
// file, as the binary log does after a statement of PHP's. Run it with -v.
func TestMassExpiry(t *testing.T) {
	files, coalesce := 2_000, 300
	if os.Getenv("DFS_TEST_LONG") != "" {
		files, coalesce = 100_000, 5_000
	}
	s, store := massSite(t, files)
	var names []string
	for n := range files {
		names = append(names, massName(n))
	}
	for chunk := 0; chunk < files; chunk += 1000 {
		put(t, s, store, true, names[chunk:min(chunk+1000, files)]...)
	}
	s.CDN.CoalesceAbove = coalesce
	prefix := massExpiry(t, s, store, cdn.Prefix, massPrefix)
	each := massExpiry(t, s, store, cdn.Path, names...)
	t.Logf("%d files expired     as a prefix                        file by file", files)
	t.Logf("%-15s %12s %9s %9s   %12s %9s %9s", "", "API calls", "batches", "seconds", "API calls", "batches", "seconds")
	for _, name := range slices.Sorted(maps.Keys(prefix)) {
		p, e := prefix[name], each[name]
		t.Logf("%-15s %12s %9d %9.1f   %12s %9d %9.1f", name, p.apiCalls(), p.batches, p.took.Seconds(), e.apiCalls(), e.batches, e.took.Seconds())
		switch {
		case name == "replicate:a": // has no name for a family
			if most := files/1000*4 + 50; p.batches > most || e.batches > most {
				t.Errorf("%s: %d and %d batches, more than %d", name, p.batches, e.batches, most)
			}
		case p.calls != 1:
			t.Errorf("%s: %d calls for one prefix", name, p.calls)
		case e.calls > files/5: // Varnish is asked for each file of the first batch
			t.Errorf("%s: %d calls for %d files", name, e.calls, files)
		}
	}
}

// massName is the name of the n-th file.
func massName(n int) string { return fmt.Sprintf("%s%02x/%d/image.png", massPrefix, n%256, n) }

// massSite is a site with all targets in the rules, on SQLite if it is small.
func massSite(t *testing.T, files int) (settings.Settings, *metadata.Store) {
	t.Helper()
	s, store := newSite(t)
	if files > 10_000 {
		s.DFS.DBBackend, s.DFS.DBName, s.DFS.DBSocket, s.DFS.DBUser = "MySQL", maria.Database(t), maria.Socket(), "root"
		store = openStore(t, s)
	}
	s.CDN.Retention = time.Hour
	s.CDN.MaxAttempts = 500
	return s, store
}

// asked is what a target was asked.
type asked struct {
	calls, batches int
	took           time.Duration // until it was told of everything
}

func (a asked) apiCalls() string {
	if a.calls < 0 {
		return "-"
	}
	return fmt.Sprint(a.calls)
}

// massExpiry tells all targets of subjects and waits until they know.
func massExpiry(t *testing.T, s settings.Settings, store *metadata.Store, extent cdn.Extent, subjects ...string) map[string]asked {
	t.Helper()
	apis := addTargets(t, &s)
	names := s.TargetNames()
	s.CDN.Rules = []settings.Rule{{Prefix: "var/", Backend: strings.Join(names, ",")}}
	registry := prometheus.NewRegistry()
	push, err := New(t.Context(), s, Options{Store: store, Registerer: registry})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := push.Enqueue(t.Context(), "", cdn.Invalidate, extent, subjects...); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	began := time.Now()
	go func() { ended <- push.Pipeline.Run(ctx, nil) }()
	result := make(map[string]asked)
	for end := time.Now().Add(time.Hour); len(result) < len(names); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("only %v know", result)
		}
		for _, name := range names {
			if n, err := store.Backlog(ctx, name, 1); err == nil && n == 0 && result[name].took == 0 {
				result[name] = asked{took: time.Since(began)}
			}
		}
	}
	cancel()
	if err := errors.Join(<-ended, push.Close()); err != nil {
		t.Error(err)
	}
	for _, name := range names {
		a := asked{-1, batches(t, registry, name), result[name].took}
		if apis[name] != nil {
			a.calls = apis[name].Calls()
		}
		result[name] = a
		failed, err := store.DeliveryStats(t.Context(), name)
		if err != nil || failed[0].Failed > 0 {
			t.Errorf("%s: %+v, %v", name, failed, err)
		}
		if _, err := store.DropDeliveries(t.Context(), name); err != nil {
			t.Error(err)
		}
	}
	return result
}

// batches is how often a target was handed a batch.
func batches(t *testing.T, registry *prometheus.Registry, target string) int {
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.Metric {
			if f.GetName() == "ezdfs_cdn_call_duration_seconds" && m.Label[0].GetValue() == target {
				return int(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return 0
}
