package metadata

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"
)

// ledgerTable is our own table of what caches and CDNs are to be told.
const ledgerTable = "ezdfs_cdn_delivery"

// DeliveryState is where a delivery has got to.
type DeliveryState string

// The states of a delivery.
const (
	DeliveryPending   DeliveryState = "pending"   // to be delivered, perhaps under way
	DeliveryDelivered DeliveryState = "delivered" // done; kept for a while
	DeliveryFailed    DeliveryState = "failed"    // given up; somebody has to look
)

// DeliveryPath is the extent of the deliveries of one path; those of all others
// are of families.
const DeliveryPath = "path"

// Delivery is what one target is to be told about one path, or one family of
// paths. There is one row for each: changes of a path that come while it is
// pending join it, and one that comes while it is being delivered makes it
// pending anew.
type Delivery struct {
	Target  string // an instance of the settings, "varnish:front"
	Extent  string // DeliveryPath, or what kind of family Subject names
	Subject string
	Action  string // what the newest change asks for
	Scope   string // of the path's row, where it is known
	// Followers are targets to be told, separated by commas, once this one was.
	Followers string

	State   DeliveryState
	Since   time.Time // of the oldest change not delivered, or when the state was reached
	Changed time.Time // of the newest change
	Version int64     // counts the changes

	Enqueued time.Time // when it last became pending
	Due      time.Time // when it is tried next, or is let go by Owner; zero unless pending
	Owner    string    // who is delivering it
	Attempts int       // that failed since it became pending
	Error    string    // of the last of them
	Progress string    // the name_hash behind which a family is still to be expanded

	// Wait is how long a delivery that is enqueued waits first. One that waits
	// already waits as long again, ten times at most. It is not kept.
	Wait time.Duration

	leased int64
}

// Hash is the key of a delivery among those of its target: the name_hash of a
// path.
func (d Delivery) Hash() string {
	if d.Extent == DeliveryPath {
		return Hash(d.Subject)
	}
	return Hash(d.Extent + "\x00" + d.Subject)
}

// HasLedger reports whether there is a table for deliveries, looking for it if
// there was none when the store last looked.
func (s *Store) HasLedger(ctx context.Context) (bool, error) {
	if !s.schema.Load().ledger {
		if err := s.loadSchema(ctx); err != nil {
			return false, err
		}
	}
	return s.schema.Load().ledger, nil
}

// needLedger fails where there is no table for deliveries.
func (s *Store) needLedger(ctx context.Context) error {
	there, err := s.HasLedger(ctx)
	if err == nil && !there {
		err = &Error{Op: "deliver", Subject: ledgerTable, Kind: ErrSchema, Hint: "the cdn is not set up; create the table with dfsctl schema create"}
	}
	return err
}

// ledgerColumns are the columns of a delivery in the order of scanDelivery.
const ledgerColumns = "`target`, `extent`, `subject`, `action`, `scope`, `followers`, `state`, `since`, `due`, `version`, `leased`," +
	" `owner`, `attempts`, `changed`, `enqueued`, `progress`, `error`"

// Enqueue makes deliveries pending, of which Target, Extent, Subject, Action,
// Scope, Followers, Changed and Wait are read. What is pending already, or being
// delivered, keeps its place, as far as Wait allows, and takes the newer action;
// its followers too, where there are none of the newer. Of several for one
// subject the last counts.
func (tx *Tx) Enqueue(deliveries ...Delivery) error {
	if len(deliveries) == 0 {
		return nil
	}
	if err := tx.store.needLedger(tx.ctx); err != nil {
		return err
	}
	for chunk := range slices.Chunk(distinct(deliveries), chunkSize) {
		now := tx.store.dialect.now
		one := "(?, ?, ?, ?, ?, ?, ?, 'pending', ?, ?, " + now + ", " + now + " + ?, ''), "
		args := make([]any, 0, 10*len(chunk))
		for _, k := range chunk {
			changed := k.Changed.UnixMicro()
			args = append(args, k.Target, k.hash, k.Extent, k.Subject, k.Action, k.Scope, k.Followers,
				changed, changed, k.Wait.Microseconds())
		}
		_, err := tx.exec("enqueue", chunk[0].Subject, "INSERT INTO "+quoted(ledgerTable)+
			" (`target`, `hash`, `extent`, `subject`, `action`, `scope`, `followers`, `state`, `since`, `changed`, `enqueued`, `due`, `error`) VALUES "+
			strings.TrimSuffix(strings.Repeat(one, len(chunk)), ", ")+
			tx.store.dialect.onDuplicateDelivery+tx.store.dialect.joinDelivery(), args...)
		if err != nil {
			return err
		}
	}
	return nil
}

