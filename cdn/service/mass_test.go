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

// TestMassExpiry expires all files of a prefix at once, as dfsctl expire
// --prefix does. With DFS_TEST_LONG=1 there are 100,000, and they expire once
// more as PHP's statement has it in the binary log: every file by itself. Run
// it with -v: it prints what each target was asked.
func TestMassExpiry(t *testing.T) {
	files, long := 600, os.Getenv("DFS_TEST_LONG") != ""
	if long {
		files = 100_000
	}
	s, store := massSite(t, files)
	var names []string
	for n := range files {
		names = append(names, massName(n))
	}
	for chunk := range slices.Chunk(names, 1000) {
		put(t, s, store, true, chunk...)
	}
	printAsked(t, files, "as a prefix", massExpiry(t, s, store, cdn.Prefix, massPrefix), 2)
	if long {
		printAsked(t, files, "file by file", massExpiry(t, s, store, cdn.Path, names...), files/100)
	}
}

// printAsked prints what each target was asked, and fails where one that has
// names for prefixes was asked more often than that.
func printAsked(t *testing.T, files int, how string, all map[string]asked, most int) {
	t.Helper()
	t.Logf("%d files expired, %s", files, how)
	t.Logf("%-15s %12s %9s %9s", "", "API calls", "batches", "seconds")
	for _, name := range slices.Sorted(maps.Keys(all)) {
		a := all[name]
		t.Logf("%-15s %12s %9d %9.1f", name, a.apiCalls(), a.batches, a.took.Seconds())
		if name == "replicate:a" { // has none: 1,000 files a batch
			if most := files/1000*4 + 50; a.batches > most {
				t.Errorf("%s: %d batches, more than %d", name, a.batches, most)
			}
		} else if a.calls > most { // Varnish is told once more, when no gateway can remember
			t.Errorf("%s: %d calls, more than %d", name, a.calls, most)
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
		if _, err := store.DropDeliveries(t.Context(), name, ""); err != nil {
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
