package metadata

import (
	"context"
	"math/rand/v2"
	"time"
)

// LeaseRange takes one of the ranges of a migration that are not done and that
// nobody has leased, for so long; the owner is a name that nobody has used
// before. It reports false where there is none: all are done, or leased.
func (s *Store) LeaseRange(ctx context.Context, m Migration, owner string, lease time.Duration) (r MigrationRange, ok bool, err error) {
	free := " `done` = 0 AND `due` <= " + s.dialect.now
	for {
		var list []MigrationRange
		err := s.retry(ctx, func(ctx context.Context) (bool, error) {
			list, err = s.ranges(ctx, " WHERE `id` = ? AND"+free+" ORDER BY `first` LIMIT 16", m.ID())
			return true, err
		})
		if err != nil || len(list) == 0 {
			return r, false, err
		}
		r = list[rand.IntN(len(list))] // others look for one, too
		n, err := s.execRetry(ctx, "lease", m.Prefix, "UPDATE "+quoted(rangeTable)+" SET `owner` = ?, `due` = "+s.dialect.now+" + ?"+
			" WHERE `id` = ? AND `first` = ? AND"+free, owner, lease.Microseconds(), r.id, r.First)
		if err != nil {
			return r, false, err
		}
		if n == 1 {
			// What the last owner did until the very end counts.
			list, err = s.ranges(ctx, " WHERE `id` = ? AND `first` = ? AND `owner` = ?", r.id, r.First, owner)
			if err != nil || len(list) == 0 {
				return r, false, err
			}
			return list[0], true, nil
		}
	}
}

// AdvanceRange notes in the transaction of the files themselves how far an owner
// is, what became of the files and whether that was the last of them, and makes
// the lease last for so long from now on. It reports false, having done
// nothing, where the range is somebody else's by now.
func (tx *Tx) AdvanceRange(r MigrationRange, position string, more MigrationCounts, done bool, lease time.Duration) (held bool, err error) {
	now := tx.store.dialect.now
	n, err := tx.exec("advance", r.First, "UPDATE "+quoted(rangeTable)+" SET `position` = ?, `due` = "+now+" + ?, `changed` = "+now+
		", `copied` = `copied` + ?, `present` = `present` + ?, `gone` = `gone` + ?, `failed` = `failed` + ?, `bytes` = `bytes` + ?, `done` = ?"+
		ownedRange, position, lease.Microseconds(), more.Copied, more.Present, more.Gone, more.Failed, more.Bytes, boolInt(done), r.id, r.First, r.Owner)
	return n == 1, err
}

// RenewRange makes a lease last for so long from now on. It reports false where
// the range is somebody else's by now.
func (s *Store) RenewRange(ctx context.Context, r MigrationRange, lease time.Duration) (held bool, err error) {
	n, err := s.execRetry(ctx, "renew", r.First, "UPDATE "+quoted(rangeTable)+" SET `due` = "+s.dialect.now+" + ?"+ownedRange,
		lease.Microseconds(), r.id, r.First, r.Owner)
	return n == 1, err
}

// ReleaseRanges gives ranges of a migration up that are not done, so that nobody
// has to wait until their leases are over.
func (s *Store) ReleaseRanges(ctx context.Context, m Migration, ranges ...MigrationRange) error {
	if len(ranges) == 0 {
		return nil
	}
	args := []any{m.ID()}
	for _, r := range ranges {
		args = append(args, r.Owner)
	}
	_, err := s.execRetry(ctx, "release", m.Prefix, "UPDATE "+quoted(rangeTable)+" SET `due` = 0 WHERE `id` = ? AND `done` = 0 AND `owner` IN ("+
		placeholders(len(ranges))+")", args...)
	return err
}
