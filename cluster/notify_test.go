package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"example.com/ezdfs/events"
	"example.com/ezdfs/metadata"
)

// recorder is a listener that writes down what it hears, and how the database
// looks then. Embedded in inlineRecorder it is told before an operation
// returns.
type recorder struct {
	meta  *metadata.Store // nil until it is to look
	watch string          // the path to look at for events of families

	mu     sync.Mutex
	heard  []string
	closed bool
}

type inlineRecorder struct{ recorder }

func (r *inlineRecorder) NotifyInline(e events.Event) {
	r.Notify(context.Background(), []events.Event{e})
}

func (r *recorder) Name() string { return "recorder" }

func (r *recorder) Notify(_ context.Context, batch []events.Event) error {
	for _, e := range batch {
		if e.Kind == events.StoreMetadata || r.meta == nil {
			continue
		}
		path := r.watch
		if e.Kind == events.DeleteFile {
			path = e.Subject
		}
		line := fmt.Sprintf("%s %s", describe(e), state(r.meta, path))
		r.mu.Lock()
		r.heard = append(r.heard, line)
		r.mu.Unlock()
	}
	return nil
}

func (r *recorder) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	return nil
}

func (r *recorder) lines() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.heard)
}

// describe prints an event with the arguments that the legacy gives it.
func describe(e events.Event) string {
	var b strings.Builder
	b.WriteString(e.LegacyName())
	for _, a := range e.Arguments() {
		fmt.Fprintf(&b, " %s=%v", a.Name, a.Value)
	}
	return b.String()
}

// state is how a path's row looks.
func state(meta *metadata.Store, path string) string {
	row, err := meta.Get(context.Background(), path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "gone"
	case err != nil:
		return err.Error()
	case !row.Live():
		return "expired"
	}
	return fmt.Sprint("live ", row.Size)
}

// The files that every case of TestEvents begins with.
const (
	image   = "var/site/storage/images/1-a.png"
	picture = "var/site/storage/images/1-b.png"
)

