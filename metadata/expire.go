package metadata

import (
	"cmp"
	"context"
	"slices"
	"strings"
)

// bulkSize is how many rows are expired in one transaction when a family is
// large, so that nobody waits long for their locks.
const bulkSize = 1000

// Expire marks the rows of names as expired: the files no longer exist, their
// bodies stay until they are purged. Names without a row, or with an expired
// one, stay as they are. All that changes does so in one transaction with its
// journal entries. It returns how many rows changed state.
//
// Every way to expire files also breaks the locks under which they are being
// generated: what was generated is of before and must not be stored. Those are
// no files and not counted.
func (s *Store) Expire(ctx context.Context, names ...string) (changed int64, err error) {
	rows := make([]Row, 0, len(names))
	for _, name := range names {
		rows = append(rows, Row{Name: name}, Row{Name: name + GeneratingSuffix, Table: s.config.Layout.Table(name)})
	}
	err = s.Update(ctx, func(tx *Tx) error {
		changed = 0
		found, err := tx.Lock(rows...)
		if err != nil {
			return err
		}
		var files, locks []Row
		var changes []Change
		for _, r := range found {
			switch {
			case !needsExpiry(r):
			case IsGenerating(r.Name):
				locks = append(locks, r)
			default:
				files = append(files, r)
				changes = append(changes, Change{Kind: KindExpire, Subject: r.Name, Scope: r.Scope})
			}
		}
		if _, err := tx.Expire(locks...); err != nil {
			return err
		}
		if changed, err = tx.Expire(files...); err != nil {
			return err
		}
		return tx.Record(changes...)
	})
	return changed, err
}

// needsExpiry is notExpired in Go.
func needsExpiry(r Row) bool { return !r.Expired || r.MTime > 0 }

// ExpirePrefix expires every row whose name begins with exactly these bytes
// and returns how many changed state. The legacy calls it deleteByLike.
//
// Up to 1000 rows change in one transaction with their journal entry, a larger
// family in several, each with an entry; rows that are being written at that
// moment are waited for and expired as well. The journal gets its entry even
// when no row changed state: PHP may have expired them without one.
func (s *Store) ExpirePrefix(ctx context.Context, prefix string) (int64, error) {
	if prefix == "" {
		return 0, &NameError{Name: prefix, Reason: "an empty prefix would expire everything"}
	}
	return s.expireFamily(ctx, Filter{Prefix: prefix}, Filter{Prefix: prefix}, Change{Kind: KindExpirePrefix, Subject: prefix})
}

// ExpireTrunk expires every row of a name_trunk, as ExpirePrefix does.
func (s *Store) ExpireTrunk(ctx context.Context, trunk string) (int64, error) {
	if trunk == "" {
		return 0, &NameError{Name: trunk, Reason: "the trunk is empty"}
	}
	// PHP's locks have a trunk of their own, but a trunk begins every name of
	// its family.
	return s.expireFamily(ctx, Filter{Trunk: trunk}, Filter{Prefix: trunk}, Change{Kind: KindExpireTrunk, Subject: trunk})
}

// ExpireWildcard expires every row whose name matches a legacy pattern, with
// "*", "?" and "{x,y}", and returns how many changed state. The text before
// the first of these is found by the index, the rest is a scan in batches of
// 1000 rows, each with its journal entry. Rows that are being written at that
// moment may be missed. It is for callers of the legacy's; expiring by prefix
// or trunk costs what their rows cost.
func (s *Store) ExpireWildcard(ctx context.Context, pattern string) (int64, error) {
	w, err := parseWildcard(pattern)
	if err != nil {
		return 0, err
	}
	return s.expireScan(ctx, Filter{Prefix: w.prefix, pattern: w.like},
		func(r Row) bool { return w.exact.MatchString(strings.TrimSuffix(r.Name, GeneratingSuffix)) },
		Change{Kind: KindExpireWildcard, Subject: pattern})
}

