package check

import (
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
