package cluster

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/metadata"
)

// FoundBody is a body that a listing of its backend found.
type FoundBody struct {
	Info backends.Info
	// Scope is that of the row it gets; UnknownScope by default. A row that is
	// revived keeps its own.
	Scope string
}

// AdoptOptions say how bodies get rows. The zero value is usable.
type AdoptOptions struct {
	// Revive makes expired rows live again whose body is still there. Without
	// it they stay as they are.
	Revive bool
	// Settled spares bodies that were stored before it the look at them: their
	// rows say what the listing said. See Adopt.
	Settled time.Time
	// DryRun tells what would be done, as far as the rows tell, and does
	// nothing.
	DryRun bool
}

// Adoption says what became of a body that was to get a row.
type Adoption string

// The adoptions.
const (
	Adopted      Adoption = "adopted"  // it has a live row now
	Revived      Adoption = "revived"  // its row was expired and is live now
	AlreadyLive  Adoption = "live"     // it had a live row, which is as it was
	StaysExpired Adoption = "expired"  // its row is expired and is as it was
	Vanished     Adoption = "vanished" // there was no body any more, and is no row
)

// AdoptResult is what became of a FoundBody. With an Err it has no row.
type AdoptResult struct {
	Row     metadata.Row // as it is now; zero where there is none
	Outcome Adoption
	Err     error
}

// Adopt makes rows for bodies that lie in their stores already, and tells of
// each what became of it, in the order of the bodies. It is for recovering a
// cluster whose tables were lost; the bodies of one call, some hundreds, share
// a transaction. An error of the call says that nothing was changed.
//
// Rows that exist are never replaced. Those that do not are claimed, which
// locks out every writer, and while they are locked each body is looked at:
// whether it is still there, how long it is, the time and type kept with it,
// or the type its contents show. So a row never becomes live for a body that a
// purge removed after it was listed. That look is one request a body. With
// Settled the listing's word is taken for older bodies, and the type is told by
// the extension where the listing does not tell it: whoever sets it makes sure
// that nobody deletes bodies meanwhile.
func (c *Cluster) Adopt(ctx context.Context, bodies []FoundBody, options AdoptOptions) ([]AdoptResult, error) {
	a := &adopting{c: c, options: options, results: make([]AdoptResult, len(bodies))}
	for i, body := range bodies {
		a.add(i, body)
	}
	if err := a.skipKnown(ctx); err != nil {
		return nil, err
	}
	if len(a.pending) == 0 || options.DryRun {
		return a.results, nil
	}
	if err := c.meta.Update(ctx, a.adopt); err != nil {
		return nil, err
	}
	c.tellRows(a.changed...)
	c.step(stepCommitted)
	return a.results, nil
}

// adopting is one call of Adopt.
type adopting struct {
	c       *Cluster
	options AdoptOptions
	results []AdoptResult
	pending []*adoptee
	changed []metadata.Row // rows that became live
}

// adoptee is a body whose row, as far as is known, does not exist or is to be
// revived.
type adoptee struct {
	index   int // of the body
	found   FoundBody
	listed  metadata.Row // as the listing describes it
	settled bool         // what is listed needs no look
	claim   metadata.Row // what holds the place of a row that does not exist
}

// add refuses bodies that can have no row. What the look at a body can still
// change is checked after it.
func (a *adopting) add(index int, body FoundBody) {
	name := body.Info.Path
	row := a.c.newRow(name, body.Scope, cmp.Or(kept(body.Info.ContentType), typeByName(name)), a.c.modTime(body.Info.ModTime))
	row.Size, row.Table = body.Info.Size, a.c.meta.Layout().Table(name)
	if err := cmp.Or(notALock(name), a.c.meta.CheckRow(row)); err != nil {
		a.results[index].Err = err
		return
	}
	e := &adoptee{index: index, found: body, listed: row, claim: row}
	e.settled = !body.Info.Stored.IsZero() && body.Info.Stored.Before(a.options.Settled)
	if !e.settled {
		// Expired until its body was looked at. The size tells it from any row
		// that somebody else may have put there.
		e.claim.MTime, e.claim.Expired, e.claim.Size = -1, true, 1+rand.Int64N(1<<40)
	}
	a.pending = append(a.pending, e)
}

// skipKnown drops the bodies whose rows nothing is to be done about, without
// locking any: most of them where an interrupted run is resumed.
func (a *adopting) skipKnown(ctx context.Context) error {
	names := make([]string, len(a.pending))
	for i, e := range a.pending {
		names[i] = e.found.Info.Path
	}
	rows, err := a.c.meta.GetMany(ctx, names)
	if err != nil {
		return err
	}
	left := a.pending[:0]
	for _, e := range a.pending {
		row, there := rows[e.found.Info.Path]
		switch {
		case !there:
			a.results[e.index] = AdoptResult{Row: e.listed, Outcome: Adopted}
		case row.Live():
			a.results[e.index] = AdoptResult{Row: row, Outcome: AlreadyLive}
			continue
		case !a.options.Revive:
			a.results[e.index] = AdoptResult{Row: row, Outcome: StaysExpired}
			continue
		default:
			a.results[e.index] = AdoptResult{Row: row, Outcome: Revived}
		}
		left = append(left, e)
	}
	a.pending = left
	return nil
}

