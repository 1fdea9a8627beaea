package events

import (
	"errors"
	"time"
)

// Permanent wraps the error of a Notify that would fail again with the same
// events, so that they are given up: counted, logged, and followed by a Lost
// event. Of nil it returns nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return permanentError{err}
}

// IsPermanent reports whether an error is, or wraps, one made by [Permanent].
func IsPermanent(err error) bool {
	return errors.As(err, new(permanentError))
}

type permanentError struct{ error }

func (e permanentError) Unwrap() error { return e.error }

// RetryAfter wraps the error of a Notify that is worth trying again, but not
// before some time has passed; more than five minutes count as five. Of nil it
// returns nil.
func RetryAfter(err error, wait time.Duration) error {
	if err == nil {
		return nil
	}
	return retryAfterError{err, wait}
}

// RetryDelay returns how long an error made by [RetryAfter] asks to wait.
func RetryDelay(err error) (wait time.Duration, ok bool) {
	var after retryAfterError
	ok = errors.As(err, &after)
	return min(after.wait, maxRetryAfter), ok
}

// maxRetryAfter bounds what a listener can ask for.
const maxRetryAfter = 5 * time.Minute

type retryAfterError struct {
	error
	wait time.Duration
}

func (e retryAfterError) Unwrap() error { return e.error }
