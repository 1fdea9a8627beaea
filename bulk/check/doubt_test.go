package check

import (
	"strings"
	"testing"

	"example.com/ezdfs/backends"
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
