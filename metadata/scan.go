package metadata

import (
	"context"
	"iter"
	"slices"
)

// Stored is a row as its table has it, for whoever looks for rows that should
// not be as they are.
type Stored struct {
	Row
	// NameHash is what the row is found by. In a sound row it is Row.Hash().
	NameHash string
}

// Scan is [Store.Rows] with the name_hash under which each row stands.
func (s *Store) Scan(ctx context.Context, f Filter) iter.Seq2[Stored, error] {
	return func(yield func(Stored, error) bool) {
		cursors, err := s.cursors(f)
		if err != nil {
			yield(Stored{}, err)
			return
		}
		for {
			var first *cursor
			for _, c := range cursors {
				if err := c.fill(ctx); err != nil {
					yield(Stored{}, err)
					return
				}
				if len(c.page) > 0 && (first == nil || c.page[0].hash < first.page[0].hash) {
					first = c
				}
			}
			if first == nil || !yield(first.page[0].stored(), nil) {
				return
			}
			first.page = first.page[1:]
		}
	}
}

func (k keyed) stored() Stored { return Stored{Row: k.Row, NameHash: k.hash} }

// Named returns the rows of all tables whose name is one of names, byte by
// byte, whatever name_hash and table they stand under. Every other method
// finds a row by its hash in the table of its name; this one finds what those
// miss.
func (s *Store) Named(ctx context.Context, names ...string) ([]Stored, error) {
	var all []Stored
	for _, table := range s.config.Layout.Tables() {
		storable := slices.DeleteFunc(slices.Clone(names), func(name string) bool {
			return textFault(name) != "" || !s.canHold(table, name)
		})
		for chunk := range slices.Chunk(storable, chunkSize) {
			query := "SELECT " + columns + " FROM " + quoted(table) + " WHERE `name` IN (" + placeholders(len(chunk)) + ")"
			found, err := s.read(ctx, "find", chunk[0], table, query, anys(chunk)...)
			if err != nil {
				return nil, err
			}
			for _, k := range found {
				if slices.Contains(chunk, k.Name) {
					all = append(all, k.stored())
				}
			}
		}
	}
	return all, nil
}

// LockStored locks the row of a table that stands under a name_hash, fitting
// or not, and returns it as it is now. Without one ok is false.
func (tx *Tx) LockStored(table, nameHash string) (row Stored, ok bool, err error) {
	if err := tx.store.knownTable(table); err != nil {
		return Stored{}, false, err
	}
	locked, err := selectRows(tx.ctx, tx.tx, table, "SELECT "+columns+" FROM "+quoted(table)+
		" WHERE `name_hash` = ?"+tx.store.dialect.forUpdate, nameHash)
	if err != nil || len(locked) == 0 {
		return Stored{}, false, tx.wrap("lock", nameHash, err)
	}
	return locked[0].stored(), true, nil
}

// DeleteStored removes the row of r.Table that stands under r.NameHash.
func (tx *Tx) DeleteStored(r Stored) error {
	if err := tx.store.knownTable(r.Table); err != nil {
		return err
	}
	_, err := tx.exec("delete", r.Name, "DELETE FROM "+quoted(r.Table)+" WHERE `name_hash` = ?", r.NameHash)
	return err
}
