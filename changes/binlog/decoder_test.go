package binlog

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/go-mysql-org/go-mysql/replication"

	"example.com/ezdfs/changes"
)

// fakeTables knows the columns of the fake log.
type fakeTables struct{ known schema }

func (f fakeTables) columns(_ context.Context, t *replication.TableMapEvent) (columns, error) {
	return f.known.columns(t)
}
func (fakeTables) visible(context.Context, transaction) error        { return nil }
func (fakeTables) lookup(context.Context, string, []rowChange) error { return nil }
func (fakeTables) ours(t *replication.TableMapEvent) bool            { return string(t.Table) == "ezdfsfile" }
func (fakeTables) effect(e *replication.QueryEvent) effect {
	return effectOf(string(e.Query), string(e.Schema), "cluster", []string{"ezdfsfile"})
}
func (fakeTables) lose(reason string) error { return errors.New(reason) }
func (fakeTables) reload()                  {}
func (fakeTables) host(uint32) string       { return "db" }

// decode feeds a decoder with a log.
func decode(t *testing.T, d *decoder, l *mysqlLog) (all []changes.Change) {
	t.Helper()
	parser := (&Source{tables: []string{"ezdfsfile"}}).parser()
	for _, e := range l.events {
		event, err := parser.Parse(e.raw)
		if err != nil {
			t.Fatal(err)
		}
		list, err := d.event(t.Context(), event)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, list...)
	}
	return all
}

// fakeDecoder begins at a position. Its database is "".
func fakeDecoder(t *testing.T, at changes.Position) *decoder {
	t.Helper()
	from, err := parsePlace(at)
	if err != nil {
		t.Fatal(err)
	}
	return newDecoder(fakeTables{}, from)
}

// rowsOf adds a transaction up to its end, which the caller adds.
func (l *mysqlLog) rowsOf(gno int64, names ...string) {
	l.gtid(gno)
	l.add(gno, replication.QUERY_EVENT, query("", "BEGIN"))
	var rows [][]byte
	for _, name := range names {
		rows = append(rows, fakeRow(name, "", 1, 0))
	}
	l.add(gno, replication.TABLE_MAP_EVENT, tableMap("", "ezdfsfile", true))
	l.add(gno, replication.WRITE_ROWS_EVENTv2, writeRows(rows...))
}

// TestCrashedServer: a transaction that the server had not written to its end
// when it crashed was not committed. Its number is given again.
func TestCrashedServer(t *testing.T) {
	l := newMySQLLog()
	format := l.events[0]
	l.rowsOf(6, "torn")
	l.events = append(l.events, format)
	l.rowsOf(6, "whole", "second")
	l.add(6, replication.XID_EVENT, make([]byte, 8))
	d := fakeDecoder(t, changes.Position("binlog:mysql:"+uuid1+":1-5"))
	got := decode(t, d, l)
	if want := []string{"store whole", "store second"}; !slices.Equal(short(got), want) {
		t.Errorf("got %q, want %q", short(got), want)
	}
	if want := changes.Position("binlog:mysql:" + uuid1 + ":1-6"); d.place().position() != want {
		t.Errorf("at %s, want %s", d.place().position(), want)
	}
}

// TestPlace: where a decoder that is cut off anywhere stands, another one goes
// on: nothing is missing, nothing is told twice.
func TestPlace(t *testing.T) {
	l := newMySQLLog()
	var want []string
	l.rowsOf(6, "a", "b", "c")
	l.add(6, replication.TABLE_MAP_EVENT, tableMap("", "ezdfsfile", true))
	l.add(6, replication.WRITE_ROWS_EVENTv2, writeRows(fakeRow("lock.generating", "", 1, 0), fakeRow("d", "", 1, 0)))
	l.add(6, replication.XID_EVENT, make([]byte, 8))
	l.rowsOf(7, "e")
	l.add(7, replication.XID_EVENT, make([]byte, 8))
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		want = append(want, "store "+name)
	}
	start := changes.Position("binlog:mysql:" + uuid1 + ":1-5")
	for cut := range len(l.events) + 1 {
		first := fakeDecoder(t, start)
		got := decode(t, first, &mysqlLog{events: l.events[:cut]})
		at := first.place()
		rest := &mysqlLog{events: l.events[:1:1]}
		for _, e := range l.events[1:] {
			if set := at.state.(*mysqlState); e.gno == 7 && !set.reached(fakeDecoder(t, "binlog:mysql:"+uuid1+":1-7").state) ||
				e.gno == 6 && !set.reached(fakeDecoder(t, "binlog:mysql:"+uuid1+":1-6").state) {
				rest.events = append(rest.events, e)
			}
		}
		got = append(got, decode(t, newDecoder(fakeTables{}, at), rest)...)
		if !slices.Equal(short(got), want) {
			t.Errorf("cut after %d events, at %s: %q, want %q", cut, at, short(got), want)
		}
	}
}

