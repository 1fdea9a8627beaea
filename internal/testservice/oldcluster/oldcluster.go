// Package oldcluster makes the tables of the older database cluster for tests,
// in the shapes they have had, and files in them as PHP stored them.
package oldcluster

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"

	_ "github.com/go-sql-driver/mysql"

	"example.com/ezdfs/internal/testservice"
	"example.com/ezdfs/metadata"
)

// ChunkSize is how much of a file PHP put into a chunk.
const ChunkSize = 65535

// Shape is what the tables look like, by the versions that made them so.
type Shape string

// The shapes.
const (
	Before310 Shape = "before 3.10"
	Since310  Shape = "since 3.10"
	Since41   Shape = "since 4.1"
)

// statements make the tables, files first.
var statements = map[Shape][]string{
	Before310: {
		`CREATE TABLE ezdbfile (id MEDIUMINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, datatype VARCHAR(60) NOT NULL DEFAULT 'application/octet-stream',
			name VARCHAR(255) NOT NULL DEFAULT '', name_hash VARCHAR(34) NOT NULL DEFAULT '', scope VARCHAR(20) NOT NULL DEFAULT '',
			size BIGINT UNSIGNED NOT NULL, mtime INT NOT NULL DEFAULT 0, UNIQUE KEY ezdbfile_name_hash (name_hash)) ENGINE=InnoDB`,
		`CREATE TABLE ezdbfile_data (id MEDIUMINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, masterid MEDIUMINT UNSIGNED NOT NULL DEFAULT 0,
			filedata BLOB NOT NULL, KEY master_idx (masterid)) ENGINE=InnoDB`,
	},
	Since310: {
		`CREATE TABLE ezdbfile (datatype VARCHAR(60) NOT NULL DEFAULT 'application/octet-stream', name TEXT NOT NULL,
			name_hash VARCHAR(34) NOT NULL DEFAULT '' PRIMARY KEY, scope VARCHAR(20) NOT NULL DEFAULT '', size BIGINT UNSIGNED NOT NULL,
			mtime INT NOT NULL DEFAULT 0, expired BOOL NOT NULL DEFAULT 0, KEY ezdbfile_name (name(250))) ENGINE=InnoDB CHARSET=latin1`,
		`CREATE TABLE ezdbfile_data (name_hash VARCHAR(34) NOT NULL DEFAULT '', offset INT UNSIGNED NOT NULL, filedata BLOB NOT NULL,
			PRIMARY KEY (name_hash, offset)) ENGINE=InnoDB CHARSET=latin1`,
	},
	Since41: {
		`CREATE TABLE ezdbfile (datatype VARCHAR(255) NOT NULL DEFAULT 'application/octet-stream', name TEXT NOT NULL, name_trunk TEXT NOT NULL DEFAULT '',
			name_hash VARCHAR(34) NOT NULL DEFAULT '' PRIMARY KEY, scope VARCHAR(25) NOT NULL DEFAULT '', size BIGINT UNSIGNED NOT NULL DEFAULT 0,
			mtime INT NOT NULL DEFAULT 0, expired BOOL NOT NULL DEFAULT 0, KEY ezdbfile_name (name(250))) ENGINE=InnoDB CHARSET=utf8`,
		`CREATE TABLE ezdbfile_data (name_hash VARCHAR(34) NOT NULL DEFAULT '', offset INT UNSIGNED NOT NULL, filedata BLOB NOT NULL,
			PRIMARY KEY (name_hash, offset)) ENGINE=InnoDB CHARSET=utf8`,
	},
}

// Tables are the tables of a test, in a database of their own.
type Tables struct {
	Database string
	DSN      string // root's
	// Latin1 makes Put write names as a PHP does that takes its connection for
	// latin1.
	Latin1 bool

	shape Shape
	db    *sql.DB
}

// Create makes empty tables, which go with the test.
func Create(tb testing.TB, server *testservice.MariaDB, shape Shape) *Tables {
	tb.Helper()
	database := server.Database(tb)
	t := &Tables{Database: database, DSN: "root@unix(" + server.Socket() + ")/" + database, shape: shape}
	db, err := sql.Open("mysql", t.DSN+"?charset=utf8mb4")
	if err != nil {
		tb.Fatal(err)
	}
	t.db = db
	tb.Cleanup(func() { db.Close() })
	t.Exec(tb, statements[shape]...)
	return t
}

// Exec runs statements. In them offset is the column, which is a reserved word
// of servers of today.
func (t *Tables) Exec(tb testing.TB, statements ...string) {
	tb.Helper()
	for _, statement := range statements {
		t.exec(tb, statement)
	}
}

func (t *Tables) exec(tb testing.TB, statement string, args ...any) int64 {
	tb.Helper()
	result, err := t.db.Exec(strings.ReplaceAll(statement, "offset", "`offset`"), args...)
	if err != nil {
		tb.Fatalf("%s: %v", statement, err)
	}
	id, _ := result.LastInsertId()
	return id
}

// File is a file as PHP stores it.
type File struct {
	Name, DataType, Scope string
	MTime                 int64
	Expired               bool
	Body                  string
}

// Put stores a file that is not there yet.
func (t *Tables) Put(tb testing.TB, f File) {
	tb.Helper()
	name := any(f.Name)
	placeholder := "?"
	if t.Latin1 {
		name, placeholder = []byte(f.Name), "CONVERT(? USING latin1)"
	}
	columns, values := "datatype, name, name_hash, scope, size, mtime", "?, "+placeholder+", ?, ?, ?, ?"
	args := []any{f.DataType, name, metadata.Hash(f.Name), f.Scope, len(f.Body), f.MTime}
	if t.shape != Before310 {
		columns, values, args = columns+", expired", values+", ?", append(args, f.Expired)
	}
	id := t.exec(tb, "INSERT INTO ezdbfile ("+columns+") VALUES ("+values+")", args...)
	for offset := 0; offset < len(f.Body); offset += ChunkSize {
		chunk := []byte(f.Body[offset:min(offset+ChunkSize, len(f.Body))])
		if t.shape == Before310 {
			t.exec(tb, "INSERT INTO ezdbfile_data (masterid, filedata) VALUES (?, ?)", id, chunk)
		} else {
			t.exec(tb, "INSERT INTO ezdbfile_data (name_hash, offset, filedata) VALUES (?, ?, ?)", metadata.Hash(f.Name), offset, chunk)
		}
	}
}

// Rows makes n empty files, named prefix and a number.
func (t *Tables) Rows(tb testing.TB, prefix string, n int) {
	tb.Helper()
	const some = 500
	for at := 0; at < n; at += some {
		var values []string
		for i := at; i < min(at+some, n); i++ {
			name := fmt.Sprint(prefix, i)
			values = append(values, fmt.Sprintf("('%s', '%s', 0)", name, metadata.Hash(name)))
		}
		t.exec(tb, "INSERT INTO ezdbfile (name, name_hash, size) VALUES "+strings.Join(values, ", "))
	}
}
