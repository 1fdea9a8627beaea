package binlog

import (
	"errors"
	"io"
	"testing"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
	pingcap "github.com/pingcap/errors"

	"example.com/ezdfs/changes"
)

// TestLogErrors: which errors of the log a follower waits out.
func TestLogErrors(t *testing.T) {
	server := server{user: "'a'@'%'"}
	for _, test := range []struct {
		err         error
		mend        bool
		unavailable bool
		lost        bool
	}{
		{err: io.ErrUnexpectedEOF, mend: true},
		{err: pingcap.Trace(pingcap.Wrapf(gomysql.ErrBadConn, "io.CopyN failed")), mend: true},
		{err: gomysql.NewError(1053, "Server shutdown in progress"), mend: true},
		{err: gomysql.NewError(1317, "Query execution was interrupted"), mend: true},
		{err: gomysql.NewError(1030, "Got error 28 from storage engine"), mend: true},
		{err: gomysql.NewError(1236, "A slave with the same server_uuid/server_id as this slave has connected to the master"), mend: true},
		{err: pingcap.Trace(gomysql.NewError(1236, "Could not find first log file name in binary log index file")), lost: true},
		{err: pingcap.Trace(gomysql.NewError(1227, "Access denied; you need REPLICATION SLAVE")), unavailable: true},
		{err: gomysql.NewError(1045, "Access denied for user")},
		{err: &decodeError{"x"}},
	} {
		err := server.logError("p", test.err)
		var lost *changes.LostError
		if mendable(err) != test.mend || errors.Is(err, changes.ErrUnavailable) != test.unavailable || errors.As(err, &lost) != test.lost {
			t.Errorf("%v became %v, mendable %v", test.err, err, mendable(err))
		}
	}
	if err := server.logError("p", nil); err != nil {
		t.Error(err)
	}
}
