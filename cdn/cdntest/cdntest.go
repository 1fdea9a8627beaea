// Package cdntest holds the conformance suite that every cdn.Target passes,
// and what its stand-ins are made of. A target's own tests need one function:
//
//	func TestConformance(t *testing.T) {
//		cdntest.Run(t, cdntest.Harness{New: newFixture, Secrets: []string{token}})
//	}
//
// The stand-ins of the commercial APIs lie in packages below: each enforces the
// limits and the authentication that its vendor documents. What only one vendor
// can do wrong stays in its target's tests, and so does the check for leaked
// goroutines, which needs a TestMain.
package cdntest

import (
	"testing"

	"example.com/ezdfs/cdn"
)

// Fixture is a target and the service that it delivers to.
type Fixture struct {
	Target cdn.Target
	// Faults stands before the service.
	Faults *Faults
	// Took reports whether the service was told of an item, rightly and whole.
	Took func(item cdn.Item) bool
}

// Harness tells the suite how to make a target.
type Harness struct {
	// New starts a service and returns a target that delivers to it. t.Cleanup
	// closes both. Every subtest calls it once.
	New func(t *testing.T) Fixture
	// Impatient is New with a timeout of some 100 ms, for the subtest that waits
	// for its end; New's can then be as long as a busy machine needs. Nil is New.
	Impatient func(t *testing.T) Fixture
	// Secrets are texts that no error may hold.
	Secrets []string
	// Item makes the n-th item of a batch, n from 0 on; nil makes
	// invalidations of paths.
	Item func(t *testing.T, n int) cdn.Item
	// IgnoresGarbage: a 2xx is all that the target asks for.
	IgnoresGarbage bool
	// Forgives: a 403 is not final, as another service of the target's may
	// yet take the item.
	Forgives bool
}

// Run runs the whole suite; each subtest gets a target from h.New.
func Run(t *testing.T, h Harness) {
	if h.Item == nil {
		h.Item = func(_ *testing.T, n int) cdn.Item { return PathItem(path(n)) }
	}
	if h.Impatient == nil {
		h.Impatient = h.New
	}
	for _, test := range []struct {
		name string
		run  func(t *testing.T, h Harness, f Fixture)
	}{
		{"Describes", testDescribes},
		{"Empty", testEmpty},
		{"Delivers", testDelivers},
		{"Redelivers", testRedelivers},
		{"OddPaths", testOddPaths},
		{"FullBatch", testFullBatch},
		{"Families", testFamilies},
		{"NotTaken", testNotTaken},
		{"Cancelled", testCancelled},
		{"CancelledUnderWay", testCancelledUnderWay},
		{"Faults", testFaults},
		{"Hangs", testHangs},
		{"Recovers", testRecovers},
		{"Test", testTest},
		{"Concurrent", testConcurrent},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, h, h.New(t)) })
	}
}

// PathItem is an invalidation of one path.
func PathItem(name string) cdn.Item { return Item(cdn.Path, name) }

// Item is an invalidation, with an ID that tells it from all others.
func Item(extent cdn.Extent, subject string) cdn.Item {
	item := cdn.Item{ID: string(extent) + " " + subject, Action: cdn.Invalidate, Extent: extent, Subject: subject}
	if extent == cdn.Path {
		item.Row.Name = subject
	}
	return item
}

// OddPaths are names that a service must be told rightly, byte for byte.
func OddPaths() []string { return oddPaths }
