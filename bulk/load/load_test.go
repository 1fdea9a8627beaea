package load_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/bulk"
	"example.com/ezdfs/bulk/load"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/metadata"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestParseMix(t *testing.T) {
	for text, want := range map[string]string{
		"read=90,write=9,expire=1": "read=90,write=9,expire=1",
		" write=1 , read=0.5":      "read=0.5,write=1",
		"read=1,write=0":           "read=1",
	} {
		if m, err := load.ParseMix(text); err != nil || m.String() != want {
			t.Errorf("%q: %v, %v", text, m, err)
		}
	}
	for _, text := range []string{"", "read", "read=x", "read=-1", "read=NaN", "read=Inf", "read=1,read=2", "delete=1", "read=0,write=0"} {
		if m, err := load.ParseMix(text); err == nil {
			t.Errorf("%q: %v", text, m)
		}
	}
}

func TestParseSizes(t *testing.T) {
	for text, want := range map[string]load.Sizes{
		"10KB":                  {{10_000, 100}},
		"10KB,100KB:20%,5MB:1%": {{10_000, 79}, {100_000, 20}, {5_000_000, 1}},
		"1KiB, 2KiB ,1GB:50":    {{1024, 25}, {2048, 25}, {1_000_000_000, 50}},
		"100B:100%":             {{100, 100}},
		"100B:33.3%,200B:66.7%": {{100, 33.3}, {200, 66.7}},
		"100B:100%,200B":        {{100, 100}, {200, 0}},
	} {
		sizes, err := load.ParseSizes(text)
		if err != nil || len(sizes) != len(want) {
			t.Errorf("%q: %v, %v", text, sizes, err)
			continue
		}
		for i, size := range sizes {
			if size.Bytes != want[i].Bytes || math.Abs(size.Percent-want[i].Percent) > 1e-9 {
				t.Errorf("%q: %v", text, sizes)
			}
		}
	}
	for _, text := range []string{"", "x", "0B", "23B", "-1KB", "6TiB", "10KB:101%", "10KB:60%,20KB:60%", "10KB:60%", "10KB:x", "10KB:NaN", "10KB:-1%,1KB"} {
		if sizes, err := load.ParseSizes(text); err == nil {
			t.Errorf("%q: %v", text, sizes)
		}
	}
	if sizes, _ := load.ParseSizes("1KB:90%,11KB"); sizes.Mean() != 2000 {
		t.Errorf("mean %v", sizes.Mean())
	}
}

// config is a load of a moment.
func config(t *testing.T, mix string) load.Config {
	t.Helper()
	m, err1 := load.ParseMix(mix)
	sizes, err2 := load.ParseSizes("100B,3KB:20%,1200KB:1%") // the last goes round the block of noise
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	return load.Config{
		Prefix: "var/site/storage/bench/", Files: 20, Mix: m, Sizes: sizes, Workers: 8,
		WarmUp: 20 * time.Millisecond, Duration: 300 * time.Millisecond,
	}
}

