package metadata

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Store is an open database. All methods may be called concurrently; errors
// are of type [*Error] unless said otherwise.
type Store struct {
	config  Config
	dialect *dialect
	pools   pools
	schema  atomic.Pointer[schemaInfo]

	noNowait atomic.Bool   // the server does not know NOWAIT
	gapAge   time.Duration // see minGapAge
}

// Open connects to the database, trying again up to ConnectRetries times while
// it cannot be reached, and looks at the tables that are there. Tables that
// are missing are no error yet: [Store.CreateSchema] makes them. The caller
// closes the store.
func Open(ctx context.Context, c Config) (*Store, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Store{config: c, dialect: dialectOf(c.Engine), gapAge: minGapAge}
	err = s.retry(ctx, func(ctx context.Context) (bool, error) {
		p, err := s.dialect.open(ctx, c)
		s.pools = p
		return true, s.wrap("open", c.Name, err)
	})
	if err != nil {
		return nil, err
	}
	if err := s.loadSchema(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	for _, missing := range s.schema.Load().missing() {
		c.Logger.Info(missing.Text, "table", missing.Table, "database", c.Name, "fix", missing.Fix)
	}
	return s, nil
}

// Layout returns the rules of tables and trunks that the store was opened
// with.
func (s *Store) Layout() Layout { return s.config.Layout }

// Ping asks the database whether it can be used. The error satisfies
// errors.Is(err, ErrUnavailable) when it cannot.
func (s *Store) Ping(ctx context.Context) (err error) {
	defer s.observed(ctx, "ping", &err)()
	return s.wrap("ping", s.config.Name, s.pools.write.PingContext(ctx))
}

// Close releases all connections. No other method may be called after it.
func (s *Store) Close() error {
	var errs []error
	for _, db := range slices.Compact(s.pools.all()) {
		if err := db.Close(); !errors.Is(err, driver.ErrBadConn) { // a server that is gone is left already
			errs = append(errs, err)
		}
	}
	return s.wrap("close", s.config.Name, errors.Join(errs...))
}

// retry runs op until it succeeds, fails for good or has used up its retries:
// ExecuteRetries after locks, ConnectRetries after a lost connection. op says
// whether it may be run again at all.
func (s *Store) retry(ctx context.Context, op func(context.Context) (again bool, err error)) error {
	left := map[error]int{ErrLocked: s.config.ExecuteRetries, ErrUnavailable: s.config.ConnectRetries}
	for wait := range backoff {
		again, err := op(ctx)
		var e *Error
		if err == nil || !again || !IsRetryable(err) || !errors.As(err, &e) || left[e.Kind] <= 0 {
			return err
		}
		left[e.Kind]--
		if e.Kind == ErrUnavailable {
			wait *= 25 // a restart takes a second, a lock milliseconds
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(wait):
		}
	}
	return nil
}

// backoff yields growing pauses, each a random share of the next step, so that
// transactions that collided do not meet again.
func backoff(yield func(time.Duration) bool) {
	const first, last = 4 * time.Millisecond, 500 * time.Millisecond
	for step := first; yield(step/2 + rand.N(step/2)); step = min(2*step, last) {
	}
}

// placeholders returns "?, ?, ?" for n values.
func placeholders(n int) string {
	return strings.TrimSuffix(strings.Repeat("?, ", n), ", ")
}

// tuples returns "(?, ?), (?, ?)" for n rows of so many values.
func tuples(n, values int) string {
	one := "(" + placeholders(values) + "), "
	return strings.TrimSuffix(strings.Repeat(one, n), ", ")
}

// quoted returns an identifier as both engines take it in every SQL mode.
func quoted(table string) string { return "`" + table + "`" }

// knownTable refuses tables that are not of the layout.
func (s *Store) knownTable(table string) error {
	if slices.Contains(s.config.Layout.Tables(), table) {
		return nil
	}
	return &Error{Op: "find", Subject: table, Kind: ErrSchema, Err: fmt.Errorf("not a table of this cluster (%s)",
		strings.Join(s.config.Layout.Tables(), ", "))}
}

// tableOf is where a row is to be written or locked.
func (s *Store) tableOf(r Row) string {
	if r.Table != "" {
		return r.Table
	}
	return s.config.Layout.Table(r.Name)
}
