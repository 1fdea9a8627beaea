package cluster

import (
	"context"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// migratingTrash are settings by which onS3 migrates from the tree, and those by
// which all lies there still; of the stores named, the trash is taken away.
func migratingTrash(t *testing.T, engine string, without ...string) (s, before settings.Settings) {
	t.Helper()
	s = trashSettings(t, engine)
	nfs, s3 := s.NFS["nfs"], s.S3["s3"]
	if slices.Contains(without, "nfs") {
		nfs.Trash = ""
	}
	if slices.Contains(without, "s3") {
		s3.Trash = ""
	}
	s.NFS, s.S3 = map[string]settings.NFS{"nfs": nfs}, map[string]settings.S3{"s3": s3}
	createSchema(t, s)
	before = s
	before.Dispatch.PathBackends = nil
	s.Dispatch.MigrateFrom = []settings.Rule{{Prefix: onS3, Backend: "nfs"}}
	return s, before
}

// putAt stores a body past the cluster.
func putAt(t *testing.T, b backends.Backend, path, body string, modTime time.Time) {
	t.Helper()
	staged, err := b.Stage(t.Context(), path, strings.NewReader(body), backends.Attributes{Size: -1, ModTime: modTime})
	if err == nil {
		err = staged.Publish(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// inTrashes is what is in the trash of which store.
type inTrashes map[string]string

// TestTrashDuringAMigration: what nobody else keeps goes into the trash of the
// store where it lies, or of the one that it migrates to, and leaves both stores.
func TestTrashDuringAMigration(t *testing.T) {
	trashes := []struct {
		name    string
		without []string
	}{{"both", nil}, {"first", []string{"nfs"}}, {"second", []string{"s3"}}}
	for i, with := range trashes {
		s, _ := migratingTrash(t, "sqlite", with.without...)
		c := open(t, s)
		c.mustStore(t, onNFS+"a", "so that the tree is known")
		for _, test := range []struct {
			name          string
			first, second string        // the bodies
			age           time.Duration // of the second
			want          [3]inTrashes
		}{
			{"new", "body", noBody, 0, [3]inTrashes{{"s3": "body"}, {"s3": "body"}, {}}},
			{"not yet", noBody, "body", 0, [3]inTrashes{{"nfs": "body"}, {"s3": "body"}, {"nfs": "body"}}},
			{"copied", "body", "body", 0, [3]inTrashes{{"s3": "body"}, {"s3": "body"}, {"nfs": "body"}}},
			{"outdated", "body", "left behind", time.Minute, [3]inTrashes{{"s3": "body"}, {"s3": "body"}, {}}},
			{"by other rules", "body", "newer", -time.Minute, [3]inTrashes{{"s3": "body", "nfs": "newer"}, {"s3": "body"}, {"nfs": "newer"}}},
			{"none", noBody, noBody, 0, [3]inTrashes{}},
		} {
			t.Run(with.name+"/"+test.name, func(t *testing.T) {
				path := onS3 + test.name
				row, route := c.mustStore(t, path, "body"), c.stores.Route(path)
				if err := c.stores.Delete(t.Context(), []string{path}); err != nil {
					t.Fatal(err)
				}
				if test.first != noBody {
					putAt(t, route.Backend, path, test.first, row.ModTime())
				}
				if test.second != noBody {
					putAt(t, route.From, path, test.second, row.ModTime().Add(-test.age))
				}
				if n, err := c.Purge(t.Context(), path); n != 1 || err != nil {
					t.Fatalf("purged %d, %v", n, err)
				}
				for _, store := range []backends.Backend{route.Backend, route.From} {
					if got := read(t, store, path); got != noBody {
						t.Errorf("%s holds %q", store.Name(), got)
					}
				}
				c.restoresAll(t, path, test.want[i])
			})
		}
	}
}

// restoresAll restores all that is in the trash of a path; what is not, has left
// no entry.
func (c *Cluster) restoresAll(t *testing.T, path string, want inTrashes) {
	t.Helper()
	found := c.inTrashOf(t, path)
	if len(found) != len(want) {
		t.Errorf("in the trash: %+v", found)
	}
	for _, entry := range found {
		if got := c.trashBody(t, entry); got != want[entry.Backend] || entry.Pending {
			t.Errorf("in the trash of %s: %q, %+v", entry.Backend, got, entry)
		}
		if _, err := c.Restore(t.Context(), entry); err != nil || c.contents(t, path) != want[entry.Backend] {
			t.Errorf("restored %q, %v", c.contents(t, path), err)
		}
		if err := c.expireNow(t, path); err != nil {
			t.Error(err)
		}
	}
	// What made room for the second is there again; what was announced only would stay.
	for batch, err := range c.EmptyTrash(t.Context(), metadata.TrashFilter{Name: path}) {
		if err != nil || len(batch.Failed) > 0 {
			t.Errorf("%+v, %v", batch, err)
		}
	}
	for entry, err := range c.meta.Trash(t.Context(), metadata.TrashFilter{}) {
		t.Errorf("left is %+v, %v", entry, err)
	}
}

// TestCrashOfAPurgeDuringAMigration kills a purge of what has yet to migrate
// between any two of its steps.
func TestCrashOfAPurgeDuringAMigration(t *testing.T) {
	s, before := migratingTrash(t, "sqlite", "s3")
	old, c := open(t, before), open(t, s)
	for _, at := range []step{stepIntended, stepLocked, stepTrashed, stepDeleted, stepCommitted} {
		t.Run(string(at), func(t *testing.T) {
			path := onS3 + string(at)
			old.mustStore(t, path, oldBody)
			child := startOther(t, s, "crash", "discard", string(at), path, "")
			err := child.cmd.Wait()
			if status, ok := child.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() {
				t.Fatalf("the process was not killed: %v: %s", err, &child.stderr)
			}
			c.assertNothingLost(t, path)
			c.discardsAgain(t, path)
		})
	}
}

// TestPurgesOfAMigrationBothWaysRound: of two hosts with the two stores the other
// way round, both purge the same files; each body is in a trash once.
func TestPurgesOfAMigrationBothWaysRound(t *testing.T) {
	for engine := range engines {
		t.Run(engine, func(t *testing.T) {
			s, before := migratingTrash(t, engine)
			round := before
			round.Dispatch.MigrateFrom = []settings.Rule{{Prefix: onS3, Backend: "s3"}}
			c, other := open(t, s), open(t, round)
			var rows []metadata.Row
			for i := range 20 {
				path := onS3 + string(rune('a'+i))
				rows = append(rows, []*Cluster{c, other}[i%2].mustStore(t, path, "body"))
				if err := c.expireNow(t, path); err != nil {
					t.Fatal(err)
				}
			}
			done := make(chan error)
			go func() {
				batch, err := other.PurgeRows(context.WithoutCancel(t.Context()), rows, time.Time{})
				if err == nil {
					err = batch.err()
				}
				done <- err
			}()
			if batch, err := c.PurgeRows(t.Context(), rows, time.Time{}); err != nil || batch.err() != nil {
				t.Error(err, batch.err())
			}
			if err := <-done; err != nil {
				t.Error(err)
			}
			for _, row := range rows {
				assertGone(t, c, row.Name)
				c.assertTrashed(t, row.Name, c.inTrashOf(t, row.Name), "body")
			}
		})
	}
}
