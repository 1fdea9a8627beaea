package check

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/bulk"
	"example.com/ezdfs/internal/testservice"
	"example.com/ezdfs/settings"
)

// TestStoreIsGone damages both stores, takes one of them away and wants to hear
// of the other's damage only, and that something was not checked.
func TestStoreIsGone(t *testing.T) {
	s := newSettings(t, "sqlite", false)
	gateway := testservice.StartVersityGW(t)
	s.S3 = map[string]settings.S3{"s3": {
		Name: "s3", Bucket: gateway.Bucket(t), Endpoint: gateway.Endpoint, UsePathStyleEndpoint: true,
		Region: gateway.Region, AccessKeyID: gateway.AccessKey, SecretAccessKey: settings.Secret(gateway.SecretKey),
		PartSize: 5 << 20, Concurrency: 1,
	}}
	s.Dispatch.PathBackends = []settings.Rule{{Prefix: onS3, Backend: "s3"}}
	f := openFixture(t, s)
	for _, prefix := range []string{onNFS, onS3} {
		f.putRows(f.row(prefix+"missing", 5), f.row(prefix+"sound", 5))
		f.putBodies(bodies{{f.home(prefix), prefix + "sound"}: 5, {f.home(prefix), prefix + "orphan"}: 5})
	}
	all := func(prefix string) []string {
		return []string{"missing-body " + prefix + "missing", "orphan-body " + prefix + "orphan"}
	}

	gateway.Stop()
	found, summary := f.check(Options{Now: later, Repair: true, Delete: true})
	wantLines(t, "without the bucket", summarize(found), // what is missing may be in there, and is not expired
		[]string{"missing-body " + onNFS + "missing", "orphan-body " + onNFS + "orphan deleted"})
	if summary.Unchecked == 0 || len(summary.Failures) == 0 || summary.Failures[0].What != "s3" {
		t.Errorf("without the bucket: %+v", summary)
	}
	gateway.Start(t)

	mount := f.settings.NFS["nfs"].MountPointPath
	if err := os.Rename(mount, mount+".away"); err != nil {
		t.Fatal(err)
	}
	found, summary = f.check(Options{Now: later})
	wantLines(t, "without the mount", summarize(found), all(onS3))
	if summary.Unchecked == 0 {
		t.Errorf("without the mount: %+v", summary)
	}
	// An empty directory in its place is no mount either.
	if err := os.Mkdir(mount, 0o777); err != nil {
		t.Fatal(err)
	}
	found, summary = f.check(Options{Now: later, Repair: true, Delete: true})
	wantLines(t, "with an empty mount", summarize(found), []string{"missing-body " + onS3 + "missing", "orphan-body " + onS3 + "orphan deleted"})
	if summary.Unchecked == 0 {
		t.Errorf("with an empty mount: %+v", summary)
	}
	if row, err := f.Metadata().Get(t.Context(), onNFS+"sound"); err != nil || !row.Live() {
		t.Errorf("a row of the mount that is gone: %+v, %v", row, err)
	}
}

func TestStoreThatCannotBeOpened(t *testing.T) {
	f := newFixture(t, "sqlite", false)
	why := errors.New("no such bucket")
	_, summary := f.check(Options{Stores: append(f.stores, Store{Name: "s3:old", Err: why})})
	if summary.Unchecked != 1 || summary.Failures[0] != (Failure{"s3:old", why.Error()}) {
		t.Errorf("%+v", summary)
	}
}

