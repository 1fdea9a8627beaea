package binlog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// head asks for the end of the log.
func (s *server) head(ctx context.Context, db *sql.DB) (state, error) {
	switch {
	case s.mariadb:
		return ask(ctx, db, kindMariaDB, "SELECT @@GLOBAL.gtid_binlog_pos")
	case s.gtid:
		return ask(ctx, db, kindMySQL, "SELECT @@GLOBAL.gtid_executed")
	}
	file, offset, err := firstRow(ctx, db, "SHOW MASTER STATUS")
	if number(err) == errSyntax { // MySQL 8.4 has renamed it
		file, offset, err = firstRow(ctx, db, "SHOW BINARY LOG STATUS")
	}
	if err != nil {
		return nil, err
	}
	return parseFile(fmt.Sprintf("%s:%s:%s", s.uuid, file, offset))
}

// oldest asks for the beginning of the log.
func (s *server) oldest(ctx context.Context, db *sql.DB) (state, error) {
	switch {
	case s.mariadb:
		return &mariadbState{last: make(map[uint32]gtid), first: true}, nil
	case s.gtid:
		return ask(ctx, db, kindMySQL, "SELECT @@GLOBAL.gtid_purged")
	}
	file, _, err := firstRow(ctx, db, "SHOW BINARY LOGS")
	if err != nil {
		return nil, err
	}
	return &fileState{s.uuid, file, logStart}, nil
}

// ask reads a state that the server tells as one text.
func ask(ctx context.Context, db *sql.DB, kind, query string) (state, error) {
	var text string
	if err := db.QueryRowContext(ctx, query).Scan(&text); err != nil {
		return nil, err
	}
	return parseState(kind, text)
}

// firstRow returns the first two columns of the first row.
func firstRow(ctx context.Context, db *sql.DB, query string) (a, b string, err error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return "", "", err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	columns, err := rows.Columns()
	if err != nil {
		return "", "", err
	}
	if !rows.Next() {
		return "", "", errors.Join(rows.Err(), errors.New(query+" returned nothing"))
	}
	values := make([]any, max(2, len(columns)))
	for i := range values {
		values[i] = new(sql.RawBytes)
	}
	values[0], values[1] = &a, &b
	return a, b, rows.Scan(values[:len(columns)]...)
}
