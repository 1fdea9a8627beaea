package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// trashSettings are fullSettings with a trash in every store.
func trashSettings(t testing.TB, engine string) settings.Settings {
	t.Helper()
	s := fullSettings(t, engine)
	nfs, s3, gcs := s.NFS["nfs"], s.S3["s3"], s.GCS["gcs"]
	nfs.Trash, s3.Trash, gcs.Trash = "trash", "trash", "trash/bodies"
	s.NFS["nfs"], s.S3["s3"], s.GCS["gcs"] = nfs, s3, gcs
	return s
}

func eachTrash(t *testing.T, test func(t *testing.T, c *Cluster, s settings.Settings)) {
	for engine := range engines {
		t.Run(engine, func(t *testing.T) {
			s := trashSettings(t, engine)
			createSchema(t, s)
			test(t, open(t, s), s)
		})
	}
}

// inTrashOf returns what is in the trash at path and below it.
func (c *Cluster) inTrashOf(t *testing.T, path string) (found []metadata.Trashed) {
	t.Helper()
	for entry, err := range c.Trash(t.Context(), metadata.TrashFilter{Name: path}) {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, entry)
	}
	return found
}

// discarded stores a file, expires it and purges it.
func (c *Cluster) discarded(t *testing.T, path, body string) {
	t.Helper()
	old := time.Unix(1_300_000_000, 0)
	if _, err := c.Store(t.Context(), path, strings.NewReader(body), StoreOptions{Scope: "image", DataType: "x/y", ModTime: old}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Expire(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	if got := purgeAll(t, c, PurgeOptions{Prefix: path}); len(got) != 1 {
		t.Fatalf("purged %q", got)
	}
}

func TestPurgeIntoTrash(t *testing.T) {
	eachTrash(t, func(t *testing.T, c *Cluster, s settings.Settings) {
		for _, prefix := range []string{onNFS, onS3, onGCS} {
			path := prefix + "a b.png"
			c.discarded(t, path, "first")
			c.discarded(t, path, "second, longer")
			assertGone(t, c, path)
			found := c.inTrashOf(t, path)
			if len(found) != 2 || found[0].Location == found[1].Location || found[0].Pending || found[1].Pending {
				t.Fatalf("%s: in the trash %+v", path, found)
			}
			for _, b := range c.stores.Backends() {
				for info, err := range b.List(t.Context(), "", "") {
					t.Errorf("%s lists %s, %v", b.Name(), info.Path, err)
				}
			}
			for i, want := range []string{"first", "second, longer"} {
				row, err := c.Restore(t.Context(), found[i])
				if err != nil {
					t.Fatal(err)
				}
				got, err := c.Stat(t.Context(), path)
				if err != nil || got.Scope != "image" || got.DataType != "x/y" || got.MTime != 1_300_000_000 || got.Trunk != path || row.Size != int64(len(want)) {
					t.Errorf("restored as %+v, %v", got, err)
				}
				if got := c.contents(t, path); got != want {
					t.Errorf("restored %q, want %q", got, want)
				}
				if i == 0 {
					c.refusesToRestore(t, found[1], want)
				}
				if err := c.expireNow(t, path); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := c.Restore(t.Context(), found[0]); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("restored twice: %v", err)
			}
			// What is expired still has its body, until it is purged or makes room.
			if n, err := c.Purge(t.Context(), path); n != 1 || err != nil {
				t.Errorf("purged %d, %v", n, err)
			}
			c.emptiesTrash(t, path)
		}
	})
}

// expireNow expires one path.
func (c *Cluster) expireNow(t *testing.T, path string) error {
	t.Helper()
	_, err := c.Expire(t.Context(), path)
	return err
}

func (c *Cluster) refusesToRestore(t *testing.T, entry metadata.Trashed, body string) {
	t.Helper()
	var exists *ExistsError
	if _, err := c.Restore(t.Context(), entry); !errors.As(err, &exists) || !errors.Is(err, fs.ErrExist) {
		t.Errorf("restored over a live file: %v", err)
	}
	if got := c.contents(t, entry.Name); got != body {
		t.Errorf("the live file reads %q", got)
	}
	if len(c.inTrashOf(t, entry.Name)) != 1 {
		t.Error("it left the trash")
	}
}

func (c *Cluster) emptiesTrash(t *testing.T, path string) {
	t.Helper()
	empty := func(before time.Time) (n int) {
		for batch, err := range c.EmptyTrash(t.Context(), metadata.TrashFilter{Name: path, Before: before}) {
			if err != nil || len(batch.Failed) > 0 {
				t.Fatalf("%v, %v", batch.Failed, err)
			}
			n += len(batch.Removed)
		}
		return n
	}
	entry := c.inTrashOf(t, path)[0]
	if n := empty(time.Now().Add(-time.Hour)); n != 0 {
		t.Errorf("%d were old", n)
	}
	if n := empty(time.Time{}); n != 2 || len(c.inTrashOf(t, path)) != 0 {
		t.Errorf("emptied %d, left %+v", n, c.inTrashOf(t, path))
	}
	if there, err := c.inTrash(t.Context(), entry); there || err != nil {
		t.Errorf("the body is in the trash: %v, %v", there, err)
	}
}

// TestOneTrashOfTwo: a store without one deletes, in the same batch.
func TestOneTrashOfTwo(t *testing.T) {
	s := trashSettings(t, "sqlite")
	nfs := s.NFS["nfs"]
	nfs.Trash = ""
	s.NFS["nfs"] = nfs
	createSchema(t, s)
	c := open(t, s)
	for _, path := range []string{onNFS + "a", onS3 + "a"} {
		c.mustStore(t, path, "body")
		if err := c.expireNow(t, path); err != nil {
			t.Fatal(err)
		}
	}
	if got := purgeAll(t, c, PurgeOptions{}); len(got) != 2 {
		t.Errorf("purged %q", got)
	}
	found := c.inTrashOf(t, "")
	if len(found) != 1 || found[0].Name != onS3+"a" || found[0].Backend != "s3" {
		t.Errorf("in the trash: %+v", found)
	}
}

// TestNoTrashForBodiesThatAreGone: an expired row without a body is purged and
// leaves no entry.
func TestNoTrashForBodiesThatAreGone(t *testing.T) {
	eachTrash(t, func(t *testing.T, c *Cluster, s settings.Settings) {
		for _, path := range []string{onNFS + "a", onS3 + "a", onGCS + "a"} {
			c.mustStore(t, path, "body")
			if err := errors.Join(c.expireNow(t, path), c.stores.Delete(t.Context(), []string{path})); err != nil {
				t.Fatal(err)
			}
		}
		if got := purgeAll(t, c, PurgeOptions{}); len(got) != 3 {
			t.Errorf("purged %q", got)
		}
		for entry, err := range c.meta.Trash(t.Context(), metadata.TrashFilter{}) {
			t.Errorf("entry %+v, %v", entry, err)
		}
	})
}

// TestTwoPurgesIntoTrash lets one purge do all of its work, or only announce
// it, between two steps of another: the body is in the trash once, with what
// its row said.
func TestTwoPurgesIntoTrash(t *testing.T) {
	eachTrash(t, func(t *testing.T, c *Cluster, s settings.Settings) {
		other := open(t, s)
		for name, meanwhile := range map[string]func(row metadata.Row) error{
			"whole": func(row metadata.Row) error {
				_, err := other.PurgeRows(t.Context(), []metadata.Row{row}, time.Time{})
				return err
			},
			"whole, stored and expired": func(row metadata.Row) error {
				_, err := other.PurgeRows(t.Context(), []metadata.Row{row}, time.Time{})
				other.mustStore(t, row.Name, "second")
				return errors.Join(err, other.expireNow(t, row.Name))
			},
			"stored and expired": func(row metadata.Row) error {
				other.mustStore(t, row.Name, "second")
				return other.expireNow(t, row.Name)
			},
			"announced": func(row metadata.Row) error {
				_, err := other.intend(t.Context(), []metadata.Row{row}, time.Time{})
				return err
			},
			"stored anew": func(row metadata.Row) error {
				_, err := other.Store(t.Context(), row.Name, strings.NewReader("new"), StoreOptions{})
				return err
			},
		} {
			for _, prefix := range []string{onNFS, onS3, onGCS} {
				path := prefix + name
				row := c.mustStore(t, path, "body")
				if err := c.expireNow(t, path); err != nil {
					t.Fatal(err)
				}
				c.step = func(at step) {
					if at == stepIntended {
						if err := meanwhile(row); err != nil {
							t.Errorf("%s: %v", name, err)
						}
					}
				}
				if _, err := c.PurgeRows(t.Context(), []metadata.Row{row}, time.Time{}); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				c.step = func(step) {}
				found := c.inTrashOf(t, path)
				if name == "stored anew" {
					if got := c.contents(t, path); got != "new" || len(found) > 0 {
						t.Errorf("%s reads %q, in the trash %+v", path, got, found)
					}
					continue
				}
				var bodies []string
				if strings.HasPrefix(name, "whole") || name == "announced" {
					bodies = append(bodies, "body")
				}
				c.assertTrashed(t, path, found, bodies...)
				if strings.HasSuffix(name, "stored and expired") { // the next purge's
					if got := c.body(t, path); got != "second" {
						t.Errorf("%s: in its place %q", path, got)
					}
					if _, err := c.PurgeRows(t.Context(), []metadata.Row{row}, time.Time{}); err != nil {
						t.Errorf("%s: %v", name, err)
					}
					// The stamp that was announced and not used is free again.
					c.assertTrashed(t, path, c.inTrashOf(t, path), append([]string{"second"}, bodies...)...)
				}
				assertGone(t, c, path)
			}
		}
	})
}

// assertTrashed: these bodies are in the trash, in that order, each with what its
// row said.
func (c *Cluster) assertTrashed(t *testing.T, path string, found []metadata.Trashed, bodies ...string) {
	t.Helper()
	if len(found) != len(bodies) {
		t.Fatalf("%s: in the trash %+v, want %q", path, found, bodies)
	}
	for i, want := range bodies {
		if got := c.trashBody(t, found[i]); got != want || found[i].Pending || found[i].Scope != "image" || found[i].Size != int64(len(want)) {
			t.Errorf("%s: in the trash %+v with %q, want %q", path, found[i], got, want)
		}
	}
}

// trashBody returns the body of an entry.
func (c *Cluster) trashBody(t *testing.T, entry metadata.Trashed) string {
	t.Helper()
	b, err := c.trash.open(t.Context(), entry.Backend)
	if err != nil {
		t.Fatal(err)
	}
	return read(t, b, entry.Location)
}

// read returns what a store holds at path, or "<none>".
func read(t *testing.T, b backends.Backend, path string) string {
	t.Helper()
	r, err := b.Open(t.Context(), path, 0, -1)
	if errors.Is(err, fs.ErrNotExist) {
		return noBody
	}
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestTrashBesideWriters: no live file loses its body to a trash.
func TestTrashBesideWriters(t *testing.T) {
	eachTrash(t, func(t *testing.T, c *Cluster, s settings.Settings) {
		var paths []string
		for i := range 40 {
			path := fmt.Sprint([]string{onNFS, onS3, onGCS}[i%3], i)
			c.mustStore(t, path, "old")
			paths = append(paths, path)
		}
		if _, err := c.Expire(t.Context(), paths...); err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		for _, c := range []*Cluster{c, open(t, s)} {
			group.Go(func() {
				for batch, err := range c.PurgeExpired(t.Context(), PurgeOptions{BatchSize: 5}) {
					if err := errors.Join(err, batch.err()); err != nil {
						t.Error(err)
					}
				}
			})
		}
		for i := 0; i < len(paths); i += 2 {
			c.mustStore(t, paths[i], "new")
		}
		group.Wait()
		for i, path := range paths {
			if i%2 == 0 {
				if got := c.contents(t, path); got != "new" {
					t.Errorf("%s reads %q", path, got)
				}
				continue
			}
			assertGone(t, c, path)
			if found := c.inTrashOf(t, path); len(found) != 1 || found[0].Size != 3 {
				t.Errorf("%s: in the trash %+v", path, found)
			}
		}
	})
}

// restoreNewest restores what is in the trash at path.
func restoreNewest(ctx context.Context, c *Cluster, path, _ string) error {
	for entry, err := range c.Trash(ctx, metadata.TrashFilter{Name: path}) {
		if err == nil {
			_, err = c.Restore(ctx, entry)
		}
		return err
	}
	return nil
}

// trashCrashes are the operations that put bodies into the trash and get them
// back.
var trashCrashes = map[string]crash{
	"discard": {
		steps: []step{stepIntended, stepLocked, stepTrashed, stepDeleted, stepCommitted},
		run: func(ctx context.Context, c *Cluster, path, _ string) error {
			_, err := c.Purge(ctx, path)
			return err
		},
	},
	"restore": {
		steps: []step{stepStaged, stepLocked, stepPublished, stepCommitted},
		run:   restoreNewest,
	},
}

// TestCrashAroundTheTrash kills a process between any two steps on the way
// into the trash and back: nothing is lost, and who does the same again gets
// what he wants.
func TestCrashAroundTheTrash(t *testing.T) {
	eachTrash(t, func(t *testing.T, c *Cluster, s settings.Settings) {
		// A rename or a copy, on either engine: every combination would take long.
		prefixes := []string{onNFS, onS3}
		if s.DFS.DBBackend == "SQLite" {
			prefixes = []string{onGCS}
		}
		for name, crash := range trashCrashes {
			for _, at := range crash.steps {
				for _, prefix := range prefixes {
					t.Run(name+"/"+string(at)+"/"+filepath.Base(prefix), func(t *testing.T) {
						path := prefix + name + "/" + string(at)
						if name == "discard" {
							c.mustStore(t, path, oldBody)
						} else {
							c.discarded(t, path, oldBody)
						}
						child := startOther(t, s, "crash", name, string(at), path, "")
						err := child.cmd.Wait()
						if status, ok := child.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() {
							t.Fatalf("the process was not killed: %v: %s", err, &child.stderr)
						}
						c.assertNothingLost(t, path)
						if name == "discard" {
							c.discardsAgain(t, path)
						} else if err := restoreNewest(t.Context(), c, path, ""); err != nil && !errors.Is(err, fs.ErrExist) {
							t.Errorf("restoring again: %v", err)
						}
						if name == "restore" && c.contents(t, path) != oldBody {
							t.Errorf("restored %q", c.contents(t, path))
						}
					})
				}
			}
		}
	})
}

// assertNothingLost: a body is at its path or in the trash.
func (c *Cluster) assertNothingLost(t *testing.T, path string) {
	t.Helper()
	if c.body(t, path) == oldBody {
		return
	}
	for _, entry := range c.inTrashOf(t, path) {
		if there, err := c.inTrash(t.Context(), entry); err == nil && there && entry.Size == int64(len(oldBody)) && entry.Scope == "image" {
			return
		}
	}
	t.Errorf("%s is lost: at its place %q, in the trash %+v", path, c.body(t, path), c.inTrashOf(t, path))
}

// discardsAgain purges path once more; from the trash it can then be restored.
func (c *Cluster) discardsAgain(t *testing.T, path string) {
	t.Helper()
	if _, err := c.Purge(t.Context(), path); err != nil {
		t.Errorf("purging again: %v", err)
	}
	assertGone(t, c, path)
	found := c.inTrashOf(t, path)
	if len(found) == 0 || len(found) > 2 {
		t.Fatalf("in the trash: %+v", found)
	}
	for _, entry := range found {
		if entry.Pending {
			t.Errorf("pending: %+v", entry)
		}
	}
	if _, err := c.Restore(t.Context(), found[0]); err != nil || c.contents(t, path) != oldBody {
		t.Errorf("restored %q, %v", c.contents(t, path), err)
	}
}
