package bulk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/ezdfs/cluster"
	"example.com/ezdfs/metadata"
)

// expire stores files and expires them.
func expire(t *testing.T, c *cluster.Cluster, files int) (paths []string) {
	t.Helper()
	for i := range files {
		path := fmt.Sprintf("var/site/storage/images/%d/%d.png", i%7, i)
		if _, err := c.Store(t.Context(), path, strings.NewReader("old"), cluster.StoreOptions{Scope: "image"}); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	if n, err := c.Expire(t.Context(), paths...); n != int64(files) || err != nil {
		t.Fatal(n, err)
	}
	return paths
}

// TestPurgeBesideWriters: files that are stored anew while batches are under
// way keep their bodies, whoever comes first; two purges at once are no harm.
func TestPurgeBesideWriters(t *testing.T) {
	for _, onMariaDB := range []bool{false, true} {
		c, _ := newCluster(t, onMariaDB)
		paths := expire(t, c, 200)
		var group sync.WaitGroup
		for range 2 {
			group.Go(func() {
				options := PurgeOptions{PurgeOptions: cluster.PurgeOptions{BatchSize: 10}, Limits: Limits{Workers: 4}}
				if err := Purge(t.Context(), c, options); err != nil {
					t.Error(err)
				}
			})
		}
		for i := 0; i < len(paths); i += 2 {
			if _, err := c.Store(t.Context(), paths[i], strings.NewReader("new"), cluster.StoreOptions{Scope: "image"}); err != nil {
				t.Fatal(err)
			}
		}
		group.Wait()
		for i, path := range paths {
			data, err := c.ReadFile(t.Context(), path)
			if i%2 == 0 && (err != nil || string(data) != "new") {
				t.Errorf("%s, stored anew, reads %q, %v", path, data, err)
			}
			if _, err := c.Stores().Stat(t.Context(), path); i%2 == 1 && !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s has a body: %v", path, err)
			}
		}
	}
}

// TestPurgeTakesNegativeTimes: the legacy understands a negative mtime as
// expired, with or without the flag; but -1 is what it stores for 1970.
func TestPurgeTakesNegativeTimes(t *testing.T) {
	for _, onMariaDB := range []bool{false, true} {
		c, s := newCluster(t, onMariaDB)
		rows := []metadata.Row{
			{Name: "var/flagged", MTime: -1_300_000_000, Expired: true},
			{Name: "var/unflagged", MTime: -1_300_000_000},
			{Name: "var/cache/unflagged", MTime: -1_300_000_000},
			{Name: "var/new", MTime: -time.Now().Unix()},
			{Name: "var/1970", MTime: -1},
			{Name: "var/1970-removed", MTime: -1, Expired: true},
			{Name: "var/live", MTime: 1_300_000_000},
		}
		for i, row := range rows {
			rows[i].Trunk, rows[i].Scope, rows[i].DataType = row.Name, "image", "misc"
			writeFiles(t, s.NFS["nfs"].MountPointPath, map[string]string{row.Name: "body"})
		}
		if err := c.Metadata().Update(t.Context(), func(tx *metadata.Tx) error { return tx.Upsert(rows...) }); err != nil {
			t.Fatal(err)
		}
		old := cluster.PurgeOptions{Before: time.Now().Add(-time.Hour)}
		var said int
		dry := PurgeOptions{PurgeOptions: old, Report: func(batch cluster.PurgeBatch) error { said += len(batch.Removed); return nil }}
		dry.DryRun = true
		if err := Purge(t.Context(), c, dry); err != nil || said != 4 {
			t.Errorf("a dry run tells of %d files, %v", said, err)
		}
		progress := new(Progress)
		if err := Purge(t.Context(), c, PurgeOptions{PurgeOptions: old, Progress: progress}); err != nil {
			t.Fatal(err)
		}
		if got := progress.Snapshot().Done; got != 4 {
			t.Errorf("purged %d files, want 4", got)
		}
		for name, there := range map[string]bool{
			"var/flagged": false, "var/unflagged": false, "var/cache/unflagged": false, "var/1970-removed": false,
			"var/new": true, "var/1970": true, "var/live": true,
		} {
			_, body := os.Stat(filepath.Join(s.NFS["nfs"].MountPointPath, name))
			_, row := c.Metadata().Get(t.Context(), name)
			if (body == nil) != there || (row == nil) != there {
				t.Errorf("%s: body %v, row %v, should be there: %v", name, body, row, there)
			}
		}
	}
}

