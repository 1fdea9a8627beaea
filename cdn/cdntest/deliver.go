package cdntest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/ezdfs/cdn"
)

// takes reports whether an item may be in a batch.
func takes(limits cdn.Limits, item cdn.Item) bool {
	switch {
	case !slices.Contains(limits.Actions, item.Action):
		return false
	case item.Extent == cdn.Path:
		return true
	}
	return slices.Contains(limits.Extents, item.Extent) && (limits.Takes == nil || limits.Takes(item))
}

// deliver delivers a batch and holds what every answer must be against it.
func deliver(t *testing.T, h Harness, f Fixture, ctx context.Context, batch []cdn.Item) []error {
	t.Helper()
	given := slices.Clone(batch)
	errs := f.Target.Deliver(ctx, batch)
	if len(errs) != len(batch) {
		t.Fatalf("%d items, %d results", len(batch), len(errs))
	}
	if !slices.EqualFunc(given, batch, func(a, b cdn.Item) bool { return a.ID == b.ID }) {
		t.Error("the batch is the caller's, and was changed")
	}
	for _, err := range errs {
		checkError(t, h, f.Target, err)
	}
	return errs
}

// checkError: an error names its target, has a kind and no secret.
func checkError(t *testing.T, h Harness, target cdn.Target, err error) {
	t.Helper()
	if err == nil {
		return
	}
	var e *cdn.Error
	if !errors.As(err, &e) {
		t.Errorf("%T is no *cdn.Error: %v", err, err)
	} else if e.Target != target.Name() {
		t.Errorf("the error names %q, not %q", e.Target, target.Name())
	}
	kinds := 0
	for _, kind := range []error{cdn.ErrRefused, cdn.ErrThrottled, cdn.ErrUnavailable} {
		if errors.Is(err, kind) {
			kinds++
		}
	}
	if kinds != 1 {
		t.Errorf("%d kinds at once: %v", kinds, err)
	}
	for _, secret := range h.Secrets {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the error shows a secret: %v", err)
		}
	}
}

// mustTake delivers a batch that has to arrive.
func mustTake(t *testing.T, h Harness, f Fixture, batch []cdn.Item) {
	t.Helper()
	for i, err := range deliver(t, h, f, t.Context(), batch) {
		if err != nil {
			t.Errorf("%s %q: %v", batch[i].Extent, batch[i].Subject, err)
		} else if !f.Took(batch[i]) {
			t.Errorf("%s %q is said to be delivered, but was not", batch[i].Extent, batch[i].Subject)
		}
	}
}

func testDescribes(t *testing.T, _ Harness, f Fixture) {
	if kind, name, ok := strings.Cut(f.Target.Name(), ":"); !ok || kind == "" || name == "" {
		t.Errorf("the name is %q, not kind:name", f.Target.Name())
	}
	limits := f.Target.Limits()
	if len(limits.Actions) == 0 {
		t.Error("it does nothing")
	}
	if limits.Rate > 0 && limits.Burst < 1 || limits.ItemRate > 0 && limits.ItemBurst < 1 {
		t.Error("a rate without a burst lets nothing through")
	}
	if limits.Families > limits.Items && limits.Items > 0 {
		t.Error("more families than items")
	}
	if limits.ItemBurst > 0 && limits.Items > limits.ItemBurst {
		t.Error("a full batch is more than the bucket ever holds")
	}
}

func testEmpty(t *testing.T, h Harness, f Fixture) {
	deliver(t, h, f, t.Context(), nil)
	if n := f.Faults.Calls(); n != 0 {
		t.Errorf("%d calls for nothing", n)
	}
}

func testDelivers(t *testing.T, h Harness, f Fixture) {
	if f.Took(h.Item(t, 0)) {
		t.Fatal("the stand-in has the item before it is sent")
	}
	mustTake(t, h, f, h.batch(t, 1))
	if f.Took(h.Item(t, 1)) {
		t.Error("the stand-in has an item that was never sent")
	}
}

func testRedelivers(t *testing.T, h Harness, f Fixture) {
	batch := h.batch(t, 3)
	for range 3 {
		mustTake(t, h, f, batch)
	}
	mustTake(t, h, f, batch[1:])
}

func testOddPaths(t *testing.T, h Harness, f Fixture) {
	var batch []cdn.Item
	for _, name := range oddPaths {
		item := h.Item(t, 0)
		item.ID, item.Subject, item.Row.Name = name, name, name
		if item.Action == cdn.Invalidate {
			batch = append(batch, item)
		}
	}
	mustTake(t, h, f, batch)
}

// testFullBatch: a batch of as many items as fit.
func testFullBatch(t *testing.T, h Harness, f Fixture) {
	mustTake(t, h, f, h.batch(t, most(f.Target.Limits())))
}

