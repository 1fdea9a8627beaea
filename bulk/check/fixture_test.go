package check

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/internal/testservice"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

var (
	mariaDB = testservice.NewMariaDB(testservice.MariaDBOptions{})
	gateway testservice.SharedVersityGW
)

func TestMain(m *testing.M) {
	flag.Set("rapid.checks", "15") // each makes a cluster; more by -rapid.checks
	goleak.VerifyTestMain(testservice.Main(m, mariaDB.Close, gateway.Close))
}

// Where the paths of the fixture lie: on the tree by default, in the bucket,
// and on a tree that no rule names any more.
const (
	onNFS = "var/site/storage/images/"
	onS3  = "var/site/storage/original/"
	past  = "nfs:past"
)

// fixture is a cluster whose parts can be damaged.
type fixture struct {
	testing.TB
	*cluster.Cluster
	settings settings.Settings
	stores   []Store
	db       *sql.DB // past the cluster
	long     time.Time
}

func newSettings(tb testing.TB, engine string, bucket bool) settings.Settings {
	tb.Helper()
	s := settings.Defaults()
	s.Root = tb.TempDir()
	mount := func(name string) settings.NFS {
		dir := filepath.Join(s.Root, name)
		if err := os.Mkdir(dir, 0o777); err != nil {
			tb.Fatal(err)
		}
		return settings.NFS{MountPointPath: dir, FileMode: 0o666, DirMode: 0o777}
	}
	tree, old := mount("mount"), mount("past")
	tree.Name, old.Name = "nfs", past
	s.NFS = map[string]settings.NFS{"nfs": tree, past: old}
	s.DFS.DFSBackend, s.DFS.MountPointPath = "eZDFSFileHandlerDFSDispatcher", tree.MountPointPath
	if bucket {
		g := gateway.Get(tb)
		s.S3 = map[string]settings.S3{"s3": {
			Name: "s3", Bucket: g.Bucket(tb), Endpoint: g.Endpoint, UsePathStyleEndpoint: true,
			Region: g.Region, AccessKeyID: g.AccessKey, SecretAccessKey: settings.Secret(g.SecretKey),
			PartSize: 5 << 20, Concurrency: 2,
		}}
		s.Dispatch.PathBackends = []settings.Rule{{Prefix: onS3, Backend: "s3"}}
	}
	if engine == "sqlite" {
		s.DFS.DBBackend, s.DFS.DBName = "SQLite", filepath.Join(s.Root, "cluster.db")
	} else {
		mariaDB.Start(tb)
		s.DFS.DBBackend, s.DFS.DBSocket, s.DFS.DBName = "MySQL", mariaDB.Socket(), mariaDB.Database(tb)
		s.DFS.DBUser, s.DFS.DBPassword = "root", ""
	}
	return s
}

func newFixture(tb testing.TB, engine string, bucket bool) *fixture {
	tb.Helper()
	return openFixture(tb, newSettings(tb, engine, bucket))
}

func openFixture(tb testing.TB, s settings.Settings, options ...cluster.Option) *fixture {
	tb.Helper()
	f := &fixture{TB: tb, settings: s, long: time.Now().Add(-2 * time.Hour).Truncate(time.Second)}
	config, err := metadata.ConfigFrom(s)
	if err != nil {
		tb.Fatal(err)
	}
	config.Create = true
	store, err := metadata.Open(tb.Context(), config)
	if err != nil {
		tb.Fatal(err)
	}
	defer store.Close()
	if err := store.CreateSchema(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	if f.Cluster, err = cluster.Open(tb.Context(), s, append(options, cluster.ForOneCommand())...); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { f.Cluster.Close() })
	stores, closeStores := Stores(tb.Context(), f.Cluster, s, nil)
	f.stores = stores
	tb.Cleanup(func() { closeStores() })
	if config.Engine == metadata.SQLite {
		f.db, err = sql.Open("sqlite", "file:"+config.Name+"?_busy_timeout=10000")
	} else {
		f.db, err = sql.Open("mysql", "root@unix("+config.Socket+")/"+config.Name)
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { f.db.Close() })
	return f
}

// exec changes rows past the cluster.
func (f *fixture) exec(query string, args ...any) {
	f.Helper()
	if _, err := f.db.ExecContext(f.Context(), query, args...); err != nil {
		f.Fatal(err)
	}
}

// row is a live row of two hours ago.
func (f *fixture) row(name string, size int) metadata.Row {
	l := f.Metadata().Layout()
	return metadata.Row{Name: name, Trunk: l.Trunk(name, "image"), Scope: "image", DataType: "image/png",
		Size: int64(size), MTime: f.long.Unix(), Table: l.Table(name)}
}

func (f *fixture) putRows(rows ...metadata.Row) {
	f.Helper()
	if err := f.Metadata().Update(f.Context(), func(tx *metadata.Tx) error { return tx.Upsert(rows...) }); err != nil {
		f.Fatal(err)
	}
}

