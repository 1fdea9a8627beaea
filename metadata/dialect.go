package metadata

import (
	"context"
	"database/sql"
	"slices"
	"strings"
)

// dialect is everything in which the engines differ.
type dialect struct {
	// onDuplicate follows the VALUES of an upsert.
	onDuplicate string
	// onDuplicateKeep does too, where rows that exist are only to be locked.
	onDuplicateKeep string
	// onDuplicateState follows the VALUES of a state that is only to be there.
	onDuplicateState string
	// onDuplicateValue follows the VALUES of a state that replaces what is there.
	onDuplicateValue string
	// onDuplicateMigration follows the VALUES of a migration that is only to be
	// there.
	onDuplicateMigration string
	// onDuplicateDelivery begins what follows the VALUES of a delivery; in it,
	// given makes the value that was to be inserted of a column.
	onDuplicateDelivery string
	given               func(column string) string
	// now is the time by the database's clock in microseconds since 1970.
	now string
	// gapsFill says that an identifier of the journal may become visible after
	// a higher one.
	gapsFill bool
	// joins says that several statements may be sent as one.
	joins bool
	// forUpdate locks the rows that a SELECT inside a transaction reads.
	forUpdate string
	// byKey after a table, which it may name with %s, makes a query walk the
	// primary key.
	byKey string
	// hasPrefix is true of the rows whose column begins with exactly these
	// bytes, by an index. Charset is the column's, "" when unknown.
	hasPrefix func(column, charset, prefix string) condition
	// equals is true of the rows whose column is exactly these bytes, by an
	// index.
	equals func(column, value string) condition
	// ddl is the schema, an embedded file.
	ddl string
	// inspect describes the tables that exist among those named.
	inspect func(ctx context.Context, q queryer, tables []string) (map[string]tableInfo, error)
	// classify says what an error of the engine means.
	classify func(error) fault
	// open connects. Config has its defaults.
	open func(ctx context.Context, c Config) (pools, error)
}

// walk is a table that is to be read along its primary key.
func (d *dialect) walk(table string) string {
	return quoted(table) + " " + strings.ReplaceAll(d.byKey, "%s", table)
}

// pools are the connections of a store. For MySQL write and read are one.
type pools struct {
	write   *sql.DB
	read    *sql.DB
	replica *sql.DB // nil without a replica
}

// condition is part of a WHERE clause with its arguments.
type condition struct {
	sql  string
	args []any
}

// dialectOf returns the dialect of an engine.
func dialectOf(e Engine) *dialect {
	if e == SQLite {
		return sqliteDialect()
	}
	return mysqlDialect()
}

// expiredUpdate expires a row that is not; rows that are do not count as
// changed on either engine.
const (
	setExpired = " SET `mtime` = -ABS(`mtime`), `expired` = 1"
	notExpired = "(`expired` <> 1 OR `mtime` > 0)"
)

// columns of a row in the order of scanRow and rowArgs.
const columns = "`name`, `name_trunk`, `name_hash`, `datatype`, `scope`, `size`, `mtime`, `expired`"

// all lists the pools that there are, equal ones next to each other.
func (p pools) all() []*sql.DB {
	return slices.DeleteFunc([]*sql.DB{p.write, p.read, p.replica}, func(db *sql.DB) bool { return db == nil })
}
