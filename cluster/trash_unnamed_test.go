package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// elsewhere is a store that no rule names for a path.
func (c *Cluster) elsewhere(path string) backends.Backend {
	if strings.HasPrefix(path, onNFS) {
		return c.stores.Route(onS3).Backend
	}
	return c.stores.Route(onNFS).Backend
}

func deleteOrphan(ctx context.Context, c *Cluster, path, _ string) error {
	_, err := c.DeleteOrphans(ctx, c.stores.Route(path).Backend, []string{path}, time.Now().Add(time.Hour))
	return err
}

// deleteStray deletes the body of a path that lies elsewhere, if there is one.
func deleteStray(ctx context.Context, c *Cluster, path, _ string) error {
	p := Place{Store: c.elsewhere(path)}
	var err error
	if p.Info, err = p.Store.Stat(ctx, path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return errors.Join(err, c.DeleteStray(ctx, path, p))
}

// unnamedCrashes are the ways of a check to put bodies into the trash.
var unnamedCrashes = map[string]crash{
	"orphan": {run: deleteOrphan, prepare: func(t *testing.T, c *Cluster, path, _ string) { c.writeBody(t, path, oldBody) }},
	"stray":  {run: deleteStray, prepare: prepareStray},
}

// prepareStray makes an expired file with a body where it belongs and one
// elsewhere.
func prepareStray(t *testing.T, c *Cluster, path, _ string) {
	c.mustStore(t, path, newBody)
	if err := c.expireNow(t, path); err != nil {
		t.Fatal(err)
	}
	put(t, c.elsewhere(path), path, oldBody)
}

// TestCrashOfACheck kills a process between any two steps of what a check
// removes: nothing is lost, and the next check completes it.
func TestCrashOfACheck(t *testing.T) {
	eachTrash(t, func(t *testing.T, c *Cluster, s settings.Settings) {
		prefix := onNFS // a rename there and a copy in the bucket
		if s.DFS.DBBackend == "SQLite" {
			prefix = onS3
		}
		for name, crash := range unnamedCrashes {
			for _, at := range []step{stepIntended, stepLocked, stepTrashed, stepDeleted} {
				t.Run(name+"/"+string(at)+"/"+filepath.Base(prefix), func(t *testing.T) {
					path := prefix + name + "/" + string(at)
					store := c.stores.Route(path).Backend
					if name == "stray" {
						store = c.elsewhere(path)
					}
					crash.prepare(t, c, path, "")
					child := startOther(t, s, "crash", name, string(at), path, "")
					err := child.cmd.Wait()
					if status, ok := child.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() {
						t.Fatalf("the process was not killed: %v: %s", err, &child.stderr)
					}
					_, err = store.Stat(t.Context(), path)
					if left := c.trashedWhole(t, path, len(oldBody)); err != nil && left == 0 {
						t.Errorf("it is lost: in its place %v, in the trash %+v", err, c.inTrashOf(t, path))
					}
					if err := crash.run(t.Context(), c, path, ""); err != nil {
						t.Errorf("again: %v", err)
					}
					if _, err := store.Stat(t.Context(), path); !errors.Is(err, fs.ErrNotExist) {
						t.Errorf("it is still in its place: %v", err)
					}
					found := c.inTrashOf(t, path)
					if n := c.trashedWhole(t, path, len(oldBody)); n == 0 || n > 2 || n != len(found) {
						t.Fatalf("in the trash: %+v", found)
					}
					if _, err := c.Restore(t.Context(), found[0]); err != nil || c.contents(t, path) != oldBody {
						t.Errorf("restored %q, %v", c.contents(t, path), err)
					}
				})
			}
		}
	})
}

// trashedWhole counts what is in the trash of a path with a body of that size.
func (c *Cluster) trashedWhole(t *testing.T, path string, size int) (n int) {
	t.Helper()
	for _, entry := range c.inTrashOf(t, path) {
		b, err := c.trash.open(t.Context(), entry.Backend)
		if err != nil {
			t.Fatal(err)
		}
		info, err := b.Stat(t.Context(), entry.Location)
		if err == nil && info.Size == int64(size) && entry.Size == info.Size {
			n++
		}
	}
	return n
}

// TestOrphanIntoTrash: what is kept of an orphan is what its store knows.
func TestOrphanIntoTrash(t *testing.T) {
	eachTrash(t, func(t *testing.T, c *Cluster, s settings.Settings) {
		for _, prefix := range []string{onNFS, onS3, onGCS} {
			path, store := prefix+"dir/a b.png", c.stores.Route(prefix).Backend
			put(t, store, path, "orphan")
			info, err := store.Stat(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			if !c.HasTrash(store.Name()) || c.HasTrash("nfs:none") {
				t.Errorf("%s has a trash: %v", store.Name(), c.HasTrash(store.Name()))
			}
			paths := []string{path, prefix + "none"}
			result, err := c.DeleteOrphans(t.Context(), store, paths, time.Now().Add(time.Hour))
			if err != nil || len(result.Deleted) != 1 || len(result.Spared) != 1 || len(result.Failed) > 0 {
				t.Errorf("%+v, %v", result, err)
			}
			if c.body(t, path) != noBody || c.trashedWhole(t, path, 6) != 1 || len(c.inTrashOf(t, prefix+"none")) > 0 {
				t.Errorf("in its place %q, in the trash %+v", c.body(t, path), c.inTrashOf(t, prefix))
			}
			entry := c.inTrashOf(t, path)[0]
			if entry.Pending || entry.Scope != UnknownScope || entry.DataType == "" || entry.Backend != store.Name() || entry.ModTime.Unix() != info.ModTime.Unix() {
				t.Errorf("the entry is %+v", entry)
			}
			row, err := c.Restore(t.Context(), entry)
			if err != nil || row.Size != 6 || c.contents(t, path) != "orphan" || len(c.inTrashOf(t, path)) > 0 {
				t.Errorf("restored %+v, %v", row, err)
			}
		}
	})
}

// TestDeleteStray: only a body that nobody reads goes, into the trash of its
// store or for good.
func TestDeleteStray(t *testing.T) {
	t.Run("for good", func(t *testing.T) {
		s := fullSettings(t, "sqlite")
		createSchema(t, s)
		open(t, s).deletesStrays(t, false)
	})
	eachTrash(t, func(t *testing.T, c *Cluster, _ settings.Settings) { c.deletesStrays(t, true) })
}

func (c *Cluster) deletesStrays(t *testing.T, trash bool) {
	for _, prefix := range []string{onNFS, onS3} {
		path := prefix + "a"
		home, other := c.stores.Route(path).Backend, c.elsewhere(path)
		place := func(b backends.Backend) Place {
			t.Helper()
			info, err := b.Stat(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			return Place{b, info}
		}
		put(t, other, path, "stray")
		if err := c.DeleteStray(t.Context(), path, place(other)); !errors.Is(err, backends.ErrChanged) {
			t.Errorf("without a row: %v", err)
		}
		row := c.mustStore(t, path, "body")
		if err := c.DeleteStray(t.Context(), path, place(home)); !errors.Is(err, backends.ErrChanged) {
			t.Errorf("the body that readers find: %v", err)
		}
		before := place(other)
		put(t, other, path, "another stray")
		if err := c.DeleteStray(t.Context(), path, before); !errors.Is(err, backends.ErrChanged) {
			t.Errorf("another body by now: %v", err)
		}
		if err := home.Delete(t.Context(), []string{path}); err != nil {
			t.Fatal(err)
		}
		if err := c.DeleteStray(t.Context(), path, place(other)); !errors.Is(err, backends.ErrChanged) {
			t.Errorf("the only body of a live file: %v", err)
		}
		if found := c.inTrashOf(t, path); len(found) > 0 {
			t.Errorf("in the trash already: %+v", found)
		}
		c.mustStore(t, path, "body")
		if err := c.DeleteStray(t.Context(), path, place(other)); err != nil {
			t.Error(err)
		}
		if _, err := other.Stat(t.Context(), path); !errors.Is(err, fs.ErrNotExist) || c.contents(t, path) != "body" {
			t.Errorf("the stray: %v, the file reads %q", err, c.contents(t, path))
		}
		want := 0
		if trash {
			want = 1
		}
		found := c.inTrashOf(t, path)
		if len(found) != want || c.trashedWhole(t, path, len("another stray")) != want {
			t.Fatalf("in the trash: %+v", found)
		}
		for _, entry := range found {
			if entry.Scope != row.Scope || entry.DataType != row.DataType || entry.Backend != other.Name() {
				t.Errorf("the entry is %+v", entry)
			}
			c.refusesToRestore(t, entry, "body")
		}
	}
}

// TestChecksBesideOthers lets another process do something between the steps of
// a check: nothing of a live file goes into the trash, nothing is there twice,
// and nothing that is there is written over.
func TestChecksBesideOthers(t *testing.T) {
	eachTrash(t, func(t *testing.T, c *Cluster, s settings.Settings) {
		other := open(t, s)
		check := func(path string) error { return deleteOrphan(t.Context(), other, path, "") }
		for name, test := range map[string]struct {
			at        step
			meanwhile func(path string) error
			trashed   int
			left      string // in its place
		}{
			"announced": {stepIntended, func(path string) error {
				i, err := other.intendOrphans(t.Context(), other.stores.Route(path).Backend, []string{path}, time.Now().Add(time.Hour))
				if err == nil && len(i.entries) != 1 {
					err = fmt.Errorf("announced %+v", i.entries)
				}
				return err
			}, 1, noBody},
			"whole": {stepIntended, check, 1, noBody},
			"whole, and another orphan": {stepIntended, func(path string) error {
				err := check(path)
				c.writeBody(t, path, "anothe")
				return err
			}, 1, "anothe"},
			"stored": {stepIntended, func(path string) error {
				_, err := other.Store(t.Context(), path, strings.NewReader("new"), StoreOptions{})
				return err
			}, 0, "new"},
			"emptied": {stepIntended, func(path string) error {
				for batch, err := range other.EmptyTrash(t.Context(), metadata.TrashFilter{Name: path}) {
					if err != nil || len(batch.Removed) > 0 {
						return fmt.Errorf("%+v, %w", batch, err)
					}
				}
				return nil
			}, 1, noBody},
		} {
			for _, prefix := range []string{onNFS, onS3} {
				path := prefix + name
				c.writeBody(t, path, "orphan")
				c.step = func(at step) {
					if at == test.at {
						if err := test.meanwhile(path); err != nil {
							t.Errorf("%s: %v", name, err)
						}
					}
				}
				if err := deleteOrphan(t.Context(), c, path, ""); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				c.step = func(step) {}
				if got := c.body(t, path); got != test.left {
					t.Errorf("%s: in its place is %q", path, got)
				}
				found := c.inTrashOf(t, path)
				if len(found) != test.trashed || c.trashedWhole(t, path, 6) != test.trashed || slices.ContainsFunc(found, func(t metadata.Trashed) bool { return t.Pending }) {
					t.Errorf("%s: in the trash %+v", path, found)
				}
			}
		}
	})
}

// TestStrayIsStoredMeanwhile stores a file at the moment at which a stray body
// of it is being removed.
func TestStrayIsStoredMeanwhile(t *testing.T) {
	eachTrash(t, func(t *testing.T, c *Cluster, s settings.Settings) {
		for i := range 10 {
			path := fmt.Sprintf("%s%d", onNFS, i)
			prepareStray(t, c, path, "")
			stored := make(chan error)
			go func() {
				_, err := c.Store(context.WithoutCancel(t.Context()), path, strings.NewReader("stored"), StoreOptions{})
				stored <- err
			}()
			err := deleteStray(t.Context(), c, path, "")
			if err := errors.Join(err, <-stored); err != nil {
				t.Fatal(err)
			}
			if got := c.contents(t, path); got != "stored" || c.trashedWhole(t, path, len(oldBody)) != 1 {
				t.Fatalf("%s holds %q, in the trash %+v", path, got, c.inTrashOf(t, path))
			}
		}
	})
}

// TestOrphansOfTwoStores has checks under way at once for orphans that have the
// same names on two stores. On a server that means deadlocks.
func TestOrphansOfTwoStores(t *testing.T) {
	eachTrash(t, func(t *testing.T, c *Cluster, s settings.Settings) {
		const batches, files = 4, 8
		stores := []backends.Backend{c.stores.Route(onNFS).Backend, c.stores.Route(onS3).Backend}
		var group sync.WaitGroup
		for i := range batches {
			var paths []string
			for k := range files {
				paths = append(paths, fmt.Sprintf("%s%d/%d", onNFS, i, k))
				for _, store := range stores {
					put(t, store, paths[k], "orphan")
				}
			}
			for _, store := range stores {
				group.Go(func() {
					result, err := c.DeleteOrphans(t.Context(), store, paths, time.Now().Add(time.Hour))
					if err != nil || len(result.Deleted) != files {
						t.Errorf("%s: %+v, %v", store.Name(), result, err)
					}
				})
			}
		}
		group.Wait()
		for i := range batches {
			for k := range files {
				path := fmt.Sprintf("%s%d/%d", onNFS, i, k)
				found := c.inTrashOf(t, path)
				if c.trashedWhole(t, path, 6) != 2 || len(found) != 2 || found[0].Backend == found[1].Backend {
					t.Fatalf("in the trash of %s: %+v", path, found)
				}
			}
		}
	})
}

// TestGhosts: what was announced and never moved stays while whoever did may be
// under way, and goes a day later.
func TestGhosts(t *testing.T) {
	eachTrash(t, func(t *testing.T, c *Cluster, s settings.Settings) {
		path := onNFS + "a"
		c.writeBody(t, path, "orphan")
		announce := func() {
			t.Helper()
			if _, err := c.intendOrphans(t.Context(), c.stores.Route(path).Backend, []string{path}, time.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		count := func() (n int) {
			for _, err := range c.meta.Trash(t.Context(), metadata.TrashFilter{}) {
				if err != nil {
					t.Fatal(err)
				}
				n++
			}
			return n
		}
		empty := func() {
			t.Helper()
			for batch, err := range c.EmptyTrash(t.Context(), metadata.TrashFilter{}) {
				if err != nil || len(batch.Removed)+len(batch.Failed) > 0 {
					t.Errorf("%+v, %v", batch, err)
				}
			}
		}
		announce()
		announce()
		empty()
		if n := count(); n != 2 || len(c.inTrashOf(t, path)) > 0 {
			t.Errorf("%d entries, in the trash %+v", n, c.inTrashOf(t, path))
		}
		c.now = func() time.Time { return time.Now().Add(ghostAge + time.Minute) }
		announce()
		if n := count(); n != 1 {
			t.Errorf("%d entries a day later", n)
		}
		c.now = func() time.Time { return time.Now().Add(2*ghostAge + 2*time.Minute) }
		empty()
		if n := count(); n != 0 {
			t.Errorf("%d entries of which nothing is there", n)
		}
	})
}
