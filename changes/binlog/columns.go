package binlog

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"
)

// columns says where in a row of the log the columns are that we need; -1
// means that there is no such column.
type columns struct{ name, hash, scope, mtime, expired int }

// legacyColumns is how the legacy creates its tables; ezdfsfile may have a
// status besides.
var legacyColumns = []string{"name", "name_trunk", "name_hash", "datatype", "scope", "size", "mtime", "expired"}

// schema is what the database says about its tables now. What the log holds
// may be older.
type schema map[string][]string

// loadSchema asks for the names of the columns, in order.
func loadSchema(ctx context.Context, db *sql.DB, tables []string) (_ schema, err error) {
	args := make([]any, len(tables))
	for i, table := range tables {
		args[i] = table
	}
	rows, err := db.QueryContext(ctx, "SELECT TABLE_NAME, LOWER(COLUMN_NAME) FROM information_schema.COLUMNS"+
		" WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN (?"+strings.Repeat(", ?", len(tables)-1)+
		") ORDER BY TABLE_NAME, ORDINAL_POSITION", args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	found := make(schema)
	for rows.Next() {
		var table, column string
		if err := rows.Scan(&table, &column); err != nil {
			return nil, err
		}
		table = strings.ToLower(table)
		found[table] = append(found[table], column)
	}
	return found, rows.Err()
}

// columns finds the columns in what the log says about a table: by name, where
// it names them, and otherwise by what the table is now or was in the legacy,
// as far as that agrees with their number and types.
func (s schema) columns(table *replication.TableMapEvent) (columns, error) {
	if names := table.ColumnNameString(); len(names) == int(table.ColumnCount) {
		return locate(names), nil
	}
	now := s[strings.ToLower(string(table.Table))]
	withoutStatus := slices.DeleteFunc(slices.Clone(now), func(name string) bool { return name == "status" })
	for _, names := range [][]string{now, withoutStatus, legacyColumns, append(slices.Clone(legacyColumns), "status")} {
		if len(names) != int(table.ColumnCount) {
			continue
		}
		if c := locate(names); c.agree(table.ColumnType) {
			return c, nil
		}
	}
	return columns{}, fmt.Errorf("the log has %d columns for table %s, which are not those that it has now and not the legacy's", table.ColumnCount, table.Table)
}

func locate(names []string) columns {
	at := func(column string) int {
		return slices.IndexFunc(names, func(name string) bool { return strings.EqualFold(name, column) })
	}
	return columns{at("name"), at("name_hash"), at("scope"), at("mtime"), at("expired")}
}

// Types of columns that hold texts and integers.
var (
	textTypes = []byte{
		gomysql.MYSQL_TYPE_VARCHAR, gomysql.MYSQL_TYPE_VAR_STRING, gomysql.MYSQL_TYPE_STRING, gomysql.MYSQL_TYPE_BLOB,
		mariadbBlobCompressed, mariadbVarcharCompressed,
	}
	integerTypes = []byte{
		gomysql.MYSQL_TYPE_TINY, gomysql.MYSQL_TYPE_SHORT, gomysql.MYSQL_TYPE_INT24, gomysql.MYSQL_TYPE_LONG, gomysql.MYSQL_TYPE_LONGLONG,
	}
)

// MariaDB's types of columns that are COMPRESSED.
const (
	mariadbBlobCompressed    = 140
	mariadbVarcharCompressed = 141
)

// agree reports whether columns of those types can be what we take them for.
func (c columns) agree(types []byte) bool {
	is := func(column int, kinds []byte) bool {
		return column >= 0 && column < len(types) && bytes.IndexByte(kinds, types[column]) >= 0
	}
	return is(c.name, textTypes) && is(c.hash, textTypes) && is(c.scope, textTypes) &&
		is(c.mtime, integerTypes) && is(c.expired, integerTypes)
}
