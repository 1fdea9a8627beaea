package batch

import (
	"errors"
	"sync"

	"example.com/ezdfs/cdn"
)

// maxUnanswered is how many calls may go without an answer before the next ones
// are not made: more than one, as one may be due to what is in it.
const maxUnanswered = 3

// Gate ends a series of calls to one host early: once it throttles, or does not
// answer, the calls that are left would only wait, each for its timeout. The
// zero Gate is open. It may be used concurrently.
type Gate struct {
	mu         sync.Mutex
	unanswered int
	err        error
}

// Do makes a call while the gate is open, and returns the error that closed it
// afterwards.
func (g *Gate) Do(call func() error) error {
	g.mu.Lock()
	closed := g.err
	g.mu.Unlock()
	if closed != nil {
		return closed
	}
	err := call()
	g.mu.Lock()
	defer g.mu.Unlock()
	var e *cdn.Error
	switch {
	case !errors.As(err, &e):
	case e.Kind == cdn.ErrThrottled:
		g.err = err
	case e.Kind == cdn.ErrUnavailable && e.Status == 0:
		if g.unanswered++; g.unanswered == maxUnanswered {
			g.err = err
		}
	}
	return err
}
