package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/backends/backendtest"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// TestRestoreBesideAWriter: what is stored while the file that was there before is
// being restored stays, whoever is first.
func TestRestoreBesideAWriter(t *testing.T) {
	for engine := range engines {
		t.Run(engine, func(t *testing.T) {
			s := nfsSettings(t, engine)
			tree := s.NFS["nfs"]
			tree.Trash = "trash"
			s.NFS["nfs"] = tree
			createSchema(t, s)
			c, other := open(t, s), open(t, s)
			for i := range 60 {
				path := fmt.Sprint(onNFS, i)
				c.discarded(t, path, "old")
				entry := c.inTrashOf(t, path)[0]
				ready, stored := make(chan struct{}), make(chan error)
				c.step = func(at step) {
					if at == stepStaged {
						close(ready)
					}
				}
				other.step = func(at step) {
					if at == stepStaged {
						<-ready
					}
				}
				go func() {
					_, err := other.Store(context.WithoutCancel(t.Context()), path, strings.NewReader("new"), StoreOptions{})
					stored <- err
				}()
				_, err := c.Restore(t.Context(), entry)
				c.step = func(step) {}
				if err := <-stored; err != nil {
					t.Fatal(err)
				}
				if err != nil && !errors.Is(err, fs.ErrExist) {
					t.Error(err)
				}
				if got := c.contents(t, path); got != "new" {
					t.Fatalf("%s reads %q; restoring it: %v", path, got, err)
				}
			}
		})
	}
}

// TestRestoreOfWhatIsThereNoMore: somebody else restores the file, and another one
// takes its place in the trash.
func TestRestoreOfWhatIsThereNoMore(t *testing.T) {
	eachTrash(t, func(t *testing.T, c *Cluster, s settings.Settings) {
		other, path := open(t, s), onNFS+"a"
		c.discarded(t, path, "first")
		entry := c.inTrashOf(t, path)[0]
		c.step = func(at step) {
			if at != stepStaged {
				return
			}
			if _, err := other.Restore(t.Context(), entry); err != nil {
				t.Error(err)
			}
			other.discarded(t, path, "another")
		}
		if _, err := c.Restore(t.Context(), entry); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("restored: %v", err)
		}
		assertGone(t, c, path)
		if found := c.inTrashOf(t, path); len(found) != 1 || c.trashedWhole(t, path, len("another")) != 1 {
			t.Errorf("in the trash: %+v", found)
		}
	})
}

// silentStore is a store that is down and counts who asks it what it has.
type silentStore struct {
	*backendtest.Memory
	stats atomic.Int32
}

func (m *silentStore) Stat(ctx context.Context, path string) (backends.Info, error) {
	m.stats.Add(1)
	return m.Memory.Stat(ctx, path)
}

// TestSilentTrash: a store that cannot tell what a killed purge has moved keeps its
// own files from being purged or removed and nobody else's, and is asked once.
func TestSilentTrash(t *testing.T) {
	s := trashSettings(t, "sqlite")
	createSchema(t, s)
	c := open(t, s)
	var rows []metadata.Row
	for _, path := range []string{onNFS + "a", onNFS + "b", onS3 + "a"} {
		rows = append(rows, c.mustStore(t, path, "body"))
		if err := c.expireNow(t, path); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.intend(t.Context(), rows[:2], time.Time{}); err != nil {
		t.Fatal(err)
	}
	down := &silentStore{Memory: backendtest.NewMemory("nfs")}
	down.SetDown(true)
	c.trash.store("nfs").Backend = down
	batch, err := c.PurgeRows(t.Context(), rows, time.Time{})
	if err != nil || len(batch.Removed) != 1 || batch.Removed[0].Name != onS3+"a" || len(batch.Failed) != 2 {
		t.Errorf("purged %+v, %v", batch, err)
	}
	if n := down.stats.Load(); n != 1 {
		t.Errorf("it was asked %d times", n)
	}
	for _, row := range rows[:2] {
		if got := c.body(t, row.Name); got != "body" {
			t.Errorf("in its place %q", got)
		}
	}
	down.stats.Store(0)
	for batch, err := range c.EmptyTrash(t.Context(), metadata.TrashFilter{}) {
		if err != nil || len(batch.Removed) != 1 || len(batch.Failed) == 0 {
			t.Errorf("removed %+v, %v", batch, err)
		}
	}
	if n := down.stats.Load(); n != 1 {
		t.Errorf("it was asked %d times what can be removed", n)
	}
	c.trash.store("nfs").Backend = nil
	if batch, err := c.PurgeRows(t.Context(), rows, time.Time{}); err != nil || len(batch.Removed) != 2 || c.trashedWhole(t, onNFS+"a", 4) != 1 {
		t.Errorf("then purged %+v, %v", batch, err)
	}
}
