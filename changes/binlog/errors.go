package binlog

import (
	"errors"
	"strings"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-sql-driver/mysql"

	"example.com/ezdfs/changes"
	"example.com/ezdfs/metadata"
)

// Error numbers of the server.
const (
	errDatabase    = 1044 // no privilege on the database
	errSyntax      = 1064
	errTable       = 1142 // no privilege on the table
	errNoTable     = 1146
	errPrivilege   = 1227
	errLog         = 1236 // the log cannot be read from there
	errInterrupted = 1317 // KILL
)

// number is that of a server's error, whichever library reports it, or 0.
func number(err error) uint16 {
	if e, ok := errors.AsType[*mysql.MySQLError](err); ok {
		return e.Number
	}
	if e, ok := errors.AsType[*gomysql.MyError](err); ok {
		return e.Code
	}
	return 0
}

// outage is an error that waiting may mend.
type outage struct{ error }

// Unwrap returns the cause.
func (o outage) Unwrap() error { return o.error }

// logError says what an error of the connection that the log comes by means.
func (s *server) logError(at changes.Position, err error) error {
	var server *gomysql.MyError
	var invalid *decodeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &invalid):
		return err
	case !errors.As(err, &server):
		return outage{metadata.ServerError("read the binary log", err)}
	case server.Code == errPrivilege:
		return s.refused(err)
	case server.Code == errInterrupted:
		return outage{err}
	case server.Code == errLog && !duplicateServer(server):
		return &changes.LostError{Source: sourceName, Position: at, Reason: server.Message}
	}
	err = metadata.ServerError("read the binary log", &mysql.MySQLError{Number: server.Code, Message: server.Message})
	if metadata.IsRetryable(err) || duplicateServer(server) {
		return outage{err}
	}
	return err
}

// duplicateServer reports whether the server has ended the stream because
// another reader has the same number. The next one is another number. The
// server gives this the same error as a position that is gone.
func duplicateServer(err *gomysql.MyError) bool {
	return err.Code == errLog && strings.Contains(err.Message, "same server_")
}

// mendable reports whether waiting may help: with the network, and with errors
// of the server that nobody has thought of, a full disk for one.
func mendable(err error) bool {
	var o outage
	var e *metadata.Error
	return errors.As(err, &o) || errors.As(err, &e) && (e.Retry || e.Kind == nil)
}
