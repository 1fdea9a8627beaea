package metadata

import (
	"slices"
	"strings"
)

// Lock locks and returns those of the rows that exist, as they are now, in the
// order of the arguments; only Name and Table are read of those. The locks are
// taken table by table in name_hash order.
func (tx *Tx) Lock(rows ...Row) ([]Row, error) {
	type key struct{ table, hash string }
	found := make(map[key]Row, len(rows))
	err := tx.chunks(rows, func(table string, chunk []Row) error {
		query := "SELECT " + columns + " FROM " + quoted(table) + whereHashes(chunk) +
			" ORDER BY `name_hash`" + tx.store.dialect.forUpdate
		locked, err := selectRows(tx.ctx, tx.tx, table, query, hashes(chunk)...)
		for _, k := range locked {
			found[key{table, k.hash}] = k.Row
		}
		return tx.wrap("lock", chunk[0].Name, err)
	})
	if err != nil {
		return nil, err
	}
	var locked []Row
	for _, r := range rows {
		if row, ok := found[key{tx.store.tableOf(r), r.Hash()}]; ok {
			row.Name = r.Name
			locked = append(locked, row)
		}
	}
	return locked, nil
}

// Upsert writes whole rows, in place of what is there: name_trunk, scope and
// datatype follow the new write. Rows that [Store.CheckRow] refuses are an
// error before anything is sent.
func (tx *Tx) Upsert(rows ...Row) error {
	return tx.insert("upsert", tx.store.dialect.onDuplicate, rows)
}

// Write is Upsert and then Record. Where the engine is at the other end of a
// network that costs one round trip and not two, which is most of what the
// journal costs a writer.
func (tx *Tx) Write(rows []Row, changes ...Change) error {
	list, err := tx.inserts("write", tx.store.dialect.onDuplicate, rows)
	if err != nil {
		return err
	}
	there, err := tx.hasJournal()
	if err != nil {
		return err
	}
	if there {
		list = append(list, tx.records(changes)...)
	}
	return tx.run(list)
}

func (tx *Tx) insert(op, onDuplicate string, rows []Row) error {
	list, err := tx.inserts(op, onDuplicate, rows)
	if err != nil {
		return err
	}
	return tx.run(list)
}

// inserts are the statements that insert rows.
func (tx *Tx) inserts(op, onDuplicate string, rows []Row) (list []statement, err error) {
	for _, r := range rows {
		if err := tx.store.CheckRow(r); err != nil {
			return nil, err
		}
	}
	err = tx.chunks(rows, func(table string, chunk []Row) error {
		args := make([]any, 0, 8*len(chunk))
		for _, r := range chunk {
			args = append(args, r.Name, r.Trunk, r.Hash(), r.DataType, r.Scope, r.Size, r.MTime, r.Expired)
		}
		list = append(list, statement{op, chunk[0].Name, "INSERT INTO " + quoted(table) + " (" + columns + ") VALUES " +
			tuples(len(chunk), 8) + onDuplicate, args})
		return nil
	})
	return list, err
}

// Claim inserts those of the rows that do not exist, leaves the others as they
// are, and holds all of them until the commit: nobody can create a path that
// was claimed. Rows that [Store.CheckRow] refuses are an error before anything
// is sent.
func (tx *Tx) Claim(rows ...Row) error {
	return tx.insert("claim", tx.store.dialect.onDuplicateKeep, rows)
}

// Delete removes rows and returns how many there were.
func (tx *Tx) Delete(rows ...Row) (total int64, err error) {
	err = tx.chunks(rows, func(table string, chunk []Row) error {
		n, err := tx.exec("delete", chunk[0].Name, "DELETE FROM "+quoted(table)+whereHashes(chunk), hashes(chunk)...)
		total += n
		return err
	})
	return total, err
}

// Unclaim removes rows that Claim inserted. Delete would do the same, but in a table
// of few rows servers answer it by reading all of them, and so by waiting for whoever
// has claimed any: several at a time would wait for each other.
func (tx *Tx) Unclaim(rows ...Row) error {
	var list []statement
	err := tx.chunks(rows, func(table string, chunk []Row) error {
		for _, r := range chunk {
			list = append(list, statement{"unclaim", r.Name, "DELETE FROM " + quoted(table) + " WHERE `name_hash` = ?", []any{r.Hash()}})
		}
		return nil
	})
	if err != nil {
		return err
	}
	return tx.runJoined(list, chunkSize)
}

// Expire marks rows as expired, keeping everything else, and returns how many
// were not expired before.
func (tx *Tx) Expire(rows ...Row) (total int64, err error) {
	err = tx.chunks(rows, func(table string, chunk []Row) error {
		n, err := tx.exec("expire", chunk[0].Name, "UPDATE "+quoted(table)+setExpired+
			whereHashes(chunk)+" AND "+notExpired, hashes(chunk)...)
		total += n
		return err
	})
	return total, err
}

// chunks calls fn with rows of one table at a time, in the order in which
// everybody locks: the tables as the layout lists them, in each by name_hash.
func (tx *Tx) chunks(rows []Row, fn func(table string, chunk []Row) error) error {
	byTable := make(map[string][]Row, 2)
	for _, r := range rows {
		table := tx.store.tableOf(r)
		if err := tx.store.knownTable(table); err != nil {
			return err
		}
		byTable[table] = append(byTable[table], r)
	}
	for _, table := range tx.store.config.Layout.Tables() {
		rows := byTable[table]
		sortByHash(rows)
		for chunk := range slices.Chunk(rows, chunkSize) {
			if err := fn(table, chunk); err != nil {
				return err
			}
		}
	}
	return nil
}

func sortByHash(rows []Row) {
	if len(rows) > 1 {
		slices.SortStableFunc(rows, func(a, b Row) int { return strings.Compare(a.Hash(), b.Hash()) })
	}
}

// whereHashes is the condition that hashes fills in.
func whereHashes(rows []Row) string {
	return " WHERE `name_hash` IN (" + placeholders(len(rows)) + ")"
}

// hashes returns the primary keys of rows as arguments of a statement.
func hashes(rows []Row) []any {
	args := make([]any, len(rows))
	for i, r := range rows {
		args[i] = r.Hash()
	}
	return args
}
