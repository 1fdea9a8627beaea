package dispatcher

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/backends/backendtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shop returns a dispatcher over three stores whose rules interleave, so that
// any set of paths is spread over all of them.
func shop(tb testing.TB) (*Dispatcher, map[string]*backendtest.Memory) {
	tb.Helper()
	stores := map[string]*backendtest.Memory{}
	named := map[string]backends.Backend{}
	for _, name := range []string{"nfs", "s3", "s3:media", "unused"} {
		stores[name] = backendtest.NewMemory(name)
		named[name] = stores[name]
	}
	router := mustRouter(tb, []Rule{
		{"a", "s3"}, {"dir/", "s3:media"}, {"large", "s3"}, {"list/b", "s3:media"}, {"var/media", "s3:media"}, {"var/s3", "s3"},
	}, Prefix)
	d, err := New(router, "nfs", named)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { d.Close() })
	return d, stores
}

// withoutURLs hides the URLs of a dispatcher, whose stores in memory have none.
type withoutURLs struct {
	backends.Backend
	backends.Copier
	backends.Renamer
	stores map[string]*backendtest.Memory
}

// TestConformance: a dispatcher is as good a backend as those it dispatches to.
func TestConformance(t *testing.T) {
	setDown := func(b backends.Backend, down bool) {
		for _, m := range b.(*withoutURLs).stores {
			m.SetDown(down)
		}
	}
	backendtest.Run(t, backendtest.Harness{
		New: func(t *testing.T) backends.Backend {
			d, stores := shop(t)
			return &withoutURLs{d, d, d, stores}
		},
		Staged: func(_ *testing.T, b backends.Backend) (staged []string) {
			for _, m := range b.(*withoutURLs).stores {
				staged = append(staged, m.Staged()...)
			}
			return staged
		},
		Break: func(_ *testing.T, b backends.Backend) func() {
			setDown(b, true)
			return func() { setDown(b, false) }
		},
		Dispatches:       true,
		KeepsModTime:     true,
		ListsModTime:     true,
		KeepsContentType: true,
	})
}

