package events

import (
	"log/slog"
	"time"
)

// Options are the bounds of a [Hub]. The zero value is usable: zero fields get
// the defaults named here.
type Options struct {
	// QueueSize is how many notifications may wait for one listener; 10000.
	// Beyond that it is told only how many it missed.
	QueueSize int
	// BatchSize is how many notifications one Notify gets at most; 256.
	BatchSize int
	// NotifyTimeout is how long one Notify may take; 10 seconds.
	NotifyTimeout time.Duration
	// AskTimeout is how long a filter may take that is not Inline; 1 second.
	// Then the database is asked.
	AskTimeout time.Duration
	// MinBackoff and MaxBackoff bound the pause after a Notify that failed,
	// which doubles from one to the other; 100 milliseconds and 30 seconds.
	MinBackoff, MaxBackoff time.Duration
	// BreakerFailures is after how many failures in a row of Notify it is left
	// alone for BreakerDelay, and the same of its filters; 5 and 5 seconds.
	BreakerFailures int
	BreakerDelay    time.Duration
	// DrainTimeout is how long Close waits for listeners at most; 5 seconds.
	DrainTimeout time.Duration
	// LogInterval is how often at most one listener's failures are logged; 10
	// seconds.
	LogInterval time.Duration
	// Logger gets what listeners do wrong; nil discards it.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	setDefault(&o.QueueSize, 10_000)
	setDefault(&o.BatchSize, 256)
	setDefault(&o.NotifyTimeout, 10*time.Second)
	setDefault(&o.AskTimeout, time.Second)
	setDefault(&o.MinBackoff, 100*time.Millisecond)
	setDefault(&o.MaxBackoff, 30*time.Second)
	o.MaxBackoff = max(o.MaxBackoff, o.MinBackoff+1) // the retry policy wants a range
	setDefault(&o.BreakerFailures, 5)
	setDefault(&o.BreakerDelay, 5*time.Second)
	setDefault(&o.DrainTimeout, 5*time.Second)
	setDefault(&o.LogInterval, 10*time.Second)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// setDefault replaces what is not positive.
func setDefault[T int | time.Duration](value *T, fallback T) {
	if *value <= 0 {
		*value = fallback
	}
}
