package metadata

import (
	"testing"

	"go.uber.org/goleak"

	"example.com/ezdfs/internal/testservice"
)

// maria is shared by all tests of this package.
var maria = testservice.NewMariaDB(testservice.MariaDBOptions{TCP: true})

func TestMain(m *testing.M) { goleak.VerifyTestMain(testservice.Main(m, maria.Close)) }

// testLayout is that of a site with the default directories.
var testLayout = Layout{VarDir: "var/s", CacheDir: "cache", StorageDir: "storage", CacheTable: "ezdfsfile_cache"}

// mysqlTestConfig names a fresh database without tables.
func mysqlTestConfig(tb testing.TB) Config {
	return Config{
		Engine: MySQL, Name: maria.Database(tb), Socket: maria.Socket(), User: "root",
		ConnectRetries: 3, ExecuteRetries: 20, Layout: testLayout, Hostname: "host1",
	}
}

// sqliteTestConfig names a file that does not exist.
func sqliteTestConfig(tb testing.TB) Config {
	return Config{
		Engine: SQLite, Name: tb.TempDir() + "/ezdfs db?.sqlite", Create: true,
		ConnectRetries: 3, ExecuteRetries: 20, Layout: testLayout, Hostname: "host1",
	}
}

// openTest opens a store that the test closes.
func openTest(tb testing.TB, c Config) *Store {
	tb.Helper()
	s, err := Open(tb.Context(), c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Close() })
	return s
}

// createTest opens a store and makes its tables.
func createTest(tb testing.TB, c Config) *Store {
	tb.Helper()
	s := openTest(tb, c)
	if err := s.CreateSchema(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	return s
}

// onBothEngines runs a test of the conformance suite on each engine, on tables
// that CreateSchema made.
func onBothEngines(t *testing.T, test func(t *testing.T, s *Store)) {
	t.Run("mysql", func(t *testing.T) { test(t, createTest(t, mysqlTestConfig(t))) })
	t.Run("sqlite", func(t *testing.T) { test(t, createTest(t, sqliteTestConfig(t))) })
}

// put stores rows, completed from their names.
func put(tb testing.TB, s *Store, rows ...Row) {
	tb.Helper()
	for i, r := range rows {
		rows[i] = complete(s, r)
	}
	if err := s.Update(tb.Context(), func(tx *Tx) error { return tx.Upsert(rows...) }); err != nil {
		tb.Fatal(err)
	}
}

// complete fills in what a row of a test leaves open.
func complete(s *Store, r Row) Row {
	if r.Trunk == "" {
		r.Trunk = s.Layout().Trunk(r.Name, r.Scope)
	}
	if r.DataType == "" {
		r.DataType = "text/plain"
	}
	if r.MTime == 0 {
		r.MTime = 1_700_000_000
	}
	return r
}