// testFamilies: each alone, all at once, and as many as fit.
func testFamilies(t *testing.T, h Harness, f Fixture) {
	limits := f.Target.Limits()
	yes, _ := taken(limits, families)
	for _, item := range yes {
		mustTake(t, h, f, []cdn.Item{item})
	}
	fit := len(yes)
	if limits.Families > 0 {
		fit = min(fit, limits.Families)
	}
	mustTake(t, h, h.New(t), append(h.batch(t, 2), yes[:fit]...))
}

// testNotTaken: what is none of a target's business is refused, not lost.
func testNotTaken(t *testing.T, h Harness, f Fixture) {
	_, no := taken(f.Target.Limits(), families)
	other := h.Item(t, 0)
	other.Action = "dance"
	for _, item := range append(no, other, Item("galaxy", "x")) {
		errs := deliver(t, h, f, t.Context(), []cdn.Item{item, h.Item(t, 1)})
		if !errors.Is(errs[0], cdn.ErrRefused) {
			t.Errorf("%s %s %q: %v, want a refusal", item.Action, item.Extent, item.Subject, errs[0])
		}
		if errs[1] != nil {
			t.Errorf("the item beside it: %v", errs[1])
		}
	}
}

func testCancelled(t *testing.T, h Harness, f Fixture) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	batch := h.batch(t, 2)
	for _, err := range deliver(t, h, f, ctx, batch) {
		if !errors.Is(err, context.Canceled) || !errors.Is(err, cdn.ErrUnavailable) {
			t.Errorf("%v, want one to try again, because of the context", err)
		}
	}
	if _, err := f.Target.Test(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Test: %v", err)
	}
	if f.Took(batch[0]) {
		t.Error("delivered all the same")
	}
}

func testCancelledUnderWay(t *testing.T, h Harness, f Fixture) {
	f.Faults.Set(Hang)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	f.Faults.OnCall(cancel)
	for _, err := range deliver(t, h, f, ctx, h.batch(t, 2)) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v, want the end of the context", err)
		}
	}
}

// testFaults: each fault means what the ledger takes it for.
func testFaults(t *testing.T, h Harness, f Fixture) {
	kinds := map[Fault]error{
		Throttle: cdn.ErrThrottled, Down: cdn.ErrUnavailable, Disconnect: cdn.ErrUnavailable,
		Forbid: cdn.ErrRefused, Garbage: cdn.ErrUnavailable,
	}
	if h.IgnoresGarbage {
		delete(kinds, Garbage)
	}
	if h.Forgives {
		delete(kinds, Forbid)
	}
	for fault, kind := range kinds {
		f.Faults.Set(fault)
		for _, err := range deliver(t, h, f, t.Context(), h.batch(t, 2)) {
			if !errors.Is(err, kind) {
				t.Errorf("a service that %s: %v, want %v", fault, err, kind)
			}
			var e *cdn.Error
			if fault == Throttle && errors.As(err, &e) && e.RetryAfter != RetryAfter*time.Second {
				t.Errorf("to be tried again after %v, not %d s", e.RetryAfter, RetryAfter)
			}
		}
		_, err := f.Target.Test(t.Context())
		checkError(t, h, f.Target, err)
		if !errors.Is(err, kind) {
			t.Errorf("Test of a service that %s: %v, want %v", fault, err, kind)
		}
	}
}

// testHangs: a service that does not answer is given up after the timeout.
func testHangs(t *testing.T, h Harness, _ Fixture) {
	f := h.Impatient(t)
	f.Faults.Set(Hang)
	for _, err := range deliver(t, h, f, t.Context(), h.batch(t, 2)) {
		if !errors.Is(err, cdn.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want one that tells of the timeout", err)
		}
	}
	if _, err := f.Target.Test(t.Context()); !errors.Is(err, cdn.ErrUnavailable) {
		t.Errorf("Test: %v", err)
	}
}

// testRecovers: after every fault the same batch arrives.
func testRecovers(t *testing.T, h Harness, f Fixture) {
	for _, fault := range []Fault{Throttle, Down, Forbid, Disconnect} {
		f.Faults.Set(fault)
		deliver(t, h, f, t.Context(), h.batch(t, 2))
	}
	f.Faults.Set(None)
	mustTake(t, h, f, h.batch(t, 2))
}

// testTest: a sentence, and nothing of the site is touched.
func testTest(t *testing.T, h Harness, f Fixture) {
	for range 2 {
		said, err := f.Target.Test(t.Context())
		if err != nil || said == "" {
			t.Errorf("%q %v", said, err)
		}
	}
	if f.Faults.Calls() == 0 {
		t.Error("nothing was asked")
	}
	if f.Took(h.Item(t, 0)) || f.Took(Item(cdn.All, "")) {
		t.Error("it was not harmless")
	}
}

func testConcurrent(t *testing.T, h Harness, f Fixture) {
	all := h.batch(t, 12)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for _, err := range f.Target.Deliver(t.Context(), all[3*i:3*i+3]) {
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for _, item := range all {
		if !f.Took(item) {
			t.Errorf("%q is lost", item.Subject)
		}
	}
}
