package metadata

import (
	"cmp"
	"context"
	"database/sql"
	"maps"
	"slices"
	"strings"
	"time"
)

// LeaseDeliveries takes up to n deliveries of a target that are due, the
// longest due first, for so long. Nobody else gets them until they are finished
// or the lease is over; after that anybody may. The owner is a name that nobody
// has used before: it tells this lease from all others.
func (s *Store) LeaseDeliveries(ctx context.Context, target, owner string, n int, lease time.Duration) (leased []Delivery, err error) {
	defer s.observed(ctx, "lease", &err)()
	if err := s.needLedger(ctx); err != nil {
		return nil, err
	}
	due := " WHERE `target` = ? AND `due` <= " + s.dialect.now
	err = s.retry(ctx, func(ctx context.Context) (bool, error) {
		hashes, err := s.ledgerHashes(ctx, due+" ORDER BY `due` LIMIT ?", target, n)
		if err != nil || len(hashes) == 0 {
			return true, err
		}
		in := " AND `hash` IN (" + placeholders(len(hashes)) + ")"
		_, err = s.pools.write.ExecContext(ctx, "UPDATE "+s.dialect.walk(ledgerTable)+" SET `owner` = ?, `leased` = `version`, `due` = "+s.dialect.now+" + ?"+
			due+in, slices.Concat([]any{owner, lease.Microseconds(), target}, hashes)...)
		if err != nil {
			return true, s.wrap("lease", target, err)
		}
		leased, err = s.deliveries(ctx, s.dialect.walk(ledgerTable)+" WHERE `target` = ?"+in+" AND `owner` = ?",
			slices.Concat([]any{target}, hashes, []any{owner})...)
		return true, err
	})
	for i := range leased {
		leased[i].Version = leased[i].leased // what came since then is delivered again
	}
	slices.SortFunc(leased, func(a, b Delivery) int { return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Subject, b.Subject)) })
	return leased, err
}

// ledgerHashes returns the hashes of the rows of the ledger that a clause
// selects.
func (s *Store) ledgerHashes(ctx context.Context, clause string, args ...any) (hashes []any, err error) {
	err = query(ctx, s.pools.read, func(rows *sql.Rows) error {
		var hash string
		err := rows.Scan(&hash)
		hashes = append(hashes, hash)
		return err
	}, "SELECT `hash` FROM "+quoted(ledgerTable)+clause, args...)
	return hashes, s.wrap("read", ledgerTable, err)
}

// deliveries returns rows of the ledger.
func (s *Store) deliveries(ctx context.Context, from string, args ...any) (list []Delivery, err error) {
	err = query(ctx, s.pools.read, func(rows *sql.Rows) error {
		d, err := scanDelivery(rows.Scan)
		list = append(list, d)
		return err
	}, "SELECT "+ledgerColumns+" FROM "+from, args...)
	return list, s.wrap("read", ledgerTable, err)
}

