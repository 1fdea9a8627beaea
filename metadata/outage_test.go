package metadata

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"example.com/ezdfs/internal/testservice"
	"example.com/ezdfs/settings"
)

func TestDatabaseDown(t *testing.T) {
	s := createTest(t, mysqlTestConfig(t))
	put(t, s, Row{Name: "var/s/a"})
	maria.Kill()
	_, get := s.Get(t.Context(), "var/s/a")
	_, expire := s.Expire(t.Context(), "var/s/a")
	_, open := Open(t.Context(), s.config)
	update := s.Update(t.Context(), func(tx *Tx) error { return tx.Upsert(Row{Name: "var/s/b"}) })
	var listing error
	for _, listing = range s.Rows(t.Context(), Filter{}) {
	}
	for i, err := range []error{get, expire, open, update, listing, s.Ping(t.Context())} {
		if !errors.Is(err, ErrUnavailable) || !IsRetryable(err) || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%d: %v", i, err)
		}
	}
	maria.Start(t)
	if err := s.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	if got := names(t, s, Filter{}); !slices.Equal(got, []string{"var/s/a"}) {
		t.Errorf("what was acknowledged is %q", got)
	}
}

// The server dies and comes back in the middle of each kind of work.
func TestDatabaseRestarts(t *testing.T) {
	s := createTest(t, mysqlTestConfig(t))
	crash := func() { maria.Kill(); maria.Start(t) }
	runs := 0
	write := func(name string, hurt func(tx *Tx) error) error {
		runs = 0
		return s.Update(t.Context(), func(tx *Tx) error {
			runs++
			if err := tx.Upsert(complete(s, Row{Name: name})); err != nil {
				return err
			}
			if runs > 1 {
				return nil
			}
			return hurt(tx)
		})
	}
	err := write("var/s/reruns", func(tx *Tx) error { crash(); _, err := tx.Lock(Row{Name: "a"}); return err })
	if err != nil || runs != 2 {
		t.Errorf("before Pin: %d runs, %v", runs, err)
	}
	err = write("var/s/pinned", func(tx *Tx) error { tx.Pin(); crash(); _, err := tx.Lock(Row{Name: "a"}); return err })
	if !errors.Is(err, ErrUnavailable) || runs != 1 {
		t.Errorf("after Pin: %d runs, %v", runs, err)
	}
	err = write("var/s/commit", func(*Tx) error { crash(); return nil })
	if !errors.Is(err, ErrOutcomeUnknown) || IsRetryable(err) || runs != 1 {
		t.Errorf("before the commit: %d runs, %v", runs, err)
	}
	fill(t, s, "var/s/%d", 30)
	n := 0
	for _, err := range s.Rows(t.Context(), Filter{PageSize: 10}) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 15 {
			crash()
		}
	}
	if n != 31 {
		t.Errorf("%d rows listed", n)
	}
}

