package metadata

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"slices"

	"golang.org/x/text/encoding/charmap"
)

// chunkSize is how many rows or hashes one statement names.
const chunkSize = 200

// queryer is a pool or a transaction.
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// keyed is a row with the name_hash that it was found by.
type keyed struct {
	Row
	hash string
}

// Get returns the row of a name, expired or not, from the table that the
// layout puts it in. A name without a row is fs.ErrNotExist.
func (s *Store) Get(ctx context.Context, name string) (Row, error) {
	table := s.config.Layout.Table(name)
	query := "SELECT " + columns + " FROM " + quoted(table) + " WHERE `name_hash` = ?"
	found, err := s.read(ctx, "get", name, table, query, Hash(name))
	if err != nil {
		return Row{}, err
	}
	if len(found) == 0 {
		return Row{}, &Error{Op: "get", Subject: name, Kind: fs.ErrNotExist}
	}
	row := found[0].Row
	row.Name = name
	return row, nil
}

// GetMany returns the rows of those names that have one, as Get would, by
// name.
func (s *Store) GetMany(ctx context.Context, names []string) (map[string]Row, error) {
	byTable := make(map[string][]string)
	for _, name := range names {
		table := s.config.Layout.Table(name)
		byTable[table] = append(byTable[table], name)
	}
	rows := make(map[string]Row, len(names))
	for table, names := range byTable {
		for chunk := range slices.Chunk(names, chunkSize) {
			if err := s.getChunk(ctx, table, chunk, rows); err != nil {
				return nil, err
			}
		}
	}
	return rows, nil
}

func (s *Store) getChunk(ctx context.Context, table string, names []string, rows map[string]Row) error {
	byHash := make(map[string]string, len(names))
	args := make([]any, len(names))
	for i, name := range names {
		hash := Hash(name)
		byHash[hash], args[i] = name, hash
	}
	query := "SELECT " + columns + " FROM " + quoted(table) + " WHERE `name_hash` IN (" + placeholders(len(args)) + ")"
	found, err := s.read(ctx, "get", names[0], table, query, args...)
	if err != nil {
		return err
	}
	for _, k := range found {
		k.Name = byHash[k.hash]
		rows[k.Name] = k.Row
	}
	return nil
}

// read runs a query of whole rows on the pool for reading, again after a lost
// connection.
func (s *Store) read(ctx context.Context, op, subject, table, query string, args ...any) (found []keyed, err error) {
	defer s.observed(ctx, op, &err)()
	err = s.retry(ctx, func(ctx context.Context) (bool, error) {
		found, err = selectRows(ctx, s.pools.read, table, query, args...)
		return true, s.wrap(op, subject, err)
	})
	return found, err
}

// selectRows runs a query of whole rows of one table.
func selectRows(ctx context.Context, q queryer, table, query string, args ...any) (found []keyed, err error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		k := keyed{Row: Row{Table: table}}
		var expired int
		err := rows.Scan(&k.Name, &k.Trunk, &k.hash, &k.DataType, &k.Scope, &k.Size, &k.MTime, &expired)
		if err != nil {
			return nil, err
		}
		k.Expired = expired != 0
		k.repairName()
		found = append(found, k)
	}
	return found, rows.Err()
}

// repairName gives a row its true name, see [TrueName], and with it the trunk.
func (k *keyed) repairName() {
	name := TrueName(k.Name, k.hash)
	if name == k.Name {
		return
	}
	k.Name = name
	if trunk, err := charmap.Windows1252.NewEncoder().String(k.Trunk); err == nil {
		k.Trunk = trunk
	}
}

// TrueName undoes what a PHP connection in latin1 has done: it wrote UTF-8
// into columns that were told to hold something else, and we are given each
// byte as a character of its own. The name_hash, made of the true bytes, tells.
func TrueName(name, hash string) string {
	if isASCII(name) || Hash(name) == hash {
		return name
	}
	bytes, err := charmap.Windows1252.NewEncoder().String(name)
	if err != nil || Hash(bytes) != hash {
		return name
	}
	return bytes
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