var eventCases = []struct {
	name  string
	watch string
	do    func(t *testing.T, c *Cluster) error
	want  []string
	// doubted are events that only caches hear first: nothing has changed.
	doubted []string
}{
	{name: "store", do: func(t *testing.T, c *Cluster) error {
		return second3(c.Store(t.Context(), "var//new/", strings.NewReader("1234"), StoreOptions{}))
	}, want: []string{"cluster/deleteFile path=var/new live 4"}},
	{name: "store over another", do: func(t *testing.T, c *Cluster) error {
		return second3(c.Store(t.Context(), image, strings.NewReader("12"), StoreOptions{}))
	}, want: []string{"cluster/deleteFile path=" + image + " live 2"}},
	{name: "store a file", do: func(t *testing.T, c *Cluster) error {
		return second3(c.StoreFile(t.Context(), "var/new", localFile(t, "123"), StoreOptions{}))
	}, want: []string{"cluster/deleteFile path=var/new live 3"}},
	{name: "store files", do: func(t *testing.T, c *Cluster) error {
		results := c.StoreFiles(t.Context(), []Item{
			{Path: "var/one", File: localFile(t, "1")}, {Path: "var/none", File: "/nowhere"}, {Path: "var/three", File: localFile(t, "333")},
		})
		if results[1].Err == nil {
			t.Error("a file that is not there was stored")
		}
		return errors.Join(results[0].Err, results[2].Err)
	}, want: []string{"cluster/deleteFile path=var/one live 1", "cluster/deleteFile path=var/three live 3"}},

	{name: "generate", do: func(t *testing.T, c *Cluster) error {
		c.expect(t, writes("fresh", new(atomic.Int32)), GenerateOptions{Expiry: time.Now().Add(-time.Hour)}, "fresh", Generated)
		return nil
	}, want: []string{"cluster/deleteFile path=" + page + " live 5"}},
	{name: "end a generation", do: func(t *testing.T, c *Cluster) error {
		g, err := c.StartGeneration(t.Context(), page, StoreOptions{})
		if err != nil {
			return err
		}
		return second3(g.End(t.Context(), strings.NewReader("by hand")))
	}, want: []string{"cluster/deleteFile path=" + page + " live 7"}},
	{name: "give a generation up", do: func(t *testing.T, c *Cluster) error {
		g, err := c.StartGeneration(t.Context(), page, StoreOptions{})
		return errors.Join(err, g.Abort(t.Context()))
	}},
	{name: "hit", do: func(t *testing.T, c *Cluster) error {
		c.expect(t, nil, GenerateOptions{}, "page", Hit)
		return nil
	}},

	{name: "expire", do: func(t *testing.T, c *Cluster) error {
		return second64(c.Expire(t.Context(), picture, "var/none", image))
	}, want: []string{
		"cluster/deleteFile path=" + picture + " expired", "cluster/deleteFile path=var/none gone", "cluster/deleteFile path=" + image + " expired",
	}},
	{name: "prefix", watch: image, do: func(t *testing.T, c *Cluster) error {
		return second64(c.ExpirePrefix(t.Context(), "var/site/storage//"))
	}, want: []string{"cluster/deleteByLike prefix=var/site/storage/ like=var/site/storage/% expired"}},
	{name: "prefix with signs", watch: "var/100%_", do: func(t *testing.T, c *Cluster) error {
		return second64(c.ExpirePrefix(t.Context(), "var/100%_"))
	}, want: []string{`cluster/deleteByLike prefix=var/100%_ like=var/100\%\_% expired`}},
	{name: "trunk", watch: page, do: func(t *testing.T, c *Cluster) error {
		return second64(c.ExpireTrunk(t.Context(), pageTrunk))
	}, want: []string{"cluster/deleteByNametrunk trunk=" + pageTrunk + " expired"}},
	{name: "wildcard", watch: picture, do: func(t *testing.T, c *Cluster) error {
		return second64(c.ExpireWildcard(t.Context(), "var/*/1-{b,c}.pn?"))
	}, want: []string{"cluster/deleteByWildcard wildcard=var/*/1-{b,c}.pn? expired"}},
	{name: "scope", watch: page, do: func(t *testing.T, c *Cluster) error {
		return second64(c.ExpireScope(t.Context(), "viewcache", "var/site/"))
	}, want: []string{"cluster/deleteByScope scope=viewcache expired"}},
	{name: "trunks by directory", watch: page, do: func(t *testing.T, c *Cluster) error {
		return second64(c.ExpireDirList(t.Context(), []string{"site", "admin"}, "var/site/cache/content", "2-"))
	}, want: []string{
		"cluster/deleteByNametrunk trunk=" + pageTrunk + " expired",
		"cluster/deleteByNametrunk trunk=var/site/cache/content/admin/2- expired",
	}},
	{name: "prefixes by directory", watch: image, do: func(t *testing.T, c *Cluster) error {
		return second64(c.ExpireDirList(t.Context(), []string{"images"}, "var/site/storage", "1-"))
	}, want: []string{
		"cluster/deleteByDirList prefix=var/site/storage/images/1- common=var/site/storage dir=images suffix=1- expired",
	}},

	{name: "copy", do: func(t *testing.T, c *Cluster) error {
		return second3(c.Copy(t.Context(), image, "var/copy"))
	}, want: []string{"cluster/deleteFile path=var/copy live 5"}},
	{name: "move", do: func(t *testing.T, c *Cluster) error {
		return second3(c.Move(t.Context(), image, picture))
	}, want: []string{
		"cluster/deleteFile path=" + picture + " live 5", "cluster/deleteFile path=" + image + " expired",
		"cluster/deleteFile path=" + image + " gone",
	}},
	{name: "move to itself", do: func(t *testing.T, c *Cluster) error {
		return second3(c.Move(t.Context(), image, image))
	}},

	{name: "purge", watch: image, do: func(t *testing.T, c *Cluster) error {
		return second64(c.Purge(t.Context(), image))
	}, want: []string{
		"cluster/deleteFile path=" + image + " expired",
		"cluster/deleteByLike prefix=" + image + "/ like=" + image + "/% expired",
		"cluster/deleteFile path=" + image + " gone",
	}},
	{name: "purge a directory", watch: image, do: func(t *testing.T, c *Cluster) error {
		return second64(c.Purge(t.Context(), "var/site/storage/images"))
	}, want: append([]string{
		"cluster/deleteFile path=var/site/storage/images gone",
		`cluster/deleteByLike prefix=var/site/storage/images/ like=var/site/storage/images/% expired`,
	}, inHashOrder("cluster/deleteFile path=%s gone", image, picture)...)},
	{name: "purge what is expired", do: func(t *testing.T, c *Cluster) error {
		if err := second64(c.meta.Expire(t.Context(), image)); err != nil { // unheard
			return err
		}
		for _, err := range c.PurgeExpired(t.Context(), PurgeOptions{}) {
			if err != nil {
				return err
			}
		}
		return nil
	}, want: []string{"cluster/deleteFile path=" + image + " gone"}},
	{name: "see what a purge would do", do: func(t *testing.T, c *Cluster) error {
		if err := second64(c.meta.Expire(t.Context(), image)); err != nil {
			return err
		}
		for _, err := range c.PurgeExpired(t.Context(), PurgeOptions{DryRun: true}) {
			if err != nil {
				return err
			}
		}
		return nil
	}},
	{name: "a reader mends", do: func(t *testing.T, c *Cluster) error {
		c.writeBody(t, image, "longer than it was")
		if got := c.contents(t, image); got != "longer than it was" {
			t.Errorf("reads %q", got)
		}
		return nil
	}, doubted: []string{"cluster/deleteFile path=" + image + " live 5"},
		want: []string{"cluster/deleteFile path=" + image + " live 18"}},
}