func TestOpenMistakes(t *testing.T) {
	const secret = "hunter2-secret"
	good := mysqlTestConfig(t)
	maria.Exec(t, "CREATE USER IF NOT EXISTS 'cluster'@'%' IDENTIFIED BY 'right';\nCREATE USER IF NOT EXISTS 'cluster'@'localhost' IDENTIFIED BY 'right'")
	for name, c := range map[string]struct {
		change func(c *Config)
		kind   error
		hint   string
	}{
		"password": {func(c *Config) { c.User, c.Password = "cluster", secret }, ErrUnavailable, "DBPassword"},
		"database": {func(c *Config) { c.Name = "none" }, ErrUnavailable, "DBName"},
		"grant":    {func(c *Config) { c.User, c.Password = "cluster", "right" }, ErrUnavailable, "DBUser"},
		"socket":   {func(c *Config) { c.Socket = "/nonexistent/socket" }, ErrUnavailable, "DBSocket"},
		"port":     {func(c *Config) { c.Socket, c.Host, c.Port = "", "127.0.0.1", testservice.FreePort(t) }, ErrUnavailable, "DBPort"},
		"engine":   {func(c *Config) { c.Engine = "oracle" }, ErrUnavailable, "DBBackend"},
		"unnamed":  {func(c *Config) { c.Name = "" }, ErrUnavailable, "DBName"},
		"table":    {func(c *Config) { c.Layout.CacheTable = "a`; DROP" }, ErrSchema, "MetaDataTableNameCache"},
		"file": {func(c *Config) { c.Engine, c.Name = SQLite, filepath.Join(t.TempDir(), "none") },
			ErrUnavailable, "schema create"},
		"directory": {func(c *Config) { c.Engine, c.Name, c.Create = SQLite, filepath.Join(t.TempDir(), "a/b"), true },
			ErrUnavailable, "DBName"},
		"not a database": {func(c *Config) { c.Engine, c.Name = SQLite, "outage_test.go" }, ErrUnavailable, "DBName"},
	} {
		config := good
		config.ConnectRetries = 0
		c.change(&config)
		s, err := Open(t.Context(), config)
		if err == nil {
			s.Close()
		}
		if !errors.Is(err, c.kind) || !strings.Contains(fmt.Sprint(err), c.hint) ||
			strings.Contains(fmt.Sprint(err), secret) || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if text := fmt.Sprintf("%v %+v %#v", Config{Password: secret}, Config{Password: secret}, Config{Password: secret}); strings.Contains(text, secret) {
		t.Error("a configuration prints its password")
	}
}

func TestMissingTables(t *testing.T) {
	for _, c := range []Config{mysqlTestConfig(t), sqliteTestConfig(t)} {
		var log bytes.Buffer
		c.Logger = slog.New(slog.NewTextHandler(&log, nil))
		s := openTest(t, c)
		if !strings.Contains(log.String(), "ezdfs_journal") {
			t.Errorf("%s: the log says %q", c.Engine, &log)
		}
		if _, err := s.Get(t.Context(), "var/s/a"); !errors.Is(err, ErrSchema) || !strings.Contains(err.Error(), "schema create") {
			t.Errorf("%s: %v", c.Engine, err)
		}
		problems, err := s.CheckSchema(t.Context())
		if err != nil || len(problems) != 7 || problems[0].Severity != SeverityError ||
			problems[2].Table != journalTable || problems[3].Table != stateTable || problems[4].Table != ledgerTable || problems[5].Table != migrationTable ||
			problems[6].Table != trashTable {
			t.Errorf("%s: %v, %v", c.Engine, problems, err)
		}
		for range 2 {
			if err := s.CreateSchema(t.Context()); err != nil {
				t.Fatal(err)
			}
			if problems, err := s.CheckSchema(t.Context()); err != nil || len(problems) > 0 {
				t.Errorf("%s: %v, %v", c.Engine, problems, err)
			}
		}
	}
}

// Over TCP, and with listings from a replica, one that is there and one that
// is not.
func TestReplica(t *testing.T) {
	c := mysqlTestConfig(t)
	c.Socket, c.Host, c.Port = "", "127.0.0.1", maria.Port()
	s := createTest(t, c)
	put(t, s, Row{Name: "var/s/a"})
	var log bytes.Buffer
	c.Logger = slog.New(slog.NewTextHandler(&log, nil))
	for host, warns := range map[string]bool{
		fmt.Sprintf("127.0.0.1:%d", maria.Port()): false, "127.0.0.1": false,
		fmt.Sprintf("127.0.0.1:%d", testservice.FreePort(t)): true,
	} {
		log.Reset()
		c.ReadHost = host
		s := openTest(t, c)
		if got := names(t, s, Filter{Replica: true, PageSize: 1}); !slices.Equal(got, []string{"var/s/a"}) {
			t.Errorf("%s: %q", host, got)
		}
		if strings.Contains(log.String(), "replica") != warns {
			t.Errorf("%s: the log says %q", host, &log)
		}
	}
}

// The server's SQL modes change how text is quoted; ours only adds that
// nothing is cut.
func TestSQLModes(t *testing.T) {
	t.Cleanup(func() { maria.Exec(t, "SET GLOBAL sql_mode = DEFAULT") })
	for _, mode := range []string{"", "ANSI_QUOTES", "NO_BACKSLASH_ESCAPES", "ANSI,NO_BACKSLASH_ESCAPES,TRADITIONAL", "PAD_CHAR_TO_FULL_LENGTH,PIPES_AS_CONCAT"} {
		s := createTest(t, mysqlTestConfig(t))
		maria.Exec(t, "SET GLOBAL sql_mode = '"+mode+"'")
		s = again(t, s, nil)
		odd := []string{`var/s/a'b"c` + "`d", `var/s/a%`, `var/s/a_`, `var/s/a|`, "var/s/ab", `var/s/'; --`}
		for _, name := range odd {
			put(t, s, Row{Name: name, Scope: `'"\%`, DataType: `a\`})
		}
		for _, name := range odd {
			if row, err := s.Get(t.Context(), name); err != nil || row.Scope != `'"\%` || row.DataType != `a\` {
				t.Errorf("mode %q: %+v, %v", mode, row, err)
			}
			if n, err := s.ExpirePrefix(t.Context(), name); n != 1 || err != nil {
				t.Errorf("mode %q: expire %q: %d, %v", mode, name, n, err)
			}
		}
		var ours string
		err := s.pools.write.QueryRowContext(t.Context(), "SELECT @@sql_mode").Scan(&ours)
		if err != nil || !strings.Contains(ours, "STRICT_ALL_TABLES") || mode == "ANSI_QUOTES" && !strings.Contains(ours, mode) {
			t.Errorf("mode %q became %q, %v", mode, ours, err)
		}
		_, err = s.pools.write.ExecContext(t.Context(), "INSERT INTO ezdfsfile (name, name_trunk, scope) VALUES ('a', 'a', REPEAT('x', 26))")
		if err == nil {
			t.Errorf("mode %q cuts values", mode)
		}
	}
}

func TestConfigFrom(t *testing.T) {
	var s settings.Settings
	s.Root = "/site"
	s.DFS.DBName = "cluster"
	for backend, want := range map[string]Engine{
		"eZDFSFileHandlerMySQLiBackend": MySQL, "eZDFSFileHandlerMySQLBackend": MySQL, "MySQL": MySQL, "SQLite": SQLite, "Oracle": "",
	} {
		s.DFS.DBBackend = backend
		c, err := ConfigFrom(s)
		if c.Engine != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", backend, c.Engine, err)
		}
		if want == SQLite && c.Name != "/site/cluster" {
			t.Errorf("the file is %q", c.Name)
		}
	}
}
