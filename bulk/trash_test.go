package bulk

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"example.com/ezdfs/cluster"
	"example.com/ezdfs/metadata"
)

// newTrash returns a cluster with files in the trash.
func newTrash(t *testing.T, onMariaDB bool, files int) (c *cluster.Cluster, paths []string) {
	t.Helper()
	before, s := newCluster(t, onMariaDB)
	paths = expire(t, before, files)
	tree := s.NFS["nfs"]
	tree.Trash = "trash"
	s.NFS["nfs"] = tree
	c, err := cluster.Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := Purge(t.Context(), c, PurgeOptions{}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(paths)
	return c, paths
}

func trashed(t *testing.T, c *cluster.Cluster) (n int) {
	t.Helper()
	for _, err := range c.Metadata().Trash(t.Context(), metadata.TrashFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

// TestRestoreAndEmpty restores and empties several files at a time; what cannot
// be restored or removed is told and keeps nobody else.
func TestRestoreAndEmpty(t *testing.T) {
	for _, onMariaDB := range []bool{false, true} {
		c, paths := newTrash(t, onMariaDB, 150)
		exists := paths[3]
		if _, err := c.Store(t.Context(), exists, strings.NewReader("new"), cluster.StoreOptions{}); err != nil {
			t.Fatal(err)
		}
		progress := new(Progress)
		var restored []string
		err := Restore(t.Context(), c, c.Trash(t.Context(), metadata.TrashFilter{Name: "var/site"}), TrashOptions{Limits: Limits{Workers: 8}, Progress: progress},
			func(row metadata.Row) error { restored = append(restored, row.Name); return nil })
		slices.Sort(restored)
		var failed *FailedError
		if !errors.As(err, &failed) || failed.Failed != 1 || !slices.Equal(restored, slices.Delete(slices.Clone(paths), 3, 4)) {
			t.Errorf("restored %d, %v", len(restored), err)
		}
		if f := progress.Failures(); len(f) != 1 || f[0].Path != exists || !errors.Is(f[0].Err, fs.ErrExist) {
			t.Errorf("failed: %+v", f)
		}
		if s := progress.Snapshot(); s.Done != 149 || s.Bytes != 3*149 || len(progress.Slowest()) == 0 {
			t.Errorf("%+v", s)
		}
		for _, path := range paths {
			want := "old"
			if path == exists {
				want = "new"
			}
			if got, err := c.ReadFile(t.Context(), path); err != nil || string(got) != want {
				t.Errorf("%s reads %q, %v", path, got, err)
			}
		}
		if n := trashed(t, c); n != 1 {
			t.Errorf("%d are in the trash", n)
		}

		// Into the trash again, and out of it for good.
		if _, err := c.Expire(t.Context(), paths...); err != nil {
			t.Fatal(err)
		}
		if err := Purge(t.Context(), c, PurgeOptions{}); err != nil {
			t.Fatal(err)
		}
		stuck := stick(t, c)
		progress = new(Progress)
		removed := 0
		err = EmptyTrash(t.Context(), c, c.Metadata().Trash(t.Context(), metadata.TrashFilter{}), TrashOptions{Limits: Limits{Rate: 50_000}, Progress: progress},
			func(batch []metadata.Trashed) error { removed += len(batch); return nil })
		if s := progress.Snapshot(); !errors.As(err, &failed) || failed.Failed != 1 || removed != 151 || s.Done != 151 || s.Bytes != 3*151 {
			t.Errorf("removed %d, %+v, %v", removed, s, err)
		}
		if f := progress.Failures(); len(f) != 1 || f[0].Path != stuck.Name {
			t.Errorf("failed: %+v", f)
		}
		if n := trashed(t, c); n != 1 {
			t.Errorf("%d are left", n)
		}
	}
}

// stick records a file in the trash that cannot be removed: nobody knows its
// backend.
func stick(t *testing.T, c *cluster.Cluster) metadata.Trashed {
	t.Helper()
	stuck := metadata.Trashed{Name: "var/stuck", Stamp: "2026-11-21", Backend: "nfs:unknown", Location: "trash/2026-11-21/var/stuck"}
	if err := c.Metadata().Update(t.Context(), func(tx *metadata.Tx) error { return tx.AddTrash(stuck) }); err != nil {
		t.Fatal(err)
	}
	return stuck
}

// TestRestoreStops: at an interruption, or what the report returns, what was
// restored stays so and the rest is in the trash.
func TestRestoreStops(t *testing.T) {
	c, paths := newTrash(t, false, 40)
	ctx, cancel := context.WithCancel(t.Context())
	full := errors.New("disk full")
	for _, stop := range []struct {
		report func() error
		want   error
	}{
		{func() error { cancel(); return nil }, context.Canceled},
		{func() error { return full }, full},
	} {
		progress := new(Progress)
		err := Restore(ctx, c, c.Trash(ctx, metadata.TrashFilter{}), TrashOptions{Limits: Limits{Workers: 2}, Progress: progress},
			func(metadata.Row) error { return stop.report() })
		if !errors.Is(err, stop.want) || progress.Snapshot().Failed > 0 {
			t.Errorf("%v, %+v", err, progress.Failures())
		}
		ctx = t.Context()
	}
	left := trashed(t, c)
	if left == 0 || left == len(paths) {
		t.Errorf("%d of %d are in the trash", left, len(paths))
	}
	report := func(metadata.Row) error { return nil }
	if err := Restore(t.Context(), c, c.Trash(t.Context(), metadata.TrashFilter{}), TrashOptions{}, report); err != nil {
		t.Error(err)
	}
	for _, path := range paths {
		if got, err := c.ReadFile(t.Context(), path); err != nil || string(got) != "old" {
			t.Errorf("%s reads %q, %v", path, got, err)
		}
	}
	if n := trashed(t, c); n != 0 {
		t.Errorf("%d are in the trash", n)
	}
}

// TestRestoreTheOthers: what a store that is not there may have counts as failed,
// and all others are restored.
func TestRestoreTheOthers(t *testing.T) {
	c, paths := newTrash(t, false, 5)
	lost := metadata.Trashed{Name: "var/lost", Stamp: "2026-11-21", Backend: "nfs:unknown", Pending: true}
	if err := c.Metadata().Update(t.Context(), func(tx *metadata.Tx) error { return tx.AddTrash(lost) }); err != nil {
		t.Fatal(err)
	}
	progress, restored := new(Progress), 0
	err := Restore(t.Context(), c, c.Trash(t.Context(), metadata.TrashFilter{}), TrashOptions{Progress: progress},
		func(metadata.Row) error { restored++; return nil })
	var failed *FailedError
	if !errors.As(err, &failed) || failed.Failed != 1 || restored != len(paths) {
		t.Errorf("restored %d, %v", restored, err)
	}
	if f := progress.Failures(); len(f) != 1 || f[0].Path != lost.Name {
		t.Errorf("failed: %+v", f)
	}
}
