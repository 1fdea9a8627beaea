package binlog

import (
	"encoding/binary"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	gomysql "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"
	protocol "github.com/go-mysql-org/go-mysql/server"
	"github.com/google/uuid"
	"github.com/klauspost/compress/zstd"

	"example.com/ezdfs/metadata"
)

// mysqlLog makes a binary log as MySQL 8 writes it, event by event, for what
// MariaDB cannot produce. The formats are those of its manual, "Replication
// Protocol".
type mysqlLog struct {
	name   string
	events []logged
	at     uint32
}

// logged is an event and the transaction that it belongs to.
type logged struct {
	raw   []byte
	start uint32
	gno   int64
}

func newMySQLLog() *mysqlLog {
	l := &mysqlLog{name: "binlog.000007", at: logStart}
	format := make([]byte, 2+50+4+1+41+5)
	binary.LittleEndian.PutUint16(format, 4)
	copy(format[2:], "8.0.36")
	format[56] = replication.EventHeaderSize
	for i := range 41 {
		format[57+i] = 10 // not 6: table ids have 6 bytes
	}
	l.add(0, replication.FORMAT_DESCRIPTION_EVENT, format)
	return l
}

// event encodes one.
func event(kind replication.EventType, body []byte, end uint32) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 1_700_000_000)
	b = append(b, byte(kind))
	b = binary.LittleEndian.AppendUint32(b, 42) // the server
	b = binary.LittleEndian.AppendUint32(b, uint32(replication.EventHeaderSize+len(body)))
	b = binary.LittleEndian.AppendUint32(b, end)
	b = binary.LittleEndian.AppendUint16(b, 0)
	return append(b, body...)
}

func (l *mysqlLog) add(gno int64, kind replication.EventType, body []byte) {
	end := l.at + uint32(replication.EventHeaderSize+len(body))
	l.events = append(l.events, logged{event(kind, body, end), l.at, gno})
	l.at = end
}

// gtid begins a transaction; number 0 is anonymous.
func (l *mysqlLog) gtid(gno int64) {
	kind, sid := replication.GTID_EVENT, uuid.MustParse(uuid1)
	if gno == 0 {
		kind, sid = replication.ANONYMOUS_GTID_EVENT, uuid.UUID{}
	}
	body := append([]byte{0}, sid[:]...)
	body = binary.LittleEndian.AppendUint64(body, uint64(gno))
	l.add(gno, kind, append(body, make([]byte, 17)...))
}

func query(schema, text string) []byte {
	b := make([]byte, 13)
	b[8] = byte(len(schema))
	b = append(b, schema...)
	return append(append(b, 0), text...)
}

// fakeColumns are the columns of the log's table, in no usual order, with
// their types and what describes these.
var fakeColumns = []struct {
	name string
	kind byte
	meta []byte
}{
	{"expired", gomysql.MYSQL_TYPE_TINY, nil},
	{"name_hash", gomysql.MYSQL_TYPE_VARCHAR, []byte{136, 0}},
	{"name", gomysql.MYSQL_TYPE_BLOB, []byte{2}},
	{"mtime", gomysql.MYSQL_TYPE_LONG, nil},
	{"scope", gomysql.MYSQL_TYPE_VARCHAR, []byte{100, 0}},
}

// tableMap describes the table, with binlog_row_metadata=FULL by name.
func tableMap(schema, table string, named bool) []byte {
	b := append([]byte{7, 0, 0, 0, 0, 0, 1, 0, byte(len(schema))}, schema...)
	b = append(append(b, 0, byte(len(table))), table...)
	b = append(b, 0, byte(len(fakeColumns)))
	var meta, names []byte
	for _, c := range fakeColumns {
		b, meta = append(b, c.kind), append(meta, c.meta...)
		names = append(append(names, byte(len(c.name))), c.name...)
	}
	b = append(append(b, byte(len(meta))), meta...)
	b = append(b, 0) // nothing is nullable
	if named {
		b = append(append(b, replication.TABLE_MAP_OPT_META_COLUMN_NAME, byte(len(names))), names...)
	}
	return b
}

// fakeRow encodes a row of which all is known.
func fakeRow(name, scope string, mtime int32, expired byte) []byte {
	hash := metadata.Hash(name)
	b := append([]byte{0, expired, byte(len(hash))}, hash...)
	b = append(binary.LittleEndian.AppendUint16(b, uint16(len(name))), name...)
	b = binary.LittleEndian.AppendUint32(b, uint32(mtime))
	return append(append(b, byte(len(scope))), scope...)
}

// writeRows is rows that were inserted.
func writeRows(rows ...[]byte) []byte {
	b := []byte{7, 0, 0, 0, 0, 0, 1, 0, 2, 0, byte(len(fakeColumns)), 0xff}
	for _, row := range rows {
		b = append(b, row...)
	}
	return b
}

