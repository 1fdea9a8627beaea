package metadata

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/go-sql-driver/mysql"

	"example.com/ezdfs/internal/testservice"
)

// A server that logs statements refuses READ COMMITTED; there the default
// isolation stays and everything works as elsewhere.
func TestStatementLogging(t *testing.T) {
	server := testservice.NewMariaDB(testservice.MariaDBOptions{Args: []string{"--log-bin=binlog", "--binlog-format=STATEMENT", "--server-id=1"}})
	defer server.Close()
	server.Start(t)
	server.Exec(t, "CREATE DATABASE cluster")
	s := createTest(t, Config{Engine: MySQL, Socket: server.Socket(), User: "root", Name: "cluster", ExecuteRetries: 20, Layout: testLayout})
	put(t, s, Row{Name: "var/s/a"}, Row{Name: "var/s/cache/b"})
	if n, err := s.ExpirePrefix(t.Context(), "var/"); n != 2 || err != nil {
		t.Error(n, err)
	}
	if n, err := s.Expire(t.Context(), "var/s/a"); n != 0 || err != nil {
		t.Error(n, err)
	}
	if got := isolation(t, s); got != "REPEATABLE-READ" {
		t.Error(got)
	}
	if got := isolation(t, createTest(t, mysqlTestConfig(t))); got != "READ-COMMITTED" {
		t.Errorf("without a binary log: %s", got)
	}
}

func isolation(t *testing.T, s *Store) (level string) {
	t.Helper()
	if err := s.pools.write.QueryRowContext(t.Context(), "SELECT @@tx_isolation").Scan(&level); err != nil {
		t.Fatal(err)
	}
	return level
}

// Errors are told apart by number, whatever their text and language.
func TestMySQLFaults(t *testing.T) {
	for number, want := range map[uint16]fault{
		1213: {kind: ErrLocked, retry: true}, 1205: {kind: ErrLocked, retry: true},
		1040: {kind: ErrUnavailable, retry: true}, 1053: {kind: ErrUnavailable, retry: true},
		1045: {kind: ErrUnavailable}, 1049: {kind: ErrUnavailable}, 1146: {kind: ErrSchema},
		1062: {}, 1406: {}, 1064: {},
	} {
		got := mysqlFault(fmt.Errorf("wrapped: %w", &mysql.MySQLError{Number: number, Message: "Deadlock? Access denied?"}))
		if got.kind != want.kind || got.retry != want.retry || got.kind == ErrUnavailable && !got.retry && got.hint == "" {
			t.Errorf("%d: %+v", number, got)
		}
	}
}

// What keeps a connection from being made is the server's absence, whatever the
// driver calls it, unless the server itself says otherwise.
func TestFaultsOfConnecting(t *testing.T) {
	for _, test := range []struct {
		err  error
		want fault
	}{
		{errors.New("bad connection"), fault{kind: ErrUnavailable, retry: true}},
		{&mysql.MySQLError{Number: 1045}, fault{kind: ErrUnavailable}},
		{&mysql.MySQLError{Number: 1040}, fault{kind: ErrUnavailable, retry: true}},
	} {
		if got := mysqlFault(&connectError{test.err}); got.kind != test.want.kind || got.retry != test.want.retry {
			t.Errorf("%v: %+v", test.err, got)
		}
	}
	s := createTest(t, mysqlTestConfig(t))
	s.pools.write.SetMaxIdleConns(0) // so that the next query connects
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Get(ctx, "var/s/a"); !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnavailable) {
		t.Errorf("cancelled while connecting: %v", err)
	}
}

func TestHostPort(t *testing.T) {
	for host, want := range map[string]string{
		"db": "db:3306", "db:3307": "db:3307", "::1": "[::1]:3306", "[::1]": "[::1]:3306", "[::1]:3307": "[::1]:3307", "10.0.0.1": "10.0.0.1:3306",
	} {
		if got := hostPort(host, 3306); got != want {
			t.Errorf("hostPort(%q) = %q, want %q", host, got, want)
		}
	}
}
