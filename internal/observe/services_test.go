package observe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/backends/backendtest"
	"example.com/ezdfs/backends/nfs"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// TestBackend holds a backend that is watched to what every backend must do.
func TestBackend(t *testing.T) {
	inner := func(b backends.Backend) *backendtest.Memory { return b.(*backend).Backend.(*backendtest.Memory) }
	services := Services{Metrics: NewMetrics()}
	backendtest.Run(t, backendtest.Harness{
		New:    func(*testing.T) backends.Backend { return services.Backend(backendtest.NewMemory("memory")) },
		Staged: func(_ *testing.T, b backends.Backend) []string { return inner(b).Staged() },
		Break: func(_ *testing.T, b backends.Backend) func() {
			inner(b).SetDown(true)
			return func() { inner(b).SetDown(false) }
		},
		KeepsModTime: true, ListsModTime: true, KeepsContentType: true,
	})
	text := scrape(t, services.Metrics)
	for _, op := range []string{"stat", "open", "stage", "publish", "delete", "list", "ping"} {
		if !strings.Contains(text, fmt.Sprintf(`ezdfs_operation_duration_seconds_count{operation=%q,service="memory"}`, op)) {
			t.Errorf("%s was not noted", op)
		}
	}
	if !strings.Contains(text, `ezdfs_operation_errors_total{operation="stat",service="memory"}`) {
		t.Error("a store that was down is no error")
	}
}

// newNFS returns a watched NFS tree with one body, and the metrics.
func newNFS(t *testing.T) (backends.Backend, *Metrics) {
	t.Helper()
	b, err := nfs.New(settings.NFS{Name: "nfs", MountPointPath: t.TempDir(), FileMode: 0o666, DirMode: 0o777})
	if err != nil {
		t.Fatal(err)
	}
	m := NewMetrics()
	watched := Services{Metrics: m}.Backend(b)
	t.Cleanup(func() { watched.Close() })
	st, err := watched.Stage(t.Context(), "var/a", strings.NewReader("hello"), backends.Attributes{Size: 5})
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	return watched, m
}

