package feed

import (
	"context"
	"iter"
	"log/slog"
	"time"

	"example.com/ezdfs/changes"
	"example.com/ezdfs/metadata"
)

// keeper is a source other than the journal. The journal is written all the
// same, so while somebody follows the source, it prunes the journal.
type keeper struct {
	changes.Source
	store     *metadata.Store
	retention time.Duration
	logger    *slog.Logger
}

// pruneEvery is the time between two prunings.
const pruneEvery = time.Minute

// Changes implements [changes.Source].
func (k *keeper) Changes(ctx context.Context, after changes.Position, follow bool) iter.Seq2[changes.Change, error] {
	stream := k.Source.Changes(ctx, after, follow)
	if !follow {
		return stream
	}
	return func(yield func(changes.Change, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			k.prune(ctx)
		}()
		defer func() { cancel(); <-ended }()
		stream(yield)
	}
}

// prune prunes until ctx is done.
func (k *keeper) prune(ctx context.Context) {
	again := time.NewTicker(pruneEvery)
	defer again.Stop()
	for {
		_, err := k.store.PruneJournal(ctx, time.Now().Add(-k.retention))
		if err != nil && ctx.Err() == nil {
			k.logger.WarnContext(ctx, "the journal cannot be pruned", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		}
	}
}
