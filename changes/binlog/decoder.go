package binlog

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/go-mysql-org/go-mysql/replication"
	"github.com/google/uuid"

	"example.com/ezdfs/changes"
	"example.com/ezdfs/metadata"
)

// tables is what a decoder knows and asks about our tables.
type tables interface {
	// columns says where the columns are in the rows of a table.
	columns(ctx context.Context, table *replication.TableMapEvent) (columns, error)
	// visible waits until a transaction, or the one that a place is in, can be
	// seen.
	visible(ctx context.Context, t transaction) error
	// lookup fills in what the log does not tell.
	lookup(ctx context.Context, table string, list []rowChange) error
	// ours reports whether a table is one of ours.
	ours(table *replication.TableMapEvent) bool
	// effect is that of a statement.
	effect(query *replication.QueryEvent) effect
	// reload makes columns look again.
	reload()
	// lose is the error of a stream that cannot go on where it stands.
	lose(reason string) error
	// host names the server with a number.
	host(server uint32) string
}

// decoder turns the events of a log into changes. It holds the last change of
// a transaction back until it knows whether another one follows: the position
// after the last one is that of the whole transaction.
type decoder struct {
	tables tables
	state  state  // the transactions that were passed
	text   string // position of state
	file   string // the log file that events come from
	skip   place  // rows of a transaction still to come that were seen before

	passed int // transactions since the decoder began

	transaction
	inside bool // a transaction has begun
	open   bool // and its end is an event of its own
	rows   int  // rows of our tables so far; an update of the key counts twice
	seen   int  // of these, how many need not be told again
	told   int  // of these, after how many the last change that was returned stands

	pending     changes.Change
	pendingRows int // 0 without a pending change
}

func newDecoder(t tables, from place) *decoder {
	d := &decoder{tables: t, state: from.state.clone(), skip: from}
	d.text = place{state: d.state}.String()
	if f, ok := d.state.(*fileState); ok {
		d.file = f.file
	}
	return d
}

// place is where to resume: after the last change that was returned.
func (d *decoder) place() place {
	p := place{state: d.state.clone()}
	switch {
	case d.inside && d.told > 0:
		p.next, p.rows = d.name, d.told
	case !d.inside && d.skip.rows > 0:
		p.next, p.rows = d.skip.next, d.skip.rows
	}
	return p
}

// event takes an event and returns the changes that are certain after it.
func (d *decoder) event(ctx context.Context, event *replication.BinlogEvent) ([]changes.Change, error) {
	if event.Header.LogPos > 0 {
		d.offset = event.Header.LogPos
	}
	switch e := event.Event.(type) {
	case *replication.RotateEvent:
		d.rotate(string(e.NextLogName), uint32(e.Position))
	case *replication.FormatDescriptionEvent:
		d.abandon()
	case *replication.MariadbGTIDListEvent:
		d.list(e)
	case *replication.MariadbGTIDEvent:
		g := gtid{e.GTID.DomainID, e.GTID.ServerID, e.GTID.SequenceNumber}
		d.begin(transaction{name: g.String(), gtid: g}, !e.IsStandalone())
	case *replication.GTIDEvent:
		return nil, d.beginMySQL(e)
	case *replication.GtidTaggedLogEvent:
		return nil, d.beginMySQL(&e.GTIDEvent)
	case *replication.QueryEvent:
		return d.query(ctx, event.Header, e)
	case *replication.XIDEvent:
		return d.end(), nil
	case *replication.RowsEvent:
		return d.rowsEvent(ctx, event.Header, e)
	case *replication.TransactionPayloadEvent:
		return d.payload(ctx, e)
	case *replication.GenericEvent:
		if event.Header.EventType == replication.XA_PREPARE_LOG_EVENT {
			return d.end(), nil
		}
	}
	return nil, nil
}

// rotate goes on in another file.
func (d *decoder) rotate(file string, offset uint32) {
	d.file = file
	if f, ok := d.state.(*fileState); ok && !d.inside && (f.file != file || f.offset < offset) {
		f.file, f.offset = file, offset
		d.text = place{state: d.state}.String()
	}
}

// list learns where the oldest log begins.
func (d *decoder) list(e *replication.MariadbGTIDListEvent) {
	if s, ok := d.state.(*mariadbState); ok && s.first {
		for _, g := range e.GTIDs {
			s.last[g.DomainID] = gtid{g.DomainID, g.ServerID, g.SequenceNumber}
		}
		s.first = false
		d.text = place{state: d.state}.String()
	}
}

func (d *decoder) beginMySQL(e *replication.GTIDEvent) error {
	if e.Tag != "" {
		return fmt.Errorf("%s: GTIDs with a tag (%q) cannot be followed; set Source=journal in file.ini [ChangeFeed]", sourceName, e.Tag)
	}
	t := transaction{gno: e.GNO}
	if e.GNO > 0 {
		sid, err := uuid.FromBytes(e.SID)
		if err != nil {
			return &decodeError{err.Error()}
		}
		t.sid, t.name = sid, sid.String()+":"+strconv.FormatInt(e.GNO, 10)
	}
	d.begin(t, false)
	return nil
}