// TestInterrupted stops a check at its first finding and goes on where it says.
func TestInterrupted(t *testing.T) {
	f := newFixture(t, "sqlite", false)
	var want []string
	for i := range 60 {
		name := fmt.Sprintf("%s%d", onNFS, i)
		if i%2 == 0 {
			f.putRows(f.row(name, 1))
			want = append(want, "missing-body "+name)
		} else {
			f.putBodies(bodies{{"nfs", name}: 1})
			want = append(want, "orphan-body "+name)
		}
	}
	for _, stopAfter := range []int{0, 1, 7, 20, 29, 40} {
		ctx, stop := context.WithCancel(t.Context())
		seen := map[string]bool{}
		o := Options{Stores: f.stores, TempDir: t.TempDir(), Now: later, AcceptLoss: true, spanSize: 5}
		o.Limits.Workers = 2
		o.Found = func(x Finding) error {
			if seen[string(x.Kind)+" "+x.Name] = true; len(seen) > stopAfter {
				stop()
			}
			return nil
		}
		o.Progress = new(bulk.Progress)
		summary, err := Run(ctx, f.Cluster, o)
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("stopped after %d: %v", stopAfter, err)
		}
		if slow := o.Progress.Slowest(); len(slow) == 0 || !strings.HasPrefix(slow[0].Path, onNFS) {
			t.Errorf("slowest of what was looked at: %v", slow)
		}
		o.From, o.Found = summary.Next, func(x Finding) error {
			seen[string(x.Kind)+" "+x.Name] = true
			return nil
		}
		if _, err := Run(t.Context(), f.Cluster, o); err != nil {
			t.Fatal(err)
		}
		for _, line := range want {
			if !seen[line] {
				t.Errorf("stopped after %d, gone on at %q: lacks %s", stopAfter, summary.Next, line)
			}
		}
	}
}

func TestFoundEndsTheCheck(t *testing.T) {
	f := newFixture(t, "sqlite", false)
	f.putRows(f.row(onNFS+"missing", 1), f.row(onNFS+"sound", 1))
	f.putBodies(bodies{{"nfs", onNFS + "sound"}: 1})
	full := errors.New("the disk is full")
	_, err := Run(t.Context(), f.Cluster, Options{Stores: f.stores, TempDir: t.TempDir(), Found: func(Finding) error { return full }})
	if !errors.Is(err, full) {
		t.Errorf("Run = %v", err)
	}
}

// TestTheNeighboursStay keeps a tree inside another backend's tree, and bodies
// that no row is near to.
func TestTheNeighboursStay(t *testing.T) {
	s := newSettings(t, "sqlite", false)
	inner := s.NFS[past]
	inner.MountPointPath = filepath.Join(s.NFS["nfs"].MountPointPath, "inner")
	if err := os.Mkdir(inner.MountPointPath, 0o777); err != nil {
		t.Fatal(err)
	}
	again := s.NFS["nfs"]
	again.Name = "nfs:again"
	s.NFS[past], s.NFS[again.Name] = inner, again
	s.Dispatch.PathBackends = []settings.Rule{{Prefix: onS3, Backend: past}}
	f := openFixture(t, s)
	f.putRows(f.row(onNFS+"a", 1), f.row(onS3+"b", 1))
	f.putBodies(bodies{{"nfs", onNFS + "a"}: 1, {past, onS3 + "b"}: 1, {"nfs", onNFS + "orphan"}: 1,
		{"nfs", "var/other site/storage/a"}: 1, {"nfs", "backup/dump.sql"}: 1, {"nfs", "README"}: 1, {"nfs", "var/cache/gone"}: 1})
	found, summary := f.check(Options{Now: later, Repair: true, Delete: true})
	wantLines(t, "found", summarize(found), []string{
		"orphan-body " + onNFS + "orphan deleted", "orphan-body var/cache/gone deleted",
		"orphan-body README", "orphan-body backup/dump.sql", "orphan-body var/other site/storage/a",
	})
	if summary.Unchecked > 0 || summary.Bodies != 7 {
		t.Errorf("%+v", summary)
	}
}

func TestEmptyTablesDeleteNothing(t *testing.T) {
	f := newFixture(t, "sqlite", false)
	f.putBodies(bodies{{"nfs", onNFS + "a"}: 1, {"nfs", "var/cache/b"}: 1})
	found, _ := f.check(Options{Now: later, Delete: true})
	wantLines(t, "found", summarize(found), []string{"orphan-body " + onNFS + "a", "orphan-body var/cache/b"})
}

