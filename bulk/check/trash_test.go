package check

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// setTrash gives a backend of settings a trash.
func setTrash(s settings.Settings, name, trash string) {
	tree := s.NFS[name]
	tree.Name, tree.Trash = name, trash
	s.NFS[name] = tree
}

func (f *fixture) trash() (found []metadata.Trashed) {
	f.Helper()
	for entry, err := range f.Trash(f.Context(), metadata.TrashFilter{}) {
		if err != nil {
			f.Fatal(err)
		}
		found = append(found, entry)
	}
	return found
}

// TestDeleteIntoTrash: what belongs to nobody goes into the trash of its store
// and can be restored, that of a store without one is deleted.
func TestDeleteIntoTrash(t *testing.T) {
	s := newSettings(t, "sqlite", true)
	setTrash(s, "nfs", ".trash")
	bucket := s.S3["s3"]
	bucket.Trash = "trash/bodies"
	s.S3["s3"] = bucket
	f := openFixture(t, s)
	f.putRows(f.row(onNFS+"live", 5), f.row(onS3+"live", 5))
	f.putBodies(bodies{
		{"nfs", onNFS + "live"}: 5, {"s3", onS3 + "live"}: 5,
		{"nfs", onNFS + "orphan"}: 6, {"s3", onS3 + "orphan"}: 6, {past, onNFS + "past orphan"}: 6,
		{past, onNFS + "live"}: 7, {"nfs", onS3 + "live"}: 7,
	})
	want := func(trashed, deleted string) []string {
		return []string{
			"orphan-body " + onNFS + "orphan" + trashed, "orphan-body " + onS3 + "orphan" + trashed, "orphan-body " + onNFS + "past orphan" + deleted,
			"stray-body " + onNFS + "live" + deleted, "stray-body " + onS3 + "live" + trashed,
		}
	}
	found, _ := f.check(Options{Now: later})
	wantLines(t, "a dry run", summarize(found), want("", ""))
	found, summary := f.check(Options{Delete: true, Now: later})
	wantLines(t, "deleting", summarize(found), want(" trashed", " deleted"))
	if summary.Mended != 5 {
		t.Errorf("%d mended", summary.Mended)
	}
	if found, _ := f.check(Options{Now: later}); len(found) > 0 {
		t.Errorf("left are %+v", found)
	}
	entries := f.trash()
	if len(entries) != 3 {
		t.Fatalf("in the trash: %+v", entries)
	}
	for _, entry := range entries {
		_, err := f.Restore(t.Context(), entry)
		if stray := entry.Name == onS3+"live"; stray != (err != nil) {
			t.Errorf("restoring %s: %v", entry.Name, err)
		}
	}
	if found, summary := f.check(Options{Now: later}); len(found) > 0 || summary.Rows != 4 {
		t.Errorf("restored: %d rows, found %+v", summary.Rows, found)
	}
}

// TestDeleteNeedsTheTableOfTheTrash: without it nothing is removed.
func TestDeleteNeedsTheTableOfTheTrash(t *testing.T) {
	s := newSettings(t, "sqlite", false)
	setTrash(s, "nfs", "trash")
	setTrash(s, past, "trash")
	f := openFixture(t, s)
	f.putRows(f.row(onNFS+"live", 5))
	f.putBodies(bodies{{"nfs", onNFS + "live"}: 5, {"nfs", onNFS + "orphan"}: 6, {past, onNFS + "live"}: 7})
	f.exec("DROP TABLE ezdfs_trash")
	before := f.state()
	_, summary := f.check(Options{Delete: true, Now: later})
	if summary.Unchecked != 2 || summary.Mended != 0 {
		t.Errorf("%+v", summary)
	}
	if left := differences(before, f.state()); len(left) > 0 {
		t.Errorf("removed %q", left)
	}
}

// TestTrashOfAnotherName: what is in a trash is no orphan under another name of
// its tree, nor beside or above it.
func TestTrashOfAnotherName(t *testing.T) {
	for name, test := range map[string]struct {
		trash  map[string]string // by backend
		mounts map[string]string // below the tree
		action string
	}{
		"the first has one":  {trash: map[string]string{"nfs": "trash"}, mounts: map[string]string{"nfs:alias": ""}, action: "trashed"},
		"the second has one": {trash: map[string]string{"nfs:alias": "trash"}, mounts: map[string]string{"nfs:alias": ""}, action: "trashed"},
		"each has one":       {trash: map[string]string{"nfs": "trash", "nfs:alias": "a/trash"}, mounts: map[string]string{"nfs:alias": ""}, action: "trashed"},
		"one within":         {trash: map[string]string{"nfs:within": "trash"}, mounts: map[string]string{"nfs:within": "var/site/within"}, action: "deleted"},
		"one around":         {trash: map[string]string{"nfs": "var/site/within/trash"}, mounts: map[string]string{"nfs:within": "var/site/within"}, action: "trashed"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSettings(t, "sqlite", false)
			for name, dir := range test.mounts {
				tree := s.NFS["nfs"]
				tree.MountPointPath = filepath.Join(tree.MountPointPath, dir)
				if err := os.MkdirAll(tree.MountPointPath, 0o777); err != nil {
					t.Fatal(err)
				}
				s.NFS[name] = tree
				setTrash(s, name, test.trash[name])
			}
			setTrash(s, "nfs", test.trash["nfs"])
			f := openFixture(t, s)
			f.putRows(f.row(onNFS+"live", 5))
			f.putBodies(bodies{{"nfs", onNFS + "live"}: 5, {"nfs", onNFS + "orphan"}: 6})
			for backend, trash := range test.trash {
				for i := range 2 {
					f.putBodies(bodies{{backend, fmt.Sprintf("%s/2026-11-2%d/%strashed", trash, i, onNFS)}: 8})
				}
			}
			want := []string{"orphan-body " + onNFS + "orphan"}
			found, summary := f.check(Options{Now: later})
			wantLines(t, "a dry run", summarize(found), want)
			if summary.Bodies != 2 {
				t.Errorf("listed %d bodies", summary.Bodies)
			}
			found, _ = f.check(Options{Delete: true, Now: later})
			wantLines(t, "deleting", summarize(found), []string{want[0] + " " + test.action})
		})
	}
}
