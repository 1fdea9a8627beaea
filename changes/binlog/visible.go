package binlog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
)

// A server sends a transaction as soon as it is in the log, and only then
// commits it in its storage engine, where others see it: milliseconds later,
// or as long as a semi-synchronous replica takes to confirm it. Whoever is
// told before that, drops a row from a cache and reads it again, gets the old
// one and keeps it. So a change is told when it can be seen.

// How long to wait between looking, and when to stop and tell all the same.
const (
	firstLook = 200 * time.Microsecond
	lastLook  = 20 * time.Millisecond
	lookUntil = 30 * time.Second
	// grace is a moment, for a transaction to be committed.
	grace = 20 * time.Millisecond
)

// committed is what the server has made visible.
type committed struct{ state state }

// includes reports whether the transaction that an event is of is visible.
// What is committed ends where a transaction ends, so that any place inside of
// one will do.
func (c committed) includes(t transaction) bool {
	switch s := c.state.(type) {
	case *fileState:
		return s.file == "" || s.reached(&fileState{file: t.file, offset: t.offset})
	case *mysqlState:
		one := &gomysql.MysqlGTIDSet{Sets: make(map[string]*gomysql.UUIDSet)}
		if t.gno > 0 {
			one.AddGTID(t.sid, t.gno)
		}
		return s.set.Contain(one)
	}
	return false
}

// committed asks what is visible. Where the server does not tell, it is what
// was in the log a moment ago.
func (s *server) committed(ctx context.Context, db *sql.DB) (c committed, err error) {
	switch {
	case s.mariadb:
		c.state, err = lastCommit(ctx, db)
	case s.gtid:
		c.state, err = s.head(ctx, db)
	default:
		if c.state, err = s.head(ctx, db); err == nil {
			err = sleep(ctx, grace)
		}
	}
	return c, err
}

// lastCommit asks MariaDB where in the log the last commit is.
func lastCommit(ctx context.Context, db *sql.DB) (_ state, err error) {
	rows, err := db.QueryContext(ctx, `SHOW GLOBAL STATUS LIKE 'binlog\_snapshot\_%'`)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var at fileState
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return nil, err
		}
		switch strings.ToLower(name) {
		case "binlog_snapshot_file":
			if value != "" {
				at.file = path.Base(value)
			}
		case "binlog_snapshot_position":
			if _, err := fmt.Sscan(value, &at.offset); err != nil {
				return nil, err
			}
		}
	}
	return &at, rows.Err()
}

// visible waits until a transaction can be seen.
func (t *liveTables) visible(ctx context.Context, tx transaction) error {
	if t.committed.includes(tx) {
		return nil
	}
	began := time.Now()
	for pause := firstLook; ; pause = min(2*pause, lastLook) {
		err := t.source.limited(ctx, func(ctx context.Context) (err error) {
			t.committed, err = t.server.committed(ctx, t.source.db)
			return err
		})
		switch {
		case err != nil:
			return t.server.classify("ask what is committed", err)
		case t.committed.includes(tx):
			return nil
		case time.Since(began) > lookUntil:
			t.source.logger.Warn("a transaction of the binary log is not committed yet; it is told all the same", "gtid", tx.name, "file", tx.file, "offset", tx.offset)
			return nil
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// sleep waits, or until ctx is done.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// limited runs what asks the server, for at most its time. A server that does
// not answer is an outage.
func (s *Source) limited(ctx context.Context, run func(ctx context.Context) error) error {
	limit, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	err := run(limit)
	if err != nil && limit.Err() != nil && ctx.Err() == nil {
		return outage{fmt.Errorf("%s: no answer within %v: %w", sourceName, s.patience, err)}
	}
	return err
}
