package metadata

import (
	"context"
	"iter"
	"slices"
	"strings"
	"time"
)

// FoldDeliveries replaces pending deliveries of paths by that of a family of
// theirs, in one transaction, and returns how many. Those are left alone that
// are under way, that have followers, or that ask for another action. The family
// waits so long, for more to be folded; see [Store.DeliverIn].
func (s *Store) FoldDeliveries(ctx context.Context, family Delivery, wait time.Duration, paths []Delivery) (folded int64, err error) {
	if err := s.needLedger(ctx); err != nil {
		return 0, err
	}
	err = s.Update(ctx, func(tx *Tx) error {
		folded = 0
		for chunk := range slices.Chunk(byTarget(paths)[family.Target], bulkSize) {
			n, err := tx.exec("fold", family.Subject, "DELETE FROM "+quoted(ledgerTable)+ownedBy(len(chunk))+
				" AND `state` = 'pending' AND `action` = ? AND `followers` = '' AND `extent` = '"+DeliveryPath+"'",
				slices.Concat([]any{family.Target}, chunk, []any{"", family.Action})...)
			if folded += n; err != nil {
				return err
			}
		}
		if folded == 0 {
			return nil
		}
		family.Wait = wait
		return tx.Enqueue(family)
	})
	return folded, err
}

// DeliverIn makes a pending delivery that nobody has due so long from now on.
func (s *Store) DeliverIn(ctx context.Context, wait time.Duration, d Delivery) error {
	_, err := s.execRetry(ctx, "hasten", d.Target, "UPDATE "+s.dialect.walk(ledgerTable)+" SET `due` = "+s.dialect.now+" + ?"+
		ownedBy(1)+" AND `state` = 'pending'", wait.Microseconds(), d.Target, d.Hash(), "")
	return err
}

// CountUpTo counts the rows whose name begins with a prefix, expired ones
// included, as far as a limit.
func (s *Store) CountUpTo(ctx context.Context, prefix string, limit int64) (total int64, err error) {
	for _, table := range s.config.Layout.Tables() {
		if !s.canHold(table, prefix) || total >= limit {
			continue
		}
		clause, args := where(Filter{Prefix: prefix}.selective(s, table))
		var n int64
		err := s.retry(ctx, func(ctx context.Context) (bool, error) {
			return true, s.wrap("count", table, s.pools.read.QueryRowContext(ctx, "SELECT COUNT(*) FROM (SELECT 1 FROM "+quoted(table)+
				clause+" LIMIT ?) AS `some`", append(args, limit-total)...).Scan(&n))
		})
		if total += n; err != nil {
			return total, err
		}
	}
	return total, nil
}

// Wildcard yields the rows whose names match a legacy pattern and that a filter
// selects; its Prefix does not count.
func (s *Store) Wildcard(ctx context.Context, pattern string, f Filter) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		w, err := parseWildcard(pattern)
		if err != nil {
			yield(Row{}, err)
			return
		}
		f.Prefix, f.pattern = w.prefix, w.like
		for row, err := range s.Rows(ctx, f) {
			if err == nil && !w.exact.MatchString(strings.TrimSuffix(row.Name, GeneratingSuffix)) {
				continue
			}
			if !yield(row, err) || err != nil {
				return
			}
		}
	}
}

// WildcardPrefix returns the text with which every name begins that a legacy
// pattern matches.
func WildcardPrefix(pattern string) (string, error) {
	w, err := parseWildcard(pattern)
	if err != nil {
		return "", err
	}
	return w.prefix, nil
}

// DeliveredSubject returns the path of a name_hash that one of some targets was
// told of, or is to be told of, as long as that is remembered; "" for none.
func (s *Store) DeliveredSubject(ctx context.Context, hash string, targets ...string) (path string, err error) {
	if len(targets) == 0 {
		return "", nil
	}
	err = s.retry(ctx, func(ctx context.Context) (bool, error) {
		path = ""
		list, err := s.deliveries(ctx, quoted(ledgerTable)+" WHERE `target` IN ("+placeholders(len(targets))+") AND `hash` = ? AND `extent` = '"+
			DeliveryPath+"' LIMIT 1", append(anys(targets), hash)...)
		if len(list) > 0 {
			path = list[0].Subject
		}
		return true, err
	})
	return path, err
}
