package embedded

import (
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"net/url"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// objects keeps the objects of both services in one SQLite file. Once put has
// returned an object is there, whole, however the process ends; only a power
// failure may lose the last ones.
type objects struct{ db *sql.DB }

// object is one object of a service.
type object struct {
	name     string
	meta     []byte // the service's own description
	modified int64  // Unix seconds
	hash     []byte // MD5 of the body
	size     int64
	body     []byte // nil in listings
}

var (
	errNoObject = errors.New("no such object")
	errObject   = errors.New("there is such an object")
)

// openObjects opens the file, making it where it does not exist. It stays
// locked until close: a second process gets an error at once.
func openObjects(file string) (*objects, error) {
	name := url.URL{Scheme: "file", OmitHost: true, Path: file, RawQuery: url.Values{
		"_pragma": {"locking_mode(EXCLUSIVE)", "journal_mode(WAL)", "synchronous(NORMAL)"},
		"_txlock": {"immediate"},
	}.Encode()}
	db, err := sql.Open("sqlite", name.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1) // the lock is the connection's
	_, err = db.Exec("CREATE TABLE IF NOT EXISTS objects (service TEXT NOT NULL, name BLOB NOT NULL," +
		" meta BLOB NOT NULL, modified INTEGER NOT NULL, hash BLOB NOT NULL, body BLOB NOT NULL," +
		" UNIQUE (service, name));" +
		"PRAGMA user_version = 1") // a write, for only that takes the lock
	if err != nil {
		db.Close()
		return nil, openError(file, err)
	}
	return &objects{db}, nil
}

func openError(file string, err error) error {
	var e *sqlite.Error
	if errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_BUSY {
		return fmt.Errorf("%s is in use: another quickstart runs or serves there; use that one, or stop it first", file)
	}
	return fmt.Errorf("%s: %w", file, err)
}

func (o *objects) close() error { return o.db.Close() }

// put makes or replaces an object.
func (o *objects) put(service string, obj object) error {
	_, err := o.insert(service, obj,
		"UPDATE SET meta = excluded.meta, modified = excluded.modified, hash = excluded.hash, body = excluded.body")
	return err
}

// create makes an object, or returns errObject where there is one.
func (o *objects) create(service string, obj object) error {
	n, err := o.insert(service, obj, "NOTHING")
	if err == nil && n == 0 {
		return errObject
	}
	return err
}

// insert writes an object, or does onConflict where there is one.
func (o *objects) insert(service string, obj object, onConflict string) (rows int64, err error) {
	if obj.body == nil {
		obj.body = []byte{}
	}
	result, err := o.db.Exec("INSERT INTO objects (service, name, meta, modified, hash, body) VALUES (?, ?, ?, ?, ?, ?)"+
		" ON CONFLICT DO "+onConflict, service, []byte(obj.name), obj.meta, obj.modified, obj.hash, obj.body)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// get returns one object, or errNoObject.
func (o *objects) get(service, name string) (object, error) {
	obj := object{name: name}
	err := o.db.QueryRow("SELECT meta, modified, hash, body FROM objects WHERE service = ? AND name = ?", service, []byte(name)).
		Scan(&obj.meta, &obj.modified, &obj.hash, &obj.body)
	if errors.Is(err, sql.ErrNoRows) {
		return obj, errNoObject
	}
	obj.size = int64(len(obj.body))
	return obj, err
}

func (o *objects) delete(service, name string) error {
	_, err := o.db.Exec("DELETE FROM objects WHERE service = ? AND name = ?", service, []byte(name))
	return err
}

// list yields the objects whose names are greater than after, in byte order,
// without bodies. Nothing else may be asked of o meanwhile.
func (o *objects) list(service, after string) iter.Seq2[object, error] {
	return func(yield func(object, error) bool) {
		rows, err := o.db.Query("SELECT name, meta, modified, hash, length(body) FROM objects"+
			" WHERE service = ? AND name > ? ORDER BY name", service, []byte(after))
		if err != nil {
			yield(object{}, err)
			return
		}
		defer rows.Close()
		for rows.Next() {
			var obj object
			var name []byte
			err := rows.Scan(&name, &obj.meta, &obj.modified, &obj.hash, &obj.size)
			obj.name = string(name)
			if !yield(obj, err) || err != nil {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(object{}, err)
		}
	}
}
