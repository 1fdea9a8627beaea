package cluster

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// faultyStore is a store whose copies and renames fail, before they are made or
// after.
type faultyStore struct {
	backends.Backend
	after bool
}

func (f faultyStore) Rename(ctx context.Context, src, dst string) error {
	if f.after {
		if err := backends.Rename(ctx, f.Backend, src, dst); err != nil {
			return err
		}
	}
	return errFaulty
}

var errFaulty = errors.New("the answer was lost")

// TestFailedMoveIntoTrash: where a body is that could not be moved is unsure. Its
// entry stays pending and the row stays; the next purge finds out.
func TestFailedMoveIntoTrash(t *testing.T) {
	eachTrash(t, func(t *testing.T, c *Cluster, _ settings.Settings) {
		for _, prefix := range []string{onNFS, onS3} {
			for name, after := range map[string]bool{"before": false, "after": true} {
				path := prefix + name
				row := c.mustStore(t, path, "body")
				if err := c.expireNow(t, path); err != nil {
					t.Fatal(err)
				}
				store := c.trash.store(c.Backend(path))
				real, err := c.trash.open(t.Context(), c.Backend(path))
				if err != nil {
					t.Fatal(err)
				}
				store.Backend = faultyStore{real, after}
				batch, err := c.PurgeRows(t.Context(), []metadata.Row{row}, time.Time{})
				if err != nil || len(batch.Removed) > 0 || !errors.Is(batch.Failed[path], errFaulty) {
					t.Errorf("%s: purged %+v, %v", path, batch, err)
				}
				if row, err := c.Stat(t.Context(), path); err != nil || !row.Expired {
					t.Errorf("%s: the row is %+v, %v", path, row, err)
				}
				var pending []metadata.Trashed
				for entry, err := range c.meta.Trash(t.Context(), metadata.TrashFilter{Name: path}) {
					if err != nil {
						t.Fatal(err)
					}
					pending = append(pending, entry)
				}
				if len(pending) != 1 || !pending[0].Pending {
					t.Errorf("%s: entries %+v", path, pending)
				}
				listed := c.inTrashOf(t, path)
				if after != (len(listed) == 1) || after && c.trashBody(t, listed[0]) != "body" || !after && c.body(t, path) != "body" {
					t.Errorf("%s: listed %+v, in its place %q", path, listed, c.body(t, path))
				}
				store.Backend = real
				if batch, err := c.PurgeRows(t.Context(), []metadata.Row{row}, time.Time{}); err != nil || len(batch.Removed) != 1 {
					t.Errorf("%s: then purged %+v, %v", path, batch, err)
				}
				assertGone(t, c, path)
				c.assertTrashed(t, path, c.inTrashOf(t, path), "body")
			}
		}
	})
}

// TestMovedBeforeADeadlock: a transaction that runs again after it has moved a body
// does not put what was stored since over that one, nor deletes it.
func TestMovedBeforeADeadlock(t *testing.T) {
	eachTrash(t, func(t *testing.T, c *Cluster, _ settings.Settings) {
		for _, prefix := range []string{onNFS, onS3, onGCS} {
			path := prefix + "a"
			row := c.mustStore(t, path, "body")
			if err := c.expireNow(t, path); err != nil {
				t.Fatal(err)
			}
			trash, err := c.intend(t.Context(), []metadata.Row{row}, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // what is copied is in its place still
				if failed := c.toTrash(t.Context(), []metadata.Row{row}, nil, trash); len(failed) > 0 {
					t.Errorf("%s: %v", path, failed)
				}
			}
			if err := c.stores.Delete(t.Context(), []string{path}); err != nil {
				t.Fatal(err)
			}
			if failed := c.toTrash(t.Context(), []metadata.Row{row}, nil, trash); len(failed) > 0 {
				t.Errorf("%s: again: %v", path, failed)
			}
			c.writeBody(t, path, "anew")
			if failed := c.toTrash(t.Context(), []metadata.Row{row}, nil, trash); !errors.Is(failed[path], backends.ErrChanged) {
				t.Errorf("%s: stored anew: %v", path, failed)
			}
			if err := c.meta.Update(t.Context(), trash.settle); err != nil {
				t.Fatal(err)
			}
			if got := c.body(t, path); got != "anew" {
				t.Errorf("%s: in its place %q", path, got)
			}
			c.assertTrashed(t, path, c.inTrashOf(t, path), "body")
		}
	})
}

// TestRemoveWhatIsNoMore: who removes what he saw in the trash a while ago leaves
// what has got there since, though it has the same place.
func TestRemoveWhatIsNoMore(t *testing.T) {
	eachTrash(t, func(t *testing.T, c *Cluster, _ settings.Settings) {
		path := onNFS + "a"
		c.discarded(t, path, "first")
		seen := c.inTrashOf(t, path)
		if _, err := c.Restore(t.Context(), seen[0]); err != nil {
			t.Fatal(err)
		}
		c.discarded(t, path, "again")
		now := c.inTrashOf(t, path)
		if len(now) != 1 || now[0].Location != seen[0].Location {
			t.Fatalf("%+v, then %+v", seen, now)
		}
		if batch, err := c.RemoveTrash(t.Context(), seen); err != nil || len(batch.Removed)+len(batch.Failed) > 0 {
			t.Errorf("removed %+v, %v", batch, err)
		}
		c.assertTrashed(t, path, c.inTrashOf(t, path), "again")
	})
}

