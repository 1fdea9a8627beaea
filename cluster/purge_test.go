package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/backends/backendtest"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// purgeAll runs a purge to its end and returns the names that went, in order.
func purgeAll(t *testing.T, c *Cluster, options PurgeOptions) []string {
	t.Helper()
	var names []string
	for batch, err := range c.PurgeExpired(t.Context(), options) {
		if err := errors.Join(err, batch.err()); err != nil {
			t.Fatal(err)
		}
		for _, row := range batch.Removed {
			names = append(names, row.Name)
		}
	}
	slices.Sort(names)
	return names
}

func TestPurgeExpired(t *testing.T) {
	eachCluster(t, func(t *testing.T, c *Cluster) {
		var expired, kept []string
		for i := range 12 {
			for _, prefix := range []string{onNFS, onS3, onGCS} {
				path := fmt.Sprint(prefix, i)
				c.mustStore(t, path, "body of "+path)
				if i%3 == 0 {
					kept = append(kept, path)
				} else {
					expired = append(expired, path)
				}
			}
		}
		if n, err := c.Expire(t.Context(), expired...); n != int64(len(expired)) || err != nil {
			t.Fatal(n, err)
		}
		slices.Sort(expired)
		if got := purgeAll(t, c, PurgeOptions{DryRun: true, BatchSize: 5}); !slices.Equal(got, expired) {
			t.Errorf("a dry run would purge %q", got)
		}
		for _, path := range expired {
			if got := c.body(t, path); got != "body of "+path {
				t.Errorf("after a dry run %s has the body %q", path, got)
			}
		}
		if got := purgeAll(t, c, PurgeOptions{BatchSize: 5}); !slices.Equal(got, expired) {
			t.Errorf("purged %q, want %q", got, expired)
		}
		for _, path := range expired {
			assertGone(t, c, path)
		}
		for _, path := range kept {
			if got := c.contents(t, path); got != "body of "+path {
				t.Errorf("%s reads %q", path, got)
			}
		}
	})
}

func TestPurgeOptions(t *testing.T) {
	now := &clock{time.Unix(1_700_000_000, 0)}
	c := newCluster(t, WithClock(now.now))
	for _, file := range []struct {
		path, scope string
		age         time.Duration
	}{
		{"var/old.png", "image", 48 * time.Hour}, {"var/old.cache", "viewcache", 48 * time.Hour},
		{"var/new.png", "image", time.Hour}, {"var/other/old.png", "image", 48 * time.Hour},
		{"var/live.png", "image", 48 * time.Hour},
	} {
		_, err := c.Store(t.Context(), file.path, strings.NewReader("body"), StoreOptions{Scope: file.scope, ModTime: now.Add(-file.age)})
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Expire(t.Context(), "var/old.png", "var/old.cache", "var/new.png", "var/other/old.png"); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		options PurgeOptions
		want    string
	}{
		{PurgeOptions{Scopes: []string{"image"}, Before: now.Add(-24 * time.Hour), Prefix: "var/o"}, "[var/old.png var/other/old.png]"},
		{PurgeOptions{Before: now.Add(-24 * time.Hour)}, "[var/old.cache]"},
		{PurgeOptions{Scopes: []string{"viewcache"}}, "[]"},
		{PurgeOptions{}, "[var/new.png]"},
		{PurgeOptions{}, "[]"},
	} {
		if got := fmt.Sprint(purgeAll(t, c, test.options)); got != test.want {
			t.Errorf("%+v purged %s, want %s", test.options, got, test.want)
		}
	}
	if got := c.contents(t, "var/live.png"); got != "body" {
		t.Errorf("the live file reads %q", got)
	}
}

// TestPurgeSparesWhatIsStoredAnew: a file that a writer stores between the
// listing of a purge and its locks is never touched.
func TestPurgeSparesWhatIsStoredAnew(t *testing.T) {
	eachCluster(t, func(t *testing.T, c *Cluster) {
		for _, prefix := range []string{onNFS, onS3, onGCS} {
			path := prefix + "a"
			row := c.mustStore(t, path, "old")
			if _, err := c.Expire(t.Context(), path); err != nil {
				t.Fatal(err)
			}
			c.mustStore(t, path, "new")
			batch, err := c.PurgeRows(t.Context(), []metadata.Row{row}, time.Time{})
			if err != nil || len(batch.Removed) != 0 {
				t.Errorf("purged %v, %v", batch.Removed, err)
			}
			if got := c.contents(t, path); got != "new" {
				t.Errorf("%s reads %q", path, got)
			}
		}
	})
}

