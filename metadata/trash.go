package metadata

import (
	"bytes"
	"context"
	"crypto/md5"
	"database/sql"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"
)

// trashTable is our own table of purged files whose bodies are kept.
const trashTable = "ezdfs_trash"

// Trashed is a purged file whose body is in the trash of its backend: what its
// row said, and where the body is. It has the row's name and a stamp for a key,
// since one path may be stored and purged again and again.
type Trashed struct {
	Name     string
	Stamp    string // the day of the purge, made unique for the name: "2026-11-21", "2026-11-21.1"
	DataType string
	Scope    string
	Size     int64     // of the body
	ModTime  time.Time // of the contents
	Backend  string    // by its name in the settings
	Location string    // of the body, a path inside the backend
	Time     time.Time // of the purge
	// Pending says that the purge was not seen to its end: the body may be at
	// Location, or still where its row says, or in both places.
	Pending bool
}

const trashColumns = "`name_hash`, `stamp`, `name`, `datatype`, `scope`, `size`, `mtime`, `backend`, `location`, `trashed`, `pending`"

// HasTrash reports whether there is a table for the trash, looking for it if
// there was none when the store last looked.
func (s *Store) HasTrash(ctx context.Context) (bool, error) {
	if !s.schema.Load().trash {
		if err := s.loadSchema(ctx); err != nil {
			return false, err
		}
	}
	return s.schema.Load().trash, nil
}

// NeedTrash is an error, with what to do, where there is no table for the
// trash.
func (s *Store) NeedTrash(ctx context.Context) error {
	there, err := s.HasTrash(ctx)
	if err == nil && !there {
		err = &Error{Op: "trash", Subject: trashTable, Kind: ErrSchema, Hint: "create the table with dfsctl schema create"}
	}
	return err
}

// TrashOf returns what is in the trash of these names, pending or not.
func (tx *Tx) TrashOf(names ...string) (found []Trashed, err error) {
	for chunk := range slices.Chunk(names, chunkSize) {
		args := make([]any, len(chunk))
		for i, name := range chunk {
			args[i] = Hash(name)
		}
		page, err := selectTrash(tx.ctx, tx.tx, " WHERE `name_hash` IN ("+placeholders(len(args))+")", args...)
		if err != nil {
			return nil, tx.wrap("trash", chunk[0], err)
		}
		found = append(found, page...)
	}
	return found, nil
}

// LockTrash locks those of the entries that are still what they were, but for
// what is pending, and returns them as they are now.
func (tx *Tx) LockTrash(entries ...Trashed) (locked []Trashed, err error) {
	known := make(map[string]Trashed, len(entries))
	key := func(t Trashed) string { return t.Stamp + "/" + t.Name }
	for _, t := range entries {
		known[key(t)] = t
	}
	err = byStamp(entries, func(stamp string, chunk []any) error {
		page, err := selectTrash(tx.ctx, tx.tx, " WHERE `name_hash` IN ("+placeholders(len(chunk))+") AND `stamp` = ?"+tx.store.dialect.forUpdate,
			append(chunk, stamp)...)
		for _, t := range page {
			if was, ok := known[key(t)]; ok && was.Time.UnixMicro() == t.Time.UnixMicro() && was.Backend == t.Backend && was.Location == t.Location {
				locked = append(locked, t)
			}
		}
		return tx.wrap("trash", stamp, err)
	})
	return locked, err
}

// AddTrash records files that are about to be put into the trash.
func (tx *Tx) AddTrash(entries ...Trashed) error {
	for chunk := range slices.Chunk(entries, chunkSize) {
		args := make([]any, 0, 11*len(chunk))
		for _, t := range chunk {
			args = append(args, Hash(t.Name), t.Stamp, t.Name, t.DataType, t.Scope, t.Size, t.ModTime.Unix(),
				t.Backend, t.Location, t.Time.UnixMicro(), boolInt(t.Pending))
		}
		_, err := tx.exec("trash", chunk[0].Name, "INSERT INTO "+quoted(trashTable)+" ("+trashColumns+") VALUES "+tuples(len(chunk), 11), args...)
		if err != nil {
			return err
		}
	}
	return nil
}

// SettleTrash notes that files are in the trash and nowhere else, even if
// another host took the pending entries for leftovers meanwhile.
func (tx *Tx) SettleTrash(entries ...Trashed) error {
	if err := tx.deleteTrash(entries, ""); err != nil {
		return err
	}
	settled := slices.Clone(entries)
	for i := range settled {
		settled[i].Pending = false
	}
	return tx.AddTrash(settled...)
}

// DropTrash removes what was recorded of files.
func (tx *Tx) DropTrash(entries ...Trashed) error { return tx.deleteTrash(entries, "") }

// DropPendingTrash removes what was recorded of files that did not get into
// the trash. Entries that somebody else has settled meanwhile stay.
func (tx *Tx) DropPendingTrash(entries ...Trashed) error {
	return tx.deleteTrash(entries, " AND `pending` = 1")
}

// deleteTrash deletes entries, those of one stamp together.
func (tx *Tx) deleteTrash(entries []Trashed, condition string) error {
	return byStamp(entries, func(stamp string, chunk []any) error {
		_, err := tx.exec("trash", stamp, "DELETE FROM "+quoted(trashTable)+" WHERE `name_hash` IN ("+placeholders(len(chunk))+") AND `stamp` = ?"+condition,
			append(chunk, stamp)...)
		return err
	})
}

