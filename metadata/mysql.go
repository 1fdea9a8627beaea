package metadata

import (
	"context"
	"database/sql"
	"database/sql/driver"
	_ "embed"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"

	"github.com/go-sql-driver/mysql"
)

//go:embed schema/mysql.sql
var mysqlDDL string

// mysqlDialect is MySQL, MariaDB and what speaks their protocol.
func mysqlDialect() *dialect {
	return &dialect{
		onDuplicate: " ON DUPLICATE KEY UPDATE `name` = VALUES(`name`), `name_trunk` = VALUES(`name_trunk`)," +
			" `datatype` = VALUES(`datatype`), `scope` = VALUES(`scope`), `size` = VALUES(`size`)," +
			" `mtime` = VALUES(`mtime`), `expired` = VALUES(`expired`)",
		onDuplicateKeep:      " ON DUPLICATE KEY UPDATE `name_hash` = VALUES(`name_hash`)",
		onDuplicateState:     " ON DUPLICATE KEY UPDATE `name` = VALUES(`name`)",
		onDuplicateValue:     " ON DUPLICATE KEY UPDATE `value` = VALUES(`value`)",
		onDuplicateMigration: " ON DUPLICATE KEY UPDATE `id` = VALUES(`id`)",
		onDuplicateDelivery:  " ON DUPLICATE KEY UPDATE ",
		given:                func(column string) string { return "VALUES(" + column + ")" },
		now:                  "CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED)",
		gapsFill:             true,
		joins:                true,
		forUpdate:            " FOR UPDATE",
		byKey:                "FORCE INDEX (PRIMARY)",
		// The comparison by the column's collation finds the rows by the index;
		// the one by bytes drops the case twins and what differs in accents or
		// trailing spaces. CONVERT is for columns that are not utf8mb4.
		hasPrefix: mysqlPrefix,
		equals: func(column, value string) condition {
			return condition{
				column + " = ? AND CAST(CONVERT(" + column + " USING utf8mb4) AS BINARY) = ?",
				[]any{value, []byte(value)},
			}
		},
		ddl:      mysqlDDL,
		inspect:  mysqlInspect,
		classify: mysqlFault,
		open:     mysqlOpen,
	}
}

// lastTexts sorts behind whatever a name has after its prefix.
var lastTexts = strings.Repeat("\U0010ffff", 64)

// mysqlPrefix finds the names that begin with a prefix. Under several utf8mb4
// collations MariaDB's LIKE, when it uses an index, overlooks the names in
// which a character of 4 bytes, or below the space, follows the prefix; there
// a range covers those. Other charsets lack the characters and must not be
// compared with them, which would keep the index from being used.
func mysqlPrefix(column, charset, prefix string) condition {
	pattern := likePrefix(prefix)
	c := condition{column + " LIKE ? ESCAPE '|'", []any{pattern}}
	if charset == "" || charset == "utf8mb4" {
		c.sql = "(" + c.sql + " OR " + column + " BETWEEN ? AND ?)"
		c.args = append(c.args, prefix+"\x01", prefix+lastTexts)
	}
	c.and(condition{"CAST(CONVERT(" + column + " USING utf8mb4) AS BINARY) LIKE ? ESCAPE '|'", []any{[]byte(pattern)}})
	return c
}

// mysqlOpen connects to the server and, where there is one, prepares the pool
// of the replica, which is not contacted before it is needed.
func mysqlOpen(ctx context.Context, c Config) (pools, error) {
	base := mysqlConfig(c)
	init, err := mysqlSession(ctx, base)
	if err != nil {
		return pools{}, err
	}
	db, err := mysqlPool(c, base, init)
	if err != nil {
		return pools{}, err
	}
	p := pools{write: db, read: db}
	if c.ReadHost != "" {
		replica := base.Clone()
		replica.Net, replica.Addr = "tcp", hostPort(c.ReadHost, c.Port)
		if p.replica, err = mysqlPool(c, replica, init); err != nil {
			db.Close()
			return pools{}, err
		}
	}
	return p, nil
}

// mysqlConfig translates our configuration into the driver's.
func mysqlConfig(c Config) *mysql.Config {
	m := mysql.NewConfig()
	m.User, m.Passwd, m.DBName = c.User, c.Password.Reveal(), c.Name
	m.Net, m.Addr = "tcp", hostPort(c.Host, c.Port)
	if c.Socket != "" {
		m.Net, m.Addr = "unix", c.Socket
	}
	m.Timeout = dialTimeout
	// One round trip a statement instead of three. Safe because utf8mb4 has no
	// character that ends in a quote or a backslash.
	m.InterpolateParams = true
	m.MultiStatements = true // see Tx.Write
	m.Apply(mysql.Charset("utf8mb4", ""))
	// A value that does not fit is an error, never cut; whatever else the
	// administrator chose stays.
	m.Params = map[string]string{
		"sql_mode": "CONCAT_WS(',', NULLIF(@@sql_mode, ''), 'STRICT_ALL_TABLES')",
	}
	m.Logger = driverLogger{c.Logger}
	return m
}

// hostPort joins a host, which may bring its own port, with the default one.
func hostPort(host string, port int) string {
	if _, _, err := net.SplitHostPort(host); err == nil {
		return host
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), strconv.Itoa(port))
}

// mysqlSession asks the server once which statement every connection begins
// with.
//
// READ COMMITTED locks the rows that a statement changes and no gaps between
// them, so that writers of neighbouring new paths do not wait for each other.
// A server that logs statements instead of rows refuses it; there the default
// stays.
func mysqlSession(ctx context.Context, m *mysql.Config) (string, error) {
	connector, err := mysql.NewConnector(m)
	if err != nil {
		return "", err
	}
	db := sql.OpenDB(&sessionConnector{connector, ""})
	defer db.Close()
	if err := db.PingContext(ctx); err != nil {
		return "", err
	}
	var logging bool
	var format string
	err = db.QueryRowContext(ctx, "SELECT @@log_bin, @@binlog_format").Scan(&logging, &format)
	if err == nil && logging && strings.EqualFold(format, "STATEMENT") {
		return "", nil
	}
	return "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", nil
}

// mysqlPool makes a pool whose connections begin with a statement.
func mysqlPool(c Config, m *mysql.Config, init string) (*sql.DB, error) {
	connector, err := mysql.NewConnector(m)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(&sessionConnector{connector, init})
	db.SetMaxOpenConns(c.MaxConns)
	db.SetMaxIdleConns(c.MaxConns)
	db.SetConnMaxLifetime(connLifetime)
	return db, nil
}

// sessionConnector runs a statement on every new connection.
type sessionConnector struct {
	driver.Connector
	init string
}

// Connect implements driver.Connector.
func (c *sessionConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, &connectError{err}
	}
	if c.init == "" {
		return conn, nil
	}
	if _, err := conn.(driver.ExecerContext).ExecContext(ctx, c.init, nil); err != nil {
		conn.Close()
		return nil, &connectError{err}
	}
	return conn, nil
}

// connectError is why there is no connection. The driver has errors for that
// which nobody else can tell by their type, as when a server gives up on a client
// that is slow to shake hands.
type connectError struct{ err error }

func (e *connectError) Error() string { return e.err.Error() }
func (e *connectError) Unwrap() error { return e.err }

// driverLogger passes the driver's remarks on, which repeat errors that are
// returned as well.
type driverLogger struct{ *slog.Logger }

// Print implements mysql.Logger.
func (l driverLogger) Print(v ...any) { l.Debug("mysql driver: " + fmt.Sprint(v...)) }
