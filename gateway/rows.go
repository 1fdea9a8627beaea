package gateway

import (
	"context"
	"errors"
	"time"

	"example.com/ezdfs/cluster"
	"example.com/ezdfs/events"
	"example.com/ezdfs/events/rowcache"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// Rows remembers rows, how old what it knows is, and by Answer.Known whether it
// may be believed; [rowcache.Cache] is one.
type Rows interface {
	Stale(name string) (answer events.Answer, age time.Duration, ok bool)
}

var _ Rows = (*rowcache.Cache)(nil)

// NewRows returns what remembers the rows of a gateway: [Gateway] MetadataTTL
// and StaleIfError of file.ini. It has to hear what the cluster hears, and be
// known to the handler:
//
//	rows := gateway.NewRows(s)
//	c, err := cluster.Open(ctx, s, cluster.WithListeners(rows))
//	...
//	options.Rows = rows
func NewRows(s settings.Settings) *rowcache.Cache {
	ttl := max(s.Gateway.MetadataTTL, 1) // kept for when the database is down, believed by nobody
	return rowcache.New(rowcache.Options{
		TTL: ttl, NegativeTTL: ttl, StaleIfError: s.Gateway.StaleIfError, MaxEntries: s.RowCache.MaxEntries,
	})
}

// knownRow is a row and how long ago, at the most, the database told it.
type knownRow struct {
	metadata.Row
	age   time.Duration
	stale bool // older than allowed: the database cannot be asked
}

// row returns the row of a live file: one that is young enough, else the
// database's; while that is down, what it told last.
func (x *exchange) row(name string) (knownRow, error) {
	row, err := x.anyRow(name)
	if err == nil && !row.Live() {
		err = &cluster.ExpiredError{Path: name}
	}
	return row, err
}

func (x *exchange) anyRow(name string) (knownRow, error) {
	var answer events.Answer
	var age time.Duration
	known := false
	if x.o.Rows != nil {
		answer, age, known = x.o.Rows.Stale(name)
	}
	if known && answer.Known && age < x.o.MetadataTTL {
		x.count.rowHits.Add(1)
		if !answer.Exists {
			return knownRow{}, &fault{status: 404}
		}
		return knownRow{Row: answer.Row, age: age}, nil
	}
	x.count.rowMisses.Add(1)
	row, err := ask(x.r.Context(), x.database, func(ctx context.Context) (metadata.Row, error) { return x.files.Stat(ctx, name) })
	if err == nil || !known || !answer.Exists || !unavailable(err) {
		return knownRow{Row: row, age: x.o.RowAge}, err
	}
	x.count.rowStale.Add(1)
	x.o.Logger.DebugContext(x.r.Context(), "serving by a row that was read before", "path", name, "age", age, "error", err)
	return knownRow{Row: answer.Row, age: age, stale: true}, nil
}

// grace is how long a store may hold a body before its row is committed, the
// difference of the clocks included.
const grace = 10 * time.Second

// fits reports whether a body of the size of a row is that row's for sure. A
// body that was written here has the row's time; any other is the row's if the
// store has had it since before the row was read, and some time longer: a body
// is there before its row is committed.
func (k knownRow) fits(f *cluster.File, now time.Time) bool {
	info := f.Info()
	return info.ModTime.Unix() == k.MTime || now.Sub(info.Stored) > k.age+grace
}

// databaseFault makes an error of the metadata store.
func databaseFault(err error) error {
	var known *metadata.Error
	if errors.As(err, &known) {
		return err
	}
	return &metadata.Error{Op: "get", Kind: metadata.ErrUnavailable, Err: err}
}
