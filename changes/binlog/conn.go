package binlog

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"github.com/go-mysql-org/go-mysql/client"
	gomysql "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"
)

const (
	dialTimeout = 10 * time.Second
	// heartbeat is how often a server that has nothing to tell says so.
	heartbeat = 5 * time.Second
	// silence is after how many heartbeats that did not come a server is dead.
	silence = 3
	// logStart is where the events of a log file begin.
	logStart = 4
)

// conn is a connection that the log comes by. It reads only when asked to, so
// that a slow reader makes the server wait instead of filling memory.
type conn struct {
	c      *client.Conn
	parser *replication.BinlogParser
	stop   func() bool
}

// dial connects; when ctx is done the connection breaks.
func (s *Source) dial(ctx context.Context) (*conn, error) {
	var stop func() bool
	dialer := func(ctx context.Context, network, address string) (net.Conn, error) {
		raw, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		stop = context.AfterFunc(ctx, func() { raw.Close() })
		return raw, raw.SetDeadline(time.Now().Add(dialTimeout))
	}
	network, address := s.config.Address()
	c, err := client.ConnectWithDialer(ctx, network, address, s.config.User, s.config.Password.Reveal(), "", dialer, s.options)
	if err != nil {
		if stop != nil {
			stop()
		}
		return nil, err
	}
	return &conn{c: c, parser: s.parser(), stop: stop}, nil
}

// options let the server's administrator see who is connected, and end waiting
// for a server that is dead, however long an event is.
func (s *Source) options(c *client.Conn) error {
	c.SetAttributes(map[string]string{"program_name": "ezdfs", "_client_role": "binary_log_listener"})
	c.ReadTimeout = silence * s.heartbeat
	return nil
}

// parser decodes the rows of the legacy tables alone.
func (s *Source) parser() *replication.BinlogParser {
	p := replication.NewBinlogParser()
	p.SetFlavor(gomysql.MySQLFlavor)
	p.SetRowsEventDecodeFunc(func(e *replication.RowsEvent, data []byte) error {
		at, err := e.DecodeHeader(data)
		switch {
		case err != nil && e.TableID == noTable:
			return nil
		case err != nil:
			return err
		case !s.ours(e.Table):
			return nil
		}
		return e.DecodeData(at, data)
	})
	return p
}

// noTable is the table of an event that is only there to end a statement.
const noTable = 0xffffff

// close ends the connection.
func (c *conn) close() {
	c.stop()
	c.c.Close()
}

// request asks for what follows a state: for all of it and all that is to come,
// or, without follow, until the end of the log.
func (c *conn) request(after state, heartbeat time.Duration, follow bool) error {
	settings := []string{
		"SET @master_binlog_checksum = 'NONE', @source_binlog_checksum = 'NONE'",
		fmt.Sprintf("SET @master_heartbeat_period = %d, @source_heartbeat_period = %[1]d", heartbeat.Nanoseconds()),
	}
	maria, ok := after.(*mariadbState)
	if ok {
		c.parser.SetFlavor(gomysql.MariaDBFlavor)
		settings = append(settings, "SET @mariadb_slave_capability = 4")
	}
	if ok && !maria.first {
		settings = append(settings, "SET @slave_connect_state = '"+maria.String()+"', @slave_gtid_strict_mode = 0, @slave_gtid_ignore_duplicates = 0")
	}
	for _, statement := range settings {
		if _, err := c.c.Execute(statement); err != nil {
			return err
		}
	}
	c.c.ResetSequence()
	return c.c.WritePacket(append(make([]byte, 4), dumpCommand(after, follow)...))
}

// dumpCommand is what asks a server for its log: COM_BINLOG_DUMP or, with GTIDs
// of MySQL, COM_BINLOG_DUMP_GTID.
func dumpCommand(after state, follow bool) []byte {
	var flags uint16
	if !follow {
		flags = replication.BINLOG_DUMP_NON_BLOCK
	}
	// Every reader of a log needs a number that no other has. Those that
	// administrators give are small.
	reader := rand.Uint32() | 1<<31
	order := binary.LittleEndian
	if set, ok := after.(*mysqlState); ok {
		const throughGTID = 0x04
		encoded := set.set.Encode()
		b := order.AppendUint16([]byte{gomysql.COM_BINLOG_DUMP_GTID}, flags|throughGTID)
		b = order.AppendUint32(b, reader)
		b = order.AppendUint32(b, 0) // the length of a file's name
		b = order.AppendUint64(b, logStart)
		b = order.AppendUint32(b, uint32(len(encoded)))
		return append(b, encoded...)
	}
	file, offset := "", uint32(logStart)
	if f, ok := after.(*fileState); ok {
		file, offset = f.file, max(f.offset, logStart)
	}
	b := order.AppendUint32([]byte{gomysql.COM_BINLOG_DUMP}, offset)
	b = order.AppendUint16(b, flags)
	b = order.AppendUint32(b, reader)
	return append(b, file...)
}

// next waits for the next event, heartbeats included. io.EOF means the end of
// the log.
func (c *conn) next() (*replication.BinlogEvent, error) {
	packet, err := c.c.ReadPacket()
	switch {
	case err != nil:
		return nil, err
	case len(packet) == 0:
		return nil, errors.New("the server sent an empty packet")
	case packet[0] == gomysql.EOF_HEADER:
		return nil, io.EOF
	case packet[0] == gomysql.ERR_HEADER:
		return nil, c.c.HandleErrorPacket(packet)
	}
	return c.parse(packet[1:])
}

// parse decodes an event. What cannot be decoded makes the library panic at
// times.
func (c *conn) parse(raw []byte) (event *replication.BinlogEvent, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &decodeError{fmt.Sprint(p)}
		}
	}()
	event, err = c.parser.Parse(raw)
	if err != nil {
		text, _, _ := strings.Cut(err.Error(), "\n")
		return nil, &decodeError{text}
	}
	return event, nil
}

// decodeError says that the server sent what we do not understand.
type decodeError struct{ text string }

func (e *decodeError) Error() string {
	return sourceName + ": an event of the log cannot be decoded: " + e.text
}
