package check

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/settings"
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

// TestTheStrayMayBeNewer leaves it to somebody which of two bodies of one size is
// the file, where the one that readers find is older than the row and the other one
// has its time. One that is newer than the row was left by a crash.
func TestTheStrayMayBeNewer(t *testing.T) {
	f := newFixture(t, "sqlite", false)
	name := onNFS + "a"
	f.putRows(f.row(name, 100), f.row(onNFS+"b", 100))
	f.putBodies(bodies{{past, name}: 100, {"nfs", onNFS + "b"}: 100})
	put := func(at time.Time) {
		t.Helper()
		if err := f.putBody("nfs", name, 100, at); err != nil {
			t.Fatal(err)
		}
	}
	put(f.long.Add(-time.Hour))
	f.untouched(Options{}, "wrong-time "+name, "stray-body "+name)
	f.untouched(Options{Storage: true}, "stray-body "+name)
	put(f.long.Add(time.Minute))
	found, _ := f.check(Options{Now: later, Repair: true, Delete: true})
	wantLines(t, "after a crash", summarize(found), []string{"wrong-time " + name + " repaired", "stray-body " + name + " deleted"})
}

// TestOneBucketByTwoNames: what looks like a stray is the only body, seen by the
// other name of its bucket.
func TestOneBucketByTwoNames(t *testing.T) {
	s := newSettings(t, "sqlite", true)
	other := s.S3["s3"]
	other.Name, other.Endpoint = "s3:other", strings.Replace(other.Endpoint, "127.0.0.1", "localhost", 1)
	if other.Endpoint == s.S3["s3"].Endpoint {
		t.Fatalf("no other name of %s", other.Endpoint)
	}
	s.S3["s3:other"] = other
	f := openFixture(t, s)
	f.putRows(f.row(onS3+"a", 100), f.row(onNFS+"b", 100))
	f.putBodies(bodies{{"s3", onS3 + "a"}: 100, {"nfs", onNFS + "b"}: 100})
	f.untouched(Options{})
}

