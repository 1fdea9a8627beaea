package delivery

import (
	"context"
	"errors"
	"time"

	"example.com/ezdfs/cdn"
	"example.com/ezdfs/changes"
	"example.com/ezdfs/metadata"
)

const (
	// feedPause is how long the feed waits after it failed.
	feedPause = time.Second
	// feedLinger is how long changes gather for one transaction.
	feedLinger = 5 * time.Millisecond
	// maxFeedLease bounds how long no change is delivered when the host dies
	// that has the feed. Losing it too early costs nothing but a moment.
	maxFeedLease = 10 * time.Second
)

// feed turns changes into deliveries until ctx is done, whenever no other host
// does.
func (p *Pipeline) feed(ctx context.Context, source changes.Source) {
	f := &feeder{Pipeline: p, source: source, owner: newOwner(), lease: min(p.options.Lease, maxFeedLease)}
	defer f.leave(ctx)
	for ctx.Err() == nil {
		position, taken, err := p.store.TakeDeliveryFeed(ctx, f.owner, f.lease)
		wait := feedPause
		switch {
		case err != nil:
		case taken:
			p.metrics.feeding.Set(1)
			f.turn(true, nil)
			err = f.from(ctx, changes.Position(position))
			p.metrics.feeding.Set(0)
		default:
			wait = f.lease / 3
		}
		if ctx.Err() != nil {
			return
		}
		f.turn(false, err)
		if err != nil {
			p.logger.WarnContext(ctx, "changes cannot be turned into deliveries; trying again", "source", source.Name(), "error", err)
		}
		sleep(ctx, wait)
	}
}

// feeder is the part of the pipeline that one host at a time has.
type feeder struct {
	*Pipeline
	source changes.Source
	owner  string
	lease  time.Duration
	// complained is when it was last logged that a change has no name.
	complained time.Time
}

// turn notes, and tells where it is another answer than before, whether it is
// this process's turn to feed.
func (f *feeder) turn(feeding bool, err error) {
	was := f.fed.report()
	f.fed.turn(f.source.Name(), feeding, err)
	if now := f.fed.report(); was.Feeding != now.Feeding || was.Unread != now.Unread {
		f.tell()
	}
}

// leave lets another host take over at once.
func (f *feeder) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	if err := f.store.LeaveDeliveryFeed(ctx, f.owner); err != nil {
		f.logger.WarnContext(ctx, "the feed could not be handed over; another host takes it when the lease is over", "error", err)
	}
}

// seen is what the stream yields.
type seen struct {
	change changes.Change
	err    error
}

// from follows the source from a position on. It returns when the stream ends
// or another host took over. Without a position it begins with what happens
// from now on.
func (f *feeder) from(ctx context.Context, position changes.Position) error {
	if position == "" {
		head, err := f.source.Head(ctx)
		if err != nil {
			return err
		}
		if err := f.commit(ctx, nil, head); err != nil {
			return err
		}
		f.logger.InfoContext(ctx, "changes are delivered from now on", "source", f.source.Name())
		position = head
	}
	ctx, cancel := context.WithCancel(ctx)
	stream := make(chan seen, f.options.FeedBatch)
	go func() {
		defer close(stream)
		for change, err := range f.source.Changes(ctx, position, true) {
			select {
			case stream <- seen{change, err}:
			case <-ctx.Done():
				return
			}
		}
	}()
	defer func() {
		cancel()
		for range stream { // until it has ended
		}
	}()
	err := f.follow(ctx, stream, position)
	var lost *changes.LostError
	if errors.As(err, &lost) {
		return f.lost(ctx, lost)
	}
	return err
}

// follow commits what the stream yields, in batches, and renews the lease.
func (f *feeder) follow(ctx context.Context, stream <-chan seen, position changes.Position) error {
	renew := time.NewTicker(f.lease / 3)
	defer renew.Stop()
	for {
		var batch []changes.Change
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-renew.C:
		case s, open := <-stream:
			if !open {
				return nil
			}
			batch, err = f.gather(s, stream)
		}
		if len(batch) > 0 {
			position = batch[len(batch)-1].Position
		}
		if err := f.commit(ctx, batch, position); err != nil {
			return err
		}
		if err != nil {
			return err
		}
	}
}

// gather adds what comes within a moment to a first change, up to a batch.
func (f *feeder) gather(s seen, stream <-chan seen) (batch []changes.Change, err error) {
	full := time.NewTimer(feedLinger)
	defer full.Stop()
	for {
		if s.err != nil {
			return batch, s.err
		}
		if batch = append(batch, s.change); len(batch) >= f.options.FeedBatch {
			return batch, nil
		}
		var open bool
		select {
		case s, open = <-stream:
			if !open {
				return batch, nil
			}
		case <-full.C:
			return batch, nil
		}
	}
}

// commit makes the deliveries of changes, in one transaction with the position
// behind them.
func (f *feeder) commit(ctx context.Context, batch []changes.Change, position changes.Position) error {
	var list []metadata.Delivery
	for _, c := range batch {
		if c.Subject == "" && c.Hash != "" {
			named, err := f.named(ctx, c)
			if err != nil {
				return err
			}
			c = named
		}
		if c.Subject != "" || c.Kind.Family() {
			list = append(list, f.deliveries(c)...)
		}
	}
	f.hold(list)
	return f.advance(ctx, list, position, batch)
}

func (f *feeder) advance(ctx context.Context, list []metadata.Delivery, position changes.Position, batch []changes.Change) error {
	err := f.store.Update(ctx, func(tx *metadata.Tx) error {
		if err := tx.AdvanceDeliveryFeed(f.owner, string(position), f.lease); err != nil {
			return err
		}
		return tx.Enqueue(list...)
	})
	if err == nil {
		f.metrics.changes.Add(float64(len(batch)))
		f.fed.took(batch)
		f.wake(list)
	}
	return err
}

// named finds the name of a path of which a binary log with minimal row images
// told the hash alone, among what was delivered lately.
func (f *feeder) named(ctx context.Context, c changes.Change) (changes.Change, error) {
	name, err := f.store.DeliveredSubject(ctx, c.Hash, f.rules.Targets()...)
	if name != "" || err != nil {
		c.Subject = name
		return c, err
	}
	f.metrics.unnamed.Inc()
	if time.Since(f.complained) > time.Minute {
		f.complained = time.Now()
		f.logger.ErrorContext(ctx, "a file is gone and the binary log does not tell its name, so no cache is told; set binlog_row_image=FULL",
			"hash", c.Hash)
	}
	return c, nil
}

// lost makes good for changes that nobody can tell any more: everything may be
// stale.
func (f *feeder) lost(ctx context.Context, lost *changes.LostError) error {
	f.metrics.lost.Inc()
	head, err := f.source.Head(ctx)
	if err != nil {
		return errors.Join(lost, err)
	}
	var list []metadata.Delivery
	if !f.options.IgnoreLost {
		list = f.familyDeliveries(changes.Change{Time: time.Now()}, cdn.All, "")
	}
	f.logger.ErrorContext(ctx, "changes were lost; going on with the newest", "source", lost.Source, "reason", lost.Reason,
		"after", lost.Position, "everything invalidated", !f.options.IgnoreLost)
	return f.advance(ctx, list, head, nil)
}
