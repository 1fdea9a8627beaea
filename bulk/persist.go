package bulk

import (
	"context"
	"iter"
	"time"
)

// Persist does something that needs no store, such as a query, and does it once
// more when the service that failed it answers again.
func (o *Outages) Persist(ctx context.Context, do func() error) error {
	for tries := 0; ; tries++ {
		begun := time.Now()
		err := do()
		if s := o.silentForAll(err); s == nil || tries == maxAgain || !o.returns(ctx, s, err, begun) {
			return err
		}
	}
}

// returns reports whether a service that failed with err answers again.
func (o *Outages) returns(ctx context.Context, s *service, err error, begun time.Time) bool {
	o.trouble.Store(true)
	return o.answers(ctx, s, err, begun)
}

// Resume yields what list lists. Where a service falls silent in the middle it is
// waited for, and list is called again for what follows the last element. One that
// is given up ends the elements and not the operation, whose [Outages.Result] tells
// of it.
func Resume[T any](ctx context.Context, o *Outages, list func(after string) iter.Seq2[T, error], position func(T) string) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		after := ""
		for tries := 0; ; tries++ {
			var failed error
			begun := time.Now()
			for element, err := range list(after) {
				if failed = err; err != nil {
					break
				}
				if after, tries = position(element), 0; !yield(element, nil) {
					return
				}
			}
			switch {
			case failed == nil:
				return
			case tries < maxAgain && o.listsAgain(ctx, failed, begun):
				continue
			case ctx.Err() != nil || !o.endsEarly(failed):
				var none T
				yield(none, failed)
			}
			return
		}
	}
}

// listsAgain reports whether a listing that failed may be gone on with.
func (o *Outages) listsAgain(ctx context.Context, err error, begun time.Time) bool {
	s := o.blame("", err)
	return s != nil && o.Silent(err) && o.returns(ctx, s, err, begun)
}

// endsEarly notes that a listing ended at what a service that was given up said, if
// that is so.
func (o *Outages) endsEarly(err error) bool {
	s := o.blame("", err)
	if s == nil || !o.Silent(err) || s.err() == nil {
		return false
	}
	o.early.Store(true)
	return true
}
