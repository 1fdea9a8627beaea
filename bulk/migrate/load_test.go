package migrate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/internal/testservice"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// load is how hard a cluster is worked while it migrates.
type load struct {
	files, size      int
	readers, writers int
	rate             int // of the migration, files a second
	kills            int
	outage           time.Duration // of the bucket
}

// TestUnderLoad migrates while readers and writers never stop, workers are
// killed, the database crashes and the bucket is away. No read fails, and nobody
// reads anything but what was written last.
func TestUnderLoad(t *testing.T) {
	l := load{files: 300, size: 2000, readers: 8, writers: 4, rate: 100, kills: 2, outage: time.Second}
	if os.Getenv("DFS_TEST_LONG") != "" {
		l = load{files: 20_000, size: 50_000, readers: 200, writers: 20, rate: 150, kills: 3, outage: 30 * time.Second}
	}
	bucket := testservice.StartVersityGW(t)
	s := newSite(t, true, "nfs:new")
	s.S3 = map[string]settings.S3{"s3": s3Settings(bucket, bucket.Bucket(t))}
	s.DFS.DBConnectRetries = 10 // for half a minute
	s.DFS.StorePatience = time.Minute
	// A host of its own for readers and writers each, beside the workers.
	set := s.rules("s3", "nfs")
	w := newWorld(t, l, s.host(t, "nfs", ""), s.host(t, "s3", "nfs"), s.host(t, "s3", "nfs"))
	stop := w.start(t)
	w.disturb(t, set, bucket)
	stop()
	t.Logf("%d reads, %d writes; %d writes were tried again", w.reads.Load(), w.writes.Load(), w.writeTries.Load())
	w.settle(t, s)
}

// world is what is known of all files.
type world struct {
	load
	readHost, writeHost *cluster.Cluster
	files               []*known
	churn               []*known     // are purged and stored again, and not read
	away                atomic.Int64 // services that are away, or only just back

	reads, writes, writeTries atomic.Int64
}

// known is what is known of a file: which version was written, and which is
// perhaps.
type known struct {
	path           string
	acked, started atomic.Int64
	gone           bool
}

// bodyOf is a version of a file, which tells what it is from any part of it.
func bodyOf(path string, version int64, size int) []byte {
	line := fmt.Sprintf("%s version %d\n", path, version)
	return bytes.Repeat([]byte(line), 1+size/len(line)+int(version%3))
}

// versionOf returns the version of a body that is whole and belongs to a path.
func versionOf(path string, body []byte, size int) (int64, error) {
	var version int64
	first, _, _ := bytes.Cut(body, []byte("\n"))
	_, err := fmt.Sscanf(string(first), path+" version %d", &version)
	if err != nil || !bytes.Equal(body, bodyOf(path, version, size)) {
		return 0, fmt.Errorf("%d bytes that begin with %.80q are no body of it", len(body), first)
	}
	return version, nil
}

// newWorld stores the first version of all files by the old rules.
func newWorld(t *testing.T, l load, before, readHost, writeHost *cluster.Cluster) *world {
	w := &world{load: l, readHost: readHost, writeHost: writeHost}
	dir := t.TempDir()
	var items []cluster.Item
	for i := range l.files + 2*l.writers {
		k := &known{path: fmt.Sprintf("%s/%d/%d.png", prefix, i%50, i)}
		if i < l.files {
			w.files = append(w.files, k)
		} else {
			w.churn = append(w.churn, k)
		}
		file := fmt.Sprintf("%s/%d", dir, i)
		if err := os.WriteFile(file, bodyOf(k.path, 0, l.size), 0o666); err != nil {
			t.Fatal(err)
		}
		items = append(items, cluster.Item{Path: k.path, File: file, Options: cluster.StoreOptions{DataType: "image/png", Scope: "image"}})
	}
	for _, result := range before.StoreFiles(t.Context(), items) {
		if result.Err != nil {
			t.Fatal(result.Err)
		}
	}
	return w
}

// start starts readers and writers. They end when stop is called.
func (w *world) start(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for i := range w.readers {
		running.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(i)))
			for ctx.Err() == nil && !t.Failed() {
				w.read(t, w.files[random.IntN(len(w.files))])
			}
		})
	}
	for i := range w.writers {
		running.Go(func() {
			random := rand.New(rand.NewPCG(2, uint64(i)))
			for ctx.Err() == nil && !t.Failed() {
				// Each file has one writer, who knows what came last.
				w.write(t, w.files[random.IntN(len(w.files)/w.writers)*w.writers+i])
				w.turnOver(t, w.churn[2*i+random.IntN(2)])
				time.Sleep(time.Duration(random.IntN(50)) * time.Millisecond)
			}
		})
	}
	return func() {
		cancel()
		running.Wait()
	}
}

// excused reports whether an error is what a writer must expect of a service that
// is away.
func (w *world) excused(err error, awayBefore bool) bool {
	away := errors.Is(err, backends.ErrUnavailable) || errors.Is(err, metadata.ErrUnavailable) ||
		errors.Is(err, metadata.ErrOutcomeUnknown) || errors.Is(err, metadata.ErrLocked) || backends.IsRetryable(err)
	return away && (awayBefore || w.away.Load() > 0)
}

// read reads a file and holds it against what was written.
func (w *world) read(t *testing.T, k *known) {
	least := k.acked.Load()
	data, err := w.readHost.ReadFile(t.Context(), k.path)
	if err != nil {
		t.Errorf("read %s: %v", k.path, err)
		return
	}
	w.reads.Add(1)
	version, err := versionOf(k.path, data, w.size)
	if most := k.started.Load(); err != nil || version < least || version > most {
		t.Errorf("%s reads version %d, of %d to %d: %v", k.path, version, least, most, err)
	}
}