// TestRestoreOverAnExpiredFile: what has expired since, and was not purged, is not
// lost to what is restored in its place.
func TestRestoreOverAnExpiredFile(t *testing.T) {
	eachTrash(t, func(t *testing.T, c *Cluster, _ settings.Settings) {
		for _, prefix := range []string{onNFS, onS3} {
			path := prefix + "a"
			c.discarded(t, path, "first")
			first := c.inTrashOf(t, path)[0]
			c.mustStore(t, path, "second")
			if err := c.expireNow(t, path); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Restore(t.Context(), first); err != nil || c.contents(t, path) != "first" {
				t.Errorf("restored %q, %v", c.contents(t, path), err)
			}
			c.assertTrashed(t, path, c.inTrashOf(t, path), "second")
			if err := c.expireNow(t, path); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Restore(t.Context(), first); !errors.Is(err, fs.ErrNotExist) || c.body(t, path) != "first" {
				t.Errorf("restored what is there no more: %v; in its place %q", err, c.body(t, path))
			}
		}
	})
}

// TestMoveBesideAWriter: what is stored and expired in the place of the source of a
// move before that is purged, is not the move's.
func TestMoveBesideAWriter(t *testing.T) {
	eachTrash(t, func(t *testing.T, c *Cluster, s settings.Settings) {
		other, path := open(t, s), onNFS+"a"
		c.mustStore(t, path, "first")
		c.step = func(at step) {
			if at == stepMoved {
				other.mustStore(t, path, "second")
				if err := other.expireNow(t, path); err != nil {
					t.Error(err)
				}
			}
		}
		if _, err := c.Move(t.Context(), path, onS3+"b"); err != nil || c.contents(t, onS3+"b") != "first" {
			t.Errorf("moved %q, %v", c.contents(t, onS3+"b"), err)
		}
		c.step = func(step) {}
		if n, err := c.Purge(t.Context(), path); n != 1 || err != nil {
			t.Errorf("purged %d, %v", n, err)
		}
		c.assertTrashed(t, path, c.inTrashOf(t, path), "second")
	})
}

// TestHangingTrash: a store that hangs while it is opened keeps nobody from the
// trash of another, and who needs it waits no longer than he wants to.
func TestHangingTrash(t *testing.T) {
	s := trashSettings(t, "sqlite")
	createSchema(t, s)
	c := open(t, s)
	c.discarded(t, onS3+"a", "body")
	delete(c.trash.opened, "s3")
	pipe := filepath.Join(t.TempDir(), "key.json") // nobody writes to it, so reading it hangs
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	bucket := c.trash.settings.GCS["gcs"]
	bucket.CredentialsFile = pipe
	c.trash.settings.GCS["gcs"] = bucket
	hung := make(chan error)
	go func() {
		_, err := c.trash.open(context.WithoutCancel(t.Context()), "gcs")
		hung <- err
	}()
	// Somebody can open the pipe for writing only once it is being read.
	var key *os.File
	for key == nil {
		fd, err := unix.Open(pipe, unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		switch {
		case err == nil:
			key = os.NewFile(uintptr(fd), pipe)
		case !errors.Is(err, unix.ENXIO):
			t.Fatal(err)
		}
	}
	if found := c.inTrashOf(t, onS3+"a"); len(found) != 1 || c.trashBody(t, found[0]) != "body" {
		t.Errorf("in the trash of another store: %+v", found)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.trash.open(ctx, "gcs"); !errors.Is(err, context.Canceled) {
		t.Errorf("who gave up: %v", err)
	}
	key.Close()
	if err := <-hung; err == nil {
		t.Error("opened with an empty key")
	}
}

// TestTrashOpenedLate: what is opened while the cluster is closed is closed, too.
func TestTrashOpenedLate(t *testing.T) {
	c := newCluster(t)
	if err := c.trash.close(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.trash.open(t.Context(), "nfs"); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("opened after the end: %v", err)
	}
	var none *trashes
	if _, err := none.open(t.Context(), "nfs"); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("of a cluster without: %v", err)
	}
}

// TestUnsureTrash: what a store that is down may have is told, and all others are
// listed.
func TestUnsureTrash(t *testing.T) {
	eachTrash(t, func(t *testing.T, c *Cluster, _ settings.Settings) {
		var listed, unsure, want []string
		for _, path := range []string{onNFS + "a", onS3 + "a", onS3 + "b", onGCS + "a"} {
			c.discarded(t, path, "body")
			want = append(want, path)
		}
		lost := metadata.Trashed{Stamp: "2026-11-21", Backend: "nfs:gone", Pending: true}
		err := c.meta.Update(t.Context(), func(tx *metadata.Tx) error {
			for _, lost.Name = range []string{onNFS + "lost", onS3 + "lost"} {
				if err := tx.AddTrash(lost); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for entry, err := range c.Trash(t.Context(), metadata.TrashFilter{}) {
			var u *UnsureError
			switch {
			case errors.As(err, &u) && u.Name == entry.Name && u.Backend == "nfs:gone":
				unsure = append(unsure, entry.Name)
			case err != nil:
				t.Error(err)
			default:
				listed = append(listed, entry.Name)
			}
		}
		slices.Sort(listed)
		slices.Sort(want)
		if !slices.Equal(listed, want) || len(unsure) != 2 {
			t.Errorf("listed %q, unsure of %q", listed, unsure)
		}
	})
}
