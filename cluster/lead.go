package cluster

import (
	"cmp"
	"context"
	"errors"
	"io"
	"time"

	"example.com/ezdfs/metadata"
)

const (
	// waitPoll is how often a process looks whether another has ended its
	// generation. One call looks for all that wait here.
	waitPoll = 100 * time.Millisecond
	// lookAgain is how long a lock of another process is believed without
	// another look, by those who have stale contents to show.
	lookAgain = time.Second
	// shareLimit is the size up to which what another process generated is
	// read once for all that wait here; of larger contents each opens its own.
	shareLimit = 8 << 20
)

// lead generates, or sees that somebody else does.
func (r *request) lead(ctx context.Context, one *flight, row metadata.Row, exists bool) (*Entry, error) {
	for {
		g, err := r.c.StartGeneration(ctx, r.name, StoreOptions{Scope: r.options.Scope, DataType: r.options.DataType})
		if err == nil {
			return r.run(ctx, one, g)
		}
		busy, ok := errors.AsType[*GeneratingError](err)
		if !ok {
			return nil, err
		}
		if entry, ok := r.stale(ctx, row, exists); ok {
			now := r.c.now()
			r.c.flights.setAway(r.name, now.Add(min(lookAgain, max(busy.Remaining, waitPoll))), now)
			return entry, nil
		}
		if r.options.Handling == GenerateOwn {
			return r.own(ctx, one)
		}
		if entry, err := r.wait(ctx, one); entry != nil || err != nil {
			return entry, err
		}
	}
}

// run generates and stores, and shares what came of it.
func (r *request) run(ctx context.Context, one *flight, g *Generation) (*Entry, error) {
	contents := newSpool()
	defer contents.release()
	ended := false
	defer func() {
		if !ended { // a panic, an error, or nothing to do
			if err := g.Abort(ctx); err != nil {
				r.c.logger.WarnContext(ctx, "a generation could not be given up and lasts until its timeout", "path", r.name, "error", err)
			}
		}
	}()
	if row, exists := g.Current(); r.fresh(row, exists) && row != r.damaged {
		// Somebody ended just before this one began.
		r.c.distrust(r.name)
		return nil, errAlone
	}
	if err := r.fill(ctx, one, contents); err != nil {
		return nil, err
	}
	ended = true
	row, err := r.end(ctx, g, contents)
	origin := Generated
	if err != nil {
		origin, one.lost = Unstored, errors.Is(err, ErrGenerationLost)
		row = r.c.newRow(r.name, r.options.Scope, r.options.DataType, r.c.now())
		row.Size = contents.size
	}
	one.share(contents, row, origin)
	return one.entry(), nil
}

// end stores what was generated. Its errors say why it was not; only those that
// are nobody's intention are worth a line in the log.
func (r *request) end(ctx context.Context, g *Generation, contents *spool) (metadata.Row, error) {
	body := contents.open()
	defer body.Close()
	row, err := g.End(ctx, body)
	if err != nil && !errors.Is(err, ErrGenerationLost) && ctx.Err() == nil {
		r.c.logger.ErrorContext(ctx, "generated contents could not be stored", "path", r.name, "error", err)
	}
	return row, err
}

// fill generates. Its error is for all who wait, unless it is that of a caller
// who gave up.
func (r *request) fill(ctx context.Context, one *flight, contents *spool) error {
	err := r.generate(ctx, contents)
	if err == nil { // it need not have looked at what Write returned
		err = cmp.Or(contents.err, ctx.Err())
	}
	if err != nil && ctx.Err() == nil {
		one.err = err
	}
	return err
}

// own generates for this process alone.
func (r *request) own(ctx context.Context, one *flight) (*Entry, error) {
	contents := newSpool()
	defer contents.release()
	if err := r.fill(ctx, one, contents); err != nil {
		return nil, err
	}
	row := r.c.newRow(r.name, r.options.Scope, r.options.DataType, r.c.now())
	row.Size = contents.size
	one.share(contents, row, Unstored)
	return one.entry(), nil
}

// wait looks for what another process generates, for a second. It returns
// nothing when it is time to look at the lock again: the other may have given
// up, or let it time out.
func (r *request) wait(ctx context.Context, one *flight) (*Entry, error) {
	for range lookAgain / waitPoll {
		if err := sleep(ctx, waitPoll); err != nil {
			return nil, err
		}
		row, err := r.c.meta.Get(ctx, r.name)
		if err != nil || !r.fresh(row, true) {
			continue // an outage shows when the lock is looked at
		}
		r.c.distrust(r.name)
		entry, err := r.hit(ctx, row)
		if err != nil {
			return nil, errAlone
		}
		return r.shareHit(one, entry)
	}
	return nil, nil
}

// shareHit reads what another process stored once for all that wait here.
func (r *request) shareHit(one *flight, entry *Entry) (*Entry, error) {
	if entry.Row.Size > shareLimit {
		return entry, nil
	}
	defer entry.Close()
	contents := newSpool()
	defer contents.release()
	if _, err := io.Copy(contents, entry); err != nil || contents.size != entry.Row.Size {
		return nil, errAlone
	}
	one.share(contents, entry.Row, Hit)
	return one.entry(), nil
}
