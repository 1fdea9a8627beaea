package metadata

import (
	"context"
	"crypto/md5"
	"database/sql"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// Our own tables of what moves from one store to another.
const (
	migrationTable = "ezdfs_migration"
	rangeTable     = "ezdfs_migration_range"
)

// MigrationKind is what a pass over the files of a migration does.
type MigrationKind string

// The kinds.
const (
	MigrationCopy   MigrationKind = "copy"
	MigrationVerify MigrationKind = "verify"
)

// MigrationState is what became of a migration.
type MigrationState string

// The states. A migration whose ranges are all done is running still, until
// somebody finishes it.
const (
	MigrationRunning  MigrationState = "running"
	MigrationFinished MigrationState = "finished"
)

// The work is split by the first hexadecimal digits of name_hash: by one, into
// 16 ranges, unless there are many rows to share.
const manyMigrating = 20_000

// Migration is a pass over the files of a prefix that move from one store to
// another, shared by any number of hosts.
type Migration struct {
	Kind           MigrationKind
	Prefix         string
	Source, Target string // names of backends
	// Pass counts how often the work has been begun, from 1.
	Pass  int
	State MigrationState
	// Since is when this pass began, by the database's clock.
	Since  time.Time
	Ranges []MigrationRange // in order
}

// ID is the migration's key in its table.
func (m Migration) ID() string {
	sum := md5.Sum(fmt.Appendf(nil, "%s\x00%s\x00%s\x00%s", m.Kind, m.Prefix, m.Source, m.Target))
	return hex.EncodeToString(sum[:])
}

// MigrationCounts is what became of files.
type MigrationCounts struct {
	Copied  int64 `json:"copied"`  // now
	Present int64 `json:"present"` // were there already
	Gone    int64 `json:"gone"`    // expired or purged since they were listed
	Failed  int64 `json:"failed"`
	Bytes   int64 `json:"bytes"` // of those copied
}

// Total is how many files were looked at.
func (c MigrationCounts) Total() int64 { return c.Copied + c.Present + c.Gone + c.Failed }

// Add adds up.
func (c MigrationCounts) Add(other MigrationCounts) MigrationCounts {
	return MigrationCounts{
		c.Copied + other.Copied, c.Present + other.Present, c.Gone + other.Gone, c.Failed + other.Failed, c.Bytes + other.Bytes,
	}
}

// MigrationRange is a range of name_hash of a migration.
type MigrationRange struct {
	id string
	// First is the hexadecimal digits that all hashes of the range begin with.
	First string
	// Position is the name_hash up to which it is done, "" at the beginning.
	Position string
	Done     bool
	// Owner is who works on it, or worked on it last, until Due.
	Owner  string
	Leased bool      // the lease is not over yet
	Due    time.Time // by the database's clock
	// Changed is when it last moved on, by the database's clock.
	Changed time.Time
	Counts  MigrationCounts
}

// Bounds are Filter.HashFrom and Filter.HashTo of the range; an empty HashTo is
// the end of all hashes.
func (r MigrationRange) Bounds() (from, to string) {
	var n int
	fmt.Sscanf(r.First, "%x", &n)
	if n++; n < 1<<(4*len(r.First)) {
		to = fmt.Sprintf("%0*x", len(r.First), n)
	}
	return r.First, to
}

// Fraction is how much of the range is done, from 0 to 1, as its position tells:
// hashes are spread evenly.
func (r MigrationRange) Fraction() float64 {
	if r.Done {
		return 1
	}
	next := r.Position[min(len(r.First), len(r.Position)):]
	var n int
	if len(next) < 4 {
		return 0
	}
	fmt.Sscanf(next[:4], "%x", &n)
	return float64(n) / (1 << 16)
}

// Counts adds up what the ranges say.
func (m Migration) Counts() (c MigrationCounts) {
	for _, r := range m.Ranges {
		c = c.Add(r.Counts)
	}
	return c
}

// Fraction is how much of the pass is done, from 0 to 1.
func (m Migration) Fraction() (done float64) {
	for _, r := range m.Ranges {
		done += r.Fraction()
	}
	return done / float64(max(len(m.Ranges), 1))
}

// Done reports whether all ranges are.
func (m Migration) Done() bool {
	for _, r := range m.Ranges {
		if !r.Done {
			return false
		}
	}
	return len(m.Ranges) > 0
}

// HasMigrations reports whether there are tables for migrations, looking for
// them if there were none when the store last looked.
func (s *Store) HasMigrations(ctx context.Context) (bool, error) {
	if !s.schema.Load().migrations {
		if err := s.loadSchema(ctx); err != nil {
			return false, err
		}
	}
	return s.schema.Load().migrations, nil
}

func (s *Store) needMigrations(ctx context.Context) error {
	there, err := s.HasMigrations(ctx)
	if err == nil && !there {
		err = &Error{Op: "migrate", Subject: migrationTable, Kind: ErrSchema, Hint: "create the table with dfsctl schema create"}
	}
	return err
}

// StartMigration returns the pass of a migration that is under way, of which
// Kind, Prefix, Source and Target are read. Where there is none, or all of it
// is done, it begins the next one. A pass that copies has a verification begin
// anew that has found something and is not over: that is about to be mended.
func (s *Store) StartMigration(ctx context.Context, m Migration) (Migration, error) {
	if err := s.needMigrations(ctx); err != nil {
		return m, err
	}
	err := s.Update(ctx, func(tx *Tx) error {
		if m.Kind == MigrationCopy {
			if err := tx.dropFailedVerify(m); err != nil {
				return err
			}
		}
		return tx.startMigration(m)
	})
	if err != nil {
		return m, err
	}
	list, err := s.migrations(ctx, " WHERE `id` = ?", m.ID())
	if err == nil && len(list) == 0 {
		err = &Error{Op: "migrate", Subject: m.Prefix, Kind: ErrLocked, Retry: true}
	}
	if err != nil {
		return m, err
	}
	return list[0], nil
}

func (tx *Tx) startMigration(m Migration) error {
	d := tx.store.dialect
	_, err := tx.exec("migrate", m.Prefix, "INSERT INTO "+quoted(migrationTable)+
		" (`id`, `kind`, `prefix`, `source`, `target`, `since`) VALUES (?, ?, ?, ?, ?, "+d.now+")"+d.onDuplicateMigration,
		m.ID(), string(m.Kind), m.Prefix, m.Source, m.Target)
	if err != nil {
		return err
	}
	// The row is locked now, against others who start it.
	var ranges, done int
	err = tx.tx.QueryRowContext(tx.ctx, "SELECT COUNT(*), COALESCE(SUM(`done`), 0) FROM "+quoted(rangeTable)+" WHERE `id` = ?", m.ID()).
		Scan(&ranges, &done)
	if err != nil {
		return tx.wrap("migrate", m.Prefix, err)
	}
	if ranges > 0 && done < ranges {
		return nil
	}
	if _, err := tx.exec("migrate", m.Prefix, "DELETE FROM "+quoted(rangeTable)+" WHERE `id` = ?", m.ID()); err != nil {
		return err
	}
	digits, err := tx.migrationDigits(m.Prefix)
	if err != nil {
		return err
	}
	var args []any
	for i := range 1 << (4 * digits) {
		args = append(args, m.ID(), fmt.Sprintf("%0*x", digits, i))
	}
	_, err = tx.exec("migrate", m.Prefix, "INSERT INTO "+quoted(rangeTable)+" (`id`, `first`) VALUES "+tuples(len(args)/2, 2), args...)
	if err != nil {
		return err
	}
	_, err = tx.exec("migrate", m.Prefix, "UPDATE "+quoted(migrationTable)+" SET `pass` = `pass` + 1, `state` = 'running', `since` = "+d.now+
		" WHERE `id` = ?", m.ID())
	return err
}

// dropFailedVerify forgets the verification of a migration that has found
// something and is not over. Those at work on it notice by the number of the pass.
func (tx *Tx) dropFailedVerify(m Migration) error {
	m.Kind = MigrationVerify
	table, ranges := quoted(migrationTable), quoted(rangeTable)
	n, err := tx.exec("migrate", m.Prefix, "UPDATE "+table+" SET `pass` = `pass` + 1 WHERE `id` = ?"+
		" AND EXISTS (SELECT 1 FROM "+ranges+" WHERE `id` = ? AND `failed` > 0) AND EXISTS (SELECT 1 FROM "+ranges+" WHERE `id` = ? AND `done` = 0)",
		m.ID(), m.ID(), m.ID())
	if err != nil || n == 0 {
		return err
	}
	_, err = tx.exec("migrate", m.Prefix, "DELETE FROM "+ranges+" WHERE `id` = ?", m.ID())
	return err
}

// migrationDigits is by how many digits the rows of a prefix are split.
func (tx *Tx) migrationDigits(prefix string) (int, error) {
	total := 0
	for _, table := range tx.store.config.Layout.Tables() {
		if !tx.store.canHold(table, prefix) {
			continue
		}
		clause, args := where(Filter{Prefix: prefix}.selective(tx.store, table))
		n := 0
		err := tx.tx.QueryRowContext(tx.ctx, "SELECT COUNT(*) FROM (SELECT 1 FROM "+quoted(table)+clause+" LIMIT ?) AS `some`",
			append(args, manyMigrating)...).Scan(&n)
		if err != nil {
			return 0, tx.wrap("count", table, err)
		}
		total += n
	}
	if total < manyMigrating {
		return 1, nil
	}
	return 2, nil
}

// FinishMigration notes what became of a migration.
func (s *Store) FinishMigration(ctx context.Context, m Migration, state MigrationState) error {
	_, err := s.execRetry(ctx, "finish", m.Prefix, "UPDATE "+quoted(migrationTable)+" SET `state` = ? WHERE `id` = ?", string(state), m.ID())
	return err
}

// Migrations returns all migrations that were ever started, the latest first.
func (s *Store) Migrations(ctx context.Context) ([]Migration, error) {
	if err := s.needMigrations(ctx); err != nil {
		return nil, err
	}
	return s.migrations(ctx, "")
}

func (s *Store) migrations(ctx context.Context, where string, args ...any) (list []Migration, err error) {
	defer s.observed(ctx, "migrations", &err)()
	err = s.retry(ctx, func(ctx context.Context) (bool, error) {
		list = nil
		err := query(ctx, s.pools.write, func(rows *sql.Rows) error {
			var m Migration
			var id string
			var since int64
			err := rows.Scan(&id, &m.Kind, &m.Prefix, &m.Source, &m.Target, &m.Pass, &m.State, &since)
			m.Since = time.UnixMicro(since)
			list = append(list, m)
			return err
		}, "SELECT `id`, `kind`, `prefix`, `source`, `target`, `pass`, `state`, `since` FROM "+quoted(migrationTable)+where+" ORDER BY `since` DESC", args...)
		if err != nil {
			return true, s.wrap("read", migrationTable, err)
		}
		for i := range list {
			if list[i].Ranges, err = s.ranges(ctx, " WHERE `id` = ? ORDER BY `first`", list[i].ID()); err != nil {
				return true, err
			}
		}
		return true, nil
	})
	return list, err
}

const rangeColumns = "`id`, `first`, `position`, `done`, `owner`, `due`, `changed`, `copied`, `present`, `gone`, `failed`, `bytes`"

func (s *Store) ranges(ctx context.Context, clause string, args ...any) (list []MigrationRange, err error) {
	err = query(ctx, s.pools.write, func(rows *sql.Rows) error {
		var r MigrationRange
		var done int
		var due, changed, now int64
		err := rows.Scan(&r.id, &r.First, &r.Position, &done, &r.Owner, &due, &changed,
			&r.Counts.Copied, &r.Counts.Present, &r.Counts.Gone, &r.Counts.Failed, &r.Counts.Bytes, &now)
		r.Done, r.Due, r.Changed, r.Leased = done != 0, time.UnixMicro(due), time.UnixMicro(changed), done == 0 && due > now
		list = append(list, r)
		return err
	}, "SELECT "+rangeColumns+", "+s.dialect.now+" FROM "+quoted(rangeTable)+clause, args...)
	return list, s.wrap("read", rangeTable, err)
}

// ownedRange is the condition that a range is still an owner's.
var ownedRange = strings.Join([]string{" WHERE `id` = ?", "`first` = ?", "`owner` = ?", "`done` = 0"}, " AND ")
