package dispatcher

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/backends/backendtest"
)

// pairOf returns a dispatcher whose paths below "m" go to the first of two
// stores and migrate from the second; all others stay on the second.
func pairOf(tb testing.TB, first, second backends.Backend, options ...Option) *Dispatcher {
	tb.Helper()
	options = append(options, WithMigrations(Migration{"m", second.Name()}))
	d, err := New(mustRouter(tb, []Rule{{"m", first.Name()}}, Prefix), second.Name(),
		map[string]backends.Backend{first.Name(): first, second.Name(): second}, options...)
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

// unmoved leaves half of all bodies where they migrate from: a body of a new
// path moves back to the second store once it is published, as if it had been
// there all the time.
type unmoved struct {
	*Dispatcher
	mu            sync.Mutex
	first, second *backendtest.Memory
}

type unmovedStaged struct {
	backends.Staged
	u    *unmoved
	path string
}

func (s *unmovedStaged) Publish(ctx context.Context) error {
	s.u.mu.Lock()
	defer s.u.mu.Unlock()
	_, err := s.u.Stat(ctx, s.path)
	fresh := errors.Is(err, fs.ErrNotExist) && crc32.ChecksumIEEE([]byte(s.path))%2 == 0
	if err := s.Staged.Publish(ctx); err != nil || !fresh {
		return err
	}
	staged, _, err := backends.StageCopy(ctx, s.u.first, s.path, s.u.second, s.path)
	if err != nil {
		return err
	}
	return errors.Join(staged.Publish(ctx), s.u.first.Delete(ctx, []string{s.path}))
}

func (u *unmoved) Stage(ctx context.Context, path string, body io.Reader, attrs backends.Attributes) (backends.Staged, error) {
	staged, err := u.Dispatcher.Stage(ctx, path, body, attrs)
	if err != nil {
		return nil, err
	}
	return &unmovedStaged{staged, u, path}, nil
}

func (u *unmoved) StageCopy(ctx context.Context, src, dst string) (backends.Staged, backends.Info, error) {
	staged, info, err := u.Dispatcher.StageCopy(ctx, src, dst)
	if err != nil {
		return nil, info, err
	}
	return &unmovedStaged{staged, u, dst}, info, nil
}

// plain is what the suite sees of an unmoved dispatcher.
type plain struct {
	backends.Backend
	backends.Copier
	backends.Renamer
	u *unmoved
}

// TestConformanceWhileMigrating: a dispatcher is as good a backend while half
// of its bodies have yet to migrate.
func TestConformanceWhileMigrating(t *testing.T) {
	stores := func(b backends.Backend) []*backendtest.Memory {
		return []*backendtest.Memory{b.(*plain).u.first, b.(*plain).u.second}
	}
	backendtest.Run(t, backendtest.Harness{
		New: func(t *testing.T) backends.Backend {
			first, second := backendtest.NewMemory("s3"), backendtest.NewMemory("nfs")
			d, err := New(mustRouter(t, nil, Prefix), "s3", map[string]backends.Backend{"s3": first, "nfs": second},
				WithMigrations(Migration{"", "nfs"}))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { d.Close() })
			u := &unmoved{Dispatcher: d, first: first, second: second}
			return &plain{u, u, u, u}
		},
		Staged: func(_ *testing.T, b backends.Backend) (staged []string) {
			for _, m := range stores(b) {
				staged = append(staged, m.Staged()...)
			}
			return staged
		},
		Break: func(_ *testing.T, b backends.Backend) func() {
			setDown := func(down bool) {
				for _, m := range stores(b) {
					m.SetDown(down)
				}
			}
			setDown(true)
			return func() { setDown(false) }
		},
		Dispatches: true, KeepsModTime: true, ListsModTime: true, KeepsContentType: true,
		LargeBody: 1 << 20, ManyPaths: 300, // the stores are in memory
	})
}

func TestMigrationCoversWhatGoesWhereItsPrefixGoes(t *testing.T) {
	stores := map[string]backends.Backend{}
	for _, name := range []string{"nfs", "s3", "gcs"} {
		stores[name] = backendtest.NewMemory(name)
	}
	router := mustRouter(t, []Rule{{"var/images-private", "gcs"}, {"var/images/x", "nfs"}, {"var/images", "s3"}}, Prefix)
	d, err := New(router, "nfs", stores, WithMigrations(Migration{"var/images", "nfs"}, Migration{"var/other", "nfs"}))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"var/images/a":          "s3 nfs",
		"var/images-versions/a": "s3 nfs", // a string, not a directory
		"var/images-private/a":  "gcs -",  // another rule's
		"var/images/x":          "nfs -",
		"var/other/a":           "nfs -", // goes where it comes from already
		"elsewhere":             "nfs -",
	} {
		r := d.Route(path)
		from := "-"
		if r.From != nil {
			from = r.From.Name()
		}
		if got := r.Backend.Name() + " " + from; got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	if _, err := New(router, "nfs", stores, WithMigrations(Migration{"var", "s3:gone"})); err == nil ||
		!strings.Contains(err.Error(), `the migration of "var" names the unknown backend "s3:gone"`) {
		t.Errorf("an unknown backend: %v", err)
	}
}