// joinDelivery is what becomes of a row when another change of its subject
// comes. MySQL assigns one after the other, so that what the others read comes
// last.
func (d *dialect) joinDelivery() string {
	unlessPending := func(column, value string) string {
		return column + " = CASE WHEN `state` = 'pending' THEN " + column + " ELSE " + value + " END"
	}
	return strings.Join([]string{
		"`since` = CASE WHEN `state` = 'pending' AND `since` < " + d.given("`since`") + " THEN `since` ELSE " + d.given("`since`") + " END",
		"`due` = CASE WHEN `state` = 'pending' AND NOT (" + d.waitsLonger() + ") THEN `due` ELSE " + d.given("`due`") + " END",
		unlessPending("`enqueued`", d.given("`enqueued`")),
		unlessPending("`attempts`", "0"),
		unlessPending("`error`", "''"),
		"`progress` = ''",
		"`changed` = CASE WHEN `changed` < " + d.given("`changed`") + " THEN " + d.given("`changed`") + " ELSE `changed` END",
		"`version` = `version` + 1",
		"`action` = " + d.given("`action`"),
		"`scope` = " + d.given("`scope`"),
		"`followers` = CASE WHEN `state` = 'pending' AND " + d.given("`followers`") + " = '' THEN `followers` ELSE " + d.given("`followers`") + " END",
		"`state` = 'pending'",
	}, ", ")
}

// waitsLonger is true of a row that waits, where the newer change has to wait
// beyond that. Changes that never end must not put it off for ever: it waits no
// longer than ten times as long as one change does.
func (d *dialect) waitsLonger() string {
	due := d.given("`due`")
	return "`owner` = '' AND `due` < " + due + " AND `enqueued` > " + d.now + " - 10 * (" + due + " - " + d.now + ")"
}

// keyedDelivery is a delivery with its hash.
type keyedDelivery struct {
	Delivery
	hash string
}

// distinct returns the last of the deliveries for each subject, in the order
// in which everybody locks.
func distinct(deliveries []Delivery) []keyedDelivery {
	list := make([]keyedDelivery, len(deliveries))
	for i, d := range deliveries {
		list[len(list)-1-i] = keyedDelivery{d, d.Hash()}
	}
	slices.SortStableFunc(list, func(a, b keyedDelivery) int {
		return cmp.Or(cmp.Compare(a.Target, b.Target), cmp.Compare(a.hash, b.hash))
	})
	return slices.CompactFunc(list, func(a, b keyedDelivery) bool { return a.hash == b.hash && a.Target == b.Target })
}

// scanDelivery reads ledgerColumns.
func scanDelivery(scan func(...any) error) (d Delivery, err error) {
	var since, changed, enqueued int64
	var due *int64
	err = scan(&d.Target, &d.Extent, &d.Subject, &d.Action, &d.Scope, &d.Followers, &d.State, &since, &due, &d.Version, &d.leased,
		&d.Owner, &d.Attempts, &changed, &enqueued, &d.Progress, &d.Error)
	d.Since, d.Changed, d.Enqueued = time.UnixMicro(since), time.UnixMicro(changed), time.UnixMicro(enqueued)
	if due != nil {
		d.Due = time.UnixMicro(*due)
	}
	return d, err
}

// maxDeliveryError bounds what is kept of an error, in bytes.
const maxDeliveryError = 1000
