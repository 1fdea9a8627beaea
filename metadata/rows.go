package metadata

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"iter"
	"slices"
)

const (
	defaultPageSize = 1000
	// maxSeeds is how many rows a filter may select for them to be found by
	// its index; each costs 16 bytes of memory while the listing goes on.
	maxSeeds = 100_000
)

// Rows yields the rows that a filter selects, of both tables, in name_hash
// order. A row that was there all the time is yielded exactly once, whatever
// else comes and goes; one that comes or goes meanwhile may or may not be.
// (A name that has a row in either table, which only happens where the
// legacy's move left one in the wrong table, is yielded once for each.)
//
// Between pages no connection is held, so the caller may take its time and use
// the store. The iteration ends at the first error; Filter.After resumes it.
//
// A prefix, a trunk or Expired first collects the hashes of the rows selected,
// by the index, if they are no more than 100,000, and reads those rows; beyond
// that it walks the whole table by its primary key, which then is the cheaper
// way unless the table is a hundred times as large.
func (s *Store) Rows(ctx context.Context, f Filter) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		for row, err := range s.Scan(ctx, f) {
			if !yield(row.Row, err) {
				return
			}
		}
	}
}

// cursors returns a cursor for each table of the filter.
func (s *Store) cursors(f Filter) ([]*cursor, error) {
	if fault := textFault(f.Prefix); fault != "" {
		return nil, &NameError{Name: f.Prefix, Reason: fault}
	}
	tables := s.config.Layout.Tables()
	for _, table := range f.Tables {
		if err := s.knownTable(table); err != nil {
			return nil, err
		}
	}
	if len(f.Tables) > 0 {
		tables = slices.DeleteFunc(tables, func(t string) bool { return !slices.Contains(f.Tables, t) })
	}
	if f.PageSize <= 0 {
		f.PageSize = defaultPageSize
	}
	db := s.pools.read
	if f.Replica && s.pools.replica != nil {
		db = s.pools.replica
	}
	cursors := make([]*cursor, len(tables))
	for i, table := range tables {
		cursors[i] = &cursor{store: s, table: table, filter: f, db: db}
	}
	return cursors, nil
}

// cursor reads the rows of one table page by page.
type cursor struct {
	store  *Store
	table  string
	filter Filter // After moves on with the pages
	db     *sql.DB

	page    []keyed // what is not consumed yet
	started bool
	done    bool       // no page follows
	seeded  bool       // seeds are the rows to read; else the primary key is walked
	seeds   [][16]byte // sorted hashes, not read yet
}

// fill fetches the next page when the last one is used up. After it the page
// is empty only at the end.
func (c *cursor) fill(ctx context.Context) error {
	if !c.started {
		if !c.store.canHold(c.table, c.filter.Prefix+c.filter.Trunk) {
			c.done = true
		} else if err := c.seed(ctx); err != nil {
			return err
		}
		c.started = true
	}
	for len(c.page) == 0 && !c.done {
		if err := c.next(ctx); err != nil {
			return err
		}
	}
	return nil
}

// last reports whether no page follows the one that was filled.
func (c *cursor) last() bool { return c.done || c.seeded && len(c.seeds) == 0 }

// seed collects the hashes of the rows selected, if an index finds them and
// they are not too many.
func (c *cursor) seed(ctx context.Context) error {
	selective := c.filter.selective(c.store, c.table)
	if selective.sql == "" || c.filter.ByHash {
		return nil
	}
	clause, args := where(selective, c.filter.bounds())
	query := "SELECT `name_hash` FROM " + quoted(c.table) + clause + " LIMIT ?"
	return c.query(ctx, func(db *sql.DB) error {
		seeds, complete, err := selectHashes(ctx, db, query, append(args, maxSeeds+1)...)
		if c.seeded = err == nil && complete && len(seeds) <= maxSeeds; c.seeded {
			slices.SortFunc(seeds, func(a, b [16]byte) int { return bytes.Compare(a[:], b[:]) })
			c.seeds = seeds
		}
		return err
	})
}

// next fetches one page.
func (c *cursor) next(ctx context.Context) error {
	from, limit := quoted(c.table), ""
	var clause string
	var args []any
	size := c.filter.PageSize
	if c.seeded {
		size = min(size, len(c.seeds))
		if size == 0 {
			c.done = true
			return nil
		}
		clause, args = where(inHashes(c.seeds[:size]), c.filter.rest())
	} else {
		from, limit = c.store.dialect.walk(c.table), " LIMIT ?"
		clause, args = where(c.filter.bounds(), c.filter.selective(c.store, c.table), c.filter.rest())
		args = append(args, size)
	}
	query := "SELECT " + columns + " FROM " + from + clause + " ORDER BY `name_hash`" + limit
	err := c.query(ctx, func(db *sql.DB) (err error) {
		c.page, err = selectRows(ctx, db, c.table, query, args...)
		return err
	})
	if err != nil {
		return err
	}
	if c.seeded {
		c.seeds = c.seeds[size:]
		return nil
	}
	if c.done = len(c.page) < size; !c.done {
		c.filter.After = c.page[len(c.page)-1].hash
	}
	return nil
}

// query runs a read, again after a lost connection, and on the primary from
// then on when the replica cannot be used.
func (c *cursor) query(ctx context.Context, read func(db *sql.DB) error) (err error) {
	defer c.store.observed(ctx, "list", &err)()
	err = c.store.retry(ctx, func(context.Context) (bool, error) {
		return c.db != c.store.pools.replica, c.store.wrap("list", c.table, read(c.db))
	})
	if c.db == c.store.pools.replica && errors.Is(err, ErrUnavailable) {
		c.store.config.Logger.Warn("the replica cannot be used; listing from the primary", "error", err)
		c.db = c.store.pools.read
		return c.query(ctx, read)
	}
	return err
}

// inHashes selects rows by their primary keys.
func inHashes(seeds [][16]byte) condition {
	args := make([]any, len(seeds))
	for i, seed := range seeds {
		args[i] = hex.EncodeToString(seed[:])
	}
	return condition{"`name_hash` IN (" + placeholders(len(args)) + ")", args}
}

// selectHashes runs a query of name_hash alone. The answer is incomplete if
// one is not an MD5.
func selectHashes(ctx context.Context, q queryer, query string, args ...any) (hashes [][16]byte, complete bool, err error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, false, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var text sql.RawBytes
	for rows.Next() {
		var hash [16]byte
		if err := rows.Scan(&text); err != nil {
			return nil, false, err
		}
		if n, err := hex.Decode(hash[:], text[:min(len(text), 32)]); err != nil || n != len(hash) {
			return nil, false, nil
		}
		hashes = append(hashes, hash)
	}
	return hashes, true, rows.Err()
}
