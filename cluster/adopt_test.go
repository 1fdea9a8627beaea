package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/backends/backendtest"
	"example.com/ezdfs/metadata"
)

// listed returns the bodies that begin with a prefix as a listing tells them.
func (c *Cluster) listed(t testing.TB, prefix string) (bodies []FoundBody) {
	t.Helper()
	for info, err := range c.stores.List(t.Context(), prefix, "") {
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, FoundBody{Info: info, Scope: "image"})
	}
	return bodies
}

// adopt adopts everything below a prefix and returns the outcomes by path.
func (c *Cluster) adopt(t testing.TB, bodies []FoundBody, options AdoptOptions) map[string]AdoptResult {
	t.Helper()
	results, err := c.Adopt(t.Context(), bodies, options)
	if err != nil {
		t.Fatal(err)
	}
	outcomes := make(map[string]AdoptResult)
	for i, result := range results {
		outcomes[bodies[i].Info.Path] = result
	}
	return outcomes
}

// wipe forgets rows, as a lost table does.
func (c *Cluster) wipe(t testing.TB, rows ...metadata.Row) {
	t.Helper()
	err := c.meta.Update(t.Context(), func(tx *metadata.Tx) error {
		_, err := tx.Delete(rows...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestAdoptRestoresRows: rows that were lost come back as they were.
func TestAdoptRestoresRows(t *testing.T) {
	eachCluster(t, func(t *testing.T, c *Cluster) {
		for _, prefix := range []string{onNFS, onS3, onGCS} {
			var want []metadata.Row
			for name, body := range map[string]string{
				"a b+%.png": "\x89PNG\r\n\x1a\nrest", "ä/nested/b.txt": "text", "empty": "", "c.css": "body{}", "zero": "0",
			} {
				row, err := c.Store(t.Context(), prefix+name, strings.NewReader(body), StoreOptions{Scope: "image", ModTime: time.Unix(1_300_000_000, 0)})
				if err != nil {
					t.Fatal(err)
				}
				want = append(want, row)
			}
			odd, err := c.Store(t.Context(), prefix+"typed", strings.NewReader("<?php"), StoreOptions{Scope: "image", DataType: "application/x-mine"})
			if err != nil {
				t.Fatal(err)
			}
			if prefix == onNFS { // which keeps no types
				odd.DataType = "text/plain"
			}
			want = append(want, odd)
			c.wipe(t, want...)
			bodies := c.listed(t, prefix)
			if would := c.adopt(t, bodies, AdoptOptions{DryRun: true}); would[odd.Name].Outcome != Adopted || c.contents(t, odd.Name) != "<none>" {
				t.Errorf("a dry run: %+v, then %q", would[odd.Name], c.contents(t, odd.Name))
			}
			results := c.adopt(t, bodies, AdoptOptions{})
			for _, row := range want {
				got, err := c.meta.Get(t.Context(), row.Name)
				row.Table = got.Table
				if err != nil || got != row || results[row.Name].Row != got || results[row.Name].Outcome != Adopted {
					t.Errorf("%+v came back as %+v, %v; %+v", row, got, err, results[row.Name])
				}
				if got := c.contents(t, row.Name); len(got) != int(row.Size) {
					t.Errorf("%s reads %q", row.Name, got)
				}
			}
			for path, result := range c.adopt(t, bodies, AdoptOptions{}) {
				if result.Outcome != AlreadyLive || result.Err != nil {
					t.Errorf("again %s: %+v", path, result)
				}
			}
		}
		entries := 0
		for _, prefix := range []string{onNFS, onS3, onGCS} {
			entries += c.journalled(t, prefix+"zero")
		}
		if entries != 6 { // each was stored, and each adopted once
			t.Errorf("%d entries in the journal, want 6", entries)
		}
	})
}

// journalled counts the stores of a path in the journal.
func (c *Cluster) journalled(t testing.TB, path string) (n int) {
	t.Helper()
	reader, err := c.meta.ReadJournal(t.Context(), metadata.JournalPosition{})
	for more := true; more && err == nil; {
		var entries []metadata.JournalEntry
		entries, more, err = reader.Next(t.Context())
		for _, entry := range entries {
			if entry.Kind == metadata.KindStore && entry.Subject == path {
				n++
			}
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAdoptKeepsRows(t *testing.T) {
	for engine := range engines {
		t.Run(engine, func(t *testing.T) {
			s := nfsSettings(t, engine)
			createSchema(t, s)
			c := open(t, s)
			live, expired := c.mustStore(t, "var/live", "row"), c.mustStore(t, "var/expired", "old body")
			c.writeBody(t, "var/live", "another length")
			if _, err := c.Expire(t.Context(), "var/expired"); err != nil {
				t.Fatal(err)
			}
			c.writeBody(t, "var/new", "new")
			bodies := c.listed(t, "var/")
			got := c.adopt(t, bodies, AdoptOptions{})
			if r := got["var/live"]; r.Outcome != AlreadyLive || r.Row.Size != live.Size {
				t.Errorf("live: %+v", r)
			}
			if r := got["var/expired"]; r.Outcome != StaysExpired || c.contents(t, "var/expired") != noBody {
				t.Errorf("expired: %+v", r)
			}
			if r := got["var/new"]; r.Outcome != Adopted || c.contents(t, "var/new") != "new" {
				t.Errorf("new: %+v", r)
			}
			got = c.adopt(t, bodies, AdoptOptions{Revive: true})
			if r := got["var/expired"]; r.Outcome != Revived || r.Row.MTime != expired.MTime || r.Row.DataType != expired.DataType || c.contents(t, "var/expired") != "old body" {
				t.Errorf("revived: %+v", r)
			}
			// An expired row whose body is not the one it describes.
			if _, err := c.Expire(t.Context(), "var/live"); err != nil {
				t.Fatal(err)
			}
			if r := c.adopt(t, bodies, AdoptOptions{Revive: true})["var/live"]; r.Row.Size != int64(len("another length")) || c.contents(t, "var/live") != "another length" {
				t.Errorf("revived with another body: %+v", r)
			}
		})
	}
}

// TestAdoptVanished: what is gone since it was listed gets no row, and no
// expired one comes to life.
func TestAdoptVanished(t *testing.T) {
	c := newCluster(t)
	row := c.mustStore(t, "var/purged", "body")
	if _, err := c.Expire(t.Context(), row.Name); err != nil {
		t.Fatal(err)
	}
	c.writeBody(t, "var/removed", "body")
	bodies := c.listed(t, "var/")
	if err := c.stores.Delete(t.Context(), []string{"var/purged", "var/removed"}); err != nil {
		t.Fatal(err)
	}
	for path, result := range c.adopt(t, bodies, AdoptOptions{Revive: true}) {
		if result.Outcome != Vanished || result.Err != nil {
			t.Errorf("%s: %+v", path, result)
		}
	}
	if row, err := c.meta.Get(t.Context(), "var/removed"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a row is left: %+v, %v", row, err)
	}
	if row, err := c.meta.Get(t.Context(), "var/purged"); err != nil || row.Live() {
		t.Errorf("the expired row is %+v, %v", row, err)
	}
}

func TestAdoptRefuses(t *testing.T) {
	c := newCluster(t)
	info := func(path string) backends.Info { return backends.Info{Path: path, Size: 1, ModTime: time.Now()} }
	c.writeBody(t, "var/late", "x")
	late := info("var/late")
	late.ModTime = time.Unix(1<<32, 0)
	for _, body := range []FoundBody{
		{Info: info(`var/a\b`)}, {Info: info("var/a.generating")}, {Info: late}, {Info: info("var/late"), Scope: strings.Repeat("s", 30)},
	} {
		results, err := c.Adopt(t.Context(), []FoundBody{body}, AdoptOptions{})
		if err != nil || !errors.Is(results[0].Err, fs.ErrInvalid) || results[0].Outcome != "" {
			t.Errorf("%+v: %+v, %v", body, results, err)
		}
	}
}

// TestAdoptSettled: old bodies are taken as the listing tells them, young ones
// are looked at.
func TestAdoptSettled(t *testing.T) {
	c := newCluster(t)
	c.mustStore(t, "var/other", "so that the tree is not empty")
	stored := time.Now().Add(-2 * time.Hour)
	bodies := []FoundBody{
		{Info: backends.Info{Path: "var/old.jpg", Size: 7, ModTime: time.Unix(5, 0), Stored: stored}, Scope: "image"},
		{Info: backends.Info{Path: "var/young.jpg", Size: 7, ModTime: time.Unix(5, 0), Stored: time.Now()}, Scope: "image"},
	}
	got := c.adopt(t, bodies, AdoptOptions{Settled: time.Now().Add(-time.Hour)})
	want := metadata.Row{Name: "var/old.jpg", Trunk: "var/old.jpg", DataType: "image/jpeg", Scope: "image", Size: 7, MTime: 5, Table: metadata.StorageTable}
	if r := got["var/old.jpg"]; r.Outcome != Adopted || r.Row != want {
		t.Errorf("old: %+v", r)
	}
	if row, err := c.meta.Get(t.Context(), "var/old.jpg"); err != nil || row != want {
		t.Errorf("old: row %+v, %v", row, err)
	}
	if r := got["var/young.jpg"]; r.Outcome != Vanished {
		t.Errorf("young: %+v", r)
	}
}

// deaf is a store that does not answer.
type deaf struct{ backends.Backend }

func (deaf) Stat(context.Context, string) (backends.Info, error) {
	return backends.Info{}, &backends.Error{Backend: "deaf", Op: "stat", Kind: backends.ErrUnavailable}
}

// TestAdoptStoreGone: a store that does not answer says nothing of its bodies.
func TestAdoptStoreGone(t *testing.T) {
	s := nfsSettings(t, "sqlite")
	createSchema(t, s)
	c := newOver(t, s, deaf{backendtest.NewMemory("memory")})
	_, err := c.Adopt(t.Context(), []FoundBody{{Info: backends.Info{Path: "var/a", Size: 1, ModTime: time.Now()}}}, AdoptOptions{})
	if !errors.Is(err, backends.ErrUnavailable) {
		t.Errorf("error %v", err)
	}
	if _, err := c.meta.Get(t.Context(), "var/a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a row is left: %v", err)
	}
}

// publishBody writes a body past the cluster.
func publishBody(ctx context.Context, c *Cluster, path, body string) error {
	staged, err := c.stores.Stage(ctx, path, strings.NewReader(body), attributes)
	if err != nil {
		return err
	}
	return staged.Publish(ctx)
}

// TestAdoptAmongWriters stores and purges the paths that are being adopted. Whoever wins, a
// live row has a body.
func TestAdoptAmongWriters(t *testing.T) {
	s := nfsSettings(t, "mariadb")
	createSchema(t, s)
	c := open(t, s)
	const paths, rounds = 4, 12
	var wg sync.WaitGroup
	for p := range paths {
		path := fmt.Sprint("var/", p)
		wg.Go(func() {
			for i := range rounds {
				var err error
				if i%2 == 0 {
					err = storeBody(t.Context(), c, path, newBody)
				} else {
					err = publishBody(t.Context(), c, path, newBody) // an orphan
				}
				_, purging := c.Purge(t.Context(), path)
				if err := errors.Join(err, purging); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	adopted := map[Adoption]int{}
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		for _, result := range c.adopt(t, c.listed(t, "var/"), AdoptOptions{Revive: true}) {
			adopted[result.Outcome]++
		}
	}
	for p := range paths {
		path := fmt.Sprint("var/", p)
		if row, err := c.meta.Get(t.Context(), path); err == nil && row.Live() && c.body(t, path) != newBody {
			t.Errorf("%s: the row %+v, the body %q", path, row, c.body(t, path))
		}
	}
	t.Log(adopted)
}
