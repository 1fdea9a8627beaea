package check

import (
	"context"
	"fmt"
	"iter"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/cluster"
)

// untouched has a check with all permissions find these and change nothing.
func (f *fixture) untouched(o Options, want ...string) Summary {
	f.Helper()
	before := f.state()
	o.Now, o.Repair, o.Delete = later, true, true
	found, summary := f.check(o)
	wantLines(f, "found", summarize(found), want)
	if changed := differences(before, f.state()); len(changed) > 0 {
		f.Errorf("changed %q", changed)
	}
	return summary
}

// TestTheStrayMayBeTheFile leaves it to somebody which of two bodies is the
// file: the one that readers find, or that of the row's size.
func TestTheStrayMayBeTheFile(t *testing.T) {
	f := newFixture(t, "sqlite", false)
	name := onNFS + "a"
	f.putRows(f.row(name, 100), f.row(onNFS+"b", 100))
	f.putBodies(bodies{{"nfs", name}: 7, {past, name}: 100, {"nfs", onNFS + "b"}: 100})
	f.untouched(Options{}, "wrong-size "+name, "stray-body "+name)
	f.untouched(Options{Storage: true}, "stray-body "+name)
	f.untouched(Options{Database: true}, "wrong-size "+name)
	// That of neither size is no candidate.
	f.putBodies(bodies{{past, name}: 8})
	found, _ := f.check(Options{Now: later, Repair: true, Delete: true})
	wantLines(t, "with a stray of another size", summarize(found), []string{"wrong-size " + name + " repaired", "stray-body " + name + " deleted"})
}

// TestTheFileMayBeWhereNobodyCanLook does not shrink a row while a store is
// away that may have the body of its size.
func TestTheFileMayBeWhereNobodyCanLook(t *testing.T) {
	f := newFixture(t, "sqlite", false)
	f.putRows(f.row(onNFS+"a", 100))
	f.putBodies(bodies{{"nfs", onNFS + "a"}: 7})
	f.untouched(Options{Stores: append(f.stores[:len(f.stores):len(f.stores)], Store{Name: "s3:old", Err: backends.ErrUnavailable})},
		"wrong-size "+onNFS+"a")
}

// TestFilesOf1970 finds nothing wrong with a row as PHP stores a file of 1970,
// wherever its bodies lie.
func TestFilesOf1970(t *testing.T) {
	f := newFixture(t, "sqlite", false)
	for _, name := range []string{"home", "none", "both", "misplaced"} {
		row := f.row(onNFS+name, 5)
		row.MTime = -1
		f.putRows(row)
	}
	f.putBodies(bodies{{"nfs", onNFS + "home"}: 5, {"nfs", onNFS + "both"}: 5, {past, onNFS + "both"}: 5, {past, onNFS + "misplaced"}: 5})
	f.untouched(Options{})
	// Another finding does not bring them to light.
	f.exec("UPDATE ezdfsfile SET name_trunk = 'var/other'")
	before := f.state()
	found, _ := f.check(Options{Now: later, Repair: true, Delete: true})
	if len(found) != 4 {
		t.Errorf("found %q", summarize(found))
	}
	for _, key := range differences(before, f.state()) {
		if !strings.HasPrefix(key, "row ") {
			t.Errorf("changed %s", key)
		}
	}
	if row, err := f.Metadata().Get(t.Context(), onNFS+"misplaced"); err != nil || row.MTime != -1 || row.Expired {
		t.Errorf("%+v, %v", row, err)
	}
}

// TestNotTheStoreOfTheRows leaves the rows of a store alone that has none of
// their bodies, says so once, and goes on with the others.
func TestNotTheStoreOfTheRows(t *testing.T) {
	for _, others := range []int{0, 30} { // bodies that are somebody else's
		f := newFixture(t, "sqlite", true)
		list := bodies{{"s3", onS3 + "a"}: 1, {past, onNFS + "0"}: 1}
		for i := range others {
			list[[2]string{"nfs", fmt.Sprintf("music/%d", i)}] = 1
		}
		for i := range probes {
			f.putRows(f.row(fmt.Sprintf("%s%d", onNFS, i), 1))
		}
		f.putRows(f.row(onS3+"a", 1), f.row(onS3+"missing", 1))
		f.putBodies(list)
		before := f.state()
		all := Options{Now: later, Repair: true, Delete: true, Database: true}
		found, summary := f.check(all)
		want, changes := "missing-body "+onS3+"missing", 0
		if others > 0 { // an empty tree cannot tell whether that body is in it
			want, changes = want+" deleted", 1
		}
		wantLines(t, "found", summarize(found), []string{want})
		if summary.Skipped != probes || summary.Unchecked != 1 || summary.Failures[0].What != "nfs" {
			t.Errorf("%d others: %+v", others, summary)
		}
		if changed := differences(before, f.state()); len(changed) != changes {
			t.Errorf("%d others: changed %q", others, changed)
		}
		all.Prefix, all.AcceptLoss = onNFS+"1", others > 0 // an empty directory that is no mount stays unbelievable
		if found, summary = f.check(all); len(found) > 0 != all.AcceptLoss || summary.Clean() != all.AcceptLoss {
			t.Errorf("%d others, accepted: %q, %+v", others, summarize(found), summary)
		}
	}
}

