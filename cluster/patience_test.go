package cluster

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/backends/backendtest"
	"example.com/ezdfs/metadata"
)

// breaking is a store whose bodies break off after some bytes. Then it is down
// until it was asked a few times.
type breaking struct {
	*backendtest.Memory
	after  int64  // bytes
	downs  int64  // how often it does not answer after that
	change func() // happens when a body breaks off
	asked  atomic.Int64
}

func (b *breaking) Open(ctx context.Context, path string, offset, length int64) (backends.Reader, error) {
	if n := b.asked.Add(1) - 1; n > 0 && n <= b.downs {
		return nil, b.error("open", path)
	}
	body, err := b.Memory.Open(ctx, path, offset, length)
	if err != nil {
		return nil, err
	}
	return &breakingBody{body, b, path, b.after}, nil
}

func (b *breaking) error(op, path string) error {
	return &backends.Error{Backend: b.Name(), Op: op, Path: path, Kind: backends.ErrUnavailable, Err: errors.New("broken"), Retry: true}
}

type breakingBody struct {
	backends.Reader
	b    *breaking
	path string
	left int64
}

func (r *breakingBody) Read(p []byte) (int, error) {
	if r.left == 0 {
		if r.b.change != nil {
			r.b.change()
		}
		return 0, r.b.error("read", r.path)
	}
	n, err := r.Reader.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	return n, err
}

// TestReadsWaitForTheirStore: a store that is away for a while fails no read.
func TestReadsWaitForTheirStore(t *testing.T) {
	store := backendtest.NewMemory("second")
	c := migrates(t, backendtest.NewMemory("first"), store)
	c.patience = time.Hour
	row := c.mustStore(t, "a", "body")
	for name, read := range map[string]func() ([]byte, error){
		"ReadFile": func() ([]byte, error) { return c.ReadFile(t.Context(), "a") },
		"OpenRow": func() ([]byte, error) {
			f, err := c.OpenRow(t.Context(), row)
			if err != nil {
				return nil, err
			}
			defer f.Close()
			return io.ReadAll(f)
		},
	} {
		store.SetDown(true)
		time.AfterFunc(100*time.Millisecond, func() { store.SetDown(false) })
		if data, err := read(); err != nil || string(data) != "body" {
			t.Errorf("%s: %q, %v", name, data, err)
		}
	}
}

// TestWaitingHasAnEnd: with the patience, with the context, and at once where
// waiting helps nobody.
func TestWaitingHasAnEnd(t *testing.T) {
	store := &failing{Memory: backendtest.NewMemory("second")}
	c := migrates(t, backendtest.NewMemory("first"), store)
	c.mustStore(t, "a", "body")
	down := &backends.Error{Backend: "second", Op: "open", Path: "a", Kind: backends.ErrUnavailable, Retry: true}
	refused := &backends.Error{Backend: "second", Op: "open", Path: "a", Kind: backends.ErrUnavailable, Err: errors.New("no such bucket")}

	store.err, c.patience = down, 20*time.Millisecond
	if _, err := c.ReadFile(t.Context(), "a"); !errors.Is(err, down) || !strings.HasPrefix(err.Error(), "for 20ms: ") || store.asked.Load() < 2 {
		t.Errorf("when patience is over: %v, asked %d times", err, store.asked.Load())
	}
	c.patience = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	store.asking = cancel
	if _, err := c.ReadFile(ctx, "a"); !errors.Is(err, context.Canceled) || !errors.Is(err, down) {
		t.Errorf("when the context ends: %v", err)
	}
	store.err = refused
	store.asked.Store(0)
	if _, err := c.ReadFile(t.Context(), "a"); err != refused || store.asked.Load() != 1 {
		t.Errorf("what does not pass: %v, asked %d times", err, store.asked.Load())
	}
	// Whoever copies a file does not wait once for each of its own attempts.
	store.err, c.patience = down, 1
	store.asked.Store(0)
	if _, err := c.FetchTo(t.Context(), "a", filepath.Join(t.TempDir(), "a")); !errors.Is(err, down) || store.asked.Load() > 2 {
		t.Errorf("FetchTo: %v, asked %d times", err, store.asked.Load())
	}
}

// failing is a store that opens nothing.
type failing struct {
	*backendtest.Memory
	err    error
	asked  atomic.Int64
	asking func() // if not nil
}

func (f *failing) Open(context.Context, string, int64, int64) (backends.Reader, error) {
	f.asked.Add(1)
	if f.asking != nil {
		f.asking()
	}
	return nil, f.err
}

