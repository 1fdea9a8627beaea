// Package feed opens the change feed that the settings choose, file.ini
// [ChangeFeed]: the binary log, the journal, or whichever of them there is.
//
//	source, err := feed.Open(ctx, settings, store, logger)
//	if errors.Is(err, changes.ErrUnavailable) {
//		// changes of other hosts are not heard of; err says why
//	}
package feed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"example.com/ezdfs/changes"
	"example.com/ezdfs/changes/binlog"
	"example.com/ezdfs/changes/journal"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// ErrDisabled says that the settings want no feed: Source=none. It wraps
// [changes.ErrUnavailable].
var ErrDisabled = fmt.Errorf("the change feed is %w: file.ini [ChangeFeed] has Source=none; set it to auto", changes.ErrUnavailable)

// Open opens the source that the settings name. With auto it is the binary
// log, which sees PHP's changes too, and the journal of the store where the
// server offers no binary log; the logger is told why. The error wraps
// [changes.ErrUnavailable] where there is no such source or none is wanted; a
// server that cannot be reached is another error.
//
// The caller closes the source, and then the store. A nil logger discards.
func Open(ctx context.Context, s settings.Settings, store *metadata.Store, logger *slog.Logger) (changes.Source, error) {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	switch s.Changes.Source {
	case "none":
		return nil, ErrDisabled
	case "binlog":
		return openBinlog(ctx, s, store, logger)
	case "journal":
		return openJournal(ctx, s, store, logger)
	case "auto":
		return openAuto(ctx, s, store, logger)
	}
	return nil, fmt.Errorf("file.ini [ChangeFeed] Source=%q is none of auto, journal, binlog, none", s.Changes.Source)
}

func openAuto(ctx context.Context, s settings.Settings, store *metadata.Store, logger *slog.Logger) (changes.Source, error) {
	source, noBinlog := openBinlog(ctx, s, store, logger)
	if noBinlog == nil || !errors.Is(noBinlog, changes.ErrUnavailable) {
		return source, noBinlog
	}
	source, err := openJournal(ctx, s, store, logger)
	if err != nil {
		return nil, errors.Join(noBinlog, err)
	}
	logger.InfoContext(ctx, "changes are read from the journal, which does not see those of PHP", "reason", noBinlog)
	return source, nil
}

func openJournal(ctx context.Context, s settings.Settings, store *metadata.Store, logger *slog.Logger) (changes.Source, error) {
	source, err := journal.Open(ctx, store, journal.Options{
		PollInterval: s.Changes.PollInterval, Retention: s.Changes.JournalRetention, Logger: logger,
	})
	if err != nil {
		return nil, err // and no source: a nil *journal.Source would not be nil
	}
	return source, nil
}

func openBinlog(ctx context.Context, s settings.Settings, store *metadata.Store, logger *slog.Logger) (changes.Source, error) {
	config, err := binlogConfig(s)
	if err != nil {
		return nil, err
	}
	config.Logger = logger
	source, err := binlog.Open(ctx, config)
	if err != nil {
		return nil, err
	}
	return &keeper{Source: source, store: store, retention: s.Changes.JournalRetention, logger: logger}, nil
}

// binlogConfig is the database as the user that may read its log.
func binlogConfig(s settings.Settings) (metadata.Config, error) {
	config, err := metadata.ConfigFrom(s)
	if s.Changes.ReplicationUser != "" {
		config.User, config.Password = s.Changes.ReplicationUser, s.Changes.ReplicationPassword
	}
	return config, err
}