// ExpireScope expires every row of a scope whose name begins with prefix, ""
// for all, and returns how many changed state. No index of the legacy's tables
// knows scopes: without a prefix it is a scan of both tables, in batches of
// 1000 rows, each with its journal entry. Every generation under the prefix is
// broken off, since its lock does not tell its scope.
func (s *Store) ExpireScope(ctx context.Context, scope, prefix string) (int64, error) {
	if fault := textFault(scope); fault != "" || scope == "" {
		return 0, &NameError{Name: scope, Reason: cmp.Or(fault, "the scope is empty")}
	}
	return s.expireScan(ctx, Filter{Prefix: prefix, Scopes: []string{scope, ""}},
		func(r Row) bool { return r.Scope == scope || IsGenerating(r.Name) },
		Change{Kind: KindExpireScope, Subject: scope})
}

// expireScan expires what a filter finds and matches accepts, batch by batch.
// The change is recorded even when no row changed state, as expireFamily does.
func (s *Store) expireScan(ctx context.Context, f Filter, matches func(Row) bool, change Change) (total int64, err error) {
	var batch []Row
	for row, err := range s.Rows(ctx, f) {
		if err != nil {
			return total, err
		}
		if !needsExpiry(row) || !matches(row) {
			continue
		}
		if batch = append(batch, row); len(batch) == bulkSize {
			n, err := s.expireBatch(ctx, batch, change)
			if total += n; err != nil {
				return total, err
			}
			batch = batch[:0]
		}
	}
	n, err := s.expireBatch(ctx, batch, change)
	total += n
	if err == nil && total == 0 {
		err = s.Update(ctx, func(tx *Tx) error { return tx.Record(change) })
	}
	return total, err
}

// expireFamily expires what a filter with an index selects: first the bulk of
// a large family in batches, then whatever is left in one statement a table,
// which also waits for the rows that others are writing. The locks of
// generations are looked for by another filter.
func (s *Store) expireFamily(ctx context.Context, f, locks Filter, change Change) (total int64, err error) {
	if fault := textFault(change.Subject); fault != "" {
		return 0, &NameError{Name: change.Subject, Reason: fault}
	}
	if total, err = s.expireBulk(ctx, f, change); err != nil {
		return total, err
	}
	locks.generating = true
	var rest int64
	err = s.Update(ctx, func(tx *Tx) error {
		rest = 0
		for _, table := range s.config.Layout.Tables() {
			if !s.canHold(table, change.Subject) {
				continue
			}
			if _, err := tx.expireSelected(table, locks, change.Subject); err != nil {
				return err
			}
			n, err := tx.expireSelected(table, f, change.Subject)
			if err != nil {
				return err
			}
			rest += n
		}
		return tx.Record(change)
	})
	return total + rest, err
}

// expireSelected expires what a filter selects of one table.
func (tx *Tx) expireSelected(table string, f Filter, subject string) (int64, error) {
	clause, args := where(f.selective(tx.store, table), f.locks(), condition{sql: notExpired})
	return tx.exec("expire", subject, "UPDATE "+quoted(table)+setExpired+clause, args...)
}

// expireBulk expires the rows of families that do not fit one batch.
func (s *Store) expireBulk(ctx context.Context, f Filter, change Change) (total int64, err error) {
	f.Expired, f.PageSize = new(bool), bulkSize
	cursors, err := s.cursors(f)
	if err != nil {
		return 0, err
	}
	for _, c := range cursors {
		for batches := 0; ; batches++ {
			if err := c.fill(ctx); err != nil {
				return total, err
			}
			if len(c.page) == 0 || batches == 0 && c.last() {
				break
			}
			rows := make([]Row, len(c.page))
			for i, k := range c.page {
				rows[i] = k.Row
			}
			n, err := s.expireBatch(ctx, rows, change)
			if total += n; err != nil {
				return total, err
			}
			c.page = nil
		}
	}
	return total, nil
}

// expireBatch expires rows in one transaction with the family's journal entry
// and returns how many files were among those that changed state.
func (s *Store) expireBatch(ctx context.Context, rows []Row, change Change) (files int64, err error) {
	if len(rows) == 0 {
		return 0, nil
	}
	var locks []Row
	rows = slices.DeleteFunc(slices.Clone(rows), func(r Row) bool {
		if IsGenerating(r.Name) {
			locks = append(locks, r)
		}
		return IsGenerating(r.Name)
	})
	err = s.Update(ctx, func(tx *Tx) error {
		broken, err := tx.Expire(locks...)
		if err != nil {
			return err
		}
		if files, err = tx.Expire(rows...); err != nil || files+broken == 0 {
			return err
		}
		return tx.Record(change)
	})
	return files, err
}