func TestBodiesOfASecondStore(t *testing.T) {
	s3, nfs := backendtest.NewMemory("s3"), backendtest.NewMemory("nfs")
	d := pairOf(t, s3, nfs)
	for _, path := range []string{"m/old", "m/both", "m/copied", "m/renamed", "m/gone", "other"} {
		put(t, nfs, path, "old")
	}
	put(t, s3, "m/both", "new")

	for path, want := range map[string]string{"m/old": "old", "m/both": "new", "other": "old", "m/none": "<none>"} {
		if got := get(t, d, path); got != want {
			t.Errorf("%s reads %q, want %q", path, got, want)
		}
	}
	put(t, d, "m/both", "newer")
	put(t, d, "m/fresh", "fresh")
	if err := backends.Copy(t.Context(), d, "m/copied", "m/copy"); err != nil {
		t.Error(err)
	}
	if err := backends.Rename(t.Context(), d, "m/renamed", "m/name"); err != nil {
		t.Error(err)
	}
	if err := backends.Rename(t.Context(), d, "m/old", "m/old"); err != nil {
		t.Error(err)
	}
	if err := d.Delete(t.Context(), []string{"m/gone", "other"}); err != nil {
		t.Error(err)
	}
	var listed []string
	for info, err := range d.List(t.Context(), "", "m/b") {
		if err != nil {
			t.Fatal(err)
		}
		listed = append(listed, info.Path)
	}
	if got := fmt.Sprint(listed); got != "[m/both m/copied m/copy m/fresh m/name m/old]" {
		t.Errorf("listed %s", got)
	}
	if got := fmt.Sprint(names(t, s3), names(t, nfs)); got != "[m/both m/copy m/fresh m/name] [m/copied m/old]" {
		t.Errorf("the stores hold %s", got)
	}
}

func names(t *testing.T, b backends.Backend) (paths []string) {
	t.Helper()
	for info, err := range b.List(t.Context(), "", "") {
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, info.Path)
	}
	return paths
}

func TestListingsTellWhereBodiesLie(t *testing.T) {
	s3, nfs := backendtest.NewMemory("s3"), backendtest.NewMemory("nfs")
	d := pairOf(t, s3, nfs)
	put(t, s3, "a", "stray")
	for _, path := range []string{"a", "m/1", "m/2"} {
		put(t, nfs, path, "x")
	}
	put(t, s3, "m/2", "x")
	put(t, s3, "m/3", "x")
	var got []string
	for body, err := range d.ListAll(t.Context(), "", "") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(body.Path, "@", body.Backend.Name(), " ", body.Stray, " ", body.Second))
	}
	want := []string{"a@s3 true false", "a@nfs false false", "m/1@nfs false true", "m/2@nfs false true", "m/2@s3 false false", "m/3@s3 false false"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	for info := range d.List(t.Context(), "m/", "") {
		if info.Path != "m/1" {
			t.Errorf("%s after the end", info.Path)
		}
		break // a held body is not yielded after the caller has left
	}
}