// refused are operations that fail and change nothing, or have nothing to do.
var refused = map[string]func(t *testing.T, c *Cluster) error{
	"store at a bad path": func(t *testing.T, c *Cluster) error {
		return second3(c.Store(t.Context(), "../etc", strings.NewReader(""), StoreOptions{}))
	},
	"store half a body": func(t *testing.T, c *Cluster) error {
		return second3(c.Store(t.Context(), image, iotest.ErrReader(io.ErrUnexpectedEOF), StoreOptions{DataType: "x"}))
	},
	"store with a long scope": func(t *testing.T, c *Cluster) error {
		return second3(c.Store(t.Context(), image, strings.NewReader(""), StoreOptions{Scope: strings.Repeat("s", 300)}))
	},
	"copy nothing":       func(t *testing.T, c *Cluster) error { return second3(c.Copy(t.Context(), "var/none", image)) },
	"move nothing":       func(t *testing.T, c *Cluster) error { return second3(c.Move(t.Context(), "var/none", image)) },
	"expire a bad path":  func(t *testing.T, c *Cluster) error { return second64(c.Expire(t.Context(), image, "/etc")) },
	"an empty prefix":    func(t *testing.T, c *Cluster) error { return second64(c.ExpirePrefix(t.Context(), "")) },
	"an empty trunk":     func(t *testing.T, c *Cluster) error { return second64(c.ExpireTrunk(t.Context(), "")) },
	"an empty scope":     func(t *testing.T, c *Cluster) error { return second64(c.ExpireScope(t.Context(), "", "")) },
	"an unread wildcard": func(t *testing.T, c *Cluster) error { return second64(c.ExpireWildcard(t.Context(), "var/{a,b")) },
	"a bad directory": func(t *testing.T, c *Cluster) error {
		return second64(c.ExpireDirList(t.Context(), []string{".."}, "var/site/storage", "1-"))
	},
	"purge a bad path": func(t *testing.T, c *Cluster) error { return second64(c.Purge(t.Context(), "var/./x")) },
	"a generator that fails": func(t *testing.T, c *Cluster) error {
		c.meta.Expire(t.Context(), page)
		return second5(c.GetOrGenerate(t.Context(), page, func(context.Context, io.Writer) error { return io.ErrClosedPipe }, GenerateOptions{}))
	},
	"read a lost body": func(t *testing.T, c *Cluster) error {
		c.stores.Delete(t.Context(), []string{image})
		return second6(c.ReadFile(t.Context(), image))
	},
}

func second3(_ metadata.Row, err error) error { return err }
func second5(_ *Entry, err error) error       { return err }
func second6(_ []byte, err error) error       { return err }

func localFile(t *testing.T, body string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "local")
	if err := os.WriteFile(name, []byte(body), 0o666); err != nil {
		t.Fatal(err)
	}
	return name
}

// inHashOrder formats paths in the order in which batches come upon them.
func inHashOrder(format string, paths ...string) []string {
	slices.SortFunc(paths, func(a, b string) int { return strings.Compare(metadata.Hash(a), metadata.Hash(b)) })
	lines := make([]string, len(paths))
	for i, path := range paths {
		lines[i] = fmt.Sprintf(format, path)
	}
	return lines
}

// recorded returns a cluster with some files, and what its listeners hear from
// then on: one that is told at once, and one that is told later.
func recorded(t *testing.T, watch string) (c *Cluster, inline *inlineRecorder, later *recorder) {
	t.Helper()
	inline, later = &inlineRecorder{recorder{watch: watch}}, &recorder{watch: watch}
	s := nfsSettings(t, "sqlite")
	createSchema(t, s)
	before := open(t, s)
	for _, path := range []string{image, picture, "var/100%_"} {
		before.mustStore(t, path, "image")
	}
	for _, path := range []string{page, "var/site/cache/content/admin/2-abc.cache"} {
		if _, err := before.Store(t.Context(), path, strings.NewReader("page"), StoreOptions{Scope: "viewcache", ModTime: time.Unix(1_000_000_000, 0)}); err != nil {
			t.Fatal(err)
		}
	}
	inline.meta, later.meta = before.meta, before.meta
	return open(t, s, WithListeners(inline, later)), inline, later
}