// run fills and runs a bench.
func run(t *testing.T, target load.Target, c load.Config) load.Report {
	t.Helper()
	b, err := load.New(target, c)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Fill(t.Context(), new(bulk.Progress)); err != nil {
		t.Fatal(err)
	}
	report, err := b.Run(t.Context(), new(bulk.Progress))
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// TestCluster puts a real cluster under load, finds nothing wrong, and leaves
// nothing.
func TestCluster(t *testing.T) {
	c := openCluster(t)
	config := config(t, "read=60,write=30,expire=10")
	report := run(t, c, config)
	for report.Total() == 0 { // on a machine that has no time for it
		config.Duration *= 2
		report = run(t, c, config)
	}
	if report.Failed() > 0 || report.Total() == 0 || !strings.HasPrefix(report.Verdict(), "OK: ") {
		t.Errorf("%s: %+v", report.Verdict(), report)
	}
	for _, op := range report.Operations {
		if l := op.Latency; op.Count > 0 && !(0 < l.P50 && l.P50 <= l.P90 && l.P90 <= l.P99 && l.P99 <= l.P999 && l.Max > 0) {
			t.Errorf("%s: %+v", op.Name, l)
		}
	}
	if err := load.Claim(t.Context(), c, config.Prefix); err != nil { // removes what is ours
		t.Error(err)
	}
	for row := range c.List(t.Context(), cluster.ListOptions{}) {
		t.Errorf("%s is left", row.Name)
	}
	for info := range c.Stores().List(t.Context(), "", "") {
		t.Errorf("the body of %s is left", info.Path)
	}
}

// TestClaim: files of others are neither used nor removed.
func TestClaim(t *testing.T) {
	c := openCluster(t)
	store := func(path, scope string) {
		if _, err := c.Store(t.Context(), path, strings.NewReader("x"), cluster.StoreOptions{Scope: scope}); err != nil {
			t.Fatal(err)
		}
	}
	store("var/a/own", load.Scope)
	store("var/a/other", "image")
	if err := load.Claim(t.Context(), c, "var/a/"); err == nil || !strings.Contains(err.Error(), `"var/a/other" lies below`) {
		t.Errorf("error %v", err)
	}
	if n, err := load.Clean(t.Context(), c, "var/a/"); n != 1 || err != nil {
		t.Errorf("cleaned %d, %v", n, err)
	}
	if ok, err := c.ExistsStored(t.Context(), "var/a/other"); !ok || err != nil {
		t.Errorf("the other file: %v, %v", ok, err)
	}
	// A body without a row may be somebody's, too.
	staged, err := c.Stores().Stage(t.Context(), "var/b/orphan", strings.NewReader("x"), backends.Attributes{Size: -1})
	if err = errors.Join(err, staged.Publish(t.Context())); err != nil {
		t.Fatal(err)
	}
	if err := load.Claim(t.Context(), c, "var/b/"); err == nil || !strings.Contains(err.Error(), `"var/b/orphan" lies below var/b/ on nfs`) {
		t.Errorf("error %v", err)
	}
}

// TestTrash: a bench leaves nothing in the trash, and does not empty that of
// others.
func TestTrash(t *testing.T) {
	c := openWithTrash(t, "trash")
	purge := func(path, scope string) {
		_, err := c.Store(t.Context(), path, strings.NewReader("x"), cluster.StoreOptions{Scope: scope})
		if err == nil {
			_, err = c.Purge(t.Context(), path)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	inTrash := func() (names []string) {
		for entry, err := range c.Trash(t.Context(), metadata.TrashFilter{}) {
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, entry.Name)
		}
		return names
	}
	purge("var/a/own", load.Scope)
	purge("var/b/other", "image")
	if err := load.Claim(t.Context(), c, "var/b/"); err == nil || !strings.Contains(err.Error(), `"var/b/other" is in the trash of var/b/`) {
		t.Errorf("error %v", err)
	}
	if err := load.Claim(t.Context(), c, "var/a/"); err != nil {
		t.Error(err)
	}
	if got := inTrash(); len(got) != 1 || got[0] != "var/b/other" {
		t.Errorf("the trash holds %q", got)
	}
}

// fake is a target in memory, with faults.
type fake struct {
	mu     sync.Mutex
	bodies map[string][]byte
	stores int

	onStore  func(n int, path string, body []byte) ([]byte, error) // what is kept instead
	onOpen   func(path string, body []byte) ([]byte, error)
	onExpire func(path string) (done bool, err error)
}

func (f *fake) Store(_ context.Context, path string, body io.Reader, options cluster.StoreOptions) (metadata.Row, error) {
	time.Sleep(takes)
	data, err := io.ReadAll(body)
	if int64(len(data)) != options.Size {
		return metadata.Row{}, fmt.Errorf("%d bytes, not %d", len(data), options.Size)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stores++
	if f.onStore != nil {
		data, err = f.onStore(f.stores, path, data)
	}
	if data != nil {
		f.bodies[path] = data
	}
	return metadata.Row{}, err
}

type reader struct {
	io.Reader
}

func (reader) Close() error        { return nil }
func (reader) Info() backends.Info { return backends.Info{} }

func (f *fake) Open(_ context.Context, path string, _ ...cluster.ReadOption) (*cluster.File, error) {
	time.Sleep(takes)
	f.mu.Lock()
	data, ok := f.bodies[path]
	f.mu.Unlock()
	if !ok {
		return nil, fs.ErrNotExist
	}
	if f.onOpen != nil {
		var err error
		if data, err = f.onOpen(path, data); err != nil {
			return nil, err
		}
	}
	return &cluster.File{Row: metadata.Row{Name: path, Size: int64(len(data))}, Reader: reader{bytes.NewReader(data)}}, nil
}

func (f *fake) Expire(_ context.Context, paths ...string) (int64, error) {
	time.Sleep(takes)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.onExpire != nil {
		if done, err := f.onExpire(paths[0]); !done || err != nil {
			return 0, err
		}
	}
	_, ok := f.bodies[paths[0]]
	delete(f.bodies, paths[0])
	if !ok {
		return 0, nil
	}
	return 1, nil
}

// bubble runs a test in which time passes only where the target takes some.
func bubble(t *testing.T, name string, test func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
}

// takes is how long each operation of a fake takes.
const takes = time.Millisecond

// TestFindsWhatIsWrong: a target that breaks its promises is found out, each
// time by the right name.
func TestFindsWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		mix    string
		damage func(f *fake)
		kind   string
		first  string // of the error
	}{
		"a flipped byte":     {"read=1", func(f *fake) { f.onOpen = flip }, "wrong", "it has other contents from byte 24 on"},
		"a shorter body":     {"read=1", func(f *fake) { f.onOpen = func(_ string, b []byte) ([]byte, error) { return b[:len(b)-1], nil } }, "wrong", "it does not begin as"},
		"nothing of it":      {"read=1", func(f *fake) { f.onOpen = func(string, []byte) ([]byte, error) { return nil, nil } }, "wrong", "it ends after 0 bytes"},
		"another file":       {"read=1", func(f *fake) { f.onOpen = f.another }, "wrong", "it does not begin as"},
		"a lost write":       {"read=1,write=1", func(f *fake) { f.onStore = f.loseLater }, "wrong", "was read after version"},
		"a lost file":        {"read=1", func(f *fake) { f.onStore = f.forget }, "wrong", "version 1 was stored and is not there"},
		"a file that stays":  {"read=9,expire=1", func(f *fake) { f.onExpire = nothing }, "wrong", "expired"},
		"a store that fails": {"write=1", func(f *fake) { f.onStore = f.failLater }, "store unavailable", "store unavailable"},
		"a locked row":       {"expire=1,read=0.001", func(f *fake) { f.onExpire = locked }, "row locked", "locked"},
		"a missing body":     {"read=1", func(f *fake) { f.onOpen = missing }, "body missing", "no body"},
	} {
		bubble(t, name, func(t *testing.T) {
			f := &fake{bodies: make(map[string][]byte)}
			c.damage(f)
			report := run(t, f, config(t, c.mix))
			if report.Failed() == 0 || len(report.Errors) == 0 || report.Errors[0].Kind != c.kind || !strings.Contains(report.Errors[0].First, c.first) {
				t.Errorf("%+v", report)
			}
			if strings.HasPrefix(report.Verdict(), "OK") || strings.HasPrefix(report.Verdict(), "WRONG") != (c.kind == "wrong") {
				t.Errorf("verdict %q", report.Verdict())
			}
		})
	}
}

func flip(_ string, b []byte) ([]byte, error) {
	b = bytes.Clone(b)
	b[24] ^= 1
	return b, nil
}

func (f *fake) another(path string, _ []byte) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for other, b := range f.bodies {
		if other != path {
			return b, nil
		}
	}
	return nil, nil
}

