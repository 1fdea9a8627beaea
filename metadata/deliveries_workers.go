package metadata

import (
	"context"
	"database/sql"
	"strconv"
	"strings"
	"time"
)

// stateWorker begins the names in the state table under which processes that
// deliver say how they fare: "<microseconds> <text>".
const stateWorker = "cdn.worker."

// workerKept is how long it is known what a process said that says nothing
// more.
const workerKept = time.Hour

// WorkerReport is what a process that delivers says about itself.
type WorkerReport struct {
	Name string        // that nobody else has, at most 48 bytes
	Text string        // what it says; the store does not look into it
	Age  time.Duration // how long ago, by the database's clock
}

// ReportWorker notes what a process that delivers says about itself, in the
// place of what it said before, and forgets those that have said nothing for an
// hour.
func (s *Store) ReportWorker(ctx context.Context, name, text string) error {
	if err := s.needLedger(ctx); err != nil {
		return err
	}
	err := s.Update(ctx, func(tx *Tx) error {
		var now int64
		if err := tx.tx.QueryRowContext(tx.ctx, "SELECT "+s.dialect.now).Scan(&now); err != nil {
			return tx.wrap("report", name, err)
		}
		return tx.putState(stateWorker+name, strconv.FormatInt(now, 10)+" "+text)
	})
	if err != nil {
		return err
	}
	reports, err := s.WorkerReports(ctx)
	for _, r := range reports {
		if r.Age > workerKept && err == nil {
			err = s.ForgetWorker(ctx, r.Name)
		}
	}
	return err
}

// ForgetWorker drops what a process said: it has ended.
func (s *Store) ForgetWorker(ctx context.Context, name string) error {
	_, err := s.execRetry(ctx, "forget", name, "DELETE FROM "+quoted(stateTable)+" WHERE `name` = ?", stateWorker+name)
	return err
}

// WorkerReports lists what processes that deliver said, in the order of their
// names.
func (s *Store) WorkerReports(ctx context.Context) (list []WorkerReport, err error) {
	if err := s.needLedger(ctx); err != nil {
		return nil, err
	}
	err = s.retry(ctx, func(ctx context.Context) (bool, error) {
		list = nil
		return true, s.wrap("read", stateTable, query(ctx, s.pools.read, func(rows *sql.Rows) error {
			var name, value string
			var now int64
			if err := rows.Scan(&name, &value, &now); err != nil {
				return err
			}
			micros, text, _ := strings.Cut(value, " ")
			at, _ := strconv.ParseInt(micros, 10, 64) // long ago where it is no number
			list = append(list, WorkerReport{strings.TrimPrefix(name, stateWorker), text, time.Duration(max(0, now-at)) * time.Microsecond})
			return nil
		}, "SELECT `name`, `value`, "+s.dialect.now+" FROM "+quoted(stateTable)+" WHERE `name` LIKE ? ORDER BY `name`", stateWorker+"%"))
	})
	return list, err
}
