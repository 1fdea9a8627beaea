package migrate

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"example.com/ezdfs/bulk"
	"example.com/ezdfs/metadata"
)

// maxRanges is how many ranges there are.
const maxRanges = 256

// errLost says that somebody else has the range by now.
var errLost = errors.New("the lease of the range is over")

// ErrSuperseded says that another pass has begun before this one was over or its
// counts were read, so that nobody knows what became of it.
var ErrSuperseded = errors.New("another run has begun a new pass meanwhile: run the same command again")

// pass is one walk over all rows, by leased ranges.
type pass struct {
	m      *Migration
	record metadata.Migration
	idle   chan *walker // that a worker is through with
	busy   int          // walkers that workers have
	leases int          // taken so far
	waits  bool         // for others, and has said so

	mu   sync.Mutex
	held map[*walker]bool
}

// pass works on all rows in batches. The counts are those of the pass, whoever
// did it.
func (m *Migration) pass(ctx context.Context, kind metadata.MigrationKind, work func(context.Context, *pass, *batch) error) (metadata.MigrationCounts, error) {
	p := &pass{m: m, idle: make(chan *walker, max(m.options.Limits.Workers, maxRanges)), held: make(map[*walker]bool)}
	err := m.persist(ctx, func(ctx context.Context) (err error) {
		p.record, err = m.meta.StartMigration(ctx, m.record(kind))
		return err
	})
	if err != nil {
		return metadata.MigrationCounts{}, err
	}
	err = p.run(ctx, work)
	p.release(ctx)
	counts, countErr := p.counts(ctx)
	if err == nil {
		err = countErr
	}
	return counts, err
}

func (p *pass) run(ctx context.Context, work func(context.Context, *pass, *batch) error) error {
	ctx, cancel := context.WithCancel(ctx)
	var renewing sync.WaitGroup
	renewing.Go(func() { p.renew(ctx) })
	defer renewing.Wait()
	defer cancel()
	files := func(b *batch) int { return len(b.files) }
	return bulk.Weighted(ctx, p.m.pool, p.batches(ctx), files, func(ctx context.Context, b *batch) error {
		err := p.m.persist(ctx, func(ctx context.Context) error { return work(ctx, p, b) })
		if errors.Is(err, errLost) {
			p.m.options.Logger.InfoContext(ctx, "somebody else goes on with a range", "range", b.w.r.First)
			b.w.over, err = true, nil
		}
		b.w.over = b.w.over || b.last
		p.idle <- b.w
		return err
	})
}

// batches yields batches of the ranges that this process holds, of each range
// one at a time, so that its position never skips anything. It takes as many
// ranges as there are workers.
func (p *pass) batches(ctx context.Context) iter.Seq2[*batch, error] {
	return func(yield func(*batch, error) bool) {
		for {
			w, err := p.walker(ctx)
			if err != nil {
				yield(nil, err)
				return
			}
			if w == nil {
				return
			}
			var b *batch
			err = p.m.persist(ctx, func(ctx context.Context) (err error) {
				b, err = w.batch(ctx, p.m)
				return err
			})
			if err != nil {
				yield(nil, err)
				return
			}
			p.busy++
			if !yield(b, nil) {
				return
			}
		}
	}
}

// walker returns a range to go on with: one whose last batch is done, else a
// new one; or nil when all are done.
func (p *pass) walker(ctx context.Context) (*walker, error) {
	for {
		select {
		case w := <-p.idle:
			if p.returned(w); !w.over {
				return w, nil
			}
			continue
		default:
		}
		if w, err := p.lease(ctx); w != nil || err != nil {
			return w, err
		}
		if p.busy == 0 {
			if done, err := p.done(ctx); done || err != nil {
				return nil, err
			}
		}
		// Others have what is left, and may die of it.
		p.tellWaiting(ctx)
		select {
		case w := <-p.idle:
			if p.returned(w); !w.over {
				return w, nil
			}
		case <-time.After(min(time.Second, p.m.options.Lease/4)):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// tellWaiting says once that all that is left is to be done by others, who may not
// be alive any more.
func (p *pass) tellWaiting(ctx context.Context) {
	if p.busy > 0 || p.waits {
		return
	}
	p.waits = true
	now, err := p.now(ctx)
	if err != nil {
		return // whatever it is, the next look meets it
	}
	if workers := Workers(now); len(workers) > 0 {
		p.m.options.Logger.WarnContext(ctx, "others work on what is left; of one that was killed it is taken over when its lease ends",
			"workers", workers, "lease", p.m.options.Lease)
	}
}

// returned takes a walker back from its worker.
func (p *pass) returned(w *walker) {
	p.busy--
	if w.over {
		p.drop(w)
	}
}

func (p *pass) drop(w *walker) {
	w.close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.held, w)
}

// lease takes a range that nobody has, if there is one.
func (p *pass) lease(ctx context.Context) (w *walker, err error) {
	p.leases++
	owner := fmt.Sprintf("%s:%d", p.m.owner, p.leases)
	err = p.m.persist(ctx, func(ctx context.Context) error {
		// An interruption must not leave a lease of which we do not know.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
		defer cancel()
		r, ok, err := p.m.meta.LeaseRange(ctx, p.record, owner, p.m.options.Lease)
		if ok && err == nil {
			w = &walker{r: r, after: r.Position}
		}
		return err
	})
	if w != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.held[w] = true
	}
	return w, err
}

// done reports whether all ranges are, or another pass has begun.
func (p *pass) done(ctx context.Context) (done bool, err error) {
	err = p.m.persist(ctx, func(ctx context.Context) error {
		now, err := p.now(ctx)
		done = now.Done() || now.Pass != p.record.Pass
		return err
	})
	return done, err
}

// now is the record of the migration as it is now.
func (p *pass) now(ctx context.Context) (metadata.Migration, error) {
	list, err := p.m.meta.Migrations(ctx)
	if err != nil {
		return metadata.Migration{}, err
	}
	for _, m := range list {
		if m.ID() == p.record.ID() {
			return m, nil
		}
	}
	return metadata.Migration{}, fmt.Errorf("the record of the migration is gone: somebody has emptied the table ezdfs_migration")
}

// counts are those of the pass, also of one that was interrupted.
func (p *pass) counts(ctx context.Context) (metadata.MigrationCounts, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	now, err := p.now(ctx)
	if err == nil && now.Pass != p.record.Pass {
		return metadata.MigrationCounts{}, ErrSuperseded
	}
	return now.Counts(), err
}

// renew keeps the leases of the ranges that this process holds.
func (p *pass) renew(ctx context.Context) {
	tick := time.NewTicker(p.m.options.Lease / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, r := range p.ranges() {
			// Whether it worked the next transaction of the range finds out.
			if _, err := p.m.meta.RenewRange(ctx, r, p.m.options.Lease); err != nil {
				break
			}
		}
	}
}

func (p *pass) ranges() (list []metadata.MigrationRange) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for w := range p.held {
		list = append(list, w.r)
	}
	return list
}

// releaseTimeout bounds what is done after an interruption.
const releaseTimeout = 10 * time.Second

// release gives up the ranges that are not done, so that nobody waits for them.
func (p *pass) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	for w := range p.held {
		w.close()
	}
	if err := p.m.meta.ReleaseRanges(ctx, p.record, p.ranges()...); err != nil {
		p.m.options.Logger.WarnContext(ctx, "ranges stay reserved until their leases are over", "error", err)
	}
}
