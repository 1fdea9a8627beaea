// Package ezdb reads the older database cluster of eZ Publish (the file
// handlers ezdb and eZDBFileHandler): files whose contents lie in chunks in a
// MySQL table. It only ever reads, and it is not for the tables of the cluster
// that replaces it; those are package metadata's.
//
//	source, err := ezdb.Open(ctx, ezdb.Config{DSN: "reader:secret@tcp(old:3306)/ezcluster"})
//	...
//	defer source.Close()
//	for file, err := range source.Files(ctx, "var/site/storage/", "") {
//		...
//		body, err := source.OpenFile(ctx, file)
//		...
//		defer body.Close()
//	}
//
// The tables have had three shapes, which are told apart by their columns:
//
//   - before 3.10 a file has an id, by which its chunks name it (masterid), and
//     they follow each other in the order of theirs; nothing expires, a deleted
//     file is gone;
//   - since 3.10 chunks have the file's name_hash and an offset, and a deleted
//     file stays, expired, with a negative mtime;
//   - since 4.1 files have a name_trunk as well, which is not read here.
package ezdb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"regexp"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"example.com/ezdfs/metadata"
)

// The names of the tables.
const (
	DefaultTable     = "ezdbfile"
	DefaultDataTable = "ezdbfile_data"
)

// Config says where the cluster is.
type Config struct {
	// DSN is the database, user:password@tcp(host:3306)/name. A user who may
	// SELECT is enough.
	DSN string
	// Table and DataTable are the tables of the files and of their chunks; the
	// Default names when empty.
	Table, DataTable string
}

// Source is an open cluster. Its methods may be called concurrently.
type Source struct {
	db          *sql.DB
	files, data string // quoted tables
	key         string // column by which files are paged
	byID        bool   // chunks belong to an id and have no offset
	expires     bool   // there is a column for it
	datatype    string // column, or what stands for it where there is none
	scope       string // the same
}

// File is a file of the cluster as its row describes it.
type File struct {
	Name     string
	DataType string // "" where the table has no such column
	Scope    string // "" where the table has no such column
	Size     int64  // -1 for more than any file can have
	MTime    int64  // Unix seconds; negative when expired
	Expired  bool

	key string // what its chunks name it by
	at  string // its place among the files
}

// Position is where Files goes on after the file.
func (f File) Position() string { return f.at }

// Live reports whether the file exists: it is neither flagged as expired nor
// has a negative mtime.
func (f File) Live() bool { return !f.Expired && f.MTime >= 0 }

// ModTime is the time of the file's last change, expired since or not.
func (f File) ModTime() time.Time { return time.Unix(max(f.MTime, -f.MTime), 0) }

const (
	// maxConns bounds the connections to a server that may still serve a site.
	maxConns = 16
	pageSize = 1000
	// writeTimeout is how many seconds the server waits for a reader who stores
	// what it reads somewhere slow. Its default of a minute can be too short.
	writeTimeout = "1800"
	dialTimeout  = 10 * time.Second
)

var identifier = regexp.MustCompile(`^[A-Za-z0-9_$]{1,64}$`)

// Open connects to the database and looks at its tables. A Config that
// cannot be is an fs.ErrInvalid; no error shows a password. The caller closes
// the source.
func Open(ctx context.Context, c Config) (*Source, error) {
	s := &Source{}
	for _, t := range []struct {
		name, fallback string
		quoted         *string
	}{{c.Table, DefaultTable, &s.files}, {c.DataTable, DefaultDataTable, &s.data}} {
		name := t.name
		if name == "" {
			name = t.fallback
		}
		if !identifier.MatchString(name) {
			return nil, configError(fmt.Sprintf("%q is not the name of a table", name))
		}
		*t.quoted = "`" + name + "`"
	}
	var err error
	if s.db, err = connect(c.DSN); err != nil {
		return nil, err
	}
	if err := s.inspect(ctx); err != nil {
		return nil, errors.Join(err, s.db.Close())
	}
	return s, nil
}

// configError is a Config that cannot be; an fs.ErrInvalid.
type configError string

func (e configError) Error() string { return "ezdb: " + string(e) }

// Unwrap makes the error an fs.ErrInvalid.
func (configError) Unwrap() error { return fs.ErrInvalid }

func connect(dsn string) (*sql.DB, error) {
	m, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, configError("not a DSN such as user:password@tcp(host:3306)/name")
	}
	if m.DBName == "" {
		return nil, configError("the DSN names no database: end it with /name")
	}
	m.Logger = &mysql.NopLogger{}
	m.InterpolateParams = true
	if m.Timeout == 0 {
		m.Timeout = dialTimeout
	}
	m.Apply(mysql.Charset("utf8mb4", ""))
	if m.Params == nil {
		m.Params = make(map[string]string)
	}
	if m.Params["net_write_timeout"] == "" {
		m.Params["net_write_timeout"] = writeTimeout
	}
	connector, err := mysql.NewConnector(m)
	if err != nil {
		return nil, configError("the DSN cannot be used")
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(maxConns)
	db.SetMaxIdleConns(maxConns)
	return db, nil
}