// TestTheFileMayBeWhereNobodyCanLook does not shrink a row while a store is
// away that may have the body of its size.
func TestTheFileMayBeWhereNobodyCanLook(t *testing.T) {
	f := newFixture(t, "sqlite", false)
	f.putRows(f.row(onNFS+"a", 100), f.row(onNFS+"sound", 1))
	f.putBodies(bodies{{"nfs", onNFS + "a"}: 7, {"nfs", onNFS + "sound"}: 1, {past, onNFS + "b"}: 1})
	f.untouched(Options{Database: true, Stores: append(f.stores[:len(f.stores):len(f.stores)], Store{Name: "s3:old", Err: backends.ErrUnavailable})},
		"wrong-size "+onNFS+"a")
	found, _ := f.check(Options{Now: later, Repair: true, Database: true,
		Stores: append(f.stores[:len(f.stores):len(f.stores)], Store{Name: "s3:old", Err: backends.ErrUnavailable})})
	if len(found) != 1 || found[0].Action != "" || found[0].Error != "its body may lie on s3:old, which cannot tell" {
		t.Errorf("%+v", found)
	}
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

// TestNotTheStoreOfTheRows leaves a store alone that has none of its rows'
// bodies, and its rows, however few: a share that is not mounted (empty) or
// another's, with files of the same names. It says so once. No row of another
// store is expired meanwhile, whose body may lie on the right one.
func TestNotTheStoreOfTheRows(t *testing.T) {
	for _, test := range []struct {
		rows  int
		empty bool
	}{{1, true}, {1, false}, {3, false}, {2 * probes, true}, {2 * probes, false}} {
		t.Run(fmt.Sprintf("%+v", test), func(t *testing.T) {
			f := newFixture(t, "sqlite", true)
			list := bodies{{"s3", onS3 + "a"}: 1, {"s3", onS3 + "b"}: 1, {past, onNFS + "0"}: 2}
			want := []string{"missing-body " + onS3 + "missing"}
			for i := range test.rows {
				f.putRows(f.row(fmt.Sprintf("%s%d", onNFS, i), 1))
			}
			f.putRows(f.row(onS3+"a", 1), f.row(onS3+"b", 1), f.row(onS3+"missing", 1))
			if !test.empty {
				list[[2]string{"nfs", "music/1"}] = 1
				list[[2]string{"nfs", onNFS + "theirs"}] = 1 // no row names it
				list[[2]string{"nfs", onS3 + "a"}] = 7       // it is no stray of ours
				want = append(want, "orphan-body music/1", "orphan-body "+onNFS+"theirs", "stray-body "+onS3+"a")
			}
			f.putBodies(list)
			if !test.empty {
				want = append(want, "staged-leftover "+f.stage(onNFS+"1"))
			}
			summary := f.untouched(Options{}, want...)
			if summary.Skipped != int64(test.rows) || summary.Unchecked != 1 || summary.Failures[0].What != "nfs" {
				t.Errorf("%+v", summary)
			}
			// An empty directory that is no mount stays unbelievable.
			found, summary := f.check(Options{Now: later, Delete: true, Database: true, Prefix: onNFS, AcceptLoss: true})
			if len(found) > 0 == test.empty || summary.Clean() == test.empty {
				t.Errorf("accepted: %q, %+v", summarize(found), summary)
			}
		})
	}
}

// TestNotTheStoreByAnotherName knows a tree by any of its names: here the rules
// name the one that is not looked at.
func TestNotTheStoreByAnotherName(t *testing.T) {
	s := newSettings(t, "sqlite", false)
	other := s.NFS[past]
	other.Name = "nfs:a"
	s.NFS[other.Name] = other
	s.Dispatch.PathBackends = []settings.Rule{{Prefix: onS3, Backend: past}}
	f := openFixture(t, s)
	if stores := f.stores; len(stores) != 3 || stores[1].Name != other.Name || stores[2].Same != other.Name {
		t.Fatalf("%+v", stores)
	}
	f.putRows(f.row(onNFS+"a", 1), f.row(onS3+"missing", 1))
	f.putBodies(bodies{{"nfs", onNFS + "a"}: 1, {past, onS3 + "theirs"}: 1, {past, onNFS + "a"}: 2})
	if summary := f.untouched(Options{}, "orphan-body "+onS3+"theirs", "stray-body "+onNFS+"a"); summary.Skipped != 1 || summary.Unchecked != 1 {
		t.Errorf("%+v", summary)
	}
}

// TestSameNameOtherSize takes a file of a row's name for no sign that a share is
// the right one: other sites have files of the same names.
func TestSameNameOtherSize(t *testing.T) {
	f := newFixture(t, "sqlite", false)
	f.putRows(f.row(onNFS+"a", 10), f.row(onNFS+"b", 10), f.row(onNFS+"c", 10))
	f.putBodies(bodies{{"nfs", onNFS + "a"}: 7, {past, "var/a"}: 1})
	f.untouched(Options{Database: true}, "wrong-size "+onNFS+"a")
	// One that is a row's says that what else is missing is.
	f.putBodies(bodies{{"nfs", onNFS + "b"}: 10})
	found, summary := f.check(Options{Now: later, Delete: true, Repair: true, Database: true})
	wantLines(t, "found", summarize(found), []string{"missing-body " + onNFS + "c deleted", "wrong-size " + onNFS + "a repaired"})
	if !summary.Clean() {
		t.Errorf("%+v", summary)
	}
}

// TestRulesNameAnEmptyStore moves what lies on the old store to the new one,
// which is empty, and believes nothing to be lost.
func TestRulesNameAnEmptyStore(t *testing.T) {
	f := newFixture(t, "sqlite", true)
	f.putRows(f.row(onNFS+"here", 1), f.row(onS3+"a", 1), f.row(onS3+"b", 2))
	f.putBodies(bodies{{"nfs", onNFS + "here"}: 1, {"nfs", onS3 + "a"}: 1, {"nfs", onS3 + "b"}: 2, {past, onNFS + "here"}: 1})
	found, summary := f.check(Options{Now: later})
	wantLines(t, "dry run", summarize(found), []string{"stray-body " + onNFS + "here", "misplaced-body " + onS3 + "a", "misplaced-body " + onS3 + "b"})
	if summary.Unchecked > 0 || summary.Skipped > 0 {
		t.Errorf("%+v", summary)
	}
	f.putRows(f.row(onS3+"missing", 1))
	found, summary = f.check(Options{Now: later, Repair: true, Delete: true})
	wantLines(t, "repair", summarize(found), []string{"stray-body " + onNFS + "here deleted", "misplaced-body " + onS3 + "a repaired", "misplaced-body " + onS3 + "b repaired"})
	if summary.Unchecked != 1 || summary.Skipped != 1 || summary.Failures[0].What != "s3" {
		t.Errorf("%+v", summary)
	}
	for name, size := range map[string]int64{"a": 1, "b": 2} {
		if info, err := f.backend("s3").Stat(t.Context(), onS3+name); err != nil || info.Size != size {
			t.Errorf("moved %s: %+v, %v", name, info, err)
		}
	}
	// Now it has bodies of its rows and is believed.
	f.putBodies(bodies{{past, "music/1"}: 1})
	found, _ = f.check(Options{Now: later, Delete: true})
	wantLines(t, "afterwards", summarize(found), []string{"missing-body " + onS3 + "missing deleted", "orphan-body music/1"})
}

// TestRulesNameAnothersStore moves nothing to a store that holds what is
// somebody else's.
func TestRulesNameAnothersStore(t *testing.T) {
	f := newFixture(t, "sqlite", true)
	f.putRows(f.row(onNFS+"here", 1), f.row(onS3+"a", 1))
	f.putBodies(bodies{{"nfs", onNFS + "here"}: 1, {"nfs", onS3 + "a"}: 1, {"s3", "music/1"}: 1})
	if summary := f.untouched(Options{}, "orphan-body music/1"); summary.Unchecked != 1 || summary.Skipped != 1 {
		t.Errorf("%+v", summary)
	}
	found, _ := f.check(Options{Now: later, Repair: true, AcceptLoss: true, Database: true, Storage: true, Prefix: onS3})
	wantLines(t, "accepted", summarize(found), []string{"misplaced-body " + onS3 + "a repaired"})
}

// TestMigratingFromTheWrongShare expires no row whose body was not copied yet,
// although the new store has those of the others.
func TestMigratingFromTheWrongShare(t *testing.T) {
	s := newSettings(t, "sqlite", true)
	s.Dispatch.MigrateFrom = []settings.Rule{{Prefix: onS3, Backend: past}}
	f := openFixture(t, s)
	for i := range 6 {
		name := fmt.Sprintf("%s%d", onS3, i)
		f.putRows(f.row(name, 1))
		if i%2 == 0 {
			f.putBodies(bodies{{"s3", name}: 1})
		}
	}
	f.putBodies(bodies{{past, "music/1"}: 1})
	if summary := f.untouched(Options{}, "orphan-body music/1"); summary.Skipped != 3 || summary.Unchecked != 1 || summary.Failures[0].What != past {
		t.Errorf("%+v", summary)
	}
	f.putBodies(bodies{{past, onS3 + "1"}: 1, {past, onS3 + "3"}: 1, {"nfs", "music/2"}: 1})
	found, summary := f.check(Options{Now: later, Delete: true})
	wantLines(t, "the right one", summarize(found), []string{"missing-body " + onS3 + "5 deleted", "orphan-body music/1", "orphan-body music/2"})
	if summary.Skipped > 0 || summary.Unchecked > 0 {
		t.Errorf("%+v", summary)
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

// refusing is a bucket that does not let us remove uploads.
type refusing struct {
	stagedOnly
	tried *int
}

func (s refusing) DropStaged(_ context.Context, l backends.Leftover) error {
	*s.tried++
	return &backends.Error{Backend: "s3", Op: "abort upload", Path: l.Path, Kind: fs.ErrPermission, Err: errors.New("grant s3:Abort")}
}

// TestUploadsThatStay tells once, with their number, why uploads could not be
// removed, and does not try each.
func TestUploadsThatStay(t *testing.T) {
	f := newFixture(t, "sqlite", false)
	f.putRows(f.row(onNFS+"a", 1))
	f.putBodies(bodies{{"nfs", onNFS + "a"}: 1})
	tried := 0
	bucket := refusing{stagedOnly{Backend: f.backend(past)}, &tried}
	var want []string
	for i := range 30 {
		path := fmt.Sprintf("%sup%d", onNFS, i)
		bucket.leftovers = append(bucket.leftovers, backends.Leftover{Path: path, ID: fmt.Sprint(i), Active: f.long})
		want = append(want, "staged-leftover "+path)
	}
	found, summary := f.check(Options{Stores: []Store{f.stores[0], {Name: "s3", Backend: bucket}}, Now: time.Now, Delete: true})
	wantLines(t, "found", summarize(found), want)
	if tried != 1 || len(summary.Notes) != 1 || summary.Clean() || summary.Unchecked > 0 ||
		summary.Notes[0] != `unfinished uploads on s3 could not be removed, 30 of them: s3: abort upload "`+onNFS+`up0": permission denied: grant s3:Abort` {
		t.Errorf("tried %d times, %+v", tried, summary)
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
