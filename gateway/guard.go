package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
)

// breakerFailures is how many failures in a row make a service be left alone.
const breakerFailures = 5

// errLeftAlone is why a service that failed again and again was not asked.
var errLeftAlone = errors.New("it failed again and again and is left alone for a moment")

// errBusy is why a service was not asked that answers too slowly.
var errBusy = errors.New("too many requests wait for it")

// errNoVerdict tells nothing of a service.
var errNoVerdict = errors.New("no verdict")

// guard stands before a service, the database or one of the stores, so that
// one that is down or hangs takes nobody along: every call has a time to
// answer in, only so many are under way, and after some failures in a row
// nobody asks for a while, then one.
type guard struct {
	name    string
	timeout time.Duration
	breaker circuitbreaker.CircuitBreaker[any]
	slots   bulkhead.Bulkhead[any]
	fault   func(error) error // makes an error of the service

	calls, failures atomic.Uint64
}

// newGuard returns a guard that leaves its service alone for delay after some
// failures. fault makes an error of the service.
func newGuard(name string, timeout, delay time.Duration, slots int, logger *slog.Logger, fault func(error) error) *guard {
	g := &guard{name: name, timeout: timeout, fault: fault}
	g.slots = bulkhead.New[any](uint(slots))
	g.breaker = circuitbreaker.NewBuilder[any]().
		WithFailureThreshold(breakerFailures).WithSuccessThreshold(1).WithDelay(delay).
		OnOpen(func(e circuitbreaker.StateChangedEvent) {
			if e.OldState == circuitbreaker.ClosedState { // not again after each look
				logger.Warn("a service is left alone until it answers", "service", name, "next_look", delay)
			}
		}).
		OnClose(func(circuitbreaker.StateChangedEvent) { logger.Info("a service is back", "service", name) }).
		Build()
	return g
}

// down reports whether the service is not asked by everybody at present.
func (g *guard) down() bool { return !g.breaker.IsClosed() }

// enter asks for leave to call the service. Whoever gets it calls leave.
func (g *guard) enter(ctx context.Context) error {
	if !g.breaker.TryAcquirePermit() {
		return g.fault(errLeftAlone)
	}
	g.calls.Add(1)
	if err := g.slots.AcquirePermitWithMaxWait(ctx, g.timeout); err != nil {
		if ctx.Err() == nil {
			err = g.fault(fmt.Errorf("%w: %w", errBusy, err))
		}
		g.record(ctx, err)
		return err
	}
	return nil
}

// record tells the breaker how a call ended. A client that went away before
// there was an answer says nothing about the service.
func (g *guard) record(ctx context.Context, err error) {
	verdict := ctx.Err() == nil && err != errNoVerdict
	switch {
	case err == nil || verdict && !unavailable(err):
		g.breaker.RecordSuccess()
	case verdict:
		g.failures.Add(1)
		g.breaker.RecordFailure()
	case g.breaker.IsHalfOpen(): // it waits for a verdict: the next one may look
		g.breaker.Open() // the one way to get the permit back
		g.breaker.HalfOpen()
	}
}

// timedOut is the error of a service that did not answer in time.
func (g *guard) timedOut() error {
	return g.fault(fmt.Errorf("no answer for %v: %w", g.timeout, context.DeadlineExceeded))
}

// ask calls a service that heeds its context.
func ask[T any](ctx context.Context, g *guard, call func(context.Context) (T, error)) (T, error) {
	if err := g.enter(ctx); err != nil {
		return *new(T), err
	}
	defer g.slots.ReleasePermit()
	limited, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	value, err := recovered(limited, call)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		err = g.timedOut()
	}
	g.record(ctx, err)
	return value, err
}

// outcome is what a call returned.
type outcome[T any] struct {
	value T
	err   error
}

// open calls a service that may not even heed its context, as a network mount
// does whose server is gone. A call that takes too long is left behind with
// its slot, and drop gets what it may still return; so what hangs is never
// more than the slots. The caller ends ctx after an error. judge says what a value
// tells of the service; nil means that it works.
func open[T any](ctx context.Context, g *guard, call func(context.Context) (T, error), judge func(T, error) error, drop func(T)) (T, error) {
	if err := g.enter(ctx); err != nil {
		return *new(T), err
	}
	results, left := make(chan outcome[T]), make(chan struct{})
	go func() {
		defer g.slots.ReleasePermit()
		value, err := recovered(ctx, call)
		select {
		case results <- outcome[T]{value, err}:
		case <-left:
			if err == nil {
				drop(value)
			}
		}
	}()
	timer := time.NewTimer(g.timeout)
	defer timer.Stop()
	var result outcome[T]
	select {
	case result = <-results:
		g.record(ctx, judge(result.value, result.err))
		return result.value, result.err
	case <-ctx.Done():
		result.err = ctx.Err()
	case <-timer.C:
		result.err = g.timedOut()
	}
	close(left)
	g.record(ctx, judge(result.value, result.err))
	return result.value, result.err
}

// recovered makes an error of a panic, which would end the process here.
func recovered[T any](ctx context.Context, call func(context.Context) (T, error)) (value T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return call(ctx)
}