// Every operation tells just what the contract says (section 7), and when it
// does the change can be seen.
func TestEvents(t *testing.T) {
	for _, e := range eventCases {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			watch := e.watch
			if watch == "" {
				watch = image
			}
			c, inline, later := recorded(t, watch)
			if e.name == "generate" {
				if err := second64(c.meta.Expire(t.Context(), page)); err != nil { // unheard
					t.Fatal(err)
				}
			}
			if err := e.do(t, c); err != nil {
				t.Fatal(err)
			}
			if got := inline.lines(); !slices.Equal(got, slices.Concat(e.doubted, e.want)) {
				t.Errorf("heard %q, want %q", got, e.want)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
			kinds := func(lines []string) (all []string) { // later, the state may be a later one
				for _, line := range lines {
					all = append(all, strings.Join(strings.Fields(line)[:2], " "))
				}
				return all
			}
			if got := later.lines(); !slices.Equal(kinds(got), kinds(e.want)) {
				t.Errorf("later heard %q, want %q", got, e.want)
			}
		})
	}
}

func TestNoEventsOfWhatChangedNothing(t *testing.T) {
	for name, do := range refused {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, _, later := recorded(t, image)
			if err := do(t, c); err == nil {
				t.Error("did not fail")
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
			if heard := later.lines(); len(heard) > 0 {
				t.Errorf("heard %q", heard)
			}
		})
	}
}

// faulty is a listener that does what it must not.
type faulty struct {
	recorder
	notify func(ctx context.Context) error
}

func (f *faulty) Notify(ctx context.Context, _ []events.Event) error { return f.notify(ctx) }

type faultyInline struct{ faulty }

func (f *faultyInline) NotifyInline(events.Event) { panic("inline") }

// Listeners that hang, fail or panic delay and fail nothing: if the one that
// hangs were waited for, this test would not end.
func TestListenersHarmNobody(t *testing.T) {
	never, good := make(chan struct{}), &recorder{}
	s := nfsSettings(t, "sqlite")
	createSchema(t, s)
	c := open(t, s, WithListeners(
		&faulty{notify: func(context.Context) error { <-never; return nil }},
		&faulty{notify: func(context.Context) error { return errors.New("no") }},
		&faulty{notify: func(context.Context) error { panic("queued") }},
		&faultyInline{}, good,
	))
	good.meta = c.meta
	var calls atomic.Int32
	for range 3 {
		c.mustStore(t, image, "1")
		c.expect(t, writes("page", &calls), viewCache, "page", Generated)
		c.expect(t, writes("no", &calls), viewCache, "page", Hit)
		if _, err := c.ExpireTrunk(t.Context(), pageTrunk); err != nil {
			t.Error(err)
		}
	}
	close(never)
	if err := c.Close(); err == nil {
		t.Error("Close does not tell what was lost")
	}
	if heard := good.lines(); len(heard) != 9 {
		t.Errorf("the good one heard %q", heard)
	}
}

// gated is a recorder that is told nothing before it is let.
type gated struct {
	recorder
	open chan struct{}
}

func (g *gated) Notify(ctx context.Context, batch []events.Event) error {
	<-g.open
	return g.recorder.Notify(ctx, batch)
}

// Close lets listeners take what waits for them, and closes them then.
func TestCloseDrains(t *testing.T) {
	g := &gated{open: make(chan struct{})}
	s := nfsSettings(t, "sqlite")
	createSchema(t, s)
	c, looks := open(t, s, WithListeners(g)), open(t, s)
	g.meta = looks.meta
	for range 500 {
		c.mustStore(t, image, "1")
	}
	if heard := g.lines(); len(heard) > 0 {
		t.Errorf("heard %d", len(heard))
	}
	closed := make(chan error)
	go func() { closed <- c.Close() }()
	close(g.open)
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if heard := g.lines(); len(heard) != 500 || !g.closed {
		t.Errorf("heard %d, closed %v", len(heard), g.closed)
	}
	if stats := c.Listeners(); stats[0].Delivered != 500 || stats[0].Dropped+stats[0].Failed > 0 {
		t.Errorf("%+v", stats)
	}
}

