package journal_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/ezdfs/changes"
	"example.com/ezdfs/changes/changestest"
	"example.com/ezdfs/changes/journal"
	"example.com/ezdfs/internal/testservice"
	"example.com/ezdfs/metadata"
)

var maria = testservice.NewMariaDB(testservice.MariaDBOptions{})

func TestMain(m *testing.M) { goleak.VerifyTestMain(testservice.Main(m, maria.Close)) }

// mysqlConfig names a fresh database.
func mysqlConfig(tb testing.TB) metadata.Config {
	return metadata.Config{Engine: metadata.MySQL, Name: maria.Database(tb), Socket: maria.Socket(), User: "root"}
}

// sqliteConfig names a file that does not exist.
func sqliteConfig(tb testing.TB) metadata.Config {
	return metadata.Config{Engine: metadata.SQLite, Name: tb.TempDir() + "/cluster.db", Create: true}
}

// createStore opens a store with its tables, which the test closes.
func createStore(tb testing.TB, c metadata.Config) *metadata.Store {
	tb.Helper()
	c.ConnectRetries, c.ExecuteRetries, c.Hostname = 3, 20, "host1"
	c.Layout = metadata.Layout{VarDir: "var/s", CacheDir: "cache", StorageDir: "storage", CacheTable: "ezdfsfile_cache"}
	store, err := metadata.Open(tb.Context(), c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { store.Close() })
	if err := store.CreateSchema(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	return store
}

// open opens the journal of a store with a short poll interval.
func open(tb testing.TB, store *metadata.Store, o journal.Options) *journal.Source {
	tb.Helper()
	o.PollInterval = 10 * time.Millisecond
	source, err := journal.Open(tb.Context(), store, o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := source.Close(); err != nil {
			tb.Error(err)
		}
	})
	return source
}

func TestConformance(t *testing.T) {
	for name, config := range map[string]func(testing.TB) metadata.Config{"mysql": mysqlConfig, "sqlite": sqliteConfig} {
		t.Run(name, func(t *testing.T) {
			changestest.Run(t, func(t *testing.T) changestest.Fixture {
				store := createStore(t, config(t))
				f := changestest.Fixture{
					Store: store,
					Open:  func(t *testing.T) changes.Source { return open(t, store, journal.Options{}) },
				}
				if name == "mysql" {
					f.Outage = func(t *testing.T) { maria.Kill(); maria.Start(t) }
				}
				return f
			})
		})
	}
}
