package testservice

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/go-sql-driver/mysql"
)

// MariaDB is one real server on private data, shared by all tests of a
// package: it starts when a test first asks for it and ends with
// [MariaDB.Close].
//
//	var db = testservice.NewMariaDB(testservice.MariaDBOptions{})
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(testservice.Main(m, db.Close)) }
//
//	func TestRows(t *testing.T) {
//		name := db.Database(t)
//		// connect as root without a password to db.Socket()
//	}
type MariaDB struct {
	options MariaDBOptions

	mu      sync.Mutex
	dir     string // "" until it first started
	port    int
	release func() // gives the port back
	process *Process
	count   int // databases made
}

// MariaDBOptions say how the server differs from the default one, which
// listens on a unix socket only.
type MariaDBOptions struct {
	TCP    bool     // listen on a port of 127.0.0.1 as well
	Binlog bool     // write a binary log in row format
	Args   []string // further arguments of mariadbd
}

// NewMariaDB returns a server that starts on first use.
func NewMariaDB(options MariaDBOptions) *MariaDB {
	return &MariaDB{options: options}
}

// Socket is the path of the server's unix socket, on which root needs no
// password.
func (m *MariaDB) Socket() string { return filepath.Join(m.dir, "s") }

// Port is the server's port on 127.0.0.1, 0 without TCP.
func (m *MariaDB) Port() int { return m.port }

// Start runs the server if it does not run already, on the data it had
// before. The test ends by [Missing] when it cannot.
func (m *MariaDB) Start(tb testing.TB) {
	tb.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.process != nil {
		return
	}
	if m.dir == "" {
		m.install(tb)
	}
	args := append([]string{
		"--no-defaults", "--datadir=" + filepath.Join(m.dir, "data"), "--socket=" + m.Socket(),
		// A server that starts removes the temporary tables that it finds.
		"--tmpdir=" + m.dir, "--pid-file=" + filepath.Join(m.dir, "pid"), "--innodb-buffer-pool-size=64M", "--performance-schema=OFF",
	}, asRoot()...)
	if m.options.TCP {
		args = append(args, "--bind-address=127.0.0.1", fmt.Sprintf("--port=%d", m.port))
	} else {
		args = append(args, "--skip-networking")
	}
	if m.options.Binlog {
		args = append(args, "--log-bin=binlog", "--binlog-format=ROW", "--server-id=1")
	}
	cmd := exec.Command(Binary(tb, "mariadbd"), append(args, m.options.Args...)...)
	m.process = run(tb, cmd, func() error { return m.exec("DO 1") })
}

// install makes the data directory, in a place short enough for a socket.
func (m *MariaDB) install(tb testing.TB) {
	tb.Helper()
	install := Binary(tb, "mariadb-install-db")
	dir, err := os.MkdirTemp("", "mdb")
	if err != nil {
		tb.Fatal(err)
	}
	args := append([]string{
		"--no-defaults", "--datadir=" + filepath.Join(dir, "data"),
		// As for the server: another one that starts would remove ours.
		"--tmpdir=" + dir,
		"--auth-root-authentication-method=normal", "--skip-test-db",
	}, asRoot()...)
	if out, err := exec.Command(install, args...).CombinedOutput(); err != nil {
		os.RemoveAll(dir)
		Missing(tb, "%s: %v\n%s", install, err, out)
	}
	m.dir = dir
	if m.options.TCP {
		m.port, m.release = reservePort(tb) // longer than this test
	}
}

// asRoot lets the server run as root, which it refuses otherwise.
func asRoot() []string {
	if os.Getuid() == 0 {
		return []string{"--user=root"}
	}
	return nil
}

// Stop shuts the server down properly. Its data stays for the next Start.
func (m *MariaDB) Stop() { m.end((*Process).Stop) }

// Kill ends the server as a crash would. Its data stays for the next Start.
func (m *MariaDB) Kill() { m.end((*Process).Kill) }

// Pause makes the server hang: connections are accepted and nothing answers,
// until Resume.
func (m *MariaDB) Pause() { m.process.Signal(syscall.SIGSTOP) }

// Resume ends Pause.
func (m *MariaDB) Resume() { m.process.Signal(syscall.SIGCONT) }

func (m *MariaDB) end(how func(*Process)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.process != nil {
		how(m.process)
		m.process = nil
	}
}

// Close ends the server and removes its data.
func (m *MariaDB) Close() {
	m.Kill()
	if m.dir != "" {
		os.RemoveAll(m.dir)
		m.dir = ""
	}
	if m.release != nil {
		m.release()
		m.release = nil
	}
}

// Database makes an empty database in utf8mb4 for one test, which drops it at
// its end, and returns its name.
func (m *MariaDB) Database(tb testing.TB) string {
	tb.Helper()
	m.Start(tb)
	m.mu.Lock()
	m.count++
	name := fmt.Sprintf("test_%d", m.count)
	m.mu.Unlock()
	m.Exec(tb, "CREATE DATABASE `"+name+"` CHARACTER SET utf8mb4")
	tb.Cleanup(func() {
		m.Start(tb)
		m.Exec(tb, "DROP DATABASE `"+name+"`")
	})
	return name
}

// Exec runs statements as root, separated by ";" at the end of a line, on one
// connection.
func (m *MariaDB) Exec(tb testing.TB, script string) {
	tb.Helper()
	if err := m.exec(script); err != nil {
		tb.Fatal(err)
	}
}

func (m *MariaDB) exec(script string) error {
	c := mysql.NewConfig()
	c.Net, c.Addr, c.User, c.Logger = "unix", m.Socket(), "root", &mysql.NopLogger{}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	conn, err := db.Conn(context.Background())
	if err != nil {
		return err
	}
	defer conn.Close()
	for statement := range strings.SplitSeq(script, ";\n") {
		if statement = strings.TrimSuffix(strings.TrimSpace(statement), ";"); statement == "" {
			continue
		}
		if _, err := conn.ExecContext(context.Background(), statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

// runner is what [Main] returns: a testing.M that cleans up.
type runner struct {
	m     *testing.M
	close []func()
}

// Main returns an m that, once its tests have run, closes what they shared.
// Give it to goleak.VerifyTestMain, or call Run.
func Main(m *testing.M, close ...func()) interface{ Run() int } { return runner{m, close} }

// Run runs the tests.
func (r runner) Run() int {
	defer func() {
		for _, close := range r.close {
			close()
		}
	}()
	return r.m.Run()
}
