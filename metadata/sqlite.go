package metadata

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"net/url"
	"os"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

//go:embed schema/sqlite.sql
var sqliteDDL string

// sqliteBusyTimeout is how long, in milliseconds, a connection waits for
// another process before the transaction is tried anew.
const sqliteBusyTimeout = 2000

// sqliteDialect is a file of this host, which several processes may share.
func sqliteDialect() *dialect {
	return &dialect{
		onDuplicate: " ON CONFLICT (`name_hash`) DO UPDATE SET `name` = excluded.`name`, `name_trunk` = excluded.`name_trunk`," +
			" `datatype` = excluded.`datatype`, `scope` = excluded.`scope`, `size` = excluded.`size`," +
			" `mtime` = excluded.`mtime`, `expired` = excluded.`expired`",
		onDuplicateKeep:      " ON CONFLICT (`name_hash`) DO NOTHING",
		onDuplicateState:     " ON CONFLICT (`name`) DO NOTHING",
		onDuplicateValue:     " ON CONFLICT (`name`) DO UPDATE SET `value` = excluded.`value`",
		onDuplicateMigration: " ON CONFLICT (`id`) DO NOTHING",
		onDuplicateDelivery:  " ON CONFLICT (`target`, `hash`) DO UPDATE SET ",
		given:                func(column string) string { return "excluded." + column },
		now:                  "CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
		byKey:                "INDEXED BY `sqlite_autoindex_%s_1`",
		// Columns compare by bytes, so a range of the index is the exact prefix.
		hasPrefix: func(column, _, prefix string) condition {
			if end := successor(prefix); end != "" {
				return condition{column + " >= ? AND " + column + " < ?", []any{prefix, end}}
			}
			return condition{column + " >= ?", []any{prefix}}
		},
		equals: func(column, value string) condition {
			return condition{column + " = ?", []any{value}}
		},
		ddl:      sqliteDDL,
		inspect:  sqliteInspect,
		classify: sqliteFault,
		open:     sqliteOpen,
	}
}

// sqliteOpen opens one connection that writes and several that read. The
// write-ahead log lets them go on while somebody writes.
func sqliteOpen(ctx context.Context, c Config) (pools, error) {
	if _, err := os.Stat(c.Name); errors.Is(err, os.ErrNotExist) && !c.Create {
		return pools{}, &Error{Op: "open", Subject: c.Name, Kind: ErrUnavailable,
			Hint: "there is no such file; check DBName, or create it with dfsctl schema create"}
	}
	write, err := sqlitePool(ctx, c, url.Values{
		"_pragma": {"journal_mode(WAL)", "synchronous(FULL)"},
		"_txlock": {"immediate"},
	}, 1)
	if err != nil {
		return pools{}, err
	}
	read, err := sqlitePool(ctx, c, url.Values{"_query_only": {"1"}}, c.MaxConns)
	if err != nil {
		write.Close()
		return pools{}, err
	}
	return pools{write: write, read: read}, nil
}

// sqlitePool opens up to n connections with the given options.
func sqlitePool(ctx context.Context, c Config, options url.Values, n int) (*sql.DB, error) {
	options.Set("mode", "rw")
	if c.Create {
		options.Set("mode", "rwc")
	}
	options.Set("_busy_timeout", fmt.Sprint(sqliteBusyTimeout))
	name := url.URL{Scheme: "file", OmitHost: true, Path: c.Name, RawQuery: options.Encode()}
	connector, err := sqlite.NewConnector(name.String())
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	if err := db.PingContext(ctx); err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

// sqliteFault classifies by primary result code.
func sqliteFault(err error) fault {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return fault{}
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return fault{kind: ErrLocked, retry: true}
	case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH:
		return fault{kind: ErrUnavailable, hint: "check DBName and the permissions of the file and its directory"}
	case sqlite3.SQLITE_READONLY:
		return fault{kind: ErrUnavailable, hint: "the database file or its directory is not writable"}
	case sqlite3.SQLITE_CORRUPT:
		return fault{kind: ErrUnavailable, hint: "the database file is damaged; restore it from a backup"}
	case sqlite3.SQLITE_FULL:
		return fault{kind: ErrUnavailable, hint: "no space is left for the database file"}
	case sqlite3.SQLITE_IOERR:
		return fault{kind: ErrUnavailable}
	}
	return fault{}
}
