package localcache

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/ezdfs/metadata"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is a clock that only moves when told to. It starts at the real time:
// the kernel notes when files are read too.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Now().Truncate(time.Second)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return c.now
}

// open opens a cache that is closed at the end of the test, after its first
// scan.
func open(t testing.TB, o Options) *Cache {
	t.Helper()
	c, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if c.disk != nil {
		c.disk.scan()
		// The first scan in the background must not count what a test removes
		// while it runs.
		for c.disk.claimed.Load() && c.disk.count.scans.Load() < 2 {
			runtime.Gosched()
		}
	}
	return c
}

// onDisk are options for a cache without memory.
func onDisk(t testing.TB, now *clock) Options {
	return Options{Dir: filepath.Join(t.TempDir(), "copies"), MaxSize: 64 << 20, Now: now.Now}
}

// rowOf is a row for a body, an hour old.
func rowOf(name, body string, now time.Time) metadata.Row {
	return metadata.Row{Name: name, Size: int64(len(body)), MTime: now.Add(-time.Hour).Unix()}
}

func put(t testing.TB, c *Cache, row metadata.Row, body string) {
	t.Helper()
	if err := create(c, row, body, c.now()); err != nil {
		t.Fatalf("Create of %s: %v", row.Name, err)
	}
}

func create(c *Cache, row metadata.Row, body string, begun time.Time) error {
	w := c.Create(row, begun)
	defer w.Discard()
	io.WriteString(w, body)
	return w.Commit()
}

func wantBody(t testing.TB, c *Cache, row metadata.Row, want string) {
	t.Helper()
	f, ok := c.Get(row)
	if !ok {
		t.Errorf("no copy of %+v", row)
		return
	}
	checkFile(t, f, row, want)
}

func checkFile(t testing.TB, f *File, row metadata.Row, want string) {
	t.Helper()
	defer f.Close()
	got, err := io.ReadAll(f)
	if err != nil || string(got) != want {
		t.Errorf("%s: %d bytes %.20q, %v, want %d bytes %.20q", row.Name, len(got), got, err, len(want), want)
	}
	if f.Size() != int64(len(want)) || !f.ModTime().Equal(row.ModTime()) {
		t.Errorf("%s: size %d, time %v, want %d, %v", row.Name, f.Size(), f.ModTime(), len(want), row.ModTime())
	}
}

func wantNone(t testing.TB, c *Cache, row metadata.Row) {
	t.Helper()
	if f, ok := c.Get(row); ok {
		f.Close()
		t.Errorf("a copy for %+v", row)
	}
}

// files returns the copies in a cache's directory.
func files(t testing.TB, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "??/?/*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// temps returns the temporary files in a cache's directory.
func temps(t testing.TB, dir string) []os.DirEntry {
	t.Helper()
	found, err := os.ReadDir(filepath.Join(dir, tempDir))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// logged is a logger and what it wrote.
func logged() (*slog.Logger, func() string) {
	var mu sync.Mutex
	var b bytes.Buffer
	w := writerFunc(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return b.Write(p)
	})
	return slog.New(slog.NewTextHandler(w, nil)), func() string {
		mu.Lock()
		defer mu.Unlock()
		return b.String()
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// large is a body that is too large for memory.
func large(seed string) string { return strings.Repeat(seed, maxSmall/len(seed)+1) }