// The fill stores 20 files.
func (f *fake) loseLater(n int, path string, b []byte) ([]byte, error) {
	if n > 20 {
		return nil, nil
	}
	return b, nil
}

func (f *fake) forget(int, string, []byte) ([]byte, error) { return nil, nil }

func (f *fake) failLater(n int, _ string, b []byte) ([]byte, error) {
	if n > 20 {
		return nil, &backends.Error{Backend: "s3", Op: "stage", Kind: backends.ErrUnavailable}
	}
	return b, nil
}

func nothing(string) (bool, error) { return false, nil }
func locked(string) (bool, error) {
	return false, &metadata.Error{Op: "expire", Kind: metadata.ErrLocked}
}
func missing(path string, _ []byte) ([]byte, error) {
	return nil, &cluster.BodyMissingError{Path: path, Backend: "nfs"}
}

// TestUnsureIsNotWrong: what failed may have been done or not.
func TestUnsureIsNotWrong(t *testing.T) { synctest.Test(t, testUnsureIsNotWrong) }

func testUnsureIsNotWrong(t *testing.T) {
	f := &fake{bodies: make(map[string][]byte)}
	f.onStore = func(n int, _ string, b []byte) ([]byte, error) {
		switch {
		case n <= 20 || n%3 == 0:
			return b, nil
		case n%3 == 1:
			return b, errors.New("the answer was lost")
		}
		return nil, errors.New("it was not done")
	}
	f.onExpire = func(path string) (bool, error) {
		if len(f.bodies)%2 == 0 {
			delete(f.bodies, path)
		}
		return false, errors.New("the answer was lost")
	}
	report := run(t, f, config(t, "read=50,write=45,expire=5"))
	if report.Wrong() > 0 || report.Failed() == 0 {
		t.Errorf("%+v", report)
	}
}

// slow is a target whose reads take a while, and once very long.
type slow struct {
	*fake
	reads atomic.Int64
}