// TestAStoreThatIsDownHidesNothing: what the other store holds may be out of
// date, so nobody gets to see it.
func TestAStoreThatIsDownHidesNothing(t *testing.T) {
	s3, nfs := backendtest.NewMemory("s3"), backendtest.NewMemory("nfs")
	var log strings.Builder
	d := pairOf(t, s3, nfs, WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	put(t, nfs, "m/a", "old")
	put(t, nfs, "m/b", "old")

	s3.SetDown(true)
	if _, err := d.Open(t.Context(), "m/a", 0, -1); !errors.Is(err, backends.ErrUnavailable) {
		t.Errorf("open with the first store down: %v", err)
	}
	s3.SetDown(false)

	nfs.SetDown(true)
	if _, err := d.Stat(t.Context(), "m/a"); !errors.Is(err, backends.ErrUnavailable) {
		t.Errorf("stat with the second store down: %v", err)
	}
	put(t, d, "m/a", "new") // does not need it
	if !strings.Contains(log.String(), "path=m/a backend=nfs") {
		t.Errorf("log: %s", log.String())
	}
	var failed *backends.DeleteError
	if err := d.Delete(t.Context(), []string{"m/a"}); !errors.As(err, &failed) || !errors.Is(failed.Failed["m/a"], backends.ErrUnavailable) {
		t.Errorf("delete: %v", err)
	}
	nfs.SetDown(false)
	if got := get(t, d, "m/a"); got != "new" {
		t.Errorf("after a deletion that failed it reads %q", got)
	}
}

// meddled does something before it opens or describes a body, once.
type meddled struct {
	backends.Backend
	before func()
}

func (m *meddled) Open(ctx context.Context, path string, offset, length int64) (backends.Reader, error) {
	m.meddle()
	return m.Backend.Open(ctx, path, offset, length)
}

func (m *meddled) meddle() {
	if before := m.before; before != nil {
		m.before = nil
		before()
	}
}

// TestABodyThatMovesWhileItIsLookedFor: between the looks at both stores the
// body is copied and its source deleted.
func TestABodyThatMovesWhileItIsLookedFor(t *testing.T) {
	s3, nfs := backendtest.NewMemory("s3"), backendtest.NewMemory("nfs")
	second := &meddled{Backend: nfs}
	d := pairOf(t, s3, second)
	put(t, nfs, "m/a", "body")
	second.before = func() {
		put(t, s3, "m/a", "body")
		if err := nfs.Delete(t.Context(), []string{"m/a"}); err != nil {
			t.Error(err)
		}
	}
	if got := get(t, d, "m/a"); got != "body" {
		t.Errorf("it reads %q", got)
	}
}

// signer signs URLs.
type signer struct{ *backendtest.Memory }

func (s signer) SignURL(_ context.Context, path string, _ time.Duration) (string, error) {
	return "https://" + s.Name() + "/" + path, nil
}

func (s signer) PublicURL(path string) string { return "https://" + s.Name() + "/" + path }

func TestURLsOfPathsThatMigrate(t *testing.T) {
	s3, nfs := signer{backendtest.NewMemory("s3")}, backendtest.NewMemory("nfs")
	d := pairOf(t, s3, nfs)
	put(t, nfs, "m/old", "x")
	put(t, s3, "m/new", "x")
	if u := d.PublicURL("m/new"); u != "" {
		t.Errorf("public URL %q of a path that may lie on either store", u)
	}
	if u, err := d.SignURL(t.Context(), "m/new", time.Hour); u != "https://s3/m/new" || err != nil {
		t.Errorf("signed URL %q, %v", u, err)
	}
	if _, err := d.SignURL(t.Context(), "m/old", time.Hour); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("signed URL where the body lies on nfs: %v", err)
	}
	back := pairOf(t, nfs, s3)
	if u, err := back.SignURL(t.Context(), "m/new", time.Hour); u != "https://s3/m/new" || err != nil {
		t.Errorf("signed URL of the second store %q, %v", u, err)
	}
	if _, err := back.SignURL(t.Context(), "m/none", time.Hour); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("signed URL of nothing: %v", err)
	}
}

// TestBothWaysRound holds two processes against a model, one with the stores
// the other way round, as there are while the settings of several hosts change
// or a migration is rolled back, and a worker that copies in either direction.
// Everybody reads what was written last.
func TestBothWaysRound(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s3, nfs := backendtest.NewMemory("s3"), backendtest.NewMemory("nfs")
		hosts := []*Dispatcher{pairOf(t, s3, nfs), pairOf(t, nfs, s3)}
		model := map[string]string{}
		written := 0
		for range rapid.IntRange(1, 30).Draw(rt, "steps") {
			path := rapid.SampledFrom([]string{"m/a", "m/b"}).Draw(rt, "path")
			host := rapid.SampledFrom(hosts).Draw(rt, "host")
			switch rapid.SampledFrom([]string{"write", "delete", "copy"}).Draw(rt, "what") {
			case "write":
				written++
				model[path] = fmt.Sprint(written)
				put(t, host, path, model[path])
			case "delete":
				delete(model, path)
				if err := host.Delete(t.Context(), []string{path}); err != nil {
					rt.Fatal(err)
				}
			case "copy": // the worker: what one store has and the other lacks
				from, to := backends.Backend(s3), backends.Backend(nfs)
				if rapid.Bool().Draw(rt, "back") {
					from, to = to, from
				}
				if body := get(t, from, path); body != "<none>" && get(t, to, path) == "<none>" {
					put(t, to, path, body)
				}
			}
			for i, host := range hosts {
				for _, path := range []string{"m/a", "m/b"} {
					want, ok := model[path]
					if !ok {
						want = "<none>"
					}
					if got := get(t, host, path); got != want {
						rt.Fatalf("host %d reads %q at %s, want %q", i, got, path, want)
					}
				}
			}
		}
	})
}