// write stores the next version of a file, until that has worked.
func (w *world) write(t *testing.T, k *known) {
	version := k.started.Add(1)
	w.insist(t, func() error {
		_, err := w.writeHost.Store(t.Context(), k.path, bytes.NewReader(bodyOf(k.path, version, w.size)),
			cluster.StoreOptions{DataType: "image/png", Scope: "image"})
		return err
	})
	k.acked.Store(version)
	k.gone = false
	w.writes.Add(1)
}

// turnOver purges a file, or stores it again.
func (w *world) turnOver(t *testing.T, k *known) {
	if k.gone {
		w.write(t, k)
		return
	}
	w.insist(t, func() error {
		_, err := w.writeHost.Purge(t.Context(), k.path)
		return err
	})
	k.gone = true
}

// insist does something again until it works.
func (w *world) insist(t *testing.T, do func() error) {
	for {
		away := w.away.Load() > 0
		err := do()
		if err == nil {
			return
		}
		if !w.excused(err, away) {
			t.Errorf("write: %v", err)
			return
		}
		w.writeTries.Add(1)
		time.Sleep(20 * time.Millisecond)
	}
}

// disturb lets workers migrate everything, and whatever can go wrong go wrong.
func (w *world) disturb(t *testing.T, set settings.Settings, bucket *testservice.VersityGW) {
	first := startWorker(t, set, w.rate/2)
	second := startWorker(t, set, w.rate/2) // two hosts
	pause := time.Duration(w.load.files) * time.Second / time.Duration(w.rate) / time.Duration(w.kills+3)
	for range w.kills {
		time.Sleep(pause)
		first.kill()
		first = startWorker(t, set, w.rate/2)
	}
	time.Sleep(pause / 2)
	without(&w.away, func() {
		mariaDB.Kill()
		mariaDB.Start(t)
	})
	time.Sleep(pause / 2)
	without(&w.away, func() {
		bucket.Stop()
		time.Sleep(w.outage)
		bucket.Start(t)
	})
	for _, p := range []*workerProcess{first, second} {
		if err := <-p.done; err != nil {
			t.Errorf("a worker: %v\n%s", err, &p.output)
		}
	}
}

// without does something while a service is away.
func without(away *atomic.Int64, do func()) {
	away.Add(1)
	do()
	// What was under way may still wait for a connection that is dead.
	time.AfterFunc(3*time.Second, func() { away.Add(-1) })
}

// settle ends the migration and accounts for everything.
func (w *world) settle(t *testing.T, s *site) {
	c := w.readHost
	list, err := c.Metadata().Migrations(t.Context())
	if err != nil || len(list) != 1 || !list[0].Done() {
		t.Fatalf("after the workers: %+v, %v", list, err)
	}
	// Files that come and go meanwhile may be part of a pass, all others are once.
	counts, stable := list[0].Counts(), int64(len(w.files))
	if n := counts.Total(); list[0].Pass != 1 || n < stable || n > stable+int64(len(w.churn)) || counts.Copied+counts.Present < stable || counts.Failed > 0 {
		t.Errorf("pass %d of %d files counts %+v", list[0].Pass, stable, counts)
	}
	want := map[string]int64{}
	for _, k := range slices.Concat(w.files, w.churn) {
		if !k.gone {
			want[k.path] = k.acked.Load()
		}
	}
	live := int64(len(want))
	counts, err = move(t, c, "nfs", "s3", Options{}).Copy(t.Context())
	if err != nil || counts.Present != live || counts.Total() != live {
		t.Errorf("at rest %d live files, %+v, %v", live, counts, err)
	}
	if counts, err = move(t, c, "nfs", "s3", Options{VerifyContents: true}).Verify(t.Context()); err != nil || counts.Present != live || counts.Total() != live {
		t.Errorf("verified %+v, %v", counts, err)
	}
	deleted, err := move(t, c, "nfs", "s3", Options{}).DeleteSource(t.Context())
	if err != nil || deleted.Kept+deleted.Failed > 0 {
		t.Errorf("deleted %+v, %v", deleted, err)
	}
	w.wantBodies(t, s, want)
}

// orphan reports whether a path was purged. The request of a worker that was
// killed, and lost its locks by that, may land after the purge: that is a body
// without a row, which no reader sees and a check finds.
func (w *world) orphan(path string) bool {
	return slices.ContainsFunc(w.churn, func(k *known) bool { return k.path == path && k.gone })
}

// wantBodies holds the rows and the bodies of both stores against what is known.
func (w *world) wantBodies(t *testing.T, s *site, want map[string]int64) {
	after := s.host(t, "s3", "")
	for path, version := range want {
		data, err := after.ReadFile(t.Context(), path)
		if err == nil {
			var got int64
			if got, err = versionOf(path, data, w.size); err == nil && got != version {
				err = fmt.Errorf("version %d, not %d", got, version)
			}
		}
		if err != nil {
			t.Errorf("at the end %s: %v", path, err)
		}
	}
	for name, paths := range map[string][]string{"s3": slices.Sorted(maps.Keys(want)), "nfs": nil} {
		store, err := cluster.OpenBackend(t.Context(), s.Settings, name, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		got := slices.Sorted(maps.Keys(held(t, store)))
		got = slices.DeleteFunc(got, func(path string) bool { return !strings.HasPrefix(path, prefix) || name == "s3" && w.orphan(path) })
		if !slices.Equal(got, paths) {
			t.Errorf("%s holds %d bodies, not %d", name, len(got), len(paths))
		}
	}
}
