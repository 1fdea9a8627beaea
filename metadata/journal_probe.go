package metadata

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/go-sql-driver/mysql"
)

// probeSize is how many identifiers one locking query asks for.
const probeSize = 500

// probe returns those identifiers of a set that may still appear: a
// transaction has them that is open, or they are there by now. Of the others
// it is proven that they never will, provided that they were handed out a
// moment ago: a row that was inserted is locked until its transaction ends.
//
// A range that anybody has a part of counts as a whole.
func (s *Store) probe(ctx context.Context, set gapSet) (unsettled gapSet, err error) {
	var batch gapSet
	size := uint64(0)
	flush := func() error {
		err := s.probeBatch(ctx, batch, &unsettled)
		batch, size = nil, 0
		return err
	}
	for _, r := range set {
		for _, r := range r.pieces(probeSize) {
			if size+r.cost() > probeSize && size > 0 {
				if err := flush(); err != nil {
					return nil, err
				}
			}
			batch = append(batch, r)
			size += r.cost()
		}
	}
	return unsettled, flush()
}

// cost is how many arguments a run takes in a query.
func (r run) cost() uint64 {
	if r.wide() {
		return 2
	}
	return r.width * r.count
}

// wide says that a range is asked for as such, not by its identifiers. It is
// the less exact way: the range scan of some servers also meets the row behind.
func (r run) wide() bool { return r.width > maxStep }

// pieces splits a run into some that cost no more than most.
func (r run) pieces(most uint64) (pieces gapSet) {
	for each := max(1, most/r.width); r.count > each && !r.wide(); r.count -= each {
		pieces = append(pieces, run{r.lo, r.width, r.step, each})
		r.lo += each * r.step
	}
	return append(pieces, r)
}

// probeBatch asks for a few runs at once, and where somebody has one of them
// for each half.
func (s *Store) probeBatch(ctx context.Context, batch gapSet, unsettled *gapSet) error {
	if len(batch) == 0 {
		return nil
	}
	there, err := s.lockJournal(ctx, batch)
	switch {
	case err == nil:
		for _, id := range there {
			unsettled.add(id, id)
		}
		return nil
	case !errors.Is(err, ErrLocked):
		return err
	case len(batch) > 1:
		half := len(batch) / 2
		return errors.Join(s.probeBatch(ctx, batch[:half], unsettled), s.probeBatch(ctx, batch[half:], unsettled))
	case batch[0].count > 1:
		var halves gapSet = batch[0].pieces((batch[0].count + 1) / 2 * batch[0].width)
		return errors.Join(s.probeBatch(ctx, halves[:1], unsettled), s.probeBatch(ctx, halves[1:], unsettled))
	}
	unsettled.addRun(batch[0])
	return nil
}

// lockJournal locks, for the length of a statement, the entries of a set that
// are there, committed or not, and returns them. Where a transaction that is
// open has one, it fails with ErrLocked.
func (s *Store) lockJournal(ctx context.Context, set gapSet) (there []uint64, err error) {
	var named gapSet
	for _, r := range set {
		if r.wide() {
			named = append(named, r)
			continue
		}
		for id := range (gapSet{r}).ids() {
			named = append(named, run{id, 1, 0, 1})
		}
	}
	c := named.condition()
	text := "SELECT `id` FROM " + quoted(journalTable) + " FORCE INDEX (PRIMARY) WHERE " + c.sql + " ORDER BY `id` FOR UPDATE"
	if !s.noNowait.Load() {
		there, err = selectIDs(ctx, s.pools.write, text+" NOWAIT", c.args...)
		var refused *mysql.MySQLError
		if !errors.As(err, &refused) || refused.Number != errSyntax {
			return there, s.wrap("probe", journalTable, err)
		}
		s.noNowait.Store(true)
	}
	there, err = s.lockSlowly(ctx, text, c.args...)
	return there, s.wrap("probe", journalTable, err)
}

// errSyntax is how a server answers that does not know NOWAIT: MySQL before
// 8.0, MariaDB before 10.3.
const errSyntax = 1064

// lockSlowly runs a locking query that waits a second at the most.
func (s *Store) lockSlowly(ctx context.Context, text string, args ...any) (there []uint64, err error) {
	conn, err := s.pools.write.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	const timeout = "SET SESSION innodb_lock_wait_timeout = %s"
	if _, err := conn.ExecContext(ctx, fmt.Sprintf(timeout, "1")); err != nil {
		return nil, err
	}
	there, err = selectIDs(ctx, conn, text, args...)
	if _, resetErr := conn.ExecContext(context.WithoutCancel(ctx), fmt.Sprintf(timeout, "DEFAULT")); resetErr != nil {
		discard(conn)
	}
	return there, err
}

// discard keeps a connection from going back into the pool.
func discard(conn *sql.Conn) {
	conn.Raw(func(any) error { return driver.ErrBadConn })
}

// selectIDs runs a query of identifiers.
func selectIDs(ctx context.Context, q queryer, text string, args ...any) (ids []uint64, err error) {
	err = query(ctx, q, func(rows *sql.Rows) error {
		var id uint64
		err := rows.Scan(&id)
		ids = append(ids, id)
		return err
	}, text, args...)
	return ids, err
}