// believer is a listener that answers, of whatever path, the row that it has,
// until it is told that the path changed.
type believer struct {
	recorder
	asked atomic.Int32
	mu    sync.Mutex
	row   *metadata.Row
}

func (b *believer) LoadMetadata(context.Context, string) (events.Answer, error) {
	b.asked.Add(1)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.row == nil {
		return events.Answer{}, nil
	}
	return events.Answer{Known: true, Exists: true, Row: *b.row}, nil
}

func (b *believer) Notify(ctx context.Context, batch []events.Event) error {
	for _, e := range batch {
		if e.Kind != events.StoreMetadata {
			b.mu.Lock()
			b.row = nil
			b.mu.Unlock()
		}
	}
	return b.recorder.Notify(ctx, batch)
}

// One command tells caches of changes and believes none.
func TestForOneCommand(t *testing.T) {
	b := &believer{row: &metadata.Row{Name: image, Size: 12345, MTime: 1}}
	s := nfsSettings(t, "sqlite")
	createSchema(t, s)
	s.Events.Enabled, s.Events.Listeners = true, []string{"rowcache", "log"}
	s.LocalCache.Directory = filepath.Join(s.Root, "copies")
	c := open(t, s, WithListeners(b), ForOneCommand())
	b.meta = c.meta
	want := c.mustStore(t, image, "one")
	for range 2 {
		if row, err := c.Stat(t.Context(), image); err != nil || row.Size != want.Size {
			t.Errorf("%+v, %v", row, err)
		}
	}
	if ok, err := c.Exists(t.Context(), "var/none"); ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
	if c.feed != nil || c.local.Keeps(metadata.Row{Name: page, MTime: 1}) {
		t.Error("it follows the change feed, or keeps copies")
	}
	if _, err := os.Stat(s.LocalCache.Directory); err == nil {
		t.Error("it made the directory of local copies")
	}
	var names []string
	for _, l := range c.Listeners() {
		names = append(names, l.Listener)
	}
	if !slices.Equal(names, []string{"log", "recorder"}) {
		t.Errorf("listeners %q", names)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if heard := b.lines(); b.asked.Load() != 0 || len(heard) != 1 {
		t.Errorf("asked %d times, told %q", b.asked.Load(), heard)
	}
}

// A cache shared by hosts may answer from before another process stored the
// file. Whoever notices makes it forget, instead of asking for ever.
func TestOldAnswerOfASharedCache(t *testing.T) {
	s := nfsSettings(t, "sqlite")
	createSchema(t, s)
	other := open(t, s)
	other.mustStore(t, page, "theirs")
	row, err := other.Stat(t.Context(), page)
	if err != nil {
		t.Fatal(err)
	}
	for name, old := range map[string]metadata.Row{
		"expired":      {Name: page, Size: 3, MTime: -1_000_000_000, Expired: true, Table: row.Table},
		"another size": {Name: page, Size: 3, MTime: 1_000_000_000, Table: row.Table},
	} {
		t.Run(name, func(t *testing.T) {
			b := &believer{row: &old}
			c := open(t, s, WithListeners(b))
			b.meta = other.meta
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			entry, err := c.GetOrGenerate(ctx, page, func(context.Context, io.Writer) error {
				t.Error("generated what is fresh")
				return nil
			}, GenerateOptions{NoStale: true})
			if err != nil {
				t.Fatal(err)
			}
			if data, err := entry.Bytes(); string(data) != "theirs" || entry.Row != row || err != nil {
				t.Errorf("%q, %+v, %v", data, entry.Row, err)
			}
			if err := c.Close(); err != nil || b.row != nil || len(b.lines()) == 0 {
				t.Errorf("the cache believes %+v, was told %q, %v", b.row, b.lines(), err)
			}
		})
	}
}

// Listeners are the cluster's from the beginning, also where there is none.
func TestOpenClosesListeners(t *testing.T) {
	for _, name := range []string{"no database", "no listener"} {
		t.Run(name, func(t *testing.T) {
			r := &recorder{}
			s := nfsSettings(t, "sqlite")
			if name == "no listener" {
				createSchema(t, s)
				s.Events.Enabled, s.Events.Listeners = true, []string{"carrier pigeon"}
			}
			if _, err := Open(t.Context(), s, WithListeners(r)); err == nil {
				t.Fatal("it opens")
			}
			if !r.closed {
				t.Error("the listener is left open")
			}
		})
	}
}