// byStamp calls do with the hashes of entries of one stamp, in an order that is
// everybody's.
func byStamp(entries []Trashed, do func(stamp string, chunk []any) error) error {
	hashes := make(map[string][]string)
	for _, t := range entries {
		hashes[t.Stamp] = append(hashes[t.Stamp], Hash(t.Name))
	}
	for _, stamp := range slices.Sorted(maps.Keys(hashes)) {
		slices.Sort(hashes[stamp])
		for chunk := range slices.Chunk(hashes[stamp], chunkSize) {
			if err := do(stamp, anys(chunk)); err != nil {
				return err
			}
		}
	}
	return nil
}

// TrashFilter selects what is in the trash. The zero value selects all of it.
type TrashFilter struct {
	// Name is a path: that file and everything below it as a directory.
	Name string
	// Before keeps what was purged before that time, where it is not zero.
	Before time.Time
}

func (f TrashFilter) selects(t Trashed) bool {
	return (f.Name == "" || t.Name == f.Name || strings.HasPrefix(t.Name, f.Name+"/")) &&
		(f.Before.IsZero() || t.Time.Before(f.Before))
}

// Trash yields what is in the trash by the tables, pending entries included,
// in the order of the hashes of the names and then of the stamps. Between pages
// no connection is held. A name is found by the indexes, unless 100,000 or more
// lie below it; then the whole table is read.
func (s *Store) Trash(ctx context.Context, filter TrashFilter) iter.Seq2[Trashed, error] {
	return func(yield func(Trashed, error) bool) {
		pages, err := s.trashPages(ctx, filter.Name)
		for more := err == nil; more; {
			var page []Trashed
			if page, more, err = pages(ctx); err != nil {
				break
			}
			for _, t := range page {
				if filter.selects(t) && !yield(t, nil) {
					return
				}
			}
		}
		if err != nil {
			yield(Trashed{}, err)
		}
	}
}

// trashPages returns what fetches, call by call, the entries of a name and below
// it, or more, and tells whether others may follow.
func (s *Store) trashPages(ctx context.Context, name string) (func(context.Context) ([]Trashed, bool, error), error) {
	if err := s.NeedTrash(ctx); err != nil {
		return nil, err
	}
	if name != "" {
		seeds, few, err := s.trashSeeds(ctx, name)
		if err != nil {
			return nil, err
		}
		if few {
			return func(ctx context.Context) ([]Trashed, bool, error) {
				size := min(len(seeds), chunkSize)
				clause, args := where(inHashes(seeds[:size]))
				page, err := s.trashPage(ctx, clause+" ORDER BY `name_hash`, `stamp`", args...)
				seeds = seeds[size:]
				return page, len(seeds) > 0, err
			}, nil
		}
	}
	hash, stamp := "", ""
	return func(ctx context.Context) ([]Trashed, bool, error) {
		page, err := s.trashPage(ctx, " WHERE `name_hash` > ? OR (`name_hash` = ? AND `stamp` > ?)"+
			" ORDER BY `name_hash`, `stamp` LIMIT ?", hash, hash, stamp, defaultPageSize)
		if len(page) > 0 {
			last := page[len(page)-1]
			hash, stamp = Hash(last.Name), last.Stamp
		}
		return page, len(page) == defaultPageSize, err
	}, nil
}

// trashSeeds returns the hashes of a name and of the names below it that are in
// the trash, in order. It reports false if they are too many.
func (s *Store) trashSeeds(ctx context.Context, name string) (seeds [][16]byte, few bool, err error) {
	defer s.observed(ctx, "trash", &err)()
	clause, args := where(s.dialect.hasPrefix("`name`", s.schema.Load().tables[trashTable].columns["name"].charset, name+"/"))
	err = s.retry(ctx, func(ctx context.Context) (bool, error) {
		seeds, few, err = selectHashes(ctx, s.pools.read, "SELECT `name_hash` FROM "+quoted(trashTable)+clause+" LIMIT ?", append(args, maxSeeds+1)...)
		return true, s.wrap("list", trashTable, err)
	})
	seeds = append(seeds, md5.Sum([]byte(name)))
	slices.SortFunc(seeds, func(a, b [16]byte) int { return bytes.Compare(a[:], b[:]) })
	return slices.Compact(seeds), few && len(seeds) <= maxSeeds, err
}

func (s *Store) trashPage(ctx context.Context, clause string, args ...any) (page []Trashed, err error) {
	defer s.observed(ctx, "trash", &err)()
	err = s.retry(ctx, func(ctx context.Context) (bool, error) {
		page, err = selectTrash(ctx, s.pools.read, clause, args...)
		return true, s.wrap("list", trashTable, err)
	})
	return page, err
}

func selectTrash(ctx context.Context, q queryer, clause string, args ...any) (found []Trashed, err error) {
	err = query(ctx, q, func(rows *sql.Rows) error {
		var t Trashed
		var hash string
		var mtime, trashed int64
		var pending int
		err := rows.Scan(&hash, &t.Stamp, &t.Name, &t.DataType, &t.Scope, &t.Size, &mtime, &t.Backend, &t.Location, &trashed, &pending)
		t.ModTime, t.Time, t.Pending = time.Unix(mtime, 0), time.UnixMicro(trashed), pending != 0
		found = append(found, t)
		return err
	}, "SELECT "+trashColumns+" FROM "+quoted(trashTable)+clause, args...)
	return found, err
}