// Ping asks whether the database answers; ErrUnavailable if not.
func (s *Source) Ping(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	err := s.db.PingContext(limited)
	if err != nil && ctx.Err() == nil && limited.Err() != nil {
		return fmt.Errorf("ezdb: %w within %s", ErrUnavailable, dialTimeout)
	}
	return wrap(err)
}

// Close releases the connections.
func (s *Source) Close() error { return s.db.Close() }

// inspect finds out which shape the tables have.
func (s *Source) inspect(ctx context.Context) error {
	files, err := s.columns(ctx, s.files, "name", "name_hash", "size", "mtime")
	if err != nil {
		return err
	}
	data, err := s.columns(ctx, s.data, "filedata")
	if err != nil {
		return err
	}
	switch {
	case data["name_hash"] && data["offset"]:
	case data["masterid"] && data["id"] && files["id"]:
		s.byID = true
	default:
		return configError(fmt.Sprintf("table %s has neither name_hash and offset nor masterid: it holds no chunks of an older cluster", s.data))
	}
	s.key = "name_hash"
	if files["id"] {
		s.key = "id"
	}
	s.expires = files["expired"]
	s.datatype, s.scope = "''", "''"
	if files["datatype"] {
		s.datatype = "datatype"
	}
	if files["scope"] {
		s.scope = "scope"
	}
	return nil
}

// columns returns the columns of a table, which must have those wanted.
func (s *Source) columns(ctx context.Context, table string, wanted ...string) (map[string]bool, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT * FROM "+table+" LIMIT 0")
	if err != nil {
		return nil, wrap(err)
	}
	names, err := rows.Columns()
	if err = errors.Join(err, rows.Close()); err != nil {
		return nil, wrap(err)
	}
	found := make(map[string]bool)
	for _, name := range names {
		found[strings.ToLower(name)] = true
	}
	for _, name := range wanted {
		if !found[name] {
			return nil, configError(fmt.Sprintf("table %s has no column %s: it is no table of an older cluster", table, name))
		}
	}
	return found, nil
}

// Files yields the files whose names begin with prefix, byte by byte, expired
// ones too, in the order of the table's key, from the one on that follows the
// [File.Position] after, or all with "". Between pages no connection is held.
func (s *Source) Files(ctx context.Context, prefix, after string) iter.Seq2[File, error] {
	return func(yield func(File, error) bool) {
		for after := after; ; {
			page, last, err := s.page(ctx, prefix, after)
			if err != nil {
				yield(File{}, wrap(err))
				return
			}
			for _, file := range page {
				if strings.HasPrefix(file.Name, prefix) && !yield(file, nil) {
					return
				}
			}
			if after = last; last == "" {
				return
			}
		}
	}
}

// page reads files whose keys follow after, "" for the first, and returns the
// last key, "" when there is no page behind this one.
func (s *Source) page(ctx context.Context, prefix, after string) (page []File, last string, err error) {
	where, args := prefixCondition(prefix)
	if after != "" {
		where += " AND " + s.key + " > ?"
		args = append(args, after)
	}
	query := "SELECT " + s.key + ", name, name_hash, IF(size > 9223372036854775807, -1, size), mtime, " + s.optional() + " FROM " + s.files + " WHERE TRUE" + where
	rows, err := s.db.QueryContext(ctx, query+" ORDER BY "+s.key+" LIMIT ?", append(args, pageSize)...)
	if err != nil {
		return nil, "", err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var f File
		var key, hash string
		if err := rows.Scan(&key, &f.Name, &hash, &f.Size, &f.MTime, &f.DataType, &f.Scope, &f.Expired); err != nil {
			return nil, "", err
		}
		f.Name = metadata.TrueName(f.Name, hash)
		f.key, f.at, last = hash, key, key
		if s.byID {
			f.key = key
		}
		page = append(page, f)
	}
	if len(page) < pageSize {
		last = ""
	}
	return page, last, rows.Err()
}

// optional are the columns that not all tables have.
func (s *Source) optional() string {
	columns := s.datatype + ", " + s.scope
	if s.expires {
		return columns + ", expired"
	}
	return columns + ", 0"
}

var likeEscaper = strings.NewReplacer("|", "||", "%", "|%", "_", "|_")

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// Count returns how many files Files would yield, as far as the server can
// tell: an estimate for whoever waits.
func (s *Source) Count(ctx context.Context, prefix string) (n int64, err error) {
	where, args := prefixCondition(prefix)
	err = s.db.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+s.files+" WHERE TRUE"+where, args...).Scan(&n)
	return n, wrap(err)
}

// prefixCondition leaves it to the server to find names that begin with a
// prefix. A name may be kept in bytes that mean something else, so only a plain
// prefix is; Files compares all of them.
func prefixCondition(prefix string) (sql string, args []any) {
	if prefix == "" || !isASCII(prefix) {
		return "", nil
	}
	return " AND CAST(CONVERT(name USING utf8mb4) AS BINARY) LIKE ? ESCAPE '|'", []any{[]byte(likeEscaper.Replace(prefix) + "%")}
}