func (s *slow) Open(ctx context.Context, path string, options ...cluster.ReadOption) (*cluster.File, error) {
	if s.reads.Add(1) == 100 {
		time.Sleep(time.Second)
	}
	return s.fake.Open(ctx, path, options...)
}

// timed is a load whose files take no time.
func timed(t *testing.T) load.Config {
	c := config(t, "read=1")
	c.Sizes = load.Sizes{{Bytes: 100, Percent: 100}}
	return c
}

// TestRate: at a fixed rate, the second in which nothing could begin is part of
// the latency of everything that had to wait.
func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := timed(t)
		c.Workers, c.Rate, c.WarmUp, c.Duration = 1, 100, 0, 10*time.Second
		report := run(t, &slow{fake: &fake{bodies: make(map[string][]byte)}}, c)
		op := report.Operations[0]
		if op.Count != 1000 || report.Missed != 0 || !report.KeptUp() {
			t.Errorf("%d operations, %d missed", op.Count, report.Missed)
		}
		// A tenth of the operations were to begin within that second; catching
		// up takes another 0.11 s. Half of those waited half a second or more.
		if l := op.Latency; l.P50 > 0.002 || l.P90 > 0.13 || l.P99 < 0.85 || l.Max != 1.001 {
			t.Errorf("latency %+v", l)
		}
	})
}

// TestStallAtTheEnd: what could not begin any more before the time was up waits as
// long as what came before it, and is measured.
func TestStallAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := timed(t)
		c.Workers, c.Rate, c.WarmUp, c.Duration = 1, 100, 0, 100*time.Second
		s := &slow{fake: &fake{bodies: make(map[string][]byte)}}
		s.reads.Store(100 - 9951) // half a second before the end
		report := run(t, s, c)
		op := report.Operations[0]
		if op.Count != 10_000 || report.Missed != 49 || !report.KeptUp() || op.Latency.Max != 1.001 {
			t.Errorf("%d operations, %d missed, %+v", op.Count, report.Missed, op.Latency)
		}
		// Without those 49 it would be 0.001 s.
		if op.Latency.P999 < 0.9 {
			t.Errorf("of a thousand operations one took %v s", op.Latency.P999)
		}
	})
}

// TestTooSlow: a rate that cannot be kept is the verdict.
func TestTooSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := timed(t)
		c.Workers, c.Rate, c.WarmUp, c.Duration = 2, 10_000, 100*time.Millisecond, 3*time.Second
		report := run(t, &slow{fake: &fake{bodies: make(map[string][]byte)}}, c)
		if report.KeptUp() || report.Missed < 24_000 || !strings.HasPrefix(report.Verdict(), "TOO SLOW: ") {
			t.Errorf("%s: %+v", report.Verdict(), report)
		}
	})
}

// TestClosedLoop: without a rate there are as many operations as fit.
func TestClosedLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := timed(t)
		c.Workers, c.WarmUp, c.Duration = 4, 2*time.Second, time.Second
		report := run(t, &slow{fake: &fake{bodies: make(map[string][]byte)}}, c)
		if n := report.Operations[0].Count; n < 3990 || n > 4010 {
			t.Errorf("%d operations", n)
		}
	})
}

// TestInterrupted: what was measured until then is told.
func TestInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := timed(t)
		c.Workers, c.WarmUp, c.Duration = 1, 0, time.Hour
		b, err := load.New(&slow{fake: &fake{bodies: make(map[string][]byte)}}, c)
		if err == nil {
			err = b.Fill(t.Context(), new(bulk.Progress))
		}
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(2*time.Second, cancel)
		report, err := b.Run(ctx, new(bulk.Progress))
		if !errors.Is(err, context.Canceled) || report.Seconds != 2 || report.Total() < 900 || report.Failed() > 0 {
			t.Errorf("%v: %+v", err, report)
		}
	})
}

func TestNewRefuses(t *testing.T) {
	for name, change := range map[string]func(*load.Config){
		"prefix":   func(c *load.Config) { c.Prefix = "var" },
		"files":    func(c *load.Config) { c.Files = 0 },
		"few":      func(c *load.Config) { c.Files = c.Workers - 1 },
		"workers":  func(c *load.Config) { c.Workers = 0 },
		"rate":     func(c *load.Config) { c.Rate = math.NaN() },
		"duration": func(c *load.Config) { c.Duration = 0 },
		"warm-up":  func(c *load.Config) { c.WarmUp = -1 },
		"mix":      func(c *load.Config) { c.Mix = load.Mix{} },
		"sizes":    func(c *load.Config) { c.Sizes = nil },
	} {
		c := config(t, "read=1")
		change(&c)
		if _, err := load.New(&fake{}, c); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}
