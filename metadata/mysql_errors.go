package metadata

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net"

	"github.com/go-sql-driver/mysql"
)

// mysqlFaults says what the server's error numbers mean to us.
var mysqlFaults = map[uint16]fault{
	1020: {kind: ErrLocked, retry: true}, // MariaDB: the row changed since the snapshot
	1205: {kind: ErrLocked, retry: true}, // lock wait timeout
	1213: {kind: ErrLocked, retry: true}, // deadlock
	3058: {kind: ErrLocked, retry: true}, // deadlock of user locks
	3101: {kind: ErrLocked, retry: true}, // group replication rolled back
	3572: {kind: ErrLocked, retry: true}, // NOWAIT

	1040: {kind: ErrUnavailable, retry: true, hint: "the server has no connection left; raise max_connections"},
	1041: {kind: ErrUnavailable, retry: true},
	1042: {kind: ErrUnavailable, retry: true},
	1043: {kind: ErrUnavailable, retry: true},
	1047: {kind: ErrUnavailable, retry: true, hint: "the server is not ready; a Galera node may have left its cluster"},
	1053: {kind: ErrUnavailable, retry: true}, // shutting down
	1077: {kind: ErrUnavailable, retry: true},
	1079: {kind: ErrUnavailable, retry: true},
	1080: {kind: ErrUnavailable, retry: true},
	1129: {kind: ErrUnavailable, hint: "the server has blocked this host; run FLUSH HOSTS on it"},
	1158: {kind: ErrUnavailable, retry: true},
	1159: {kind: ErrUnavailable, retry: true},
	1160: {kind: ErrUnavailable, retry: true},
	1161: {kind: ErrUnavailable, retry: true},
	1203: {kind: ErrUnavailable, retry: true, hint: "the user has no connection left; raise max_user_connections"},
	1226: {kind: ErrUnavailable, retry: true},
	1927: {kind: ErrUnavailable, retry: true}, // MariaDB: connection was killed
	4031: {kind: ErrUnavailable, retry: true}, // MySQL: disconnected for inactivity

	1044: {kind: ErrUnavailable, hint: "the user may not use the database; GRANT it, or check DBUser and DBName"},
	1045: {kind: ErrUnavailable, hint: "check DBUser and DBPassword of file.ini [eZDFSClusteringSettings]"},
	1049: {kind: ErrUnavailable, hint: "check DBName of file.ini [eZDFSClusteringSettings]"},
	1130: {kind: ErrUnavailable, hint: "the server accepts no connection from this host; GRANT the user access from it"},
	1142: {kind: ErrUnavailable, hint: "the user lacks a privilege on the table; GRANT SELECT, INSERT, UPDATE, DELETE"},
	1290: {kind: ErrUnavailable, hint: "the server is read-only; check DBHost"},
	1698: {kind: ErrUnavailable, hint: "check DBUser and DBPassword of file.ini [eZDFSClusteringSettings]"},
	1792: {kind: ErrUnavailable, hint: "the server is read-only; check DBHost"},
	1836: {kind: ErrUnavailable, hint: "the server is read-only; check DBHost"},

	1054: {kind: ErrSchema, hint: "a column is missing; see dfsctl schema check"},
	1146: {kind: ErrSchema, hint: "create the tables with dfsctl schema create"},
	1932: {kind: ErrSchema, hint: "a table is missing in the engine; see the server's log"},
}

// mysqlFault classifies by number, and what has none as a broken connection.
func mysqlFault(err error) fault {
	var server *mysql.MySQLError
	if errors.As(err, &server) {
		return mysqlFaults[server.Number]
	}
	var network net.Error
	var connecting *connectError
	if errors.As(err, &network) || errors.As(err, &connecting) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, mysql.ErrInvalidConn) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fault{kind: ErrUnavailable, retry: true, hint: "check DBHost, DBPort and DBSocket, and that the server runs"}
	}
	return fault{}
}

// ServerDown reports whether an error of the MySQL driver says that a server cannot
// be reached or takes no queries for the moment. It is for packages that talk to
// other databases than the cluster's.
func ServerDown(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	f := mysqlFault(err)
	return f.kind == ErrUnavailable && f.retry
}