func put(t *testing.T, b backends.Backend, path, body string) {
	t.Helper()
	staged, err := b.Stage(t.Context(), path, strings.NewReader(body), backends.Attributes{Size: -1})
	if err != nil {
		t.Fatal(err)
	}
	if err := staged.Publish(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, b backends.Backend, path string) string {
	t.Helper()
	r, err := b.Open(t.Context(), path, 0, -1)
	if errors.Is(err, fs.ErrNotExist) {
		return "<none>"
	}
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestRoute(t *testing.T) {
	d, stores := shop(t)
	for path, want := range map[string]string{
		"var/s3/x":      `s3 5 "var/s3"`,
		"var/media/x":   `s3:media 4 "var/media"`,
		"var/elsewhere": `nfs -1 ""`,
	} {
		route := d.Route(path)
		if got := fmt.Sprintf("%s %d %q", route.Backend.Name(), route.Rule, route.Key); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	put(t, d, "var/s3/x", "body")
	if got := get(t, stores["s3"], "var/s3/x"); got != "body" {
		t.Errorf("s3 holds %q", got)
	}
	var names []string
	for _, b := range d.Backends() {
		names = append(names, b.Name())
	}
	if want := []string{"s3", "s3:media", "nfs"}; !slices.Equal(names, want) {
		t.Errorf("backends %q, want %q", names, want)
	}
}

func TestNewNamesEveryUnknownBackend(t *testing.T) {
	router := mustRouter(t, []Rule{{"a", "s3"}, {"b", "gsc"}}, Prefix)
	_, err := New(router, "nsf", map[string]backends.Backend{"s3": backendtest.NewMemory("s3")})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{`rule "b" names the unknown backend "gsc"`, `the default names the unknown backend "nsf"`, `"s3"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %s", err, want)
		}
	}
}

func TestCopyAndRenameAcross(t *testing.T) {
	paths := []string{"var/nfs/x", "var/s3/x", "var/media/x"}
	for _, src := range paths {
		for _, dst := range paths {
			d, _ := shop(t)
			put(t, d, src, "body")
			put(t, d, dst+"2", "old")
			if err := backends.Copy(t.Context(), d, src, dst+"2"); err != nil {
				t.Errorf("copy %s to %s: %v", src, dst, err)
			}
			if a, b := get(t, d, src), get(t, d, dst+"2"); a != "body" || b != "body" {
				t.Errorf("copy %s to %s: %q and %q", src, dst, a, b)
			}
			if err := backends.Rename(t.Context(), d, src, dst+"3"); err != nil {
				t.Errorf("rename %s to %s: %v", src, dst, err)
			}
			if a, b := get(t, d, src), get(t, d, dst+"3"); a != "<none>" || b != "body" {
				t.Errorf("rename %s to %s: %q and %q", src, dst, a, b)
			}
		}
	}
}

// shortBackend loses the end of every body it reads.
type shortBackend struct{ backends.Backend }

type shortReader struct{ backends.Reader }

func (r shortReader) Read(p []byte) (int, error) {
	n, _ := r.Reader.Read(p)
	return max(n-1, 0), io.EOF
}

func (b shortBackend) Open(ctx context.Context, path string, offset, length int64) (backends.Reader, error) {
	r, err := b.Backend.Open(ctx, path, offset, length)
	return shortReader{r}, err
}

func TestRenameAcrossKeepsTheSourceOfABrokenCopy(t *testing.T) {
	nfs, s3 := backendtest.NewMemory("nfs"), backendtest.NewMemory("s3")
	d, err := New(mustRouter(t, []Rule{{"s3/", "s3"}}, Prefix), "nfs",
		map[string]backends.Backend{"nfs": shortBackend{nfs}, "s3": s3})
	if err != nil {
		t.Fatal(err)
	}
	put(t, d, "x", "body")
	if err := d.Rename(t.Context(), "x", "s3/x"); !errors.Is(err, backends.ErrSize) {
		t.Errorf("error %v, want ErrSize", err)
	}
	if got := get(t, nfs, "x"); got != "body" {
		t.Errorf("the source is %q", got)
	}
	if got := get(t, s3, "s3/x"); got != "<none>" {
		t.Errorf("the destination is %q", got)
	}
}

func TestListMergesAndMarksStrays(t *testing.T) {
	d, stores := shop(t)
	for _, path := range []string{"var/a", "var/s3/1", "var/media/1", "var/s3/2", "var/z"} {
		put(t, d, path, path)
	}
	put(t, stores["nfs"], "var/s3/2", "stray twin")
	put(t, stores["nfs"], "var/s3/3", "stray")

	var all, listed []string
	for body, err := range d.ListAll(t.Context(), "var/", "") {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%s@%s:%v", body.Path, body.Backend.Name(), body.Stray))
	}
	for info, err := range d.List(t.Context(), "var/", "var/a") {
		if err != nil {
			t.Fatal(err)
		}
		listed = append(listed, info.Path)
	}
	slices.Sort(all[3:5]) // two backends hold this path; either may come first
	want := "[var/a@nfs:false var/media/1@s3:media:false var/s3/1@s3:false var/s3/2@nfs:true var/s3/2@s3:false var/s3/3@nfs:true var/z@nfs:false]"
	if got := fmt.Sprint(all); got != want {
		t.Errorf("all:\n%s, want\n%s", got, want)
	}
	if got := fmt.Sprint(listed); got != "[var/media/1 var/s3/1 var/s3/2 var/z]" {
		t.Errorf("listed: %s", got)
	}
}

func TestOneStoreDown(t *testing.T) {
	d, stores := shop(t)
	for _, path := range []string{"var/nfs", "var/s3/1", "var/s3/2"} {
		put(t, d, path, "body")
	}
	stores["s3"].SetDown(true)

	if err := d.Ping(t.Context()); !errors.Is(err, backends.ErrUnavailable) || !strings.Contains(err.Error(), "s3") {
		t.Errorf("ping: %v", err)
	}
	if got := get(t, d, "var/nfs"); got != "body" {
		t.Errorf("a path elsewhere reads %q", got)
	}
	err := d.Delete(t.Context(), []string{"var/s3/2", "var/nfs", "var/s3/1"})
	var failed *backends.DeleteError
	if !errors.As(err, &failed) || len(failed.Failed) != 2 || !errors.Is(failed.Failed["var/s3/1"], backends.ErrUnavailable) {
		t.Errorf("delete: %v", err)
	}
	if got := get(t, d, "var/nfs"); got != "<none>" {
		t.Errorf("what could be deleted is still %q", got)
	}
	var last error
	for _, err := range d.List(t.Context(), "", "") {
		last = err
	}
	if !errors.Is(last, backends.ErrUnavailable) {
		t.Errorf("the listing ended with %v", last)
	}
}

func TestURLsOfStoresWithoutAny(t *testing.T) {
	d, _ := shop(t)
	if u := d.PublicURL("var/x"); u != "" {
		t.Errorf("public URL %q", u)
	}
	if _, err := d.SignURL(t.Context(), "var/x", 1); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("sign: %v", err)
	}
}