// TestReadsGoOn: what breaks off in the middle is taken up there, in a range too,
// and whichever store of a migration it comes from.
func TestReadsGoOn(t *testing.T) {
	const body = "0123456789abcdef"
	for name, test := range map[string]struct {
		path   string
		second bool // the body lies on the store that the path migrates from
		part   ReadOption
		want   string
	}{
		"whole":                {"a", true, Range(0, -1), body},
		"range":                {"a", true, Range(2, 9), body[2:11]},
		"range beyond the end": {"a", true, Range(9, 100), body[9:]},
		"has yet to migrate":   {"m/a", true, Range(1, 12), body[1:13]},
		"has migrated":         {"m/a", false, Range(1, 12), body[1:13]},
	} {
		t.Run(name, func(t *testing.T) {
			first, second := backendtest.NewMemory("first"), backendtest.NewMemory("second")
			broken := &breaking{Memory: first, after: 3, downs: 2}
			c := migrates(t, broken, second)
			if test.second {
				broken.Memory = second
				c = migrates(t, first, broken)
			}
			c.patience = time.Hour
			c.mustStore(t, test.path, body)
			if test.second && test.path == "m/a" {
				putAged(t, second, test.path, body, time.Now())
				if err := first.Delete(t.Context(), []string{test.path}); err != nil {
					t.Fatal(err)
				}
			}
			f, err := c.Open(t.Context(), test.path, test.part)
			if err != nil {
				t.Fatal(err)
			}
			data, err := io.ReadAll(f)
			if err := errors.Join(err, f.Close()); err != nil || string(data) != test.want {
				t.Errorf("reads %q, %v", data, err)
			}
		})
	}
}

// TestReadsGoOnWithTheSameBody or not at all.
func TestReadsGoOnWithTheSameBody(t *testing.T) {
	store := &breaking{Memory: backendtest.NewMemory("second"), after: 3}
	c := migrates(t, backendtest.NewMemory("first"), store)
	c.patience = time.Hour
	read := func(what string) {
		t.Helper()
		c.mustStore(t, "a", "0123456789abcdef")
		f, err := c.Open(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if data, err := io.ReadAll(f); !errors.Is(err, backends.ErrChanged) || string(data) != "012" {
			t.Errorf("%s in between: reads %q, %v", what, data, err)
		}
	}
	store.change = func() { putAged(t, store.Memory, "a", "xxxxxxxxxxxxxxxx", time.Now()) }
	read("replaced")
	store.change = func() {
		if err := store.Delete(t.Context(), []string{"a"}); err != nil {
			t.Error(err)
		}
	}
	read("deleted")
}

// TestReadFileBeginsAnew where the body was replaced under it.
func TestReadFileBeginsAnew(t *testing.T) {
	store := &breaking{Memory: backendtest.NewMemory("second"), after: 3}
	c := migrates(t, backendtest.NewMemory("first"), store)
	c.patience = time.Hour
	c.mustStore(t, "a", "0123456789abcdef")
	store.change = func() {
		store.after, store.change = 100, nil
		c.mustStore(t, "a", "another body")
	}
	if data, err := c.ReadFile(t.Context(), "a"); err != nil || string(data) != "another body" {
		t.Errorf("reads %q, %v", data, err)
	}
}

// TestWithoutPatience: whoever waits himself asks once.
func TestWithoutPatience(t *testing.T) {
	s := nfsSettings(t, "sqlite")
	createSchema(t, s)
	s.DFS.StorePatience = time.Hour
	store := &failing{}
	c := open(t, s, WithoutPatience(), WithBackendWrapper(func(b backends.Backend) backends.Backend {
		store.Memory = backendtest.NewMemory(b.Name())
		store.err = &backends.Error{Backend: b.Name(), Op: "open", Path: "a", Kind: backends.ErrUnavailable, Retry: true}
		b.Close()
		return store
	}))
	c.mustStore(t, "a", "body")
	if _, err := c.ReadFile(t.Context(), "a"); !errors.Is(err, store.err) || store.asked.Load() != 1 {
		t.Errorf("%v, asked %d times", err, store.asked.Load())
	}
}

// TestReadsThatNeverGoOn: a store that answers, but sends nothing, is waited for as
// long as one that does not answer.
func TestReadsThatNeverGoOn(t *testing.T) {
	store := &breaking{Memory: backendtest.NewMemory("second")}
	c := migrates(t, backendtest.NewMemory("first"), store)
	c.patience = 20 * time.Millisecond
	c.mustStore(t, "a", "body")
	if data, err := c.ReadFile(t.Context(), "a"); !errors.Is(err, backends.ErrUnavailable) || len(data) > 0 {
		t.Errorf("reads %q, %v", data, err)
	}
}

// TestReadsThatWaitedTellWhatIsThere: what happened to a file while its reader
// waited counts.
func TestReadsThatWaitedTellWhatIsThere(t *testing.T) {
	for name, read := range map[string]func(c *Cluster, row metadata.Row) (*File, error){
		"Open":    func(c *Cluster, row metadata.Row) (*File, error) { return c.Open(t.Context(), row.Name) },
		"OpenRow": func(c *Cluster, row metadata.Row) (*File, error) { return c.OpenRow(t.Context(), row) },
	} {
		store := &away{Memory: backendtest.NewMemory("second")}
		c := migrates(t, backendtest.NewMemory("first"), store)
		c.patience = time.Hour
		row := c.mustStore(t, "a", "body")
		store.meanwhile = func() {
			_, err := c.Store(t.Context(), "a", strings.NewReader("BODY"), StoreOptions{DataType: "text/x-new"})
			if err != nil {
				t.Error(err)
			}
		}
		f, err := read(c, row)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		data, err := io.ReadAll(f)
		if string(data) != "BODY" || err != nil || f.Row.DataType != "text/x-new" {
			t.Errorf("%s of a file that was stored meanwhile: %q, %v, type %q", name, data, err, f.Row.DataType)
		}
		f.Close()
		store.meanwhile = func() {
			if _, err := c.Expire(t.Context(), "a"); err != nil {
				t.Error(err)
			}
		}
		if f, err := read(c, f.Row); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s of a file that was deleted meanwhile: %v, %v", name, f, err)
		}
	}
}

