package metadata

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"strings"
	"time"
)

// The names in the state table of what concerns deliveries.
const (
	// stateFeeder says who makes deliveries of changes, and until when nobody
	// else may: "<microseconds> <owner>".
	stateFeeder = "cdn.feeder"
	// statePosition is up to where that was done, a position of the change feed.
	statePosition = "cdn.position"
)

// ErrFeedLost says that somebody else makes deliveries of changes by now.
var ErrFeedLost = errors.New("the feed of deliveries is another's")

// TakeDeliveryFeed makes an owner the one who makes deliveries of changes, for
// so long from now on, unless somebody else is. The owner is a name that nobody
// else has. Having it is no more than a hint to the others not to do the same
// work: what counts is said in [Tx.AdvanceDeliveryFeed]. It returns the position
// that was reached, "" for none.
func (s *Store) TakeDeliveryFeed(ctx context.Context, owner string, lease time.Duration) (position string, taken bool, err error) {
	if err := s.needLedger(ctx); err != nil {
		return "", false, err
	}
	err = s.Update(ctx, func(tx *Tx) error {
		holder, until, now, err := tx.deliveryFeeder()
		if taken = holder == owner || until <= now; err != nil || !taken {
			return err
		}
		if err := tx.setFeeder(owner, now, lease); err != nil {
			return err
		}
		err = tx.tx.QueryRowContext(tx.ctx, "SELECT `value` FROM "+quoted(stateTable)+" WHERE `name` = ?", statePosition).Scan(&position)
		if errors.Is(err, sql.ErrNoRows) {
			position, err = "", nil
		}
		return tx.wrap("read", statePosition, err)
	})
	return position, taken, err
}

// AdvanceDeliveryFeed notes, in the transaction that makes deliveries of
// changes, the position behind them, and lets the owner go on for so long from
// now on. It fails with ErrFeedLost where somebody else is the owner by now;
// then the transaction has to be given up.
func (tx *Tx) AdvanceDeliveryFeed(owner, position string, lease time.Duration) error {
	holder, _, now, err := tx.deliveryFeeder()
	if err != nil {
		return err
	}
	if holder != owner {
		return ErrFeedLost
	}
	if err := tx.setFeeder(owner, now, lease); err != nil {
		return err
	}
	return tx.putState(statePosition, position)
}

// LeaveDeliveryFeed lets others take over at once.
func (s *Store) LeaveDeliveryFeed(ctx context.Context, owner string) error {
	return s.Update(ctx, func(tx *Tx) error {
		holder, _, now, err := tx.deliveryFeeder()
		if err != nil || holder != owner {
			return err
		}
		return tx.setFeeder("", now, 0)
	})
}

// DeliveryFeed returns who makes deliveries of changes, "" for nobody, and the
// position that was reached.
func (s *Store) DeliveryFeed(ctx context.Context) (owner, position string, err error) {
	err = s.retry(ctx, func(ctx context.Context) (bool, error) {
		owner, position = "", ""
		return true, s.wrap("read", stateTable, query(ctx, s.pools.read, func(rows *sql.Rows) error {
			var name, value string
			var now int64
			if err := rows.Scan(&name, &value, &now); err != nil {
				return err
			}
			if name == statePosition {
				position = value
			} else if holder, until := parseFeeder(value); until > now {
				owner = holder
			}
			return nil
		}, "SELECT `name`, `value`, "+s.dialect.now+" FROM "+quoted(stateTable)+" WHERE `name` IN (?, ?)", stateFeeder, statePosition))
	})
	return owner, position, err
}

// deliveryFeeder locks the entry that says who makes deliveries of changes.
func (tx *Tx) deliveryFeeder() (holder string, until, now int64, err error) {
	_, err = tx.exec("lock", stateFeeder, "INSERT INTO "+quoted(stateTable)+" (`name`, `value`) VALUES (?, '')"+
		tx.store.dialect.onDuplicateState, stateFeeder)
	if err != nil {
		return "", 0, 0, err
	}
	var value string
	err = tx.tx.QueryRowContext(tx.ctx, "SELECT `value`, "+tx.store.dialect.now+" FROM "+quoted(stateTable)+" WHERE `name` = ?"+
		tx.store.dialect.forUpdate, stateFeeder).Scan(&value, &now)
	holder, until = parseFeeder(value)
	return holder, until, now, tx.wrap("lock", stateFeeder, err)
}

func parseFeeder(value string) (holder string, until int64) {
	micros, holder, _ := strings.Cut(value, " ")
	until, _ = strconv.ParseInt(micros, 10, 64) // nobody's where it is no number
	return holder, until
}

func (tx *Tx) setFeeder(owner string, now int64, lease time.Duration) error {
	return tx.putState(stateFeeder, strconv.FormatInt(now+lease.Microseconds(), 10)+" "+owner)
}

// putState writes an entry of the state, making it if need be.
func (tx *Tx) putState(name, value string) error {
	_, err := tx.exec("write", name, "INSERT INTO "+quoted(stateTable)+" (`name`, `value`) VALUES (?, ?)"+
		tx.store.dialect.onDuplicateValue, name, value)
	return err
}
