// Package eventlog is a listener that writes one log line an event, under the
// legacy's name for it: cluster/deleteFile (contract section 7).
//
//	listener := eventlog.New(logger, slog.LevelInfo)
//
// Rows that were read are not logged. There would be one a query, and nothing
// has happened to them.
package eventlog

import (
	"context"
	"log/slog"

	"example.com/ezdfs/events"
)

// Listener writes events to a log.
type Listener struct {
	logger *slog.Logger
	level  slog.Level
}

var _ events.Listener = (*Listener)(nil)

// New returns a listener that writes to logger at that level.
func New(logger *slog.Logger, level slog.Level) *Listener {
	return &Listener{logger: logger, level: level}
}

// Name returns "log".
func (l *Listener) Name() string { return "log" }

// Notify writes a line for each event: what happened as the message, to what,
// and when as the attributes. Only a done ctx is an error.
func (l *Listener) Notify(ctx context.Context, batch []events.Event) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !l.logger.Enabled(ctx, l.level) {
		return nil
	}
	for _, e := range batch {
		if e.Kind != events.StoreMetadata {
			l.logger.LogAttrs(ctx, l.level, e.LegacyName(), attributes(e)...)
		}
	}
	return nil
}

// attributes are the arguments of an event.
func attributes(e events.Event) []slog.Attr {
	attrs := make([]slog.Attr, 0, 5)
	for _, arg := range e.Arguments() {
		attrs = append(attrs, slog.Any(arg.Name, arg.Value))
	}
	return append(attrs, slog.Uint64("seq", e.Seq), slog.Time("at", e.Time))
}

// Close does nothing: the logger is its owner's.
func (l *Listener) Close() error { return nil }
