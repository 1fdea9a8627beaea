package check

import (
	"context"
	"errors"
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
