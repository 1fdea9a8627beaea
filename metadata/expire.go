package metadata

import "context"

// bulkSize is how many rows are expired in one transaction when a family is
// large, so that nobody waits long for their locks.
const bulkSize = 1000

// Expire marks the rows of names as expired: the files no longer exist, their
// bodies stay until they are purged. Names without a row, or with an expired
// one, stay as they are. All that changes does so in one transaction with its
// journal entries. It returns how many rows changed state.
func (s *Store) Expire(ctx context.Context, names ...string) (changed int64, err error) {
	rows := make([]Row, len(names))
	for i, name := range names {
		rows[i].Name = name
	}
	err = s.Update(ctx, func(tx *Tx) error {
		changed = 0
		found, err := tx.Lock(rows...)
		if err != nil {
			return err
		}
		var changes []Change
		for _, r := range found {
			if !r.Expired || r.MTime > 0 {
				changes = append(changes, Change{Kind: KindExpire, Subject: r.Name, Scope: r.Scope})
			}
		}
		if len(changes) == 0 {
			return nil
		}
		if changed, err = tx.Expire(found...); err != nil {
			return err
		}
		return tx.Record(changes...)
	})
	return changed, err
}

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
	return s.expireFamily(ctx, Filter{Prefix: prefix}, Change{Kind: KindExpirePrefix, Subject: prefix})
}

// ExpireTrunk expires every row of a name_trunk, as ExpirePrefix does.
func (s *Store) ExpireTrunk(ctx context.Context, trunk string) (int64, error) {
	if trunk == "" {
		return 0, &NameError{Name: trunk, Reason: "the trunk is empty"}
	}
	return s.expireFamily(ctx, Filter{trunk: trunk}, Change{Kind: KindExpireTrunk, Subject: trunk})
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
	change := Change{Kind: KindExpireWildcard, Subject: pattern}
	var total int64
	var batch []Row
	flush := func() error {
		n, err := s.expireBatch(ctx, batch, change)
		total += n
		batch = batch[:0]
		return err
	}
	for row, err := range s.Rows(ctx, Filter{Prefix: w.prefix, pattern: w.like}) {
		if err != nil {
			return total, err
		}
		if !w.exact.MatchString(row.Name) || row.Expired && row.MTime <= 0 {
			continue
		}
		if batch = append(batch, row); len(batch) == bulkSize {
			if err := flush(); err != nil {
				return total, err
			}
		}
	}
	return total, flush()
}

// expireFamily expires what a filter with an index selects: first the bulk of
// a large family in batches, then whatever is left in one statement a table,
// which also waits for the rows that others are writing.
func (s *Store) expireFamily(ctx context.Context, f Filter, change Change) (total int64, err error) {
	if fault := textFault(change.Subject); fault != "" {
		return 0, &NameError{Name: change.Subject, Reason: fault}
	}
	if total, err = s.expireBulk(ctx, f, change); err != nil {
		return total, err
	}
	var rest int64
	err = s.Update(ctx, func(tx *Tx) error {
		rest = 0
		for _, table := range s.config.Layout.Tables() {
			if !s.canHold(table, change.Subject) {
				continue
			}
			clause, args := where(f.selective(s, table), condition{sql: notExpired})
			n, err := tx.exec("expire", change.Subject, "UPDATE "+quoted(table)+setExpired+clause, args...)
			if err != nil {
				return err
			}
			rest += n
		}
		return tx.Record(change)
	})
	return total + rest, err
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

// expireBatch expires rows in one transaction with the family's journal entry.
func (s *Store) expireBatch(ctx context.Context, rows []Row, change Change) (n int64, err error) {
	if len(rows) == 0 {
		return 0, nil
	}
	err = s.Update(ctx, func(tx *Tx) error {
		if n, err = tx.Expire(rows...); err != nil || n == 0 {
			return err
		}
		return tx.Record(change)
	})
	return n, err
}