func TestYoungBodiesAreSpared(t *testing.T) {
	f := newFixture(t, "sqlite", false)
	f.putRows(f.row(onNFS+"a", 1))
	f.putBodies(bodies{{"nfs", onNFS + "a"}: 1, {"nfs", onNFS + "b"}: 1})
	staged, err := f.backend("nfs").Stage(t.Context(), onNFS+"c", strings.NewReader("half"), backends.Attributes{Size: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer staged.Discard(t.Context())
	found, summary := f.check(Options{Grace: 3600e9, Delete: true})
	if len(found) > 0 || summary.Young != 2 || !summary.Clean() {
		t.Errorf("%q, %+v", summarize(found), summary)
	}
	// The writer of c is this very process, so it is alive.
	found, summary = f.check(Options{Delete: true})
	wantLines(t, "without grace", summarize(found), []string{"orphan-body " + onNFS + "b deleted"})
	if summary.Young != 1 {
		t.Errorf("%+v", summary)
	}
	if err := staged.Publish(t.Context()); err != nil {
		t.Errorf("what a living writer staged: %v", err)
	}
}

func TestSides(t *testing.T) {
	f := newFixture(t, "sqlite", false)
	f.putRows(f.row(onNFS+"missing", 1), f.row(onNFS+"sound", 1))
	f.putBodies(bodies{{"nfs", onNFS + "orphan"}: 1, {"nfs", onNFS + "sound"}: 1})
	for _, test := range []struct {
		options Options
		want    []string
	}{
		{Options{Storage: true}, []string{"orphan-body " + onNFS + "orphan"}},
		{Options{Database: true}, []string{"missing-body " + onNFS + "missing"}},
		{Options{Storage: true, Database: true}, []string{"missing-body " + onNFS + "missing", "orphan-body " + onNFS + "orphan"}},
		{Options{Prefix: onNFS + "m"}, []string{"missing-body " + onNFS + "missing"}},
		{Options{Prefix: "var//site/storage/images/"}, []string{"missing-body " + onNFS + "missing", "orphan-body " + onNFS + "orphan"}},
		{Options{Prefix: "var/nowhere/"}, nil},
	} {
		test.options.Now = later
		found, _ := f.check(test.options)
		wantLines(t, fmt.Sprintf("%+v", test.options), summarize(found), test.want)
	}
	if err := (Options{Prefix: "../x"}).Validate(); err == nil {
		t.Error("a prefix outside is valid")
	}
}

// TestContents damages what only reading tells.
func TestContents(t *testing.T) {
	f := newFixture(t, "sqlite", true)
	f.putRows(f.row(onNFS+"a", 3), f.row(onS3+"time", 3))
	f.putBodies(bodies{{"nfs", onNFS + "a"}: 3, {"s3", onS3 + "time"}: 3})
	f.exec("UPDATE ezdfsfile SET mtime = mtime - 5 WHERE name LIKE '%time'")
	if found, _ := f.check(Options{Now: later}); len(found) > 0 {
		t.Errorf("from a listing of a bucket: %q", summarize(found))
	}
	found, summary := f.check(Options{Now: later, Contents: true, Repair: true})
	wantLines(t, "contents", summarize(found), []string{"wrong-time " + onS3 + "time repaired"})
	if summary.Read != 6 {
		t.Errorf("read %d bytes, want 6", summary.Read)
	}
}

func TestWhoLives(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	r := &run{Options: Options{Now: time.Now}}
	for _, test := range []struct {
		writer backends.StagedName
		want   bool
	}{
		{backends.StagedName{Time: time.Now(), PID: os.Getpid(), Host: host}, true},
		{backends.StagedName{Time: time.Now().Add(-48 * time.Hour), PID: os.Getpid(), Host: host}, false},
		{backends.StagedName{Time: time.Now(), PID: os.Getpid(), Host: host + "-other"}, false},
		{backends.StagedName{Time: time.Now(), PID: 1 << 30, Host: host}, false},
		{backends.StagedName{}, false},
	} {
		if got := r.lives(test.writer); got != test.want {
			t.Errorf("lives(%+v) = %v", test.writer, got)
		}
	}
}

// TestKinds holds the table of kinds together: each once, and each that is
// mended says how.
func TestKinds(t *testing.T) {
	seen := map[Kind]bool{}
	for _, m := range Kinds() {
		if seen[m.Kind] || m.What == "" || (m.Fix == Nothing) != (m.How == "") {
			t.Errorf("%+v", m)
		}
		seen[m.Kind] = true
	}
	for _, s := range seeds() {
		delete(seen, s.kind)
	}
	if delete(seen, DamagedBody); len(seen) > 0 { // which takes a broken disk
		t.Errorf("nobody seeds %v", seen)
	}
}
