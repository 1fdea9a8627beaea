package metadata

import (
	"cmp"
	"context"
	"database/sql"
	"iter"
	"slices"
	"strconv"
	"time"
)

// DeliveryStats says how a target stands.
type DeliveryStats struct {
	Target  string
	Pending int64
	Oldest  time.Time // of the changes that are pending; zero for none
	Failed  int64
	// Delivered and FailedLately are how many came to that within the last hour.
	Delivered, FailedLately int64
}

// DeliveryStats counts the deliveries of targets, of every target that has any
// when none is named.
func (s *Store) DeliveryStats(ctx context.Context, targets ...string) (list []DeliveryStats, err error) {
	if len(targets) == 0 {
		if targets, err = s.DeliveryTargets(ctx); err != nil {
			return nil, err
		}
	}
	for _, target := range targets {
		stats := DeliveryStats{Target: target}
		var oldest *int64
		for _, count := range []struct {
			into  []any
			query string
			args  []any
		}{
			{[]any{&stats.Pending, &oldest}, "COUNT(*), MIN(`since`)", []any{target, DeliveryPending, 0}},
			{[]any{&stats.Failed}, "COUNT(*)", []any{target, DeliveryFailed, 0}},
			{[]any{&stats.FailedLately}, "COUNT(*)", []any{target, DeliveryFailed, s.ago(time.Hour)}},
			{[]any{&stats.Delivered}, "COUNT(*)", []any{target, DeliveryDelivered, s.ago(time.Hour)}},
		} {
			if err := s.ledgerRow(ctx, count.into, "SELECT "+count.query+" FROM "+quoted(ledgerTable)+
				" WHERE `target` = ? AND `state` = ? AND `since` >= ?", count.args...); err != nil {
				return nil, err
			}
		}
		if oldest != nil {
			stats.Oldest = time.UnixMicro(*oldest)
		}
		list = append(list, stats)
	}
	return list, nil
}

// ago is a time before now by this host's clock. It only bounds what is
// counted.
func (s *Store) ago(d time.Duration) int64 { return time.Now().Add(-d).UnixMicro() }

// ledgerRow reads a single row.
func (s *Store) ledgerRow(ctx context.Context, into []any, text string, args ...any) error {
	return s.retry(ctx, func(ctx context.Context) (bool, error) {
		return true, s.wrap("count", ledgerTable, s.pools.read.QueryRowContext(ctx, text, args...).Scan(into...))
	})
}

// DeliveryTargets lists the targets that have deliveries, in order.
func (s *Store) DeliveryTargets(ctx context.Context) (targets []string, err error) {
	if err := s.needLedger(ctx); err != nil {
		return nil, err
	}
	err = s.retry(ctx, func(ctx context.Context) (bool, error) {
		targets = nil
		err := query(ctx, s.pools.read, func(rows *sql.Rows) error {
			var target string
			err := rows.Scan(&target)
			targets = append(targets, target)
			return err
		}, "SELECT `target` FROM "+quoted(ledgerTable)+" GROUP BY `target` ORDER BY `target`")
		return true, s.wrap("list", ledgerTable, err)
	})
	return targets, err
}

// DeliveryFilter selects deliveries; the zero value selects all.
type DeliveryFilter struct {
	Target string
	State  DeliveryState
}

// Deliveries yields deliveries by target, by state, and in each the oldest
// first. One that changes its state meanwhile may be missed or yielded twice.
// The iteration ends at the first error.
func (s *Store) Deliveries(ctx context.Context, f DeliveryFilter) iter.Seq2[Delivery, error] {
	return func(yield func(Delivery, error) bool) {
		targets, err := []string{f.Target}, error(nil)
		if f.Target == "" {
			targets, err = s.DeliveryTargets(ctx)
		}
		if err := cmp.Or(err, s.needLedger(ctx)); err != nil {
			yield(Delivery{}, err)
			return
		}
		states := []DeliveryState{DeliveryPending, DeliveryFailed, DeliveryDelivered}
		for _, target := range targets {
			for _, state := range states {
				if (f.State == "" || f.State == state) && !s.deliveriesIn(ctx, target, state, yield) {
					return
				}
			}
		}
	}
}

// deliveriesIn yields the deliveries of a target in a state.
func (s *Store) deliveriesIn(ctx context.Context, target string, state DeliveryState, yield func(Delivery, error) bool) bool {
	since, hash := int64(-1<<62), ""
	for {
		page, err := s.deliveriesAfter(ctx, target, state, since, hash)
		if err != nil {
			yield(Delivery{}, err)
			return false
		}
		for _, d := range page {
			if !yield(d, nil) {
				return false
			}
		}
		if len(page) < defaultPageSize {
			return true
		}
		last := page[len(page)-1]
		since, hash = last.Since.UnixMicro(), last.Hash()
	}
}

