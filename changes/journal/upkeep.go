package journal

import (
	"context"
	"sync"
	"time"

	"example.com/ezdfs/metadata"
)

// upkeep is what a stream does for all beside following.
type upkeep struct{ running sync.WaitGroup }

// start prunes the journal, beside the stream, if that was not done within the
// last minute by any stream of the source.
func (u *upkeep) start(ctx context.Context, s *Source, r *metadata.JournalReader) {
	if !s.upkeep.TryLock() {
		return
	}
	now := time.Now()
	if now.Before(s.due) {
		s.upkeep.Unlock()
		return
	}
	s.due = now.Add(upkeepEvery)
	settle := r.Settle()
	u.running.Go(func() {
		defer s.upkeep.Unlock()
		err := settle(ctx)
		var deleted int64
		if err == nil && s.options.Retention > 0 {
			deleted, err = s.store.PruneJournal(ctx, now.Add(-s.options.Retention))
		}
		switch {
		case err != nil && ctx.Err() == nil:
			s.options.Logger.WarnContext(ctx, "the journal cannot be pruned", "error", err)
		case deleted > 0:
			s.options.Logger.InfoContext(ctx, "pruned the journal", "entries", deleted)
		}
	})
}

// wait returns when nothing runs any more.
func (u *upkeep) wait() { u.running.Wait() }
