package metadata

import (
	"context"
	"database/sql"
	"slices"
	"time"
)

// pruneBatch is how many entries are deleted in one transaction.
const pruneBatch = 1000

// PruneJournal deletes the entries that were recorded before a time and
// returns how many there were. The newest entry stays, and so does everything
// from the first on that is younger or that a transaction still open may put
// in place. Several hosts may prune at once. Without the table ezdfs_state it
// does nothing.
//
// The age of an entry is that of its record, by the clock of its host. The
// transaction may have ended much later: keep entries for longer than a body
// takes to be published and a reader may be away.
func (s *Store) PruneJournal(ctx context.Context, before time.Time) (deleted int64, err error) {
	if info := s.schema.Load(); !info.journal || !info.state {
		if err := s.loadSchema(ctx); err != nil {
			return 0, err
		}
		if info = s.schema.Load(); !info.journal || !info.state {
			return 0, nil
		}
	}
	for {
		var ids []any
		var more bool
		err := s.retry(ctx, func(ctx context.Context) (bool, error) {
			ids, more, err = s.prunable(ctx, before)
			return true, err
		})
		if err != nil || len(ids) == 0 {
			return deleted, err
		}
		n, err := s.prune(ctx, ids)
		deleted += n
		if err != nil || !more {
			return deleted, err
		}
	}
}

// prunable returns the entries of a batch that may go, in order, and whether
// more may follow.
func (s *Store) prunable(ctx context.Context, before time.Time) (ids []any, more bool, err error) {
	state, _, err := s.journalEnds(ctx)
	if err != nil {
		return nil, false, err
	}
	entries := 0
	more = true
	err = query(ctx, s.pools.write, func(rows *sql.Rows) error {
		var id uint64
		var micros int64
		err := rows.Scan(&id, &micros)
		entries++
		if more = more && micros < before.UnixMicro(); more {
			ids = append(ids, id)
		}
		return err
	}, "SELECT `id`, `time` FROM "+quoted(journalTable)+" ORDER BY `id` LIMIT ?", pruneBatch+1)
	if err != nil {
		return nil, false, s.wrap("prune", journalTable, err)
	}
	if len(ids) == entries && entries > 0 { // the newest, or one beyond the batch
		ids = ids[:entries-1]
	}
	more = more && entries > pruneBatch
	unsettled, err := s.unsettledAmong(ctx, ids, max(state.pruned, state.settled)+1)
	if err != nil || len(unsettled) == 0 {
		return ids, more, err
	}
	beyond := func(id any) bool { return id.(uint64) > unsettled.first() }
	if i := slices.IndexFunc(ids, beyond); i >= 0 {
		ids = ids[:i]
	}
	return ids, false, nil
}

// unsettledAmong returns the identifiers that are missing from next on, among
// those of entries, and may still appear.
func (s *Store) unsettledAmong(ctx context.Context, ids []any, next uint64) (gapSet, error) {
	if !s.dialect.gapsFill {
		return nil, nil
	}
	var gaps gapSet
	for _, id := range ids {
		if id := id.(uint64); id >= next {
			if id > next {
				gaps.add(next, id-1)
			}
			next = id + 1
		}
	}
	return s.probe(ctx, gaps)
}

// prune deletes entries, of which prunable said that they may go. It names each:
// a range would meet, and wait for, the entry behind it that is not committed.
func (s *Store) prune(ctx context.Context, ids []any) (deleted int64, err error) {
	err = s.Update(ctx, func(tx *Tx) error {
		_, err := tx.lockState(statePruned)
		if err != nil {
			return err
		}
		deleted, err = tx.exec("prune", journalTable,
			"DELETE FROM "+quoted(journalTable)+" WHERE `id` IN ("+placeholders(len(ids))+")", ids...)
		if err != nil || deleted == 0 {
			return err // another host was faster
		}
		return tx.setState(statePruned, ids[len(ids)-1].(uint64))
	})
	return deleted, err
}
