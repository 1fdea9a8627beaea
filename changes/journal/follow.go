package journal

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"example.com/ezdfs/changes"
	"example.com/ezdfs/metadata"
)

const (
	// outageWait is how long to wait before the database is asked again after
	// it could not be reached, unless the poll interval is longer.
	outageWait = 500 * time.Millisecond
	// upkeepEvery is the time between two prunings.
	upkeepEvery = time.Minute
)

// Changes implements [changes.Source].
func (s *Source) Changes(ctx context.Context, after changes.Position, follow bool) iter.Seq2[changes.Change, error] {
	return func(yield func(changes.Change, error) bool) {
		c := &cursor{source: s, after: after, follow: follow}
		ctx, cancel := context.WithCancel(ctx)
		defer c.upkeep.wait()
		defer cancel()
		for !c.done {
			entries, err := c.next(ctx)
			for _, e := range entries {
				c.after = position(e.Position)
				if !yield(change(c.after, e), nil) {
					return
				}
			}
			switch {
			case err == nil:
			case follow && ctx.Err() != nil:
				return
			default:
				yield(changes.Change{}, err)
				return
			}
		}
	}
}

// change is an entry of the journal as a change.
func change(p changes.Position, e metadata.JournalEntry) changes.Change {
	c := changes.Change{Position: p, Kind: e.Kind, Subject: e.Subject, Scope: e.Scope, Time: e.Time, Host: e.Host}
	if !e.Kind.Family() {
		c.Hash = metadata.Hash(e.Subject)
	}
	return c
}

// cursor is one stream.
type cursor struct {
	source *Source
	after  changes.Position
	follow bool
	reader *metadata.JournalReader // nil until it could be opened
	wait   time.Duration           // before the next look
	done   bool
	upkeep upkeep
}

// next reads a page, having waited if there was nothing more the last time.
// Following, it outlasts what waiting can mend.
func (c *cursor) next(ctx context.Context) (entries []metadata.JournalEntry, err error) {
	if err := c.rest(ctx); err != nil {
		return nil, err
	}
	var more bool
	if c.reader == nil {
		err = c.open(ctx)
	}
	if err == nil {
		entries, more, err = c.reader.Next(ctx)
	}
	if err != nil {
		return nil, c.failed(ctx, err)
	}
	if !more {
		c.wait = c.source.options.PollInterval
	}
	if c.done = !c.follow && !c.reader.Behind(); c.done {
		newer := func(e metadata.JournalEntry) bool { return e.ID > c.reader.Head() }
		entries = slices.DeleteFunc(entries, newer)
	}
	return entries, nil
}

// rest waits where the last look found nothing more, and sees to the journal's
// upkeep then.
func (c *cursor) rest(ctx context.Context) error {
	wait := c.wait
	c.wait = 0
	if wait == 0 {
		return ctx.Err()
	}
	if c.follow && c.reader != nil {
		c.upkeep.start(ctx, c.source, c.reader)
	}
	return sleep(ctx, wait)
}

// failed returns nil for what a follower outlasts.
func (c *cursor) failed(ctx context.Context, err error) error {
	var lost *metadata.JournalLostError
	switch {
	case errors.As(err, &lost):
		return &changes.LostError{Source: name, Position: c.after, Reason: lost.Reason}
	case !c.follow || !metadata.IsRetryable(err):
		return err
	}
	c.source.options.Logger.WarnContext(ctx, "the journal cannot be read; trying again", "error", err)
	c.wait = max(c.source.options.PollInterval, outageWait)
	c.reopen()
	return nil
}

// open opens the journal at the position.
func (c *cursor) open(ctx context.Context) error {
	var at metadata.JournalPosition
	var err error
	if c.after == changes.Newest {
		at, err = c.source.store.JournalHead(ctx)
		if err == nil {
			c.after = position(at.String())
		}
	} else {
		at, err = parse(c.after)
	}
	if err == nil {
		c.reader, err = c.source.store.ReadJournal(ctx, at)
	}
	return err
}

// reopen makes the reader, after an outage, look anew whether its position is
// still there: another server may have taken over, which lacks some entries.
func (c *cursor) reopen() {
	if c.reader != nil {
		c.after, c.reader = position(c.reader.Position().String()), nil
	}
}

// sleep waits, or fails when ctx is done before.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
