package metadata

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// What can be wrong beyond fs.ErrNotExist (no such row) and fs.ErrInvalid (a
// name or a value that cannot be stored); ask with errors.Is.
var (
	// ErrUnavailable: the database itself cannot be used (down, unknown,
	// access refused). It says nothing about any row.
	ErrUnavailable = errors.New("database unavailable")
	// ErrLocked: another transaction held the row: a deadlock, a lock wait
	// that timed out, a busy database file.
	ErrLocked = errors.New("locked by another transaction")
	// ErrSchema: a table or column is missing.
	ErrSchema = errors.New("tables are missing or differ")
	// ErrOutcomeUnknown: the connection broke while a transaction was being
	// committed; it may or may not have taken place.
	ErrOutcomeUnknown = errors.New("the outcome of the commit is unknown")
)

// Error says what failed. Kind is one of the errors one asks for with
// errors.Is, or nil; Err is the engine's own error and stays reachable by
// errors.As.
type Error struct {
	Op      string // "open", "get", "commit"
	Subject string // name, table or setting; "" when the database is meant
	Kind    error
	Err     error
	Hint    string // what to do about it
	// Retry says that the same call may well succeed a moment later.
	Retry bool
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("metadata: " + e.Op)
	if e.Subject != "" {
		fmt.Fprintf(&b, " %q", e.Subject)
	}
	if e.Kind != nil {
		b.WriteString(": " + e.Kind.Error())
	}
	if e.Err != nil && e.Err != e.Kind {
		b.WriteString(": " + e.Err.Error())
	}
	if e.Hint != "" {
		b.WriteString(" (" + e.Hint + ")")
	}
	return b.String()
}

// Unwrap makes both the kind and the engine's own error reachable.
func (e *Error) Unwrap() []error {
	return slices.DeleteFunc([]error{e.Kind, e.Err}, func(err error) bool { return err == nil })
}

// IsRetryable reports whether repeating the call that failed with err may
// help: a lock was held, or the database was unreachable or restarting. A
// context that is done is never worth a retry.
func IsRetryable(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	var e *Error
	return errors.As(err, &e) && e.Retry
}

// opaque hides what an error is, though not what it says nor its type: a
// missing socket is an fs.ErrNotExist, which would read as a missing row.
type opaque struct{ error }

// As finds the engine's own error.
func (o opaque) As(target any) bool { return errors.As(o.error, target) }

// fault is what an engine's error means.
type fault struct {
	kind  error
	retry bool
	hint  string
}

// wrap turns an engine's error into an *Error; nil and what is an *Error
// already stay as they are.
func (s *Store) wrap(op, subject string, err error) error {
	var known *Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return &Error{Op: op, Subject: subject, Err: err}
	}
	f := s.dialect.classify(err)
	if f.kind == ErrUnavailable {
		err = opaque{err}
	}
	if f.kind == nil && s.lacksTables() {
		f = fault{kind: ErrSchema, hint: "create the tables with dfsctl schema create"}
	}
	return &Error{Op: op, Subject: subject, Kind: f.kind, Err: err, Hint: f.hint, Retry: f.retry}
}
