package metadata

import (
	"context"
	"database/sql"
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
		var last uint64
		var more bool
		err := s.retry(ctx, func(ctx context.Context) (bool, error) {
			last, more, err = s.prunable(ctx, before)
			return true, err
		})
		if err != nil || last == 0 {
			return deleted, err
		}
		n, err := s.pruneTo(ctx, last)
		deleted += n
		if err != nil || !more {
			return deleted, err
		}
	}
}

// prunable returns the last entry of a batch that may go, 0 for none, and
// whether more may follow.
func (s *Store) prunable(ctx context.Context, before time.Time) (last uint64, more bool, err error) {
	state, _, err := s.journalEnds(ctx)
	if err != nil {
		return 0, false, err
	}
	type entry struct {
		id   uint64
		time int64
	}
	var entries []entry
	err = query(ctx, s.pools.write, func(rows *sql.Rows) error {
		var e entry
		err := rows.Scan(&e.id, &e.time)
		entries = append(entries, e)
		return err
	}, "SELECT `id`, `time` FROM "+quoted(journalTable)+" ORDER BY `id` LIMIT ?", pruneBatch+1)
	if err != nil {
		return 0, false, s.wrap("prune", journalTable, err)
	}
	var gaps gapSet
	next := max(state.pruned, state.settled) + 1
	n := 0
	for ; n < len(entries)-1 && entries[n].time < before.UnixMicro(); n++ {
		if id := entries[n].id; id >= next {
			if id > next {
				gaps.add(next, id-1)
			}
			next = id + 1
		}
		last = entries[n].id
	}
	if !s.dialect.gapsFill || len(gaps) == 0 {
		return last, n == pruneBatch, nil
	}
	unsettled, err := s.probe(ctx, gaps)
	if err != nil || len(unsettled) == 0 {
		return last, n == pruneBatch, err
	}
	last = 0
	for _, e := range entries {
		if e.id < unsettled.first() {
			last = e.id
		}
	}
	return last, false, nil
}

// pruneTo deletes the entries up to one, of which prunable said that it may.
func (s *Store) pruneTo(ctx context.Context, last uint64) (deleted int64, err error) {
	err = s.Update(ctx, func(tx *Tx) error {
		_, err := tx.lockState(statePruned)
		if err != nil {
			return err
		}
		deleted, err = tx.exec("prune", journalTable, "DELETE FROM "+quoted(journalTable)+" WHERE `id` <= ?", last)
		if err != nil || deleted == 0 {
			return err // another host was faster
		}
		return tx.setState(statePruned, last)
	})
	return deleted, err
}
