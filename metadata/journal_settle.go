package metadata

import (
	"context"
	"time"
)

// settle drops the gaps that nothing will fill, once they are old enough, at
// most once every second.
func (r *JournalReader) settle(ctx context.Context) error {
	now := time.Now()
	if now.Sub(r.marked) >= r.store.gapAge {
		r.aged, r.mark, r.marked = max(r.aged, r.mark), r.next, now
	}
	if len(r.gaps) == 0 || r.gaps.first() >= r.aged || now.Sub(r.probed) < probeEvery {
		return nil
	}
	old, young := r.gaps.split(r.aged)
	unsettled, err := r.store.probe(ctx, old)
	if err != nil {
		return err
	}
	// What filled a gap and was pruned since looks as if it had never been.
	state, err := r.store.journalState(ctx)
	if err != nil {
		return err
	}
	if state.pruned >= old.first() && state.pruned < r.next {
		return prunedError(state.pruned)
	}
	r.gaps, r.probed = append(unsettled, young...), now
	r.stale = true
	return nil
}

// Settled returns the last identifier up to which nothing is missing that may
// still appear.
func (r *JournalReader) Settled() uint64 {
	if len(r.gaps) > 0 {
		return r.gaps.first() - 1
	}
	return r.next - 1
}

// Settle returns a function that tells all hosts what Settled is now, so that
// those who begin at the newest entry need not look for gaps before it. A
// program that follows the journal calls it once in a while, from any goroutine.
func (r *JournalReader) Settle() func(ctx context.Context) error {
	settled := r.Settled()
	return func(ctx context.Context) error {
		if !r.store.dialect.gapsFill || !r.store.schema.Load().state {
			return nil
		}
		return r.store.raiseSettled(ctx, settled)
	}
}

const (
	// headGaps is how many runs of gaps a position may begin with: those of
	// transactions that are open at that moment.
	headGaps = 50
	// headScan is after how many entries the next one who looks for gaps is
	// told not to do it again.
	headScan = 10_000
)

// JournalHead returns the position behind the newest entry. What transactions
// that are open now have recorded, comes after it.
//
// It looks for gaps in all entries since the last [JournalReader.Settle], or in
// the whole journal where nobody has followed it yet: about a second for each
// million.
func (s *Store) JournalHead(ctx context.Context) (JournalPosition, error) {
	r, err := s.ReadJournal(ctx, JournalPosition{})
	if err != nil {
		return JournalPosition{}, err
	}
	if r.settled >= r.head { // no gap is open
		return JournalPosition{next: r.head + 1}, nil
	}
	begin := max(r.next, r.settled+1)
	r.idsOnly = true
	for r.next = begin; r.Behind() || len(r.gaps) > headGaps; {
		if err := r.skip(ctx); err != nil {
			return JournalPosition{}, err
		}
	}
	if r.next-begin > headScan {
		if err := r.Settle()(ctx); err != nil {
			s.config.Logger.WarnContext(ctx, "the journal's state cannot be written", "error", err)
		}
	}
	return r.Position(), nil
}

// skip reads on without looking at the entries, and waits where that has to.
func (r *JournalReader) skip(ctx context.Context) error {
	_, more, err := r.Next(ctx)
	if err != nil || more || !r.Behind() && len(r.gaps) <= headGaps {
		return err
	}
	select {
	case <-ctx.Done():
		return r.store.wrap("read", journalTable, ctx.Err())
	case <-time.After(probeEvery / 10):
		return nil
	}
}