// TestPurgeResumes: what an interrupted purge removed is gone, the rest goes
// with the next one.
func TestPurgeResumes(t *testing.T) {
	c, _ := newCluster(t, false)
	expire(t, c, 50)
	ctx, cancel := context.WithCancel(t.Context())
	first, second := new(Progress), new(Progress)
	err := Purge(ctx, c, PurgeOptions{
		PurgeOptions: cluster.PurgeOptions{BatchSize: 10}, Limits: Limits{Workers: 1}, Progress: first,
		Report: func(cluster.PurgeBatch) error { cancel(); return nil },
	})
	if got := first.Snapshot(); !errors.Is(err, context.Canceled) || got.Done != 10 || got.Failed != 0 {
		t.Errorf("interrupted: %+v, %v", got, err)
	}
	if err := Purge(t.Context(), c, PurgeOptions{Progress: second}); err != nil || second.Snapshot().Done != 40 {
		t.Errorf("then %+v, %v", second.Snapshot(), err)
	}
}

// TestPurgePauses: with a pause batches go one after the other.
func TestPurgePauses(t *testing.T) {
	c, _ := newCluster(t, false)
	expire(t, c, 20)
	batches, start := 0, time.Now()
	err := Purge(t.Context(), c, PurgeOptions{
		PurgeOptions: cluster.PurgeOptions{BatchSize: 10}, Pause: 30 * time.Millisecond, Limits: Limits{Workers: 8},
		Report: func(batch cluster.PurgeBatch) error {
			if batches++; len(batch.Removed) != 10 {
				t.Errorf("a batch of %d", len(batch.Removed))
			}
			return nil
		},
	})
	if err != nil || batches != 2 || time.Since(start) < 60*time.Millisecond {
		t.Errorf("%d batches in %v, %v", batches, time.Since(start), err)
	}
	broken := errors.New("broken")
	expire(t, c, 5)
	if err := Purge(t.Context(), c, PurgeOptions{Report: func(cluster.PurgeBatch) error { return broken }}); !errors.Is(err, broken) {
		t.Errorf("a report that fails: %v", err)
	}
}

// TestPurgeRate: a slow purge removes a few at a time, not many once in a while.
func TestPurgeRate(t *testing.T) {
	c, _ := newCluster(t, false)
	expire(t, c, 25)
	most, done := 0, 0
	err := Purge(t.Context(), c, PurgeOptions{
		PurgeOptions: cluster.PurgeOptions{BatchSize: 1000}, Limits: Limits{Rate: 20.5},
		Report: func(batch cluster.PurgeBatch) error {
			most, done = max(most, len(batch.Removed)), done+len(batch.Removed)
			return nil
		},
	})
	if err != nil || most != 20 || done != 25 {
		t.Errorf("%d at once, %d in all, %v", most, done, err)
	}
}

// TestPurgeCountsFailures: a file that cannot be removed is named, keeps its
// row, and stops nobody.
func TestPurgeCountsFailures(t *testing.T) {
	c, s := newCluster(t, false)
	paths := expire(t, c, 30)
	stuck := filepath.Join(s.NFS["nfs"].MountPointPath, filepath.Dir(paths[3]))
	if err := errors.Join(os.RemoveAll(stuck), os.Symlink(t.TempDir(), stuck)); err != nil {
		t.Fatal(err)
	}
	progress := new(Progress)
	err := Purge(t.Context(), c, PurgeOptions{PurgeOptions: cluster.PurgeOptions{BatchSize: 10}, Progress: progress})
	got := progress.Snapshot()
	if err == nil || got.Failed != 4 || got.Done != 26 || len(progress.Failures()) != 4 || len(progress.Slowest()) == 0 {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := c.Metadata().Get(t.Context(), paths[3]); err != nil {
		t.Errorf("its row: %v", err)
	}
}