// TestPrefixWithoutBodies takes bodies beside the prefix for a sign that the
// store is the right one.
func TestPrefixWithoutBodies(t *testing.T) {
	f := newFixture(t, "sqlite", false)
	f.putRows(f.row(onNFS+"a", 1), f.row(onNFS+"b", 1))
	f.putBodies(bodies{{"nfs", onNFS + "a"}: 1, {past, "var/a"}: 1})
	found, _ := f.check(Options{Now: later, Prefix: onNFS + "b", Delete: true})
	wantLines(t, "found", summarize(found), []string{"missing-body " + onNFS + "b deleted"})
}

// stagedOnly is a backend that tells of leftovers, and counts the dropped.
type stagedOnly struct {
	backends.Backend
	leftovers []backends.Leftover
	dropped   *[]string
}

func (s stagedOnly) ListStaged(context.Context, string) iter.Seq2[backends.Leftover, error] {
	return func(yield func(backends.Leftover, error) bool) {
		for _, l := range s.leftovers {
			if !yield(l, nil) {
				return
			}
		}
	}
}

func (s stagedOnly) DropStaged(_ context.Context, l backends.Leftover) error {
	*s.dropped = append(*s.dropped, l.Path)
	return nil
}

// TestUploadsOfOthers leaves uploads alone that may be somebody else's or may
// not be over.
func TestUploadsOfOthers(t *testing.T) {
	f := newFixture(t, "sqlite", false)
	f.putRows(f.row(onNFS+"a", 1))
	f.putBodies(bodies{{"nfs", onNFS + "a"}: 1})
	var dropped []string
	bucket := stagedOnly{f.backend(past), []backends.Leftover{
		{Path: onNFS + "ours", ID: "1", Active: f.long},
		{Path: onNFS + "unsure", ID: "2", Active: f.long, Unsure: true},
		{Path: "backups/dump", ID: "3", Active: f.long},
		{Path: onNFS + "young", ID: "4", Active: later()},
	}, &dropped}
	found, summary := f.check(Options{Stores: []Store{f.stores[0], {Name: "s3", Backend: bucket}}, Now: time.Now, Delete: true})
	wantLines(t, "found", summarize(found), []string{
		"staged-leftover " + onNFS + "ours deleted", "staged-leftover " + onNFS + "unsure", "staged-leftover backups/dump",
	})
	if !slices.Equal(dropped, []string{onNFS + "ours"}) || summary.Young != 1 {
		t.Errorf("dropped %q, %+v", dropped, summary)
	}
}

// TestNobodyDrops has a leftover told that its backend cannot remove.
func TestNobodyDrops(t *testing.T) {
	f := newFixture(t, "sqlite", false)
	r := newRun(f.Cluster, Options{Now: time.Now, Delete: true, Storage: true, Found: func(Finding) error { return nil }})
	r.span.to = 1 << 32
	s := &store{Store: Store{Name: "x", Backend: struct{ backends.Backend }{}}}
	if err := r.leftover(t.Context(), s, backends.Leftover{Path: onNFS + "a"}); err != nil || r.summary.Found != 1 || r.summary.Mended != 0 {
		t.Errorf("%v, %+v", err, r.summary)
	}
}

// TestShareIsNotMounted opens a cluster without one of its shares, or with an
// empty directory in its place, says so once and checks the other store.
func TestShareIsNotMounted(t *testing.T) {
	for _, empty := range []bool{false, true} {
		s := newSettings(t, "sqlite", true)
		if err := os.Remove(s.NFS["nfs"].MountPointPath); err != nil {
			t.Fatal(err)
		}
		f := openFixture(t, s, cluster.WithLateStores())
		if empty {
			if err := os.Mkdir(s.NFS["nfs"].MountPointPath, 0o777); err != nil {
				t.Fatal(err)
			}
		}
		f.putRows(f.row(onNFS+"a", 1), f.row(onNFS+"b", 1), f.row(onS3+"sound", 1), f.row(onS3+"missing", 1))
		f.putBodies(bodies{{"s3", onS3 + "sound"}: 1})
		found, summary := f.check(Options{Now: later, Repair: true, Delete: true, AcceptLoss: true})
		wantLines(t, "found", summarize(found), []string{"missing-body " + onS3 + "missing"})
		if summary.Unchecked != 1 || summary.Failures[0].What != "nfs" || summary.Skipped != 2 {
			t.Errorf("empty %v: %+v", empty, summary)
		}
	}
}