// TestPurgeOfARowInTheWrongTable: the legacy's move leaves rows in the table
// of the source; when the right table has a live row, the body is that one's.
func TestPurgeOfARowInTheWrongTable(t *testing.T) {
	c := newCluster(t)
	c.mustStore(t, "var/cache/live", "body")
	c.mustStore(t, "var/cache/dead", "body")
	for _, name := range []string{"var/cache/live", "var/cache/dead"} {
		wrong := metadata.Row{Name: name, Trunk: name, Scope: "image", DataType: "misc", MTime: -5, Expired: true, Table: "ezdfsfile"}
		if err := c.meta.Update(t.Context(), func(tx *metadata.Tx) error { return tx.Upsert(wrong) }); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Expire(t.Context(), "var/cache/dead"); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(purgeAll(t, c, PurgeOptions{BatchSize: 1})); got != "[var/cache/dead var/cache/dead var/cache/live]" {
		t.Errorf("purged %s", got)
	}
	if got := c.contents(t, "var/cache/live"); got != "body" {
		t.Errorf("the live file reads %q", got)
	}
	assertGone(t, c, "var/cache/dead")
	if got := purgeAll(t, c, PurgeOptions{}); len(got) > 0 {
		t.Errorf("left for a second purge: %q", got)
	}
}

func TestPurgeOfATree(t *testing.T) {
	eachCluster(t, func(t *testing.T, c *Cluster) {
		for _, prefix := range []string{onNFS, onS3, onGCS} {
			gone := []string{prefix + "dir/a", prefix + "dir/sub/b", prefix + "dir/expired"}
			kept := []string{prefix + "dir2/a", prefix + "di"}
			for _, path := range append(gone, kept...) {
				c.mustStore(t, path, "body")
			}
			if _, err := c.Expire(t.Context(), prefix+"dir/expired"); err != nil {
				t.Fatal(err)
			}
			if n, err := c.Purge(t.Context(), prefix+"dir"); n != 3 || err != nil {
				t.Errorf("purged %d, %v", n, err)
			}
			if n, err := c.Purge(t.Context(), prefix+"di"); n != 1 || err != nil {
				t.Errorf("purged %d, %v", n, err)
			}
			for _, path := range gone {
				assertGone(t, c, path)
			}
			if got := c.contents(t, prefix+"dir2/a"); got != "body" {
				t.Errorf("%sdir2/a reads %q", prefix, got)
			}
		}
	})
}

// inFlight is a store whose Delete is on its way when during runs, and arrives
// even if the caller gives up then.
type inFlight struct {
	*backendtest.Memory
	during func()
}

func (f inFlight) Delete(ctx context.Context, paths []string) error {
	f.during()
	return f.Memory.Delete(context.WithoutCancel(ctx), paths)
}

// TestPurgeHoldsItsLocksWhileItDeletes: giving up in the middle of a deletion
// must not let go of the rows, or it would hit what the next writer stores.
func TestPurgeHoldsItsLocksWhileItDeletes(t *testing.T) {
	s := nfsSettings(t, "sqlite")
	createSchema(t, s)
	store := &inFlight{Memory: backendtest.NewMemory("memory")}
	c := newOver(t, s, store)
	c.mustStore(t, "var/a", "old")
	if _, err := c.Expire(t.Context(), "var/a"); err != nil {
		t.Fatal(err)
	}
	ctx, giveUp := context.WithCancel(t.Context())
	store.during = func() {
		giveUp()
		c.storeSoon(t, "var/a", "new")
	}
	for range c.PurgeExpired(ctx, PurgeOptions{}) {
	}
	if row, err := c.Stat(t.Context(), "var/a"); err == nil && row.Live() && c.body(t, "var/a") == "<none>" {
		t.Error("the purge deleted the body of a newer file")
	}
}

// storeSoon stores a file, unless somebody holds its row for long.
func (c *Cluster) storeSoon(t *testing.T, path, body string) {
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := c.Store(ctx, path, strings.NewReader(body), StoreOptions{}); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// TestPurgeClaimsTheRightTable: a row in the wrong table is no lock for those
// who store the path in the right one.
func TestPurgeClaimsTheRightTable(t *testing.T) {
	for engine := range engines {
		t.Run(engine, func(t *testing.T) {
			s := nfsSettings(t, engine)
			createSchema(t, s)
			c := open(t, s)
			const name = "var/cache/a"
			wrong := metadata.Row{Name: name, Trunk: name, Scope: "image", DataType: "misc", MTime: -5, Expired: true, Table: "ezdfsfile"}
			if err := c.meta.Update(t.Context(), func(tx *metadata.Tx) error { return tx.Upsert(wrong) }); err != nil {
				t.Fatal(err)
			}
			c.writeBody(t, name, "old")
			writer := open(t, s)
			c.step = func(at step) {
				if at == stepLocked {
					writer.storeSoon(t, name, "new")
				}
			}
			if got := fmt.Sprint(purgeAll(t, c, PurgeOptions{})); got != "["+name+"]" {
				t.Errorf("purged %s", got)
			}
			assertGone(t, c, name)
		})
	}
}

// TestPurgeStopsAtADeadStore: a store that does not answer is asked once, not
// for every batch, and the rows stay.
func TestPurgeStopsAtADeadStore(t *testing.T) {
	s := fullSettings(t, "sqlite")
	createSchema(t, s)
	c := open(t, s)
	for i := range 4 {
		path := fmt.Sprint(onS3, i)
		c.mustStore(t, path, "body")
		if _, err := c.Expire(t.Context(), path); err != nil {
			t.Fatal(err)
		}
	}
	conf := s.S3["s3"]
	conf.Endpoint = "http://127.0.0.1:1"
	s.S3 = map[string]settings.S3{"s3": conf}
	cut := open(t, s)
	batches, last := 0, error(nil)
	for batch, err := range cut.PurgeExpired(t.Context(), PurgeOptions{BatchSize: 1}) {
		batches++
		last = err
		if len(batch.Removed) > 0 {
			t.Errorf("removed %v", batch.Removed)
		}
	}
	if batches != 1 || !errors.Is(last, backends.ErrUnavailable) {
		t.Errorf("%d batches, %v", batches, last)
	}
	if got := purgeAll(t, c, PurgeOptions{}); len(got) != 4 {
		t.Errorf("once it is back %q go", got)
	}
}
