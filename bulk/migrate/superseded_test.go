package migrate

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"example.com/ezdfs/metadata"
)

// TestSuperseded: while a host waits for another to finish the pass, that one does,
// and begins the next. What became of theirs nobody knows, least of all that the
// migration is finished.
func TestSuperseded(t *testing.T) {
	for name, test := range map[string]struct {
		kind metadata.MigrationKind
		run  func(*Migration, context.Context) (metadata.MigrationCounts, error)
	}{
		"copy":   {metadata.MigrationCopy, (*Migration).Copy},
		"verify": {metadata.MigrationVerify, (*Migration).Verify},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, false, "nfs:new")
			store(t, s.host(t, "nfs", ""), prefix+"/file", "body")
			c := s.host(t, "nfs:new", "nfs")
			m := move(t, c, "nfs", "nfs:new", Options{})
			if _, err := m.Copy(t.Context()); err != nil {
				t.Fatal(err)
			}
			other := leaseAll(t, c.Metadata(), m.record(test.kind))
			waiting := newWaiter()
			m = move(t, c, "nfs", "nfs:new", Options{Lease: 100 * time.Millisecond, Logger: slog.New(waiting)})
			var group sync.WaitGroup
			group.Go(func() {
				select {
				case <-waiting.came:
				case <-t.Context().Done():
				}
				other.finishAndStart(t)
				close(waiting.goOn)
			})
			counts, err := test.run(m, t.Context())
			group.Wait()
			if !errors.Is(err, ErrSuperseded) || counts.Total() != 0 {
				t.Errorf("%+v, %v", counts, err)
			}
			if test.kind == metadata.MigrationVerify {
				wantState(t, c, metadata.MigrationRunning)
			}
		})
	}
}

// otherHost has all ranges of a pass.
type otherHost struct {
	meta   *metadata.Store
	record metadata.Migration
	ranges []metadata.MigrationRange
}

func leaseAll(t *testing.T, meta *metadata.Store, record metadata.Migration) *otherHost {
	t.Helper()
	begun, err := meta.StartMigration(t.Context(), record)
	if err != nil {
		t.Fatal(err)
	}
	o := &otherHost{meta: meta, record: begun}
	for {
		r, ok, err := meta.LeaseRange(t.Context(), begun, "other:1:2:3", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return o
		}
		o.ranges = append(o.ranges, r)
	}
}

// finishAndStart does what the pass has to do, and begins the next.
func (o *otherHost) finishAndStart(t *testing.T) {
	err := o.meta.Update(t.Context(), func(tx *metadata.Tx) error {
		for _, r := range o.ranges {
			if held, err := tx.AdvanceRange(r, "", metadata.MigrationCounts{}, true, 0); err != nil || !held {
				return errors.Join(err, errLost)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if next, err := o.meta.StartMigration(t.Context(), o.record); err != nil || next.Pass == o.record.Pass {
		t.Errorf("the next pass is %+v, %v", next, err)
	}
}

// waiter is a log handler that holds up whoever says that it waits for others.
type waiter struct {
	slog.Handler
	came, goOn chan struct{}
}

func newWaiter() *waiter {
	return &waiter{slog.DiscardHandler, make(chan struct{}), make(chan struct{})}
}

func (w *waiter) Enabled(context.Context, slog.Level) bool { return true }

func (w *waiter) Handle(_ context.Context, r slog.Record) error {
	if r.Level == slog.LevelWarn {
		close(w.came)
		<-w.goOn
	}
	return nil
}
