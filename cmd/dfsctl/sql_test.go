package main

import (
	"database/sql"
	"fmt"
	"strconv"

	"github.com/go-sql-driver/mysql"
	"github.com/rogpeppe/go-internal/testscript"
	_ "modernc.org/sqlite"

	"example.com/ezdfs/metadata"
)

// cmdSQL runs statements on the SQLite file cluster.db, or as root on the
// server of the script, one argument each.
func cmdSQL(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: sql STATEMENT...")
	}
	db := openSQL(ts)
	defer db.Close()
	db.SetMaxOpenConns(1) // so that USE lasts
	for _, statement := range args {
		_, err := db.Exec(statement)
		ts.Check(err)
	}
}

func openSQL(ts *testscript.TestScript) *sql.DB {
	socket := ts.Getenv("DB_SOCKET")
	if socket == "" {
		db, err := sql.Open("sqlite", ts.MkAbs("cluster.db"))
		ts.Check(err)
		return db
	}
	config := mysql.NewConfig()
	config.Net, config.Addr, config.User = "unix", socket, "root"
	connector, err := mysql.NewConnector(config)
	ts.Check(err)
	return sql.OpenDB(connector)
}

// cmdRows makes so many live rows without bodies: rows NUMBER PREFIX.
func cmdRows(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: rows NUMBER PREFIX")
	}
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	db := openSQL(ts)
	defer db.Close()
	tx, err := db.Begin()
	ts.Check(err)
	defer tx.Rollback()
	insert, err := tx.Prepare("INSERT INTO ezdfsfile (name, name_trunk, name_hash, datatype, scope, size, mtime, expired)" +
		" VALUES (?, ?, ?, 'text/plain', 'image', 1, 1700000000, 0)")
	ts.Check(err)
	for i := range n {
		name := fmt.Sprint(args[1], i)
		_, err := insert.Exec(name, name, metadata.Hash(name))
		ts.Check(err)
	}
	ts.Check(tx.Commit())
}
