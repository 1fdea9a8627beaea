package bulk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// shaky is a store that goes down, or refuses everything.
type shaky struct {
	backends.Backend
	after   atomic.Int64 // so many calls
	calls   atomic.Int64
	back    atomic.Int64 // after so many pings
	pings   atomic.Int64
	refuses atomic.Bool // with an error of its own, and answers pings
}

func (s *shaky) up() bool {
	return s.calls.Load() < s.after.Load() || s.back.Load() > 0 && s.pings.Load() >= s.back.Load()
}

func (s *shaky) call(op, path string) error {
	s.calls.Add(1)
	switch {
	case s.refuses.Load():
		return &backends.Error{Backend: s.Name(), Op: op, Path: path, Kind: fs.ErrPermission, Err: errors.New("AccessDenied")}
	case !s.up():
		return &backends.Error{Backend: s.Name(), Op: op, Path: path, Kind: backends.ErrUnavailable, Err: errors.New("connection refused"), Retry: true}
	}
	return nil
}

func (s *shaky) Ping(ctx context.Context) error {
	if s.pings.Add(1); !s.up() && !s.refuses.Load() {
		return &backends.Error{Backend: s.Name(), Op: "ping", Kind: backends.ErrUnavailable, Err: errors.New("connection refused")}
	}
	return nil
}

func (s *shaky) Stage(ctx context.Context, path string, body io.Reader, attrs backends.Attributes) (backends.Staged, error) {
	if err := s.call("stage", path); err != nil {
		return nil, err
	}
	return s.Backend.Stage(ctx, path, body, attrs)
}

func (s *shaky) Open(ctx context.Context, path string, offset, length int64) (backends.Reader, error) {
	if err := s.call("open", path); err != nil {
		return nil, err
	}
	return s.Backend.Open(ctx, path, offset, length)
}

func (s *shaky) Delete(ctx context.Context, paths []string) error {
	if err := s.call("delete", paths[0]); err != nil {
		failed := make(map[string]error)
		for _, path := range paths {
			failed[path] = err
		}
		return &backends.DeleteError{Backend: s.Name(), Failed: failed}
	}
	return s.Backend.Delete(ctx, paths)
}

// coldPaths lie on the second of the two stores of a shaky cluster.
const coldPaths = "var/site/storage/images"

