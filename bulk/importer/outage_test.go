package importer_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/bulk"
	"example.com/ezdfs/bulk/importer"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/internal/testservice/oldcluster"
	"example.com/ezdfs/settings"
)

// shaky is a store that falls silent in the middle of a listing, at a look at a
// body, or for one body for good.
type shaky struct {
	backends.Backend
	list, stat atomic.Int64 // after so many elements or calls it is silent
	pings      atomic.Int64
	back       int64  // pings until it is back; 0 for never
	never      string // the body for which it always is
}

func (s *shaky) silent(op, path string) error {
	return &backends.Error{Backend: s.Name(), Op: op, Path: path, Kind: backends.ErrUnavailable, Err: errors.New("connection refused")}
}

func (s *shaky) up() bool { return s.back > 0 && s.pings.Load() >= s.back }

func (s *shaky) Ping(context.Context) error {
	if s.pings.Add(1); !s.up() && s.never == "" {
		return s.silent("ping", "")
	}
	return nil
}

func (s *shaky) List(ctx context.Context, prefix, after string) iter.Seq2[backends.Info, error] {
	return func(yield func(backends.Info, error) bool) {
		for info, err := range s.Backend.List(ctx, prefix, after) {
			if s.list.Add(-1) < 0 && !s.up() {
				yield(backends.Info{}, s.silent("list", ""))
				return
			}
			if !yield(info, err) {
				return
			}
		}
	}
}

func (s *shaky) Stat(ctx context.Context, path string) (backends.Info, error) {
	if s.never == path || s.stat.Add(-1) < 0 && !s.up() {
		return backends.Info{}, s.silent("stat", path)
	}
	return s.Backend.Stat(ctx, path)
}

// fillTree writes bodies without rows onto the share of a site.
func fillTree(t *testing.T, s settings.Settings, files int) {
	t.Helper()
	for i := range files {
		file := filepath.Join(s.DFS.MountPointPath, "var", fmt.Sprint(i/100), fmt.Sprint(i))
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o777), os.WriteFile(file, []byte("x"), 0o666)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestBodiesOutage: a store that falls silent is waited for, and the import goes on;
// when it does not come back the import says so once, and the same one goes on.
func TestBodiesOutage(t *testing.T) {
	const files, many = 700, 1 << 40
	for name, test := range map[string]struct {
		list, stat, back int64
		never            string
		want             string // the error
	}{
		"listing, back":  {list: 300, stat: many, back: 3},
		"listing, gone":  {list: 300, stat: many, want: "ended early; once nfs works again, the same command goes on: nfs: "},
		"bodies, back":   {list: many, stat: 250, back: 3},
		"bodies, gone":   {list: many, stat: 250, want: "once nfs works again, the same command goes on: nfs: "},
		"a single body":  {list: many, stat: many, never: "var/3/333", want: "import: 1 of 700 files failed"},
		"from the start": {back: 3},
	} {
		t.Run(name, func(t *testing.T) {
			s := nfsSite(t)
			emptyTables(t, &s, false)
			fillTree(t, s, files)
			store := &shaky{back: test.back, never: test.never}
			store.list.Store(test.list)
			store.stat.Store(test.stat)
			c, err := cluster.Open(t.Context(), s, cluster.WithBackendWrapper(func(b backends.Backend) backends.Backend {
				store.Backend = b
				return store
			}))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			waiting := bulk.Waiting{Patience: time.Minute}
			if test.back == 0 && test.never == "" {
				waiting.Patience = -1
			}
			progress := new(bulk.Progress)
			err = importer.Bodies(t.Context(), c, store, importer.BodiesOptions{Waiting: waiting, Counts: importer.NewCounts(progress)})
			got, found := progress.Snapshot(), rows(t, c)
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n")) {
				t.Errorf("error %v, want %q; %v", err, test.want, progress.Failures())
			}
			if got.Done != int64(len(found)) || test.want == "" && len(found) != files {
				t.Errorf("%+v, %d rows", got, len(found))
			}
			store.back, store.never = -1<<40, ""
			store.list.Store(many)
			store.stat.Store(many)
			if err := importer.Bodies(t.Context(), c, store, importer.BodiesOptions{}); err != nil || len(rows(t, c)) != files {
				t.Errorf("then %v, %d rows", err, len(rows(t, c)))
			}
		})
	}
}

// TestDatabaseRestarts kills the server under imports, which wait for it: that of
// bodies, and that of an older cluster on the same server.
func TestDatabaseRestarts(t *testing.T) {
	const files = 1200
	s := nfsSite(t)
	emptyTables(t, &s, true)
	fillTree(t, s, files)
	c := open(t, s)
	source, tables := oldCluster(t, oldcluster.Since41)
	tables.Rows(t, "var/old/", files)
	for name, do := range map[string]func(*importer.Counts) error{
		"bodies": func(counts *importer.Counts) error {
			return importer.Bodies(t.Context(), c, c.Stores().Backends()[0], importer.BodiesOptions{Limits: bulk.Limits{Workers: 2}, Counts: counts})
		},
		"ezdb": func(counts *importer.Counts) error {
			return importer.EZDB(t.Context(), c, source, importer.EZDBOptions{Limits: bulk.Limits{Workers: 2}, Counts: counts})
		},
	} {
		t.Run(name, func(t *testing.T) {
			progress := new(bulk.Progress)
			ended := make(chan struct{})
			restarted := make(chan struct{})
			go func() {
				defer close(restarted)
				for progress.Snapshot().Done < 300 {
					select {
					case <-ended:
						t.Error("it ended before the server was killed")
						return
					case <-time.After(time.Millisecond):
					}
				}
				mariaDB.Kill()
				mariaDB.Start(t)
			}()
			err := do(importer.NewCounts(progress))
			close(ended)
			<-restarted
			if err != nil || progress.Snapshot().Failed != 0 {
				t.Fatalf("%v, %+v, %v", err, progress.Snapshot(), progress.Failures())
			}
		})
	}
	if found := rows(t, c); len(found) != 2*files {
		t.Errorf("%d rows", len(found))
	}
}