// backend finds a store of the fixture.
func (f *fixture) backend(name string) backends.Backend {
	f.Helper()
	for _, s := range f.stores {
		if s.Name == name && s.Err == nil {
			return s.Backend
		}
	}
	f.Fatalf("no backend %s", name)
	return nil
}

// home is the name of the backend of a path.
func (f *fixture) home(name string) string { return f.Stores().Route(name).Backend.Name() }

// bodies are what to put where.
type bodies map[[2]string]int // by backend and path, the size

// putBodies writes bodies past the cluster, as old as the rows.
func (f *fixture) putBodies(list bodies) {
	f.Helper()
	var group errgroup.Group
	group.SetLimit(8)
	for at, size := range list {
		group.Go(func() error { return f.putBody(at[0], at[1], size, f.long) })
	}
	if err := group.Wait(); err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) putBody(backend, path string, size int, at time.Time) error {
	body := bytes.Repeat([]byte("x"), size)
	if tree, ok := f.settings.NFS[backend]; ok { // no need for it to be durable
		file := filepath.Join(tree.MountPointPath, path)
		return errors.Join(os.MkdirAll(filepath.Dir(file), 0o777), os.WriteFile(file, body, 0o666), os.Chtimes(file, at, at))
	}
	staged, err := f.backend(backend).Stage(f.Context(), path, bytes.NewReader(body), backends.Attributes{Size: int64(size), ModTime: at})
	if err != nil {
		return err
	}
	return staged.Publish(f.Context())
}

// check runs a check of the fixture, all of which is younger than an hour, and
// returns its findings in order.
func (f *fixture) check(o Options) ([]Finding, Summary) {
	f.Helper()
	found, summary, err := f.run(f.Context(), o)
	if err != nil {
		f.Fatalf("check: %v", err)
	}
	return found, summary
}

func (f *fixture) run(ctx context.Context, o Options) ([]Finding, Summary, error) {
	f.Helper()
	var found []Finding
	if o.Stores == nil {
		o.Stores = f.stores
	}
	if o.TempDir == "" {
		o.TempDir = f.TempDir()
	}
	o.Found = func(x Finding) error { found = append(found, x); return nil }
	summary, err := Run(ctx, f.Cluster, o)
	if int64(len(found)) != summary.Found {
		f.Errorf("%d findings told, %d counted", len(found), summary.Found)
	}
	left, _ := os.ReadDir(o.TempDir)
	if len(left) > 0 {
		f.Errorf("%d temporary files left", len(left))
	}
	slices.SortFunc(found, func(a, b Finding) int {
		return strings.Compare(string(a.Kind)+a.Name+a.Backend, string(b.Kind)+b.Name+b.Backend)
	})
	return found, summary, err
}

// state is everything there is: rows and bodies with what describes them.
func (f *fixture) state() map[string]string {
	f.Helper()
	all := map[string]string{}
	for row, err := range f.Metadata().Scan(f.Context(), metadata.Filter{}) {
		if err != nil {
			f.Fatal(err)
		}
		all["row "+row.Table+" "+row.NameHash] = fmt.Sprintf("%+v", row.Row)
	}
	for _, s := range f.stores {
		if s.Backend == nil { // another name of one that is there
			continue
		}
		for info, err := range s.Backend.List(f.Context(), "", "") {
			if err != nil {
				f.Fatal(err)
			}
			text := fmt.Sprintf("%d bytes", info.Size)
			if info.Kept { // not in a listing of S3
				text += fmt.Sprintf(" of %d", info.ModTime.Unix())
			}
			all["body "+s.Name+" "+info.Path] = text
		}
	}
	return all
}

// differences lists the keys in which two states differ.
func differences(before, after map[string]string) (keys []string) {
	for key := range maps.Keys(before) {
		if after[key] != before[key] {
			keys = append(keys, key)
		}
	}
	for key := range maps.Keys(after) {
		if _, ok := before[key]; !ok {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// summarize is the findings as lines that are easily compared.
func summarize(found []Finding) (lines []string) {
	for _, x := range found {
		line := string(x.Kind) + " " + x.Name
		if x.Action != "" {
			line += " " + x.Action
		}
		if x.Error != "" && !strings.Contains(x.Error, " may ") { // it was left alone on purpose
			line += " " + x.Error
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines
}

func wantLines(tb testing.TB, what string, got, want []string) {
	tb.Helper()
	slices.Sort(want)
	if slices.Equal(got, want) {
		return
	}
	for _, line := range got {
		if !slices.Contains(want, line) {
			tb.Errorf("%s: unexpected %s", what, line)
		}
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			tb.Errorf("%s: lacks %s", what, line)
		}
	}
	if len(got) != len(want) {
		tb.Errorf("%s: %d lines, want %d", what, len(got), len(want))
	}
}