// deliveriesAfter returns the page behind a place: what is as old, which may be
// a million members of a family, then what is younger. One condition for both
// would read all that is as old for every page.
func (s *Store) deliveriesAfter(ctx context.Context, target string, state DeliveryState, since int64, hash string) (page []Delivery, err error) {
	const from, order = " WHERE `target` = ? AND `state` = ? AND ", " ORDER BY `since`, `hash` LIMIT ?"
	err = s.retry(ctx, func(ctx context.Context) (bool, error) {
		page, err = s.deliveries(ctx, quoted(ledgerTable)+from+"`since` = ? AND `hash` > ?"+order, target, state, since, hash, defaultPageSize)
		if err != nil || len(page) == defaultPageSize {
			return true, err
		}
		younger, err := s.deliveries(ctx, quoted(ledgerTable)+from+"`since` > ?"+order, target, state, since, defaultPageSize-len(page))
		page = append(page, younger...)
		return true, err
	})
	return page, err
}

// Backlog counts what is pending for a target as far as a limit.
func (s *Store) Backlog(ctx context.Context, target string, limit int) (n int, err error) {
	err = s.ledgerRow(ctx, []any{&n}, "SELECT COUNT(*) FROM (SELECT 1 FROM "+quoted(ledgerTable)+
		" WHERE `target` = ? AND `state` = ? LIMIT ?) AS `some`", target, DeliveryPending, limit)
	return n, err
}

// PruneDeliveries deletes what was delivered longer ago than that and returns
// how much there was. Several hosts may prune at once.
func (s *Store) PruneDeliveries(ctx context.Context, target string, age time.Duration) (int64, error) {
	return s.eachDelivery(ctx, "prune", "DELETE FROM "+quoted(ledgerTable),
		" AND `state` = 'delivered' AND `since` < "+s.dialect.now+" - ?", target, age.Microseconds())
}

// RetryDeliveries makes what was given up pending anew, as if it had never been
// tried: all of a target, or some. It returns how much there was.
func (s *Store) RetryDeliveries(ctx context.Context, target string, which ...Delivery) (int64, error) {
	const anew = " SET `state` = 'pending', `since` = `changed`, `attempts` = 0, `version` = `version` + 1, `due` = "
	set := "UPDATE " + s.dialect.walk(ledgerTable) + anew + s.dialect.now
	if len(which) == 0 {
		return s.eachDelivery(ctx, "retry", set, " AND `state` = 'failed'", target)
	}
	var total int64
	for chunk := range slices.Chunk(byTarget(which)[target], bulkSize) {
		n, err := s.eachDelivery(ctx, "retry", set, " AND `state` = 'failed' AND `hash` IN ("+placeholders(len(chunk))+")", target, chunk...)
		if total += n; err != nil {
			return total, err
		}
	}
	return total, nil
}

// DropDeliveries forgets the deliveries of a target that are in a state, of a
// target that is no more those in any, "", and returns how much there was.
func (s *Store) DropDeliveries(ctx context.Context, target string, state DeliveryState) (int64, error) {
	if state == "" {
		return s.eachDelivery(ctx, "drop", "DELETE FROM "+quoted(ledgerTable), "", target)
	}
	return s.eachDelivery(ctx, "drop", "DELETE FROM "+quoted(ledgerTable), " AND `state` = ?", target, string(state))
}

// HastenDeliveries makes what waits for another try due in that time at the
// latest: the target is back. It returns how much there was.
func (s *Store) HastenDeliveries(ctx context.Context, target string, wait time.Duration) (int64, error) {
	soon := s.dialect.now + " + " + strconv.FormatInt(wait.Microseconds(), 10)
	return s.eachDelivery(ctx, "hasten", "UPDATE "+s.dialect.walk(ledgerTable)+" SET `due` = "+soon,
		" AND `due` > "+soon+" AND `owner` = '' AND `attempts` > 0", target)
}

// eachDelivery runs a statement on the rows of a target that meet a condition,
// bulkSize at a time, so that nobody waits long for their locks. The statement
// must make them not meet it any more.
func (s *Store) eachDelivery(ctx context.Context, op, statement, condition, target string, args ...any) (total int64, err error) {
	if err := s.needLedger(ctx); err != nil {
		return 0, err
	}
	args = slices.Concat([]any{target}, args)
	clause := " WHERE `target` = ?" + condition
	for {
		var hashes []any
		err := s.retry(ctx, func(ctx context.Context) (bool, error) {
			hashes, err = s.ledgerHashes(ctx, clause+" LIMIT ?", slices.Concat(args, []any{bulkSize})...)
			return true, err
		})
		if err != nil || len(hashes) == 0 {
			return total, err
		}
		n, err := s.execRetry(ctx, op, target, statement+clause+" AND `hash` IN ("+placeholders(len(hashes))+")", slices.Concat(args, hashes)...)
		if total += n; err != nil || len(hashes) < bulkSize {
			return total, err
		}
	}
}
