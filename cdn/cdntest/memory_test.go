package cdntest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"example.com/ezdfs/cdn"
	"example.com/ezdfs/cdn/cdntest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestMemoryHoldsCallersToItsLimits, each of them.
func TestMemoryHoldsCallersToItsLimits(t *testing.T) {
	m := cdntest.NewMemory("memory:a", cdn.Limits{
		Actions: []cdn.Action{cdn.Invalidate}, Extents: []cdn.Extent{cdn.Prefix},
		Takes: func(item cdn.Item) bool { return strings.HasSuffix(item.Subject, "/") },
		Items: 3, Families: 1, Bytes: 10, Size: func(item cdn.Item) int { return len(item.Subject) },
	})
	within := []cdn.Item{cdntest.PathItem("a"), cdntest.PathItem("b"), cdntest.Item(cdn.Prefix, "c/")}
	if err := errors.Join(m.Deliver(t.Context(), within)...); err != nil || len(m.Broken()) != 0 {
		t.Errorf("%v %q", err, m.Broken())
	}
	m.Deliver(t.Context(), append(within, cdntest.Item(cdn.Prefix, "and-another/")))
	if got := m.Broken(); !slices.Equal(got, []string{"4 items, not 3", "2 families, not 1", "16 bytes, not 10"}) {
		t.Errorf("%q", got)
	}
	for _, item := range []cdn.Item{cdntest.Item(cdn.Prefix, "c"), cdntest.Item(cdn.Scope, "c/"), {Action: cdn.Push, Extent: cdn.Path}} {
		if err := m.Deliver(t.Context(), []cdn.Item{item})[0]; !errors.Is(err, cdn.ErrRefused) {
			t.Errorf("%+v: %v", item, err)
		}
	}
	if got := len(m.Delivered()); got != 7 || !slices.Equal(m.Batches(), []int{3, 4, 1, 1, 1}) {
		t.Errorf("%d delivered, batches %v", got, m.Batches())
	}
}

// TestMemoryHoldsCallersToOneCallAtATime, where the limits say nothing else.
func TestMemoryHoldsCallersToOneCallAtATime(t *testing.T) {
	m := cdntest.NewMemory("memory:a", cdn.Limits{Actions: []cdn.Action{cdn.Invalidate}})
	entered, leave, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	m.FailWith(func(cdn.Item) error { close(entered); <-leave; return nil })
	go func() { defer close(done); m.Deliver(t.Context(), []cdn.Item{cdntest.PathItem("a")}) }()
	<-entered
	m.Deliver(t.Context(), nil)
	close(leave)
	<-done
	m.Deliver(t.Context(), nil)
	if got := m.Broken(); !slices.Equal(got, []string{"2 calls at once, not 1"}) {
		t.Errorf("%q", got)
	}
}

// Example makes the second of three items fail once.
func Example() {
	target := cdntest.NewMemory("memory:a", cdn.Limits{Actions: []cdn.Action{cdn.Invalidate}})
	failed := false
	target.FailWith(func(item cdn.Item) error {
		if item.Subject != "b" || failed {
			return nil
		}
		failed = true
		return &cdn.Error{Target: "memory:a", Kind: cdn.ErrThrottled}
	})
	for range 2 {
		fmt.Println(target.Deliver(context.Background(), []cdn.Item{cdntest.PathItem("a"), cdntest.PathItem("b"), cdntest.PathItem("c")}))
	}
	fmt.Println(len(target.Delivered()))
	// Output:
	// [<nil> memory:a: throttled <nil>]
	// [<nil> <nil> <nil>]
	// 5
}
