package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/metadata"
)

func (c *Cluster) mustUpdate(t testing.TB, do func(tx *metadata.Tx) error) {
	t.Helper()
	if err := c.meta.Update(t.Context(), do); err != nil {
		t.Fatal(err)
	}
}

func TestExamine(t *testing.T) {
	eachCluster(t, func(t *testing.T, c *Cluster) {
		name := onNFS + "a"
		row := c.mustStore(t, name, "body")
		other := row
		other.Table = "ezdfsfile_cache"
		c.mustUpdate(t, func(tx *metadata.Tx) error { return tx.Upsert(other) })
		s3 := c.stores.Route(onS3).Backend
		put(t, s3, name, "stray")
		all := c.stores.Backends()
		check := func(s Subject, err error) {
			t.Helper()
			if err != nil || len(s.Rows) != 2 || s.Rows[0].Table != "ezdfsfile" || len(s.Bodies) != 2 || len(s.Failed) > 0 {
				t.Fatalf("%+v, %v", s, err)
			}
			if at, ok := s.Row(c.meta.Layout()); !ok || at.Table != "ezdfsfile" {
				t.Errorf("its row is %+v, %v", at, ok)
			}
		}
		check(c.Examine(t.Context(), name, all))
		err := c.ExamineLocked(t.Context(), name, all, func(l *Locked) error {
			check(l.Subject, nil)
			return errors.Join(l.DeleteRow(l.Rows[1]), l.Again())
		})
		if err != nil {
			t.Fatal(err)
		}
		s, err := c.Examine(t.Context(), name, all)
		if err != nil || len(s.Rows) != 1 || len(s.Bodies) != 2 || c.contents(t, name) != "body" {
			t.Errorf("after mending: %+v, %v", s, err)
		}
		if s, err := c.Examine(t.Context(), "var/x/../y", all); err != nil || len(s.Rows)+len(s.Bodies) > 0 {
			t.Errorf("of what is no name: %+v, %v", s, err)
		}
	})
}