// newShaky is a cluster on two directories, of which the cold one is shaky.
func newShaky(t *testing.T) (*cluster.Cluster, settings.Settings, *shaky) {
	t.Helper()
	_, s := newCluster(t, false)
	cold := filepath.Join(t.TempDir(), "cold")
	if err := os.Mkdir(cold, 0o777); err != nil {
		t.Fatal(err)
	}
	s.NFS["nfs:cold"] = settings.NFS{Name: "nfs:cold", MountPointPath: cold, FileMode: 0o666, DirMode: 0o777}
	s.DFS.DFSBackend, s.Dispatch.DefaultBackend = "dispatcher", "nfs"
	s.Dispatch.PathBackends = []settings.Rule{{Prefix: coldPaths, Backend: "nfs:cold"}}
	store := new(shaky)
	store.after.Store(1 << 40)
	c, err := cluster.Open(t.Context(), s, cluster.WithBackendWrapper(func(b backends.Backend) backends.Backend {
		if b.Name() != "nfs:cold" {
			return b
		}
		store.Backend = b
		return store
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, s, store
}

// bothStores are local files, half of them for each store.
func bothStores(files int) map[string]string {
	local := make(map[string]string)
	for i := range files / 2 {
		local[fmt.Sprintf("%s/%d/%d.png", coldPaths, i%7, i)] = "body"
		local[fmt.Sprintf("var/site/storage/original/text/%d.txt", i)] = "body"
	}
	return local
}

// impatient does not wait for anything.
var impatient = Waiting{Patience: -1}

// TestOutage: a store goes down for good in the middle of each operation. The files
// of the other store are done, nobody is told of thousands of failures but of the
// store, and the same call goes on when it is back.
func TestOutage(t *testing.T) {
	const files = 500
	for name, operation := range map[string]struct {
		prepare func(*testing.T, *cluster.Cluster, settings.Settings)
		do      func(context.Context, *cluster.Cluster, settings.Settings, *Progress) error
	}{
		"clusterize": {
			func(t *testing.T, _ *cluster.Cluster, s settings.Settings) { writeFiles(t, s.Root, bothStores(files)) },
			func(ctx context.Context, c *cluster.Cluster, s settings.Settings, p *Progress) error {
				return Clusterize(ctx, c, walk(s.Root, "var/site"), ClusterizeOptions{Progress: p, Waiting: impatient})
			},
		},
		"unclusterize": {
			func(t *testing.T, c *cluster.Cluster, s settings.Settings) {
				storeBoth(t, c, s, files)
				if err := os.RemoveAll(filepath.Join(s.Root, "var/site")); err != nil {
					t.Fatal(err)
				}
			},
			func(ctx context.Context, c *cluster.Cluster, _ settings.Settings, p *Progress) error {
				return Unclusterize(ctx, c, UnclusterizeOptions{Progress: p, Waiting: impatient})
			},
		},
		"purge": {
			func(t *testing.T, c *cluster.Cluster, s settings.Settings) {
				storeBoth(t, c, s, files)
				if _, err := c.ExpirePrefix(t.Context(), "var/"); err != nil {
					t.Fatal(err)
				}
			},
			func(ctx context.Context, c *cluster.Cluster, _ settings.Settings, p *Progress) error {
				return Purge(ctx, c, PurgeOptions{PurgeOptions: cluster.PurgeOptions{BatchSize: 20}, Progress: p, Waiting: impatient})
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, s, store := newShaky(t)
			operation.prepare(t, c, s)
			store.after.Store(store.calls.Load() + 10)
			progress := new(Progress)
			err := operation.do(t.Context(), c, s, progress)
			got := progress.Snapshot()
			var outage *OutageError
			if !errors.As(err, &outage) || outage.Service != "nfs:cold" || outage.Early || got.Failed != 0 ||
				got.Done < files/2 || got.Done+outage.Left != files || got.Left != outage.Left {
				t.Fatalf("%+v, %v", got, err)
			}
			if strings.Contains(err.Error(), ".png") || strings.Contains(err.Error(), "\n") {
				t.Errorf("the error is %v", err)
			}
			if calls := store.calls.Load() - store.after.Load(); calls > 300 {
				t.Errorf("the store was called %d times when it was down", calls)
			}
			store.after.Store(1 << 40)
			again := new(Progress)
			if err := operation.do(t.Context(), c, s, again); err != nil || again.Snapshot().Done != outage.Left {
				t.Errorf("then %+v, %v; %d were left", again.Snapshot(), err, outage.Left)
			}
		})
	}
}

func storeBoth(t *testing.T, c *cluster.Cluster, s settings.Settings, files int) {
	t.Helper()
	writeFiles(t, s.Root, bothStores(files))
	if err := Clusterize(t.Context(), c, walk(s.Root, "var/site"), ClusterizeOptions{}); err != nil {
		t.Fatal(err)
	}
}

// TestOutagePasses: a store that is back after a while costs nothing but that while.
func TestOutagePasses(t *testing.T) {
	c, s, store := newShaky(t)
	const files = 600
	writeFiles(t, s.Root, bothStores(files))
	store.after.Store(10)
	store.back.Store(4)
	progress := new(Progress)
	err := Clusterize(t.Context(), c, walk(s.Root, "var/site"), ClusterizeOptions{Progress: progress})
	if got := progress.Snapshot(); err != nil || got.Done != files || got.Failed != 0 {
		t.Fatalf("%+v, %v, %v", got, err, progress.Failures())
	}
	if store.pings.Load() < 4 {
		t.Errorf("%d pings", store.pings.Load())
	}
}

// TestOutageOfAll ends the operation.
func TestOutageOfAll(t *testing.T) {
	c, s := newCluster(t, false)
	local := make(map[string]string)
	for i := range 1500 {
		local[fmt.Sprint("var/site/", i)] = "body"
	}
	writeFiles(t, s.Root, local)
	looked := 0
	files := func(yield func(cluster.Item, error) bool) {
		for item, err := range walk(s.Root, "var/site") {
			if looked++; looked == 300 { // the share is gone
				if err := os.Rename(s.NFS["nfs"].MountPointPath, s.NFS["nfs"].MountPointPath+".gone"); err != nil {
					t.Error(err)
				}
			}
			if !yield(item, err) {
				return
			}
		}
	}
	progress := new(Progress)
	err := Clusterize(t.Context(), c, files, ClusterizeOptions{Progress: progress, Waiting: impatient, Limits: Limits{Workers: 2}})
	var outage *OutageError
	if !errors.As(err, &outage) || outage.Service != "nfs" || !outage.Early || looked > 900 || progress.Snapshot().Failed != 0 {
		t.Fatalf("%v after %d files, %+v", err, looked, progress.Snapshot())
	}
	if want := "ended early; once nfs works again, the same command goes on: nfs: "; !strings.HasPrefix(err.Error(), want) {
		t.Errorf("the error is %q, not %q", err, want)
	}
}

// TestOutageByRefusal: a store that refuses file after file is given up, too.
func TestOutageByRefusal(t *testing.T) {
	c, s, store := newShaky(t)
	local := bothStores(40)
	for i := range maxInARow + 300 {
		local[fmt.Sprintf("%s/%d.png", coldPaths, i)] = "body"
	}
	writeFiles(t, s.Root, local)
	store.refuses.Store(true)
	progress := new(Progress)
	err := Clusterize(t.Context(), c, walk(s.Root, "var/site"), ClusterizeOptions{Progress: progress, Limits: Limits{Workers: 1}})
	got := progress.Snapshot()
	var outage *OutageError
	var failed *FailedError
	if !errors.As(err, &outage) || !errors.As(err, &failed) || got.Failed < maxInARow || got.Failed > maxInARow+batchSize || got.Done != 20 {
		t.Fatalf("%+v, %v", got, err)
	}
	if want := "1000 files in a row failed, the last one: nfs:cold: stage"; !strings.Contains(err.Error(), want) {
		t.Errorf("the error is %q, not %q", err, want)
	}
}

// TestOutageInterrupted: Ctrl-C while a store is waited for.
func TestOutageInterrupted(t *testing.T) {
	c, s, store := newShaky(t)
	writeFiles(t, s.Root, bothStores(100))
	store.after.Store(0)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		for store.pings.Load() < 2 {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	progress := new(Progress)
	err := Clusterize(ctx, c, walk(s.Root, "var/site"), ClusterizeOptions{Progress: progress, Waiting: Waiting{Patience: time.Hour}})
	if !errors.Is(err, context.Canceled) || progress.Snapshot().Failed != 0 {
		t.Errorf("%v, %+v", err, progress.Snapshot())
	}
}

// TestOutageOfDatabase: it is waited for, and in the end named.
func TestOutageOfDatabase(t *testing.T) {
	c, _, _ := newShaky(t)
	o := NewOutages(c, impatient, new(Progress))
	down := &metadata.Error{Op: "get", Kind: metadata.ErrUnavailable, Err: errors.New("connection refused")}
	asked := 0
	o.named(database).Ping = func(context.Context) error { asked++; return nil }
	tried := 0
	if err := o.Persist(t.Context(), func() error {
		if tried++; tried < 3 {
			return down
		}
		return nil
	}); err != nil || tried != 3 || asked != 2 {
		t.Errorf("tried %d times, asked %d times, %v", tried, asked, err)
	}
	o.named(database).Ping = func(context.Context) error { return down }
	err := o.Persist(t.Context(), func() error { return down })
	if !errors.Is(err, metadata.ErrUnavailable) || !o.over() {
		t.Errorf("it is down: %v, %v", err, o.over())
	}
	want := "ended early; once database works again, the same command goes on: metadata: get: database unavailable: connection refused"
	if err := o.Result(t.Context(), "purge", err); err == nil || err.Error() != want {
		t.Errorf("in the end %v, want %s", err, want)
	}
}
