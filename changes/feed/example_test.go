package feed_test

import (
	"context"
	"errors"
	"log/slog"

	"example.com/ezdfs/changes"
	"example.com/ezdfs/changes/feed"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// A program that keeps something derived from the cluster hears of changes
// where there is a feed, and knows where there is none.
func ExampleOpen() {
	listen := func(ctx context.Context, s settings.Settings, store *metadata.Store, logger *slog.Logger, drop func(changes.Change)) error {
		source, err := feed.Open(ctx, s, store, logger)
		if errors.Is(err, changes.ErrUnavailable) {
			logger.Warn("changes of other hosts are seen late", "reason", err)
			return nil
		}
		if err != nil {
			return err
		}
		defer source.Close()
		for change, err := range source.Changes(ctx, changes.Newest, true) {
			if err != nil {
				return err
			}
			drop(change)
		}
		return nil
	}
	_ = listen
}