func put(t testing.TB, b backends.Backend, path, body string) {
	t.Helper()
	staged, err := b.Stage(t.Context(), path, strings.NewReader(body), attributes)
	if err == nil {
		err = staged.Publish(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestRelocate(t *testing.T) {
	eachCluster(t, func(t *testing.T, c *Cluster) {
		nfs, name := c.stores.Route(onNFS).Backend, onS3+"a"
		row := c.mustStore(t, name, "body")
		move := func(row metadata.Row) error {
			s, err := c.Examine(t.Context(), row.Name, c.stores.Backends())
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(s.Bodies, func(p Place) bool { return p.Store == nfs })
			return c.Relocate(t.Context(), row, s.Bodies[i])
		}
		put(t, nfs, name, "body")
		if err := move(row); !errors.Is(err, backends.ErrChanged) {
			t.Errorf("over a body that is there: %v", err)
		}
		if err := c.stores.Delete(t.Context(), []string{name}); err != nil {
			t.Fatal(err)
		}
		later := row
		later.MTime++
		if err := move(later); !errors.Is(err, backends.ErrChanged) {
			t.Errorf("for a row that is another by now: %v", err)
		}
		if err := move(row); err != nil {
			t.Fatal(err)
		}
		if got := c.contents(t, name); got != "body" {
			t.Errorf("holds %q", got)
		}
		if _, err := nfs.Stat(t.Context(), name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("where it was: %v", err)
		}
	})
}

func TestRehome(t *testing.T) {
	for engine := range engines {
		t.Run(engine, func(t *testing.T) {
			s := nfsSettings(t, engine)
			createSchema(t, s)
			c := open(t, s)
			live := func(name string) metadata.Row {
				return metadata.Row{Name: name, Trunk: name, Scope: "image", DataType: "text/plain", Size: 1, MTime: 5, Table: c.meta.Layout().Table(name)}
			}
			lost := func(row metadata.Row) metadata.Stored { return metadata.Stored{Row: row, NameHash: row.Hash()} }
			wrong := live("var/storage/wrong")
			wrong.Table = "ezdfsfile_cache"
			twice, twiceWrong := live("var/storage/twice"), live("var/storage/twice")
			twiceWrong.Table, twiceWrong.Size = "ezdfsfile_cache", 9
			c.mustUpdate(t, func(tx *metadata.Tx) error { return tx.Upsert(wrong, twice, twiceWrong) })
			for _, row := range []metadata.Row{wrong, twiceWrong} {
				if ok, err := c.Stands(t.Context(), lost(row)); !ok || err != nil {
					t.Errorf("Stands(%s) = %v, %v", row.Name, ok, err)
				}
				if name, ok, err := c.Rehome(t.Context(), lost(row)); name != row.Name || !ok || err != nil {
					t.Errorf("Rehome(%s) = %q, %v, %v", row.Name, name, ok, err)
				}
				if _, ok, err := c.Rehome(t.Context(), lost(row)); ok || err != nil {
					t.Errorf("again: %v, %v", ok, err)
				}
			}
			if ok, err := c.Discard(t.Context(), lost(wrong)); ok || err != nil {
				t.Errorf("Discard of what is gone: %v, %v", ok, err)
			}
			if _, _, err := c.Rehome(t.Context(), metadata.Stored{Row: metadata.Row{Name: "../x"}}); !errors.Is(err, fs.ErrInvalid) {
				t.Errorf("of what cannot be made clean: %v", err)
			}
			var got []metadata.Row
			for row, err := range c.meta.Rows(t.Context(), metadata.Filter{}) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, row)
			}
			wrong.Table = "ezdfsfile"
			if len(got) != 2 || !slices.Contains(got, wrong) || !slices.Contains(got, twice) {
				t.Errorf("rows are %+v", got)
			}
			if ok, err := c.Discard(t.Context(), lost(wrong)); !ok || err != nil {
				t.Errorf("Discard = %v, %v", ok, err)
			}
		})
	}
}

// TestDeleteOrphans mixes orphans with what only looks like one.
func TestDeleteOrphans(t *testing.T) {
	eachCluster(t, func(t *testing.T, c *Cluster) {
		store := c.stores.Route(onNFS).Backend
		c.mustStore(t, onNFS+"live", "body")
		c.mustStore(t, onNFS+"expired", "body")
		if _, err := c.Expire(t.Context(), onNFS+"expired"); err != nil {
			t.Fatal(err)
		}
		var paths []string
		for _, name := range []string{"orphan 1", "orphan 2", "live", "expired", "gone"} {
			paths = append(paths, onNFS+name)
		}
		put(t, store, paths[0], "x")
		put(t, store, paths[1], "x")
		young, err := c.DeleteOrphans(t.Context(), store, paths, time.Now().Add(-time.Hour))
		if err != nil || len(young.Deleted) > 0 || len(young.Spared) != len(paths) {
			t.Errorf("of the last hour: %+v, %v", young, err)
		}
		looked, err := c.FindOrphans(t.Context(), store, paths, time.Now().Add(time.Hour))
		if err != nil || !slices.Equal(looked.Deleted, paths[:2]) || len(looked.Spared) != 3 || c.body(t, paths[0]) != "x" {
			t.Errorf("only looked at: %+v, %v", looked, err)
		}
		result, err := c.DeleteOrphans(t.Context(), store, paths, time.Now().Add(time.Hour))
		if err != nil || !slices.Equal(result.Deleted, paths[:2]) || len(result.Spared) != 3 || len(result.Failed) > 0 {
			t.Errorf("%+v, %v", result, err)
		}
		if c.body(t, paths[0]) != "<none>" || c.contents(t, onNFS+"live") != "body" || c.body(t, onNFS+"expired") != "body" {
			t.Error("not what should be left")
		}
		n := 0
		for range c.meta.Rows(t.Context(), metadata.Filter{}) {
			n++
		}
		if n != 2 {
			t.Errorf("%d rows, want 2: what was claimed stays", n)
		}
	})
}

// TestOrphanIsStoredMeanwhile stores a path at the moment at which its orphan is
// being deleted: the new body stays, whoever is first.
func TestOrphanIsStoredMeanwhile(t *testing.T) {
	for _, trash := range []string{"", "trash"} {
		for engine := range engines {
			t.Run(engine+"/"+trash, func(t *testing.T) {
				s := nfsSettings(t, engine)
				tree := s.NFS["nfs"]
				tree.Trash = trash
				s.NFS["nfs"] = tree
				createSchema(t, s)
				c := open(t, s)
				store := c.stores.Route(onNFS).Backend
				for i := range 20 {
					name := fmt.Sprintf("%s%d", onNFS, i)
					put(t, store, name, "an orphan")
					stored := make(chan error)
					go func() {
						_, err := c.Store(context.WithoutCancel(t.Context()), name, bytes.NewReader([]byte("stored")), StoreOptions{})
						stored <- err
					}()
					_, err := c.DeleteOrphans(t.Context(), store, []string{name}, time.Now().Add(time.Hour))
					if err := errors.Join(err, <-stored); err != nil {
						t.Fatal(err)
					}
					if got := c.contents(t, name); got != "stored" {
						t.Fatalf("%s holds %q", name, got)
					}
					if trash == "" {
						continue
					}
					if found := c.inTrashOf(t, name); c.trashedWhole(t, name, len("an orphan")) != len(found) {
						t.Fatalf("in the trash of %s: %+v", name, found)
					}
				}
			})
		}
	}
}

// TestOrphanOfAWriterBeforeItsCommit looks at a body that is published and whose
// row is not committed: the look waits and then finds no orphan.
func TestOrphanOfAWriterBeforeItsCommit(t *testing.T) {
	for engine := range engines {
		t.Run(engine, func(t *testing.T) {
			s := nfsSettings(t, engine)
			createSchema(t, s)
			c, other := open(t, s), open(t, s)
			name := onNFS + "a"
			found := make(chan Orphans, 1)
			c.step = func(at step) {
				if at != stepPublished {
					return
				}
				looking := make(chan struct{})
				go func() {
					close(looking)
					o, err := other.FindOrphans(context.WithoutCancel(t.Context()), other.stores.Route(name).Backend, []string{name}, time.Now().Add(time.Hour))
					if err != nil {
						t.Error(err)
					}
					found <- o
				}()
				<-looking
			}
			c.mustStore(t, name, "body")
			if o := <-found; len(o.Deleted) > 0 || len(o.Spared) != 1 {
				t.Errorf("found %+v", o)
			}
		})
	}
}

func TestDropGeneration(t *testing.T) {
	c := newCluster(t)
	lock := metadata.Row{Name: "var/cache/a" + metadata.GeneratingSuffix, Trunk: "var/cache/a", MTime: 5, Table: "ezdfsfile_cache"}
	c.mustUpdate(t, func(tx *metadata.Tx) error { return tx.Upsert(lock) })
	c.writeBody(t, lock.Name, "half")
	file := c.mustStore(t, "var/cache/a", "whole")
	drop := func(row metadata.Row) error {
		return c.ExamineLocked(t.Context(), row.Name, c.stores.Backends(), func(l *Locked) error { return l.DropGeneration(l.Rows[0]) })
	}
	if err := drop(lock); err != nil {
		t.Fatal(err)
	}
	if _, err := c.meta.Get(t.Context(), lock.Name); !errors.Is(err, fs.ErrNotExist) || c.body(t, lock.Name) != "<none>" {
		t.Errorf("the lock is still there: %v", err)
	}
	if err := drop(file); err == nil || c.contents(t, "var/cache/a") != "whole" {
		t.Errorf("of a file: %v", err)
	}
}
