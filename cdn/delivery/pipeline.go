package delivery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"example.com/ezdfs/cdn"
	"example.com/ezdfs/changes"
	"example.com/ezdfs/metadata"
)

// Pipeline delivers changes to targets. Create it with New.
type Pipeline struct {
	store   *metadata.Store
	rules   *Rules
	options Options
	logger  *slog.Logger
	workers map[string]*worker // by the name of the target
	metrics *metrics
	warmer  *warmer
	started time.Time
	fed     fed
	news    chan struct{} // the database is to be told how we fare
}

// New returns a pipeline that delivers what the rules say to targets, which
// stay the caller's to close. Every target that a rule names must be there.
func New(store *metadata.Store, targets []cdn.Target, rules *Rules, o Options) (*Pipeline, error) {
	o = o.withDefaults()
	p := &Pipeline{store: store, rules: rules, options: o, logger: o.Logger, workers: make(map[string]*worker),
		started: time.Now(), news: make(chan struct{}, 1)}
	var errs []error
	for _, t := range targets {
		if p.workers[t.Name()] != nil {
			errs = append(errs, fmt.Errorf("two targets are called %q", t.Name()))
		}
		p.workers[t.Name()] = newWorker(p, t)
	}
	for _, name := range rules.Targets() {
		if p.workers[name] == nil {
			errs = append(errs, fmt.Errorf("cdn.ini [CDN] Rules: there is no target %q; add a group [%s] to cdn.ini", name, name))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	p.metrics = newMetrics(p)
	for name := range p.workers {
		p.metrics.expect(name)
	}
	p.warmer = newWarmer(o.WarmConcurrency, p.metrics)
	if o.Registerer != nil {
		if err := p.metrics.register(o.Registerer); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// Run feeds the ledger from a source and delivers until ctx is done, and
// returns nil then, once all that was under way is done or given back. With a
// nil source it only delivers; the source stays the caller's to close. It fails
// at once where the database is not set up for it.
func (p *Pipeline) Run(ctx context.Context, source changes.Source) error {
	if there, err := p.store.HasLedger(ctx); err != nil {
		return err
	} else if !there {
		return errors.New("the cdn is not set up: the table ezdfs_cdn_delivery does not exist; create it with dfsctl schema create")
	}
	hard, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		end := time.AfterFunc(p.options.Grace, cancel)
		context.AfterFunc(hard, func() { end.Stop() })
	})()
	var all sync.WaitGroup
	if source != nil {
		all.Go(func() { p.feed(ctx, source) })
	}
	for _, w := range p.workers {
		all.Go(func() { w.run(ctx, hard) })
	}
	all.Go(func() { p.upkeep(ctx) })
	all.Go(func() { p.reports(ctx) })
	all.Go(func() { p.warmer.run(ctx) })
	all.Wait()
	return nil
}

// Enqueue makes deliveries by hand: of paths and families, to the targets that
// the rules name for them, or to one of any name. Push stands for what follows a
// store. It returns the deliveries that are pending now, also with an error.
func (p *Pipeline) Enqueue(ctx context.Context, target string, action cdn.Action, extent cdn.Extent, subjects ...string) (queued []metadata.Delivery, err error) {
	if target != "" && p.workers[target] == nil {
		return nil, fmt.Errorf("there is no target %q; there are %q", target, p.names())
	}
	var list []metadata.Delivery
	for _, subject := range subjects {
		list = append(list, p.byHand(target, action, extent, subject)...)
	}
	for chunk := range slices.Chunk(list, expandPage) {
		if err := p.store.Update(ctx, func(tx *metadata.Tx) error { return tx.Enqueue(chunk...) }); err != nil {
			return queued, err
		}
		queued = append(queued, chunk...)
	}
	p.wake(list)
	return queued, nil
}

func (p *Pipeline) byHand(target string, action cdn.Action, extent cdn.Extent, subject string) []metadata.Delivery {
	d := metadata.Delivery{Extent: string(extent), Subject: subject, Changed: time.Now()}
	if target != "" {
		return p.along(nil, []route{{target: target}}, d, action == cdn.Push)
	}
	if extent != cdn.Path {
		return p.familyDeliveries(changes.Change{Time: d.Changed}, extent, subject)
	}
	if one := p.rules.of(subject); one != nil {
		return p.along(nil, one.routes, d, action == cdn.Push)
	}
	return nil
}

// Followers are the deliveries that follow once a delivery was made.
func (p *Pipeline) Followers(d metadata.Delivery) []metadata.Delivery { return p.followers(nil, d) }

// wake has the workers of deliveries look at once.
func (p *Pipeline) wake(list []metadata.Delivery) {
	for _, d := range list {
		if w := p.workers[d.Target]; w != nil {
			select {
			case w.woken <- struct{}{}:
			default:
			}
		}
	}
}

// upkeepEvery is the time between two counts of what is pending, and pruneEvery
// that between two prunings.
const (
	upkeepEvery = 15 * time.Second
	pruneEvery  = 5 * time.Minute
)

// upkeep counts for the metrics and prunes until ctx is done.
func (p *Pipeline) upkeep(ctx context.Context) {
	var pruned time.Time
	told := make(map[string]bool)
	for {
		stats, err := p.stats(ctx)
		if err == nil {
			p.metrics.setBacklog(stats)
			p.reportOrphans(ctx, stats, told)
		}
		if time.Since(pruned) > pruneEvery {
			pruned = time.Now()
			for _, s := range stats {
				_, pruneErr := p.store.PruneDeliveries(ctx, s.Target, p.options.Retention)
				err = errors.Join(err, pruneErr)
			}
		}
		if err != nil && ctx.Err() == nil {
			p.logger.WarnContext(ctx, "the ledger of deliveries cannot be looked after", "error", err)
		}
		if !sleep(ctx, upkeepEvery) {
			return
		}
	}
}

// stats counts the deliveries of the targets of this process, and of all that
// have any.
func (p *Pipeline) stats(ctx context.Context) ([]metadata.DeliveryStats, error) {
	targets, err := p.store.DeliveryTargets(ctx)
	targets = append(targets, p.names()...)
	slices.Sort(targets)
	if targets = slices.Compact(targets); err != nil || len(targets) == 0 {
		return nil, err
	}
	return p.store.DeliveryStats(ctx, targets...)
}

// reportOrphans says once of each target that this process does not have that
// something waits for it.
func (p *Pipeline) reportOrphans(ctx context.Context, stats []metadata.DeliveryStats, told map[string]bool) {
	for _, s := range stats {
		if s.Pending > 0 && p.workers[s.Target] == nil && !told[s.Target] {
			told[s.Target] = true
			p.logger.WarnContext(ctx, "deliveries wait for a target that cdn.ini does not have", "target", s.Target, "pending", s.Pending)
		}
	}
}

// sleep waits and reports whether ctx is still to go on.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// names lists the targets in order.
func (p *Pipeline) names() []string { return slices.Sorted(maps.Keys(p.workers)) }
