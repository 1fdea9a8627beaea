package service

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/ezdfs/cluster"
	"example.com/ezdfs/internal/testservice"
	"example.com/ezdfs/settings"
)

// TestWriterCost prints what the journal costs whoever stores files: rounds of
// stores without its table, with it, and with it while changes are delivered to
// three targets, in turn, so that what else the machine does falls on all of
// them alike. It takes a minute or two: DFS_BENCH=1, with -v.
func TestWriterCost(t *testing.T) {
	testservice.Measurement(t)
	variants := []string{"no journal", "journal", "journal, delivered"}
	for _, workers := range []int{1, 8} {
		writers := make([]*cluster.Cluster, len(variants))
		for i, v := range variants {
			writers[i] = newWriter(t, v)
		}
		const rounds, files = 24, 400
		rates := make([][]float64, len(variants))
		for round := range rounds + 2 {
			for k := range variants {
				i := (k + round) % len(variants)
				if rate := storeFiles(t, writers[i], workers, files); round > 1 { // the first fill caches
					rates[i] = append(rates[i], rate)
				}
			}
		}
		for i, v := range variants {
			t.Logf("%d writers, %-19s median %6.0f stores/s of 10 KB, cost %5.1f %% (median of %d pairs)", workers, v+":", median(rates[i]), cost(rates[0], rates[i]), rounds)
		}
	}
}

// newWriter opens a cluster on MariaDB and a directory.
func newWriter(t *testing.T, variant string) *cluster.Cluster {
	t.Helper()
	s, _ := newSite(t)
	maria.Start(t)
	s.DFS.DBBackend, s.DFS.DBName, s.DFS.DBSocket, s.DFS.DBUser = "MySQL", maria.Database(t), maria.Socket(), "root"
	openStore(t, s)
	if variant == "no journal" {
		db, err := sql.Open("mysql", "root@unix("+s.DFS.DBSocket+")/"+s.DFS.DBName)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := db.Exec("DROP TABLE ezdfs_journal"); err != nil {
			t.Fatal(err)
		}
	}
	c, err := cluster.Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if strings.Contains(variant, "delivered") {
		deliverTo(t, s, c)
	}
	return c
}

// deliverTo delivers the changes of a cluster to three targets until the end of
// the test.
func deliverTo(t *testing.T, s settings.Settings, c *cluster.Cluster) {
	t.Helper()
	addTargets(t, &s)
	s.CDN.Rules = []settings.Rule{{Prefix: "var/", Backend: "varnish:a,webhook:a,akamai:a"}}
	s.Changes.Source = "journal"
	push, err := New(t.Context(), s, Options{Store: c.Metadata()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan struct{})
	go func() { defer close(ended); push.Keep(ctx) }()
	t.Cleanup(func() { cancel(); <-ended; push.Close() })
}

// storeFiles stores files of 10 KB and returns how many a second.
func storeFiles(t *testing.T, c *cluster.Cluster, workers, files int) float64 {
	body := bytes.Repeat([]byte("0123456789"), 1024)
	var all sync.WaitGroup
	began := time.Now()
	for w := range workers {
		all.Go(func() {
			for n := range files / workers {
				if _, err := c.Store(t.Context(), fmt.Sprintf("var/site/storage/images/%d/%d.png", w, n), bytes.NewReader(body), cluster.StoreOptions{Scope: "image"}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	return float64(files) / time.Since(began).Seconds()
}

func median(list []float64) float64 {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[len(sorted)/2]
}

// cost is by how many percent a rate is lower than another: the median over
// pairs of rounds that ran one after the other.
func cost(without, with []float64) float64 {
	var list []float64
	for i := range without {
		list = append(list, 100*(1-with[i]/without[i]))
	}
	return median(list)
}