// away is a store that is asked in vain while something happens.
type away struct {
	*backendtest.Memory
	meanwhile func()
}

func (a *away) Open(ctx context.Context, path string, offset, length int64) (backends.Reader, error) {
	if do := a.meanwhile; do != nil {
		a.meanwhile = nil
		do()
		return nil, &backends.Error{Backend: a.Name(), Op: "open", Path: path, Kind: backends.ErrUnavailable, Retry: true}
	}
	return a.Memory.Open(ctx, path, offset, length)
}

// TestFetchFromAMountThatStumbles: nobody waits in the middle of a local file, so
// that it is copied anew.
func TestFetchFromAMountThatStumbles(t *testing.T) {
	store := &stumbling{Memory: backendtest.NewMemory("second")}
	c := migrates(t, backendtest.NewMemory("first"), store)
	c.patience = time.Hour
	c.mustStore(t, "a", "body")
	local := filepath.Join(t.TempDir(), "a")
	if _, err := c.FetchTo(t.Context(), "a", local); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(local); err != nil || string(data) != "body" {
		t.Errorf("%q, %v", data, err)
	}
}

// stumbling is a store of local files of which the first cannot be read.
type stumbling struct {
	*backendtest.Memory
	opened int
}

func (s *stumbling) Open(ctx context.Context, path string, offset, length int64) (backends.Reader, error) {
	body, err := s.Memory.Open(ctx, path, offset, length)
	s.opened++
	return localBody{body, s.opened == 1}, err
}

// localBody is like that of a file.
type localBody struct {
	backends.Reader
	broken bool
}

func (b localBody) WriteTo(w io.Writer) (int64, error) { return io.Copy(w, b.Reader) }

func (b localBody) Read(p []byte) (int, error) {
	if b.broken {
		return 0, &backends.Error{Backend: "second", Op: "read", Kind: backends.ErrUnavailable, Err: errors.New("stale handle"), Retry: true}
	}
	return b.Reader.Read(p)
}

// TestReadsGoOnWithNoUnknownBody: a store that does not tell one body from another
// is not asked for the rest.
func TestReadsGoOnWithNoUnknownBody(t *testing.T) {
	store := &unversioned{breaking{Memory: backendtest.NewMemory("second"), after: 3}}
	c := migrates(t, backendtest.NewMemory("first"), store)
	c.patience = time.Hour
	c.mustStore(t, "a", "0123456789abcdef")
	store.change = func() { putAged(t, store.Memory, "a", "xxxxxxxxxxxxxxxx", time.Now()) }
	if data, err := c.ReadFile(t.Context(), "a"); !errors.Is(err, backends.ErrChanged) {
		t.Errorf("reads %q, %v", data, err)
	}
}

type unversioned struct{ breaking }

func (u *unversioned) Open(ctx context.Context, path string, offset, length int64) (backends.Reader, error) {
	body, err := u.breaking.Open(ctx, path, offset, length)
	if err != nil {
		return nil, err
	}
	return nameless{body}, nil
}

type nameless struct{ backends.Reader }

func (n nameless) Info() backends.Info {
	info := n.Reader.Info()
	info.Version = ""
	return info
}