// TestReaderIsTheStores: the reader can still hand its file to the kernel.
func TestReaderIsTheStores(t *testing.T) {
	b, _ := newNFS(t)
	r, err := b.Open(t.Context(), "var/a", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, ok := r.(io.WriterTo); !ok {
		t.Errorf("%T is no io.WriterTo", r)
	}
}

// The optional interfaces, one by one.
type (
	copies  struct{}
	renames struct{}
	public  struct{}
	signs   struct{}
)

func (copies) StageCopy(context.Context, string, string) (backends.Staged, backends.Info, error) {
	return nil, backends.Info{Path: "copied"}, nil
}
func (renames) Rename(context.Context, string, string) error { return errors.New("renamed") }
func (public) PublicURL(path string) string                  { return "https://cdn/" + path }
func (signs) SignURL(_ context.Context, path string, _ time.Duration) (string, error) {
	return "signed " + path, nil
}

// TestOptional: a wrapper can what its backend can, however often that is
// wrapped, and nothing else.
func TestOptional(t *testing.T) {
	type B = backends.Backend
	m := backendtest.NewMemory("memory")
	for name, test := range map[string]struct {
		backend B
		want    [4]bool
	}{
		"nothing": {m, [4]bool{}},
		"copies": {struct {
			B
			copies
		}{B: m}, [4]bool{0: true}},
		"renames": {struct {
			B
			renames
		}{B: m}, [4]bool{1: true}},
		"public": {struct {
			B
			public
		}{B: m}, [4]bool{2: true}},
		"signs": {struct {
			B
			signs
		}{B: m}, [4]bool{3: true}},
		"two": {struct {
			B
			copies
			public
		}{B: m}, [4]bool{0: true, 2: true}},
	} {
		t.Run(name, func(t *testing.T) {
			watched := Services{}.Backend(Services{Metrics: NewMetrics()}.Backend(test.backend))
			if !(map[B]bool{watched: true})[watched] || watched.Name() != "memory" {
				t.Error("the wrapper is not itself") // the dispatcher keeps backends in maps
			}
			var has [4]bool
			var c backends.Copier
			var r backends.Renamer
			var p backends.PublicURLer
			var s backends.URLSigner
			if c, has[0] = backends.As[backends.Copier](watched); has[0] {
				if st, info, err := c.StageCopy(t.Context(), "a", "b"); st != nil || info.Path != "copied" || err != nil {
					t.Errorf("copy: %v, %v, %v", st, info, err)
				}
			}
			if r, has[1] = backends.As[backends.Renamer](watched); has[1] && r.Rename(t.Context(), "a", "b").Error() != "renamed" {
				t.Error("renamed otherwise")
			}
			if p, has[2] = backends.As[backends.PublicURLer](watched); has[2] && p.PublicURL("a") != "https://cdn/a" {
				t.Errorf("public URL %q", p.PublicURL("a"))
			}
			if s, has[3] = backends.As[backends.URLSigner](watched); has[3] {
				if url, err := s.SignURL(t.Context(), "a", 1); url != "signed a" || err != nil {
					t.Errorf("sign: %q, %v", url, err)
				}
			}
			if has != test.want {
				t.Errorf("has %v, want %v", has, test.want)
			}
		})
	}
}

// TestNotOptional: whoever asks past backends.As is told so, or served another
// way.
func TestNotOptional(t *testing.T) {
	b := Services{Metrics: NewMetrics()}.Backend(backendtest.NewMemory("memory")).(*backend)
	if _, err := b.SignURL(t.Context(), "a", 1); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("sign: %v", err)
	}
	if url := b.PublicURL("a"); url != "" {
		t.Errorf("public URL %q", url)
	}
	if err := b.Rename(t.Context(), "a", "b"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("rename: %v", err)
	}
	if _, _, err := b.StageCopy(t.Context(), "a", "b"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("copy: %v", err)
	}
}

// TestErrors: what is not there is no error, what is wrong is one.
func TestErrors(t *testing.T) {
	own := func(kind error) error { return &metadata.Error{Op: "get", Kind: kind} }
	for name, test := range map[string]struct {
		err  error
		want bool
	}{
		"none":             {nil, false},
		"no row":           {own(fs.ErrNotExist), false},
		"a caller's":       {errors.New("changed my mind"), false},
		"a caller's leave": {&metadata.Error{Op: "get", Err: context.Canceled}, false},
		"down":             {own(metadata.ErrUnavailable), true},
		"too slow":         {&metadata.Error{Op: "get", Err: context.DeadlineExceeded}, true},
	} {
		t.Run(name, func(t *testing.T) {
			m := NewMetrics()
			Services{Metrics: m}.Database(t.Context(), "get", time.Second, test.err)
			text := scrape(t, m)
			if got := strings.Contains(text, `ezdfs_operation_errors_total{operation="get",service="database"} 1`); got != test.want {
				t.Errorf("an error: %v", got)
			}
			if !strings.Contains(text, `ezdfs_operation_duration_seconds_sum{operation="get",service="database"} 1`) {
				t.Error("the time was not noted")
			}
		})
	}
}

// TestListEndsEarly: whoever has seen enough is no error.
func TestListEndsEarly(t *testing.T) {
	b, m := newNFS(t)
	var seen []string
	for info, err := range b.List(t.Context(), "", "") {
		if err != nil {
			t.Error(err)
		}
		seen = append(seen, info.Path)
		break
	}
	if !slices.Equal(seen, []string{"var/a"}) || !strings.Contains(scrape(t, m), `ezdfs_operation_duration_seconds_count{operation="list",service="nfs"} 1`) {
		t.Errorf("listed %q", seen)
	}
}
