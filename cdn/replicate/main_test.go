package replicate

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/backends/backendtest"
	"example.com/ezdfs/backends/gcs"
	"example.com/ezdfs/backends/nfs"
	"example.com/ezdfs/backends/s3"
	"example.com/ezdfs/cdn"
	"example.com/ezdfs/internal/testservice"
	"example.com/ezdfs/internal/testservice/fakegcs"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// gateway is the versitygw of all tests.
var gateway testservice.SharedVersityGW

// mainTests stops the service before leaked goroutines are looked for.
type mainTests struct{ *testing.M }

func (m mainTests) Run() int {
	defer gateway.Close()
	return m.M.Run()
}

func TestMain(m *testing.M) {
	if os.Getenv(crashVariable) != "" {
		os.Exit(crashingProcess())
	}
	goleak.VerifyTestMain(mainTests{m}, goleak.IgnoreAnyFunction(fakegcs.LeaksBy))
}

// rows is a table in memory.
type rows struct {
	mu   sync.Mutex
	rows map[string]metadata.Row
	err  error
}

func (r *rows) Get(ctx context.Context, path string) (metadata.Row, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	row, ok := r.rows[path]
	if err := ctx.Err(); err != nil || r.err != nil {
		return row, fmt.Errorf("database: %w", cmp.Or(err, r.err))
	}
	if !ok {
		return row, fmt.Errorf("row of %q: %w", path, fs.ErrNotExist)
	}
	return row, nil
}

// fixture is a source in memory and a target.
type fixture struct {
	*Target
	rows   *rows
	source *backendtest.Memory
	to     *counted
}

// counted counts what is written to a replica.
type counted struct {
	backends.Backend
	stages, deletes atomic.Int64
}

func (c *counted) Stage(ctx context.Context, path string, body io.Reader, attrs backends.Attributes) (backends.Staged, error) {
	c.stages.Add(1)
	return c.Backend.Stage(ctx, path, body, attrs)
}

func (c *counted) Delete(ctx context.Context, paths []string) error {
	c.deletes.Add(1)
	return c.Backend.Delete(ctx, paths)
}

func newFixture(t testing.TB, to backends.Backend) *fixture {
	f := &fixture{rows: &rows{rows: map[string]metadata.Row{}}, source: backendtest.NewMemory("source"), to: &counted{Backend: to}}
	target, err := New(settings.Replicate{Name: "replicate:origin"}, Source{f.rows, f.source}, f.to)
	if err != nil {
		t.Fatal(err)
	}
	f.Target = target
	f.settled, f.pause = -time.Hour, time.Millisecond // one clock, and no waiting
	return f
}

// memory is a fixture whose replica is in memory too.
func memory(t testing.TB) *fixture { return newFixture(t, backendtest.NewMemory("replica")) }

var modTime = time.Unix(1_700_000_000, 0)

// store stores a file in the source, as a writer does.
func (f *fixture) store(t testing.TB, path, body string, at time.Time) {
	t.Helper()
	publish(t, f.source, path, body, at)
	f.setRow(metadata.Row{Name: path, Trunk: path, DataType: "image/png", Size: int64(len(body)), MTime: at.Unix()})
}

func (f *fixture) setRow(row metadata.Row) {
	f.rows.mu.Lock()
	defer f.rows.mu.Unlock()
	f.rows.rows[row.Name] = row
}

// expire expires a file, as a deletion does; its body stays until a purge.
func (f *fixture) expire(path string) {
	f.rows.mu.Lock()
	defer f.rows.mu.Unlock()
	row := f.rows.rows[path]
	row.Expired, row.MTime = true, -row.MTime
	f.rows.rows[path] = row
}

func publish(t testing.TB, b backends.Backend, path, body string, at time.Time) {
	t.Helper()
	staged, err := b.Stage(t.Context(), path, bytes.NewReader([]byte(body)), backends.Attributes{Size: -1, ModTime: at, ContentType: "image/png"})
	if err != nil {
		t.Fatal(err)
	}
	if err := staged.Publish(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func push(path string) cdn.Item {
	return cdn.Item{ID: path, Action: cdn.Push, Extent: cdn.Path, Subject: path}
}

func invalidate(path string) cdn.Item {
	return cdn.Item{ID: path, Action: cdn.Invalidate, Extent: cdn.Path, Subject: path}
}

// deliver delivers one item.
func (f *fixture) deliver(t testing.TB, item cdn.Item) error {
	return f.Deliver(t.Context(), []cdn.Item{item})[0]
}

// content reads a body of the replica, "" for none.
func (f *fixture) content(t testing.TB, path string) string { return content(t, f.to, path) }

func content(t testing.TB, b backends.Backend, path string) string {
	t.Helper()
	r, err := b.Open(context.WithoutCancel(t.Context()), path, 0, -1)
	if err != nil {
		return ""
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Error(err)
	}
	return string(data)
}

// replicas are the real stores.
var replicas = map[string]func(t *testing.T) backends.Backend{
	"nfs": func(t *testing.T) backends.Backend { return newNFS(t, t.TempDir()) },
	"s3": func(t *testing.T) backends.Backend {
		g := gateway.Get(t)
		return opened(t)(s3.New(t.Context(), settings.S3{
			Name: "s3:origin", AccessKeyID: g.AccessKey, SecretAccessKey: settings.Secret(g.SecretKey), Bucket: g.Bucket(t),
			Region: g.Region, Endpoint: g.Endpoint, UsePathStyleEndpoint: true, PartSize: 5 << 20, Concurrency: 2,
		}))
	},
	"gcs": func(t *testing.T) backends.Backend {
		s := fakegcs.Start(t, nil)
		s.Bucket("origin")
		return opened(t)(gcs.New(t.Context(), settings.GCS{Name: "gcs:origin", Bucket: "origin", Endpoint: s.URL}, gcs.WithChunkSize(256<<10)))
	},
}

// newNFS is a tree that was used before: an empty one might be a share that is
// not mounted.
func newNFS(t testing.TB, dir string) backends.Backend {
	if err := os.MkdirAll(dir+"/used", 0o777); err != nil {
		t.Fatal(err)
	}
	return opened(t)(nfs.New(settings.NFS{Name: "nfs:origin", MountPointPath: dir, FileMode: 0o666, DirMode: 0o777}))
}

// opened returns a function that closes a backend with the test.
func opened(t testing.TB) func(b backends.Backend, err error) backends.Backend {
	return func(b backends.Backend, err error) backends.Backend {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close() })
		return b
	}
}
