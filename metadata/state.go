package metadata

import (
	"context"
	"database/sql"
	"strconv"
)

// stateTable is our own table of what the hosts tell each other, by name.
const stateTable = "ezdfs_state"

// The names in the table. Their values are identifiers of the journal.
const (
	// statePruned is the last entry that was pruned.
	statePruned = "journal.pruned"
	// stateSettled is an entry up to which, once, every transaction was seen to
	// have ended: identifiers that are missing below it stay so.
	stateSettled = "journal.settled"
)

// journalState is what the state table says about the journal.
type journalState struct{ pruned, settled uint64 }

// journalState reads the state, which is that of a new journal where there is
// no table for it.
func (s *Store) journalState(ctx context.Context) (state journalState, err error) {
	if !s.schema.Load().state {
		return state, nil
	}
	err = query(ctx, s.pools.write, func(rows *sql.Rows) error {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return err
		}
		id, err := strconv.ParseUint(value, 10, 64)
		if name == statePruned {
			state.pruned = id
		} else {
			state.settled = id
		}
		return err
	}, "SELECT `name`, `value` FROM "+quoted(stateTable)+" WHERE `name` IN (?, ?)", statePruned, stateSettled)
	return state, s.wrap("read", stateTable, err)
}

// lockState locks an entry of the state, making it if need be, and returns its
// value.
func (tx *Tx) lockState(name string) (id uint64, err error) {
	_, err = tx.exec("lock", name, "INSERT INTO "+quoted(stateTable)+" (`name`, `value`) VALUES (?, '0')"+
		tx.store.dialect.onDuplicateState, name)
	if err != nil {
		return 0, err
	}
	err = tx.tx.QueryRowContext(tx.ctx, "SELECT `value` FROM "+quoted(stateTable)+" WHERE `name` = ?"+
		tx.store.dialect.forUpdate, name).Scan(&id)
	return id, tx.wrap("lock", name, err)
}

// setState writes an entry that lockState has locked.
func (tx *Tx) setState(name string, id uint64) error {
	_, err := tx.exec("write", name, "UPDATE "+quoted(stateTable)+" SET `value` = ? WHERE `name` = ?",
		strconv.FormatUint(id, 10), name)
	return err
}

// raiseSettled notes how far the journal is settled, unless it is noted to be
// further. What is noted of entries beyond the newest is of a journal that was
// there before this one.
func (s *Store) raiseSettled(ctx context.Context, settled uint64) error {
	return s.Update(ctx, func(tx *Tx) error {
		pruned, err := tx.lockState(statePruned)
		if err != nil {
			return err
		}
		was, err := tx.lockState(stateSettled)
		if err != nil {
			return err
		}
		var head uint64
		err = tx.tx.QueryRowContext(tx.ctx, "SELECT COALESCE(MAX(`id`), 0) FROM "+quoted(journalTable)).Scan(&head)
		if err == nil && pruned > 0 && pruned >= head {
			err = tx.setState(statePruned, 0)
		}
		if err == nil && (was < settled || was > head) {
			err = tx.setState(stateSettled, min(settled, head))
		}
		return tx.wrap("write", stateTable, err)
	})
}
