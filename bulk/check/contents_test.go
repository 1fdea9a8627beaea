package check

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/cluster"
)

// badDisk is a backend that cannot read some of its bodies to the end.
type badDisk struct{ backends.Backend }

var errBadSector = errors.New("a bad sector")

func (b badDisk) Open(ctx context.Context, path string, offset, length int64) (backends.Reader, error) {
	r, err := b.Backend.Open(ctx, path, offset, length)
	if err == nil && strings.Contains(path, "bad") {
		r = badReader{r}
	}
	return r, err
}

type badReader struct{ backends.Reader }

func (badReader) Read([]byte) (int, error) { return 0, errBadSector }

func TestDamagedBodies(t *testing.T) {
	s := newSettings(t, "sqlite", false)
	f := openFixture(t, s, cluster.WithBackendWrapper(func(b backends.Backend) backends.Backend { return badDisk{b} }))
	f.putRows(f.row(onNFS+"bad", 3), f.row(onNFS+"good", 3))
	f.putBodies(bodies{{"nfs", onNFS + "bad"}: 3, {"nfs", onNFS + "good"}: 3})
	if found, _ := f.check(Options{Now: later}); len(found) > 0 {
		t.Errorf("unread: %q", summarize(found))
	}
	found, _ := f.check(Options{Now: later, Contents: true, Repair: true, Delete: true})
	wantLines(t, "read", summarize(found), []string{"damaged-body " + onNFS + "bad"})
	if len(found) == 1 && (found[0].Detail != errBadSector.Error() || found[0].Fix != Nothing || found[0].Backend != "nfs") {
		t.Errorf("%+v", found[0])
	}
}

// TestContentsOfFaultyRows reads the bodies of rows that have another fault as
// well, and tells each of them once.
func TestContentsOfFaultyRows(t *testing.T) {
	f := openFixture(t, newSettings(t, "sqlite", false),
		cluster.WithBackendWrapper(func(b backends.Backend) backends.Backend { return badDisk{b} }))
	for i, s := range f.stores { // the backend that no rule names is opened beside the cluster
		if s.Name == past {
			f.stores[i].Backend = badDisk{s.Backend}
		}
	}
	size, trunk := f.row(onNFS+"bad-size", 3), f.row(onNFS+"bad-trunk", 3)
	size.Size, trunk.Trunk = 4, "x"
	f.putRows(size, trunk, f.row(onNFS+"bad-place", 3), f.row(onNFS+"bad-hash", 3), f.row(onNFS+"bad-missing", 3))
	for _, name := range []string{"bad-size", "bad-trunk", "bad-hash"} {
		f.putBodies(bodies{{"nfs", onNFS + name}: 3})
	}
	f.putBodies(bodies{{past, onNFS + "bad-place"}: 3})
	f.exec("UPDATE ezdfsfile SET name_hash = 'ffff' WHERE name LIKE '%bad-hash'")
	faults := []string{"wrong-size " + onNFS + "bad-size", "wrong-trunk " + onNFS + "bad-trunk", "misplaced-body " + onNFS + "bad-place",
		"wrong-hash " + onNFS + "bad-hash", "missing-body " + onNFS + "bad-missing"}
	var damage []string
	for _, name := range []string{"bad-size", "bad-trunk", "bad-place", "bad-hash"} {
		damage = append(damage, "damaged-body "+onNFS+name)
	}
	found, summary := f.check(Options{Now: later, Contents: true})
	wantLines(t, "told", summarize(found), slices.Concat(faults, damage))
	for _, x := range found {
		if want := map[bool]string{false: "nfs", true: past}[strings.HasSuffix(x.Name, "place")]; x.Kind == DamagedBody && x.Backend != want {
			t.Errorf("damaged on %s, want %s: %+v", x.Backend, want, x)
		}
	}
	if summary.Unchecked > 0 {
		t.Errorf("%+v", summary)
	}
	found, _ = f.check(Options{Now: later, Contents: true, Repair: true})
	damaged := 0
	for _, x := range found {
		if x.Kind == DamagedBody {
			damaged++
		}
	}
	if damaged != len(damage) {
		t.Errorf("mending: %d bodies are damaged, want %d: %q", damaged, len(damage), summarize(found))
	}
}

// TestRefutedBody has a body whose bytes a checksum denies told as damaged, and
// one whose store went silent as not checked.
func TestRefutedBody(t *testing.T) {
	for kind, want := range map[error][]string{
		backends.ErrDamaged:     {"damaged-body " + onNFS + "bad"},
		backends.ErrUnavailable: nil,
	} {
		f := openFixture(t, newSettings(t, "sqlite", false), cluster.WithBackendWrapper(func(b backends.Backend) backends.Backend {
			return failingReads{b, &backends.Error{Backend: "nfs", Op: "read", Kind: kind, Retry: true}}
		}))
		f.putRows(f.row(onNFS+"bad", 3))
		f.putBodies(bodies{{"nfs", onNFS + "bad"}: 3})
		found, summary := f.check(Options{Now: later, Contents: true})
		wantLines(t, kind.Error(), summarize(found), want)
		if summary.Unchecked != int64(1-len(want)) {
			t.Errorf("%v: %+v", kind, summary)
		}
	}
}

// failingReads is a backend whose bodies cannot be read.
type failingReads struct {
	backends.Backend
	err error
}

func (b failingReads) Open(ctx context.Context, path string, offset, length int64) (backends.Reader, error) {
	r, err := b.Backend.Open(ctx, path, offset, length)
	if err != nil {
		return nil, err
	}
	return failingReader{r, b.err}, nil
}

type failingReader struct {
	backends.Reader
	err error
}

func (r failingReader) Read([]byte) (int, error) { return 0, r.err }