// RenewDeliveries makes the leases of an owner last for so long from now on and
// returns how many are still its own.
func (s *Store) RenewDeliveries(ctx context.Context, owner string, lease time.Duration, held []Delivery) (n int64, err error) {
	for target, hashes := range byTarget(held) {
		for chunk := range slices.Chunk(hashes, bulkSize) {
			renewed, err := s.execRetry(ctx, "renew the lease of", target, "UPDATE "+s.dialect.walk(ledgerTable)+" SET `due` = "+s.dialect.now+" + ?"+
				ownedBy(len(chunk)), slices.Concat([]any{lease.Microseconds(), target}, chunk, []any{owner})...)
			if n += renewed; err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// ownedBy is the condition that rows are of a target, among some hashes, and
// still an owner's.
func ownedBy(hashes int) string {
	return " WHERE `target` = ? AND `hash` IN (" + placeholders(hashes) + ") AND `owner` = ?"
}

// byTarget groups the hashes of deliveries.
func byTarget(list []Delivery) map[string][]any {
	groups := make(map[string][]any)
	for _, d := range list {
		groups[d.Target] = append(groups[d.Target], d.Hash())
	}
	return groups
}

// Outcome is what became of a delivery that was leased.
type Outcome struct {
	Delivery Delivery
	// State is DeliveryDelivered, DeliveryFailed, or DeliveryPending for
	// another try after Delay.
	State DeliveryState
	Delay time.Duration
	// Error is why it was not delivered. Without one a pending delivery is
	// given back, and does not count as an attempt.
	Error string
	// Again is how long it waits at least where another change came while it
	// was under way.
	Again time.Duration
}

// FinishDeliveries writes down what became of deliveries and makes others
// pending, in one transaction. Rows whose lease somebody else has by now are
// left alone. Those of which another change came while they were under way are
// pending anew, whether they were delivered or failed.
func (s *Store) FinishDeliveries(ctx context.Context, owner string, outcomes []Outcome, more ...Delivery) error {
	type group struct {
		target string
		state  DeliveryState
		delay  time.Duration
		again  time.Duration
		text   string
	}
	groups := make(map[group][]any)
	for _, o := range outcomes {
		o.Error = strings.ToValidUTF8(o.Error[:min(len(o.Error), maxDeliveryError)], "")
		key := group{o.Delivery.Target, o.State, o.Delay, o.Again, o.Error}
		groups[key] = append(groups[key], o.Delivery.Hash())
	}
	order := slices.SortedFunc(maps.Keys(groups), func(a, b group) int {
		return cmp.Or(cmp.Compare(a.target, b.target), cmp.Compare(a.state, b.state), cmp.Compare(a.delay, b.delay), cmp.Compare(a.again, b.again), cmp.Compare(a.text, b.text))
	})
	return s.Update(ctx, func(tx *Tx) error {
		for _, g := range order {
			set, args := s.dialect.finish(g.state, g.delay, g.again, g.text)
			for chunk := range slices.Chunk(groups[g], bulkSize) {
				_, err := tx.exec("finish", g.target, "UPDATE "+s.dialect.walk(ledgerTable)+" SET "+set+ownedBy(len(chunk)),
					slices.Concat(args, []any{g.target}, chunk, []any{owner})...)
				if err != nil {
					return err
				}
			}
		}
		return tx.Enqueue(more...)
	})
}

// finish is what becomes of rows that were under way. MySQL assigns one after
// the other: leased, which the others read, comes last.
func (d *dialect) finish(state DeliveryState, delay, again time.Duration, text string) (set string, args []any) {
	const unchanged, end = "CASE WHEN `version` = `leased` THEN ", " END"
	switch {
	case state != DeliveryPending:
		set = "`state` = " + unchanged + "? ELSE 'pending'" + end +
			", `since` = " + unchanged + d.now + " ELSE `changed`" + end +
			", `due` = " + unchanged + "NULL ELSE " + d.now + " + ?" + end +
			", `enqueued` = " + unchanged + "`enqueued` ELSE " + d.now + end +
			", `progress` = '', `error` = ?"
		args = []any{string(state), again.Microseconds(), text}
		if state == DeliveryFailed {
			set += ", `attempts` = " + unchanged + "`attempts` + 1 ELSE 0" + end
		} else {
			set += ", `attempts` = 0"
		}
	default:
		set = "`due` = " + d.now + " + " + unchanged + "? ELSE ?" + end
		args = []any{delay.Microseconds(), max(delay, again).Microseconds()}
		if text != "" {
			set += ", `attempts` = `attempts` + 1, `error` = ?"
			args = append(args, text)
		}
	}
	return set + ", `owner` = '', `leased` = 0", args
}

// AdvanceDelivery makes the paths of a part of a family pending and notes that
// the family was expanded as far as that, in one transaction, and makes the
// lease last for so long from now on. It reports false, having done nothing,
// where the lease is somebody else's by now.
func (s *Store) AdvanceDelivery(ctx context.Context, owner string, family Delivery, progress string, lease time.Duration, paths []Delivery) (held bool, err error) {
	err = s.Update(ctx, func(tx *Tx) error {
		// The version makes it a change even within one microsecond's lease.
		n, err := tx.exec("expand", family.Subject, "UPDATE "+s.dialect.walk(ledgerTable)+
			" SET `progress` = CASE WHEN `version` = `leased` THEN ? ELSE '' END, `due` = "+s.dialect.now+" + ?"+ownedBy(1),
			progress, lease.Microseconds(), family.Target, family.Hash(), owner)
		if held = n == 1; err != nil || !held {
			return err
		}
		return tx.Enqueue(paths...)
	})
	return held, err
}