// TestOtherTransactionFirst: after a failover another transaction may come
// before the one that the position names.
func TestOtherTransactionFirst(t *testing.T) {
	l := newMySQLLog()
	l.rowsOf(8, "other")
	l.add(8, replication.XID_EVENT, make([]byte, 8))
	first := len(l.events)
	l.rowsOf(6, "a", "b")
	l.add(6, replication.XID_EVENT, make([]byte, 8))
	d := fakeDecoder(t, changes.Position("binlog:mysql:"+uuid1+":1-5/"+uuid1+":6+1"))
	got := short(decode(t, d, &mysqlLog{events: l.events[:first]}))
	if want := changes.Position("binlog:mysql:" + uuid1 + ":1-5:8/" + uuid1 + ":6+1"); d.place().position() != want {
		t.Errorf("in between at %s, want %s", d.place(), want)
	}
	got = append(got, short(decode(t, d, &mysqlLog{events: append(l.events[:1:1], l.events[first:]...)}))...)
	if want := []string{"store other", "store b"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestColumns: without names in the log, by what the table is now or was, and
// never a guess that the types contradict.
func TestColumns(t *testing.T) {
	l := newMySQLLog()
	l.add(0, replication.TABLE_MAP_EVENT, tableMap("", "ezdfsfile", false))
	parser := (&Source{}).parser()
	var table *replication.TableMapEvent
	for _, e := range l.events {
		event, err := parser.Parse(e.raw)
		if err != nil {
			t.Fatal(err)
		}
		table, _ = event.Event.(*replication.TableMapEvent)
	}
	right := columns{2, 1, 4, 3, 0}
	for _, test := range []struct {
		now  []string
		want columns
	}{
		{[]string{"expired", "name_hash", "name", "mtime", "scope"}, right},
		{[]string{"expired", "status", "name_hash", "name", "mtime", "scope"}, right},
		{[]string{"name", "name_hash", "expired", "mtime", "scope"}, columns{}},
		{[]string{"expired", "name_hash", "name", "mtime"}, columns{}},
		{nil, columns{}},
	} {
		got, err := schema{"ezdfsfile": test.now}.columns(table)
		if got != test.want || (err == nil) != (test.want == right) {
			t.Errorf("%q: %+v, %v", test.now, got, err)
		}
	}
}

// TestBrokenEvents: what cannot be decoded is an error, never a panic.
func TestBrokenEvents(t *testing.T) {
	l := newMySQLLog()
	l.rowsOf(6, "a")
	for cut := range 40 {
		c := &conn{parser: (&Source{tables: []string{"ezdfsfile"}}).parser()}
		for _, e := range l.events {
			raw := slices.Clone(e.raw)
			if raw[4] != byte(replication.FORMAT_DESCRIPTION_EVENT) {
				raw = raw[:max(len(raw)-cut, 0)]
				if len(raw) >= replication.EventHeaderSize {
					binary.LittleEndian.PutUint32(raw[9:], uint32(len(raw)))
				}
			}
			var invalid *decodeError
			if _, err := c.parse(raw); err != nil && !errors.As(err, &invalid) {
				t.Errorf("cut by %d: %v", cut, err)
			}
		}
	}
}
