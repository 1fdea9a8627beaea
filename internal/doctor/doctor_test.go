package doctor

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"example.com/ezdfs/internal/testservice"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(testservice.Main(m, logging.Close)) }

// site returns the settings of a site on SQLite and one directory, both of
// which are there.
func site(t testing.TB) settings.Settings {
	t.Helper()
	s := settings.Defaults()
	s.Root = t.TempDir()
	mount := filepath.Join(s.Root, "mnt")
	if err := os.Mkdir(mount, 0o777); err != nil {
		t.Fatal(err)
	}
	s.DFS.DBBackend, s.DFS.DBName = "SQLite", filepath.Join(s.Root, "cluster.db")
	s.NFS = map[string]settings.NFS{"nfs": {Name: "nfs", MountPointPath: mount}}
	config, err := metadata.ConfigFrom(s)
	if err != nil {
		t.Fatal(err)
	}
	config.Create = true
	store, err := metadata.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(store.CreateSchema(t.Context()), store.Close()); err != nil {
		t.Fatal(err)
	}
	return s
}

// statuses examines and returns "status subject" of each finding.
func statuses(t *testing.T, options Options) (list []string) {
	t.Helper()
	for f := range Examine(t.Context(), options) {
		t.Log(f)
		list = append(list, string(f.Status)+" "+f.Subject)
	}
	return list
}

func TestHealthy(t *testing.T) {
	s := site(t)
	if err := os.Mkdir(filepath.Join(s.NFS["nfs"].MountPointPath, "var"), 0o777); err != nil {
		t.Fatal(err)
	}
	for _, write := range []bool{false, true} {
		got := statuses(t, Options{Settings: s, Write: write})
		want := []string{"ok settings", "ok database", "ok tables", "ok database", "ok changes", "ok nfs"}
		if !slices.Equal(got, want) {
			t.Errorf("write %v: found %q, want %q", write, got, want)
		}
	}
	if files, err := fs.Glob(os.DirFS(s.NFS["nfs"].MountPointPath), "*/*"); err != nil || len(files) > 0 {
		t.Errorf("the write probe left %q behind (%v)", files, err)
	}
}

// TestUnmounted: the empty directory of a share that is not mounted answers
// like a healthy one, but what is missing there may exist.
func TestUnmounted(t *testing.T) {
	var found []Finding
	for f := range Examine(t.Context(), Options{Settings: site(t)}) {
		if f.Subject == "nfs" {
			found = append(found, f)
		}
	}
	if len(found) != 2 || found[0].Status != Warn || !strings.Contains(found[0].String(), "mount the share") || found[1].Status != OK {
		t.Errorf("found %v, want a warning", found)
	}
}

// TestGoesOn: a failure hides no other.
func TestGoesOn(t *testing.T) {
	s := site(t)
	s.DFS.DFSBackend = "eZDFSFileHandlerDFSDispatcher"
	s.Dispatch.PathBackends = []settings.Rule{{Prefix: "var/a", Backend: "nfs:gone"}, {Prefix: "var/b", Backend: "s3"}}
	s.NFS["nfs:gone"] = settings.NFS{Name: "nfs:gone", MountPointPath: filepath.Join(s.Root, "gone")}
	s.S3 = map[string]settings.S3{"s3": {Name: "s3"}}
	s.DFS.DBName = filepath.Join(s.Root, "gone.db")
	problems := []settings.Problem{
		{Severity: settings.SeverityError, Message: "a"}, {Severity: settings.SeverityWarning, Message: "b"},
	}
	got := statuses(t, Options{Settings: s, Problems: problems})
	want := []string{"fail settings", "warn settings", "fail database", "warn nfs", "ok nfs", "fail nfs:gone", "fail s3"}
	if !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
}

// TestHang: a probe that never answers ends, and what it finds in its last
// moment counts.
func TestHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		hung := probe{"nfs", func(context.Context) []Finding { <-release; return nil }}
		slow := probe{"s3", func(ctx context.Context) []Finding {
			<-ctx.Done()
			return []Finding{{Fail, "s3", ctx.Err().Error(), ""}}
		}}
		start := time.Now()
		answers := []<-chan []Finding{hung.start(t.Context(), 10*time.Second), slow.start(t.Context(), 10*time.Second)}
		for i, want := range []string{"no answer within 10s", "context deadline exceeded"} {
			if got := <-answers[i]; len(got) != 1 || got[0].Status != Fail || got[0].Text != want {
				t.Errorf("found %v, want %q", got, want)
			}
		}
		if took := time.Since(start); took > 11*time.Second {
			t.Errorf("it took %v", took)
		}
		close(release)
	})
}

// TestStopsEarly: whoever has seen enough leaves nothing running.
func TestStopsEarly(t *testing.T) {
	for range Examine(t.Context(), Options{Settings: site(t)}) {
		break
	}
}

func TestFindingOnOneLine(t *testing.T) {
	err := errors.New("s3: ping: two\nlines")
	if got := withoutName("s3", err); got != "ping: two lines" {
		t.Errorf("got %q", got)
	}
	f := Finding{Warn, "tables", "slow", "add an index"}
	if got := f.String(); got != "warn  tables: slow; add an index" || strings.Contains(got, "\n") {
		t.Errorf("got %q", got)
	}
}