// begin starts a transaction. Where the one before has not ended the server
// crashed while writing it, and it was never committed.
func (d *decoder) begin(t transaction, open bool) {
	t.offset = d.offset
	d.abandon()
	d.transaction, d.inside, d.open = t, true, open
	if d.skip.rows > 0 && (d.skip.next == t.name || d.state.kind() == kindFile) {
		d.seen, d.told, d.skip = d.skip.rows, d.skip.rows, place{}
	}
}

func (d *decoder) abandon() {
	d.inside, d.open, d.rows, d.seen, d.told, d.pendingRows = false, false, 0, 0, 0, 0
}

// end passes the transaction and returns its last change.
func (d *decoder) end() []changes.Change {
	d.transaction.file = d.file
	d.state.pass(d.transaction)
	d.passed++
	d.text = place{state: d.state}.String()
	var last []changes.Change
	if d.pendingRows > 0 {
		d.pending.Position = changes.Position(d.text)
		last = []changes.Change{d.pending}
	}
	d.abandon()
	return last
}

// payload is a transaction in one compressed event.
func (d *decoder) payload(ctx context.Context, e *replication.TransactionPayloadEvent) (all []changes.Change, err error) {
	offset := d.offset
	for _, inner := range e.Events {
		inner.Header.LogPos = offset
		list, err := d.event(ctx, inner)
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	return all, nil
}

// query is a statement: one that begins or ends a transaction, or one that was
// not logged in row format.
func (d *decoder) query(ctx context.Context, h *replication.EventHeader, e *replication.QueryEvent) ([]changes.Change, error) {
	switch verb(string(e.Query)) {
	case "BEGIN", "XA START":
		if !d.inside {
			d.begin(transaction{}, true)
		}
		d.open = true
		return nil, nil
	case "COMMIT", "ROLLBACK":
		return d.end(), nil
	}
	if !d.inside {
		d.begin(transaction{}, false)
	}
	changed := d.tables.effect(e)
	if changed.opaque != "" {
		return nil, d.tables.lose("a client has set binlog_format to STATEMENT, so that the log does not tell which rows of " + changed.opaque + " it changed")
	}
	if changed.reload {
		d.tables.reload()
	}
	if len(changed.truncated) > 0 {
		if err := d.visible(ctx); err != nil {
			return nil, err
		}
	}
	var list []changes.Change
	for _, table := range changed.truncated {
		list = append(list, d.add(changes.Change{
			Kind: metadata.KindTruncate, Subject: table, Time: time.Unix(int64(h.Timestamp), 0), Host: d.tables.host(h.ServerID),
		}, d.rows+1)...)
		d.rows++
	}
	if !d.open {
		list = append(list, d.end()...)
	}
	return list, nil
}

// rowsEvent is rows of one table.
func (d *decoder) rowsEvent(ctx context.Context, h *replication.EventHeader, e *replication.RowsEvent) ([]changes.Change, error) {
	if e.Table == nil || !d.tables.ours(e.Table) {
		return nil, nil
	}
	where, err := d.tables.columns(ctx, e.Table)
	if err != nil {
		return nil, err
	}
	rows := rowChanges(e, where, d.rows)
	d.rows += len(rows)
	rows = slices.DeleteFunc(rows, func(r rowChange) bool { return r.row <= d.seen })
	if len(rows) == 0 {
		return nil, nil
	}
	if err := d.visible(ctx); err != nil {
		return nil, err
	}
	if err := d.tables.lookup(ctx, string(e.Table.Table), rows); err != nil {
		return nil, err
	}
	list := make([]changes.Change, 0, len(rows))
	for _, r := range rows {
		if isLock(r.image.name.value) {
			continue
		}
		list = append(list, d.add(changes.Change{
			Kind: r.kind, Subject: r.image.name.value, Hash: r.image.hash.value, Scope: r.image.scope.value,
			Time: time.Unix(int64(h.Timestamp), 0), Host: d.tables.host(h.ServerID),
		}, r.row)...)
	}
	return list, nil
}

// visible waits until the transaction can be seen.
func (d *decoder) visible(ctx context.Context) error {
	d.transaction.file = d.file
	return d.tables.visible(ctx, d.transaction)
}

// add makes a change, which stands at a row of the transaction, the pending
// one and returns the one that was.
func (d *decoder) add(c changes.Change, row int) []changes.Change {
	if row <= d.seen {
		return nil
	}
	var before []changes.Change
	if d.pendingRows > 0 {
		d.pending.Position = changes.Position(within(d.text, d.name, d.pendingRows))
		d.told = d.pendingRows
		before = []changes.Change{d.pending}
	}
	d.pending, d.pendingRows = c, row
	return before
}
