package metadata

import (
	"context"
	"database/sql"
	"errors"

	"github.com/go-sql-driver/mysql"
)

// Server returns connections to the MySQL server that a configuration names,
// for what is asked of the server rather than of its rows. It is not contacted
// yet. The caller closes it.
func Server(c Config) (*sql.DB, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	return mysqlPool(c, mysqlConfig(c), "")
}

// Address returns where the server of a configuration listens, as net.Dial
// takes it: "tcp" and host:port, or "unix" and a path.
func (c Config) Address() (network, address string) {
	if c.Port == 0 {
		c.Port = 3306
	}
	m := mysqlConfig(c)
	return m.Net, m.Addr
}

// ServerError turns what a connection of [Server] returned into an *[Error]
// that says what the error's number means; a nil error stays nil.
func ServerError(op string, err error) error {
	var known *Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return &Error{Op: op, Err: err}
	}
	f := mysqlFault(err)
	var server *mysql.MySQLError
	if f.kind == ErrUnavailable && !errors.As(err, &server) {
		err = opaque{err}
	}
	return &Error{Op: op, Kind: f.kind, Err: err, Hint: f.hint, Retry: f.retry}
}
