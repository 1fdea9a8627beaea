package metadata

import (
	"context"
	"database/sql"
	"errors"
	"regexp"
	"strconv"
	"strings"
)

// query runs a query and calls scan for every row.
func query(ctx context.Context, q queryer, scan func(*sql.Rows) error, text string, args ...any) (err error) {
	rows, err := q.QueryContext(ctx, text, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// mysqlInspect reads the information schema.
func mysqlInspect(ctx context.Context, q queryer, tables []string) (map[string]tableInfo, error) {
	found := make(map[string]tableInfo, len(tables))
	in := " WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN (" + placeholders(len(tables)) + ")"
	err := query(ctx, q, func(rows *sql.Rows) error {
		var table, engine string
		err := rows.Scan(&table, &engine)
		found[table] = tableInfo{engine: engine, columns: make(map[string]columnInfo)}
		return err
	}, "SELECT TABLE_NAME, COALESCE(ENGINE, '') FROM information_schema.TABLES"+in, anys(tables)...)
	if err != nil {
		return nil, err
	}
	err = query(ctx, q, func(rows *sql.Rows) error {
		var table, column string
		var c columnInfo
		err := rows.Scan(&table, &column, &c.kind, &c.chars, &c.bytes, &c.charset)
		if !strings.HasSuffix(c.kind, "char") { // the width of a TEXT is in bytes
			c.chars = 0
		} else {
			c.bytes = 0
		}
		found[table].columns[column] = c
		return err
	}, "SELECT TABLE_NAME, LOWER(COLUMN_NAME), LOWER(DATA_TYPE), COALESCE(CHARACTER_MAXIMUM_LENGTH, 0),"+
		" COALESCE(CHARACTER_OCTET_LENGTH, 0), COALESCE(CHARACTER_SET_NAME, '') FROM information_schema.COLUMNS"+in, anys(tables)...)
	if err != nil {
		return nil, err
	}
	return found, mysqlIndexes(ctx, q, found, in, tables)
}

func mysqlIndexes(ctx context.Context, q queryer, found map[string]tableInfo, in string, tables []string) error {
	last := ""
	return query(ctx, q, func(rows *sql.Rows) error {
		var table, index, column string
		if err := rows.Scan(&table, &index, &column); err != nil {
			return err
		}
		info := found[table]
		if table+"."+index != last {
			info.indexes = append(info.indexes, nil)
		}
		last = table + "." + index
		columns := &info.indexes[len(info.indexes)-1]
		*columns = append(*columns, column)
		found[table] = info
		return nil
	}, "SELECT TABLE_NAME, INDEX_NAME, LOWER(COALESCE(COLUMN_NAME, '')) FROM information_schema.STATISTICS"+in+
		" ORDER BY TABLE_NAME, INDEX_NAME <> 'PRIMARY', INDEX_NAME, SEQ_IN_INDEX", anys(tables)...)
}

// declaredType splits "VARCHAR(255)".
var declaredType = regexp.MustCompile(`^(\w+)(?:\((\d+)\))?`)

// sqliteInspect asks for the columns and indexes of each table. SQLite does
// not enforce the declared widths; CheckRow does, so that a cluster can move
// to MySQL later.
func sqliteInspect(ctx context.Context, q queryer, tables []string) (map[string]tableInfo, error) {
	found := make(map[string]tableInfo, len(tables))
	for _, table := range tables {
		info := tableInfo{columns: make(map[string]columnInfo), indexes: [][]string{nil}}
		err := query(ctx, q, func(rows *sql.Rows) error {
			var column, declared string
			var key int
			err := rows.Scan(&column, &declared, &key)
			info.columns[column] = sqliteColumn(declared)
			if key > 0 {
				info.indexes[0] = append(info.indexes[0], column)
			}
			return err
		}, "SELECT LOWER(name), type, pk FROM pragma_table_info(?)", table)
		if err != nil {
			return nil, err
		}
		if len(info.columns) == 0 {
			continue
		}
		if info.indexes, err = sqliteIndexes(ctx, q, table, info.indexes); err != nil {
			return nil, err
		}
		found[table] = info
	}
	return found, nil
}

func sqliteColumn(declared string) columnInfo {
	c := columnInfo{kind: strings.ToLower(declared)}
	if m := declaredType.FindStringSubmatch(declared); m != nil {
		c.kind = strings.ToLower(m[1])
		if strings.HasSuffix(c.kind, "char") {
			c.chars, _ = strconv.Atoi(m[2])
		}
		if c.kind == "text" {
			c.bytes = 1<<16 - 1
		}
	}
	return c
}

func sqliteIndexes(ctx context.Context, q queryer, table string, indexes [][]string) ([][]string, error) {
	last := ""
	err := query(ctx, q, func(rows *sql.Rows) error {
		var index, column string
		err := rows.Scan(&index, &column)
		if index != last {
			indexes = append(indexes, nil)
		}
		last = index
		columns := &indexes[len(indexes)-1]
		*columns = append(*columns, column)
		return err
	}, "SELECT l.name, LOWER(COALESCE(i.name, '')) FROM pragma_index_list(?) AS l, pragma_index_info(l.name) AS i"+
		" WHERE l.origin <> 'pk' ORDER BY l.name, i.seqno", table)
	return indexes, err
}
