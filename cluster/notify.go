package cluster

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"example.com/ezdfs/changes"
	"example.com/ezdfs/events"
	"example.com/ezdfs/metadata"
)

// tell tells the listeners what was committed, or may have been: to drop what
// did not change costs them a query, to keep what did is wrong.
func (c *Cluster) tell(kind events.Kind, subjects ...string) {
	list := make([]events.Event, len(subjects))
	for i, subject := range subjects {
		list[i] = events.Event{Kind: kind, Subject: subject}
	}
	c.hub.Publish(list...)
}

// tellUnlessRefused is tell after an operation whose error, if there is one,
// does not always mean that nothing was committed: only arguments that were
// refused never got so far.
func (c *Cluster) tellUnlessRefused(err error, kind events.Kind, subjects ...string) {
	if !errors.Is(err, fs.ErrInvalid) {
		c.tell(kind, subjects...)
	}
}

func (c *Cluster) tellRows(rows ...metadata.Row) {
	names := make([]string, len(rows))
	for i, row := range rows {
		names[i] = row.Name
	}
	c.tell(events.DeleteFile, names...)
}

// distrust makes the caches, those shared with other hosts too, drop a row that
// turned out to be old, and every query for it start anew. Nothing changed, so
// nobody else hears of it.
func (c *Cluster) distrust(name string) {
	c.hub.Relay(events.Event{Kind: events.DeleteFile, Subject: name})
}

// everything is the event after which nothing that was cached is valid.
var everything = events.Event{Kind: events.DeleteByLike}

// familyEvents says how the listeners hear of the changes that name families.
var familyEvents = map[metadata.Kind]events.Kind{
	metadata.KindExpirePrefix:   events.DeleteByLike,
	metadata.KindExpireTrunk:    events.DeleteByNametrunk,
	metadata.KindExpireWildcard: events.DeleteByWildcard,
	metadata.KindExpireScope:    events.DeleteByScope,
}

// eventOf translates an entry of the change feed.
func eventOf(change changes.Change) events.Event {
	if !change.Kind.Family() {
		return events.Event{Kind: events.DeleteFile, Subject: change.Subject, Hash: change.Hash}
	}
	if kind, ok := familyEvents[change.Kind]; ok {
		return events.Event{Kind: kind, Subject: change.Subject}
	}
	return everything // a table was truncated
}

// followPause is how long a feed that failed is left alone.
const followPause = time.Second

// follow makes the caches of this process drop what others change, until ctx
// is done. Whenever the feed cannot be resumed, or fails, they believe nothing
// any more and it begins anew: changes that were missed then cannot matter.
func (c *Cluster) follow(ctx context.Context, source changes.Source) {
	for ctx.Err() == nil {
		err := c.followFrom(ctx, source)
		if ctx.Err() != nil {
			return
		}
		c.hub.Invalidate(events.Event{Kind: events.Lost})
		c.logger.WarnContext(ctx, "the change feed broke off; rows are cached for their TTL until it is back",
			"source", source.Name(), "error", err)
		sleep(ctx, followPause)
	}
}

func (c *Cluster) followFrom(ctx context.Context, source changes.Source) error {
	position, err := source.Head(ctx)
	if err != nil {
		return err
	}
	c.hub.Invalidate(events.Event{Kind: events.Lost}) // what was cached before the position
	for change, err := range source.Changes(ctx, position, true) {
		if err != nil {
			return err
		}
		c.hub.Relay(eventOf(change))
	}
	return ctx.Err()
}
