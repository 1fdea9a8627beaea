package binlog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"example.com/ezdfs/changes"
	"example.com/ezdfs/metadata"
)

// UnavailableError says why the binary log cannot be read and what would have
// to be done. It is a changes.ErrUnavailable.
type UnavailableError struct {
	Reason string
	Fix    string // a statement or a line of my.cnf
	Err    error  // the server's own error, where there was one
}

func (e *UnavailableError) Error() string {
	return fmt.Sprintf("%s: %v: %s; %s", sourceName, changes.ErrUnavailable, e.Reason, e.Fix)
}

// Unwrap returns changes.ErrUnavailable and the server's own error.
func (e *UnavailableError) Unwrap() []error {
	if e.Err == nil {
		return []error{changes.ErrUnavailable}
	}
	return []error{changes.ErrUnavailable, e.Err}
}

// Remark is something about a server that works but could be better.
type Remark struct{ Text, Fix string }

// server is what matters of a server's settings.
type server struct {
	mariadb   bool
	gtid      bool // MySQL: transactions are numbered
	host      string
	id        uint32
	uuid      string // what tells this server's log files from another's
	user      string // of our connection, as GRANT takes it
	variables map[string]string
}

// account is a CURRENT_USER() as GRANT takes it.
func account(user string) string {
	at := strings.LastIndexByte(user, '@')
	if at < 0 {
		return "'" + user + "'"
	}
	return "'" + user[:at] + "'@'" + user[at+1:] + "'"
}

const variables = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('version', 'hostname', 'server_id', 'server_uuid', 'log_bin'," +
	" 'binlog_format', 'binlog_row_image', 'gtid_mode', 'binlog_expire_logs_seconds', 'expire_logs_days')"

// askServer reads a server's settings.
func askServer(ctx context.Context, db *sql.DB) (s server, err error) {
	if err := db.QueryRowContext(ctx, "SELECT CURRENT_USER()").Scan(&s.user); err != nil {
		return s, err
	}
	s.user = account(s.user)
	rows, err := db.QueryContext(ctx, variables)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	s.variables = make(map[string]string)
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return s, err
		}
		s.variables[strings.ToLower(name)] = value
	}
	s.interpret()
	return s, rows.Err()
}

// interpret fills in what follows from the variables.
func (s *server) interpret() {
	s.mariadb = strings.Contains(s.variables["version"], "MariaDB")
	s.gtid = strings.EqualFold(s.variables["gtid_mode"], "ON")
	s.host = s.variables["hostname"]
	id, _ := strconv.ParseUint(s.variables["server_id"], 10, 32)
	s.id = uint32(id)
	if s.uuid = s.variables["server_uuid"]; s.uuid == "" {
		s.uuid = strings.ReplaceAll(s.host, ":", "_") + "-" + s.variables["server_id"]
	}
}

// check returns an *UnavailableError where the server does not log rows.
func (s *server) check() error {
	if on := s.variables["log_bin"]; on != "ON" && on != "1" {
		return &UnavailableError{
			Reason: "the server writes no binary log",
			Fix:    "put `log_bin = binlog`, `binlog_format = ROW` and `server_id = 1` below [mysqld] in my.cnf and restart it",
		}
	}
	if format, ok := s.variables["binlog_format"]; ok && !strings.EqualFold(format, "ROW") {
		return &UnavailableError{
			Reason: "binlog_format is " + format,
			Fix:    "put `binlog_format = ROW` below [mysqld] in my.cnf and run SET GLOBAL binlog_format = 'ROW'; clients that are connected have to connect anew",
		}
	}
	return nil
}

// shortRetention is what a follower can be away at least, in seconds.
const shortRetention = 24 * 60 * 60

// remarks says what could be better.
func (s *server) remarks() (list []Remark) {
	if image, ok := s.variables["binlog_row_image"]; ok && !strings.HasPrefix(strings.ToUpper(image), "FULL") {
		list = append(list, Remark{
			"binlog_row_image is " + image + ": names of rows that are gone when the log is read are not known",
			"put `binlog_row_image = FULL` below [mysqld] in my.cnf and run SET GLOBAL binlog_row_image = 'FULL'",
		})
	}
	if kept, ok := s.retention(); ok && kept < shortRetention {
		list = append(list, Remark{
			fmt.Sprintf("binary logs are kept for %d s: who does not follow for longer has to begin anew", kept),
			"put `binlog_expire_logs_seconds = 604800` below [mysqld] in my.cnf and run SET GLOBAL binlog_expire_logs_seconds = 604800",
		})
	}
	return list
}

// retention is for how many seconds logs are kept, where they expire at all.
func (s *server) retention() (seconds int, ok bool) {
	seconds, _ = strconv.Atoi(s.variables["binlog_expire_logs_seconds"])
	if days, _ := strconv.ParseFloat(s.variables["expire_logs_days"], 64); seconds == 0 {
		seconds = int(days * 24 * 60 * 60)
	}
	return seconds, seconds > 0
}

// grant is the statement that lets our user read the log.
func (s *server) grant() string {
	privileges := "REPLICATION SLAVE, REPLICATION CLIENT"
	if s.mariadb {
		privileges = "REPLICATION SLAVE"
	}
	return "run GRANT " + privileges + " ON *.* TO " + s.user
}

// refused is the error of a server that lacks a privilege.
func (s *server) refused(err error) error {
	return &UnavailableError{Reason: "the user " + s.user + " may not read the binary log", Fix: s.grant(), Err: err}
}

// blind is the error of a server that does not let our user read the tables.
func blind(user, database string, err error) error {
	return &UnavailableError{
		Reason: "the user " + user + " may not read the tables",
		Fix:    "run GRANT SELECT ON `" + database + "`.* TO " + user, Err: err,
	}
}

// classify says what an error of asking the server means.
func (s *server) classify(op string, err error) error {
	var lost outage
	switch {
	case errors.As(err, &lost):
		return err
	case number(err) == errPrivilege:
		return s.refused(err)
	}
	return metadata.ServerError(op, err)
}
