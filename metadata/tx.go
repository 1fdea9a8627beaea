package metadata

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Tx is a transaction, valid inside the function that [Store.Update] calls
// with it and for that goroutine only.
//
// Writers of one path exclude each other by its row: the first Upsert or Lock
// of a row that exists, and the Upsert of one that does not, hold it until the
// commit. A path that is to be created is therefore upserted before its body
// is published, never merely locked: there is nothing to lock yet.
type Tx struct {
	store  *Store
	ctx    context.Context // of this transaction, as database/sql has it
	caller context.Context // of Update
	tx     *sql.Tx
	hold   func() bool // detaches the transaction from the caller's context
	held   bool
	pinned bool
}

// Update runs fn in one transaction and commits it if fn returns nil.
//
// When a lock makes the transaction fail, fn runs again, up to ExecuteRetries
// times, and likewise up to ConnectRetries times after a lost connection: fn
// must not do anything that cannot be done twice before it calls [Tx.Pin], and
// is not run again after. Errors of fn are returned as they are. A connection
// lost during the commit itself is ErrOutcomeUnknown and never retried.
//
// fn may read through the store, but must make all its changes through tx:
// SQLite has one writer at a time, and that is this transaction.
func (s *Store) Update(ctx context.Context, fn func(tx *Tx) error) (err error) {
	defer s.observed(ctx, "update", &err)()
	return s.retry(ctx, func(ctx context.Context) (bool, error) {
		tx, end, err := s.begin(ctx)
		if err != nil {
			return true, err
		}
		defer end()
		if err := fn(tx); err != nil {
			return !tx.pinned, err
		}
		err = tx.commit()
		return !tx.pinned, err
	})
}

// begin starts a transaction that ends with ctx until it is pinned. The
// caller calls end, which rolls back what is not committed.
func (s *Store) begin(ctx context.Context) (tx *Tx, end func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, s.wrap("begin", "", err)
	}
	inner, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	detach := context.AfterFunc(ctx, func() { cancel(ctx.Err()) })
	sqlTx, err := s.pools.write.BeginTx(inner, nil)
	if err != nil {
		detach()
		if cause := context.Cause(inner); cause != nil {
			err = cause
		}
		cancel(nil)
		return nil, nil, s.wrap("begin", "", err)
	}
	tx = &Tx{store: s, ctx: inner, caller: ctx, tx: sqlTx}
	var grace atomic.Pointer[time.Timer]
	release := detach
	tx.hold = func() bool {
		if !detach() {
			return false
		}
		release = context.AfterFunc(ctx, func() {
			grace.Store(time.AfterFunc(commitGrace, func() { cancel(ctx.Err()) }))
		})
		return true
	}
	return tx, func() {
		sqlTx.Rollback() // nothing to do after a commit
		release()
		cancel(nil)
		if t := grace.Load(); t != nil {
			t.Stop()
		}
	}, nil
}

// Context returns the context of the transaction: the caller's until the
// transaction is held or pinned; from then on it outlives it by some seconds. Side
// effects that belong to the transaction should use it.
func (tx *Tx) Context() context.Context { return tx.ctx }

// Pin says that side effects have happened, or are about to, that a rollback
// does not undo: fn is not run again, and from here on the transaction
// outlives its caller's context by some seconds, so that giving up does not
// part a row from its body. The error says that the caller gave up already;
// then nothing has been pinned.
func (tx *Tx) Pin() error {
	if err := tx.Hold(); err != nil {
		return err
	}
	tx.pinned = true
	return nil
}

// Hold makes the transaction, and with it its locks, outlive the caller's
// context by some seconds, for side effects that must not go on once the locks
// are gone. Unlike after [Tx.Pin], fn may run again. The error says that the
// caller gave up already.
func (tx *Tx) Hold() error {
	if tx.held {
		return nil
	}
	if err := tx.caller.Err(); err != nil || !tx.hold() {
		return tx.store.wrap("pin", "", cmp.Or(err, context.Cause(tx.ctx), context.Canceled))
	}
	tx.held = true
	return nil
}

func (tx *Tx) commit() error {
	if err := tx.caller.Err(); err != nil && !tx.held {
		return tx.wrap("commit", "", err)
	}
	err := tx.tx.Commit()
	if err == nil {
		return nil
	}
	err = tx.wrap("commit", "", err)
	if errors.Is(err, ErrUnavailable) {
		return &Error{Op: "commit", Kind: ErrOutcomeUnknown, Err: err}
	}
	return err
}

// wrap prefers the reason why the transaction was cancelled over what the
// driver made of it.
func (tx *Tx) wrap(op, subject string, err error) error {
	if cause := context.Cause(tx.ctx); err != nil && cause != nil {
		err = cause
	}
	return tx.store.wrap(op, subject, err)
}

// exec runs a statement and returns how many rows it changed.
func (tx *Tx) exec(op, subject, query string, args ...any) (int64, error) {
	result, err := tx.tx.ExecContext(tx.ctx, query, args...)
	if err != nil {
		return 0, tx.wrap(op, subject, err)
	}
	n, err := result.RowsAffected()
	return n, tx.wrap(op, subject, err)
}

// statement is one that changes rows.
type statement struct {
	op, subject string // for errors
	query       string
	args        []any
}

// run runs statements in their order, several in one round trip where the
// engine can. The first that fails ends it.
func (tx *Tx) run(list []statement) error { return tx.runJoined(list, joined) }

// runJoined is run with up to most statements in one round trip.
func (tx *Tx) runJoined(list []statement, most int) error {
	if !tx.store.dialect.joins {
		for _, s := range list {
			if _, err := tx.exec(s.op, s.subject, s.query, s.args...); err != nil {
				return err
			}
		}
		return nil
	}
	for part := range slices.Chunk(list, most) {
		queries := make([]string, len(part))
		var args []any
		for i, s := range part {
			queries[i] = s.query
			args = append(args, s.args...)
		}
		if _, err := tx.exec(part[0].op, part[0].subject, strings.Join(queries, ";"), args...); err != nil {
			return err
		}
	}
	return nil
}

// joined is how many statements go in one round trip: as the server bounds the
// length of what it is sent, few that are long.
const joined = 2