// adopt is the transaction. It changes nothing outside of it, so it can run
// again.
func (a *adopting) adopt(tx *metadata.Tx) error {
	locked, err := a.lock(tx)
	if err != nil {
		return err
	}
	a.c.step(stepLocked)
	if err := a.look(tx.Context(), locked); err != nil {
		return err
	}
	var gone, unlike []metadata.Row
	a.changed = nil
	for i, e := range a.pending {
		result := &a.results[e.index]
		claimed := locked[i] == e.claim
		switch {
		case result.Err != nil || result.Outcome == Vanished:
			if claimed {
				gone = append(gone, e.claim)
			}
		case result.Outcome == Adopted || result.Outcome == Revived:
			a.changed = append(a.changed, result.Row)
			if result.Row != locked[i] {
				unlike = append(unlike, result.Row)
			}
		}
	}
	if err := tx.Unclaim(gone...); err != nil {
		return err
	}
	return tx.Write(unlike, stores(a.changed)...)
}

// lock claims the rows of all pending bodies and returns them as they are.
func (a *adopting) lock(tx *metadata.Tx) ([]metadata.Row, error) {
	claims := make([]metadata.Row, len(a.pending))
	for i, e := range a.pending {
		claims[i] = e.claim
	}
	if err := tx.Claim(claims...); err != nil {
		return nil, err
	}
	return tx.Lock(claims...)
}

// adoptParallel is how many bodies of a call are looked at at a time.
const adoptParallel = 32

// look settles what becomes of each body, given its locked row.
func (a *adopting) look(ctx context.Context, locked []metadata.Row) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(adoptParallel)
	for i, e := range a.pending {
		row, result := locked[i], &a.results[e.index]
		switch {
		case row == e.claim && e.settled:
			*result = AdoptResult{Row: e.listed, Outcome: Adopted}
		case row == e.claim:
			group.Go(func() (err error) {
				*result, err = a.describe(ctx, e)
				return err
			})
		case row.Live():
			*result = AdoptResult{Row: row, Outcome: AlreadyLive}
		case !a.options.Revive:
			*result = AdoptResult{Row: row, Outcome: StaysExpired}
		default:
			group.Go(func() (err error) {
				*result, err = a.revive(ctx, row)
				return err
			})
		}
	}
	return group.Wait()
}

// describe looks at a body that has no row yet. Only a store that does not
// answer is an error.
func (a *adopting) describe(ctx context.Context, e *adoptee) (AdoptResult, error) {
	name := e.found.Info.Path
	info, err := a.c.stores.Stat(ctx, name)
	dataType := kept(info.ContentType)
	if err == nil && dataType == "" {
		dataType, info, err = a.sniff(ctx, name)
	}
	if err != nil {
		return unseen(ctx, err)
	}
	row := a.c.newRow(name, e.found.Scope, dataType, a.c.modTime(info.ModTime))
	row.Size, row.Table = info.Size, e.claim.Table
	if err := a.c.meta.CheckRow(row); err != nil {
		return AdoptResult{Err: err}, nil
	}
	return AdoptResult{Row: row, Outcome: Adopted}, nil
}

// revive makes an expired row live if its body is still there. Where the body
// is not the one the row describes, its size and time are the body's.
func (a *adopting) revive(ctx context.Context, row metadata.Row) (AdoptResult, error) {
	info, err := a.c.stores.Stat(ctx, row.Name)
	if err != nil {
		return unseen(ctx, err)
	}
	row.MTime, row.Expired = max(row.ModTime().Unix(), 1), false
	if row.Size != info.Size {
		row.Size, row.MTime = info.Size, a.c.modTime(info.ModTime).Unix()
	}
	return AdoptResult{Row: row, Outcome: Revived}, nil
}

// sniff tells the type of a body from its contents, as Store does.
func (a *adopting) sniff(ctx context.Context, name string) (string, backends.Info, error) {
	r, err := a.c.stores.Open(ctx, name, 0, sniffLength)
	if err != nil {
		return "", backends.Info{}, err
	}
	defer r.Close()
	dataType, _, err := DetectType(name, r)
	return dataType, r.Info(), err
}

// unseen says what it means that a body could not be looked at.
func unseen(ctx context.Context, err error) (AdoptResult, error) {
	switch {
	case errors.Is(err, backends.ErrUnavailable) || ctx.Err() != nil:
		return AdoptResult{}, err
	case errors.Is(err, fs.ErrNotExist):
		return AdoptResult{Outcome: Vanished}, nil
	}
	return AdoptResult{Err: err}, nil
}

// stores are the journal's entries of rows that were written.
func stores(rows []metadata.Row) []metadata.Change {
	changes := make([]metadata.Change, len(rows))
	for i, row := range rows {
		changes[i] = metadata.Change{Kind: metadata.KindStore, Subject: row.Name, Scope: row.Scope}
	}
	return changes
}
