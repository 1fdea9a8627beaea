package metadata

import (
	"context"
	"time"
)

// Observer is told that an operation ("get", "list", "update" for a
// transaction, and so on) has ended, how long it took with all its retries,
// and its error. ctx is that of the caller. It must be quick, and may be called
// concurrently.
type Observer func(ctx context.Context, op string, took time.Duration, err error)

// observed returns a function to defer, which tells the observer.
func (s *Store) observed(ctx context.Context, op string, err *error) func() {
	observe := s.config.Observe
	if observe == nil {
		return func() {}
	}
	begin := time.Now()
	return func() { observe(ctx, op, time.Since(begin), *err) }
}
