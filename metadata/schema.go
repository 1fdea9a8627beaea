package metadata

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// schemaInfo is what the store knows about its tables.
type schemaInfo struct {
	tables     map[string]tableInfo
	journal    bool // there is one
	state      bool // there is a table of it
	ledger     bool // there is one
	migrations bool // there are both tables
	trash      bool // there is one
	at         time.Time
}

// tableInfo describes a table that exists.
type tableInfo struct {
	engine  string                // storage engine, "" where there is but one
	columns map[string]columnInfo // by lower-case name
	indexes [][]string            // columns in order; the primary key is the first
}

// columnInfo describes a column.
type columnInfo struct {
	kind    string // lower-case type without its width: "varchar", "text", "int"
	chars   int    // width in characters; 0 when bytes says
	bytes   int    // width in bytes; 0 when there is no limit
	charset string // "" where it holds everything
}

// loadSchema looks at the tables that exist.
func (s *Store) loadSchema(ctx context.Context) error {
	return s.retry(ctx, func(ctx context.Context) (bool, error) {
		return true, s.inspect(ctx, s.pools.read)
	})
}

// inspect looks at the tables by a pool or a transaction.
func (s *Store) inspect(ctx context.Context, q queryer) error {
	at := time.Now()
	found, err := s.dialect.inspect(ctx, q, append(s.config.Layout.Tables(), ownTables()...))
	if err != nil {
		return s.wrap("inspect", s.config.Name, err)
	}
	_, journal := found[journalTable]
	_, state := found[stateTable]
	_, ledger := found[ledgerTable]
	_, migration := found[migrationTable]
	_, ranges := found[rangeTable]
	_, trash := found[trashTable]
	s.schema.Store(&schemaInfo{tables: found, journal: journal, state: state, ledger: ledger, migrations: migration && ranges, trash: trash, at: at})
	return nil
}

// ownTables are those that are not the legacy's.
func ownTables() []string {
	return []string{journalTable, stateTable, ledgerTable, migrationTable, rangeTable, trashTable}
}

// lacksTables reports whether a legacy table did not exist when the store last
// looked.
func (s *Store) lacksTables() bool {
	info := s.schema.Load()
	return info != nil && slices.ContainsFunc(s.config.Layout.Tables(), func(table string) bool {
		_, ok := info.tables[table]
		return !ok
	})
}

// Tables returns the tables that there are, those of the layout first, then
// our own.
func (s *Store) Tables() []string {
	info := s.schema.Load()
	return slices.DeleteFunc(append(s.config.Layout.Tables(), ownTables()...), func(table string) bool {
		_, ok := info.tables[table]
		return !ok
	})
}

// CreateSchema creates those tables that do not exist: the two of the legacy,
// as contract section 1 has them, and our own. Tables that exist are left as
// they are, but for the indexes that our own lack since an earlier version made
// them.
func (s *Store) CreateSchema(ctx context.Context) error {
	script := fmt.Sprintf(s.dialect.ddl, s.config.Layout.CacheTable)
	for statement := range strings.SplitSeq(script, ";\n") {
		if strings.TrimSpace(statement) == "" {
			continue
		}
		if _, err := s.pools.write.ExecContext(ctx, statement); err != nil {
			return s.wrap("create schema", s.config.Name, err)
		}
	}
	if err := s.loadSchema(ctx); err != nil {
		return err
	}
	missing := s.schema.Load().missingIndexes()
	for _, index := range missing {
		_, err := s.pools.write.ExecContext(ctx, "CREATE INDEX "+quoted(index.name)+" ON "+quoted(index.table)+" ("+index.spec+")")
		if err != nil {
			return s.wrap("create schema", index.table, err)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return s.loadSchema(ctx)
}