// payload is a transaction in one compressed event.
func payload(tb testing.TB, events ...[]byte) []byte {
	tb.Helper()
	var all []byte
	for _, e := range events {
		all = append(all, e...)
	}
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		tb.Fatal(err)
	}
	defer encoder.Close()
	packed := encoder.EncodeAll(all, nil)
	b := []byte{replication.OTW_PAYLOAD_COMPRESSION_TYPE_FIELD, 1, replication.ZSTD, replication.OTW_PAYLOAD_SIZE_FIELD, 4}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(packed)))
	return append(append(b, replication.OTW_PAYLOAD_HEADER_END_MARK), packed...)
}

// fakeMySQL answers as much as a source asks, and sends a log.
type fakeMySQL struct {
	protocol.EmptyReplicationHandler
	variables map[string]string
	executed  string
	log       *mysqlLog
	database  string

	mu      sync.Mutex
	streams []*replication.BinlogStreamer
}

// start listens and returns how to reach it.
func (f *fakeMySQL) start(t *testing.T) metadata.Config {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			raw, err := listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() { f.serve(raw) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		f.mu.Lock()
		for _, s := range f.streams {
			s.AddErrorToStreamer(replication.ErrSyncClosed)
		}
		f.mu.Unlock()
		all.Wait()
	})
	return metadata.Config{
		Engine: metadata.MySQL, Host: "127.0.0.1", Port: listener.Addr().(*net.TCPAddr).Port, Name: f.database,
		User: "root", Layout: testLayout,
	}
}

func (f *fakeMySQL) serve(raw net.Conn) {
	defer raw.Close()
	users := protocol.NewInMemoryProvider()
	users.AddUser("root", "")
	c, err := protocol.NewServer("8.0.36", gomysql.DEFAULT_COLLATION_ID, gomysql.AUTH_NATIVE_PASSWORD, nil, nil).NewCustomizedConn(raw, users, f)
	for err == nil {
		err = c.HandleCommand()
	}
}

func (f *fakeMySQL) UseDB(string) error { return nil }

func (f *fakeMySQL) HandleQuery(query string) (*gomysql.Result, error) {
	table := func(names []string, rows ...[]any) (*gomysql.Result, error) {
		set, err := gomysql.BuildSimpleTextResultset(names, rows)
		return gomysql.NewResult(set), err
	}
	switch {
	case strings.Contains(query, "CURRENT_USER"):
		return table([]string{"a"}, []any{"root@localhost"})
	case strings.HasPrefix(query, "SHOW GLOBAL VARIABLES"):
		var rows [][]any
		for name, value := range f.variables {
			rows = append(rows, []any{name, value})
		}
		return table([]string{"Variable_name", "Value"}, rows...)
	case strings.Contains(query, "gtid_executed"):
		return table([]string{"a"}, []any{f.executed})
	case strings.Contains(query, "gtid_purged"):
		return table([]string{"a"}, []any{uuid1 + ":1-5"})
	case query == "SHOW MASTER STATUS":
		return nil, gomysql.NewError(errSyntax, "MySQL 8.4 does not know this")
	case query == "SHOW BINARY LOG STATUS":
		return table([]string{"File", "Position", "Binlog_Do_DB"}, []any{f.log.name, fmt.Sprint(f.log.at), ""})
	case query == "SHOW BINARY LOGS":
		return table([]string{"Log_name", "File_size"}, []any{f.log.name, fmt.Sprint(f.log.at)})
	}
	return gomysql.NewResultReserveResultset(0), nil
}

func (f *fakeMySQL) HandleBinlogDumpGTID(set *gomysql.MysqlGTIDSet) (*replication.BinlogStreamer, error) {
	return f.stream(func(e logged) bool {
		if e.gno == 0 {
			return true
		}
		one := &gomysql.MysqlGTIDSet{Sets: make(map[string]*gomysql.UUIDSet)}
		one.AddGTID(uuid.MustParse(uuid1), e.gno)
		return !set.Contain(one)
	}), nil
}

func (f *fakeMySQL) HandleBinlogDump(at gomysql.Position) (*replication.BinlogStreamer, error) {
	if at.Name != f.log.name {
		return nil, gomysql.NewError(errLog, "Could not find first log file name in binary log index file")
	}
	return f.stream(func(e logged) bool { return e.start == logStart || e.start >= at.Pos }), nil
}

func (f *fakeMySQL) stream(wanted func(logged) bool) *replication.BinlogStreamer {
	s := replication.NewBinlogStreamer()
	f.mu.Lock()
	f.streams = append(f.streams, s)
	f.mu.Unlock()
	send := func(raw []byte) { s.AddEventToStreamer(&replication.BinlogEvent{RawData: raw}) }
	send(event(replication.ROTATE_EVENT, append(binary.LittleEndian.AppendUint64(nil, logStart), f.log.name...), 0))
	for _, e := range f.log.events {
		if wanted(e) {
			send(e.raw)
		}
	}
	send(event(replication.HEARTBEAT_EVENT, []byte(f.log.name), f.log.at))
	return s
}
