package s3

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// However long a body is, its parts are within the service's limits.
func TestPlanOfKnownSize(t *testing.T) {
	lim := defaultLimits()
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Int64Range(0, lim.maxPart*lim.maxParts).Draw(t, "size")
		partSize := rapid.Int64Range(lim.minPart, lim.maxPart).Draw(t, "part size")
		part := newPlan(lim, partSize, size).part(1)
		if parts := (size + part - 1) / part; parts > lim.maxParts || part < lim.minPart || part > lim.maxPart {
			t.Fatalf("%d parts of %d bytes", parts, part)
		}
		if size <= partSize*lim.maxParts && part != partSize {
			t.Fatalf("parts of %d bytes, want %d", part, partSize)
		}
	})
	if part := newPlan(lim, lim.minPart, math.MaxInt64).part(1); part != lim.maxPart {
		t.Errorf("parts of %d bytes for an absurd size, want the longest", part)
	}
}

// Parts of a body of unknown size grow so late that 40 GB take no more memory
// than 40 MB, and so fast that 5 TB fit.
func TestPlanOfUnknownSize(t *testing.T) {
	lim := defaultLimits()
	plan := newPlan(lim, 8<<20, -1)
	total, last := int64(0), int64(0)
	for n := int64(1); n <= lim.maxParts; n++ {
		part := plan.part(n)
		if part < last || part > lim.maxPart || total < 39<<30 && part != 8<<20 {
			t.Fatalf("part %d has %d bytes after %d", n, part, total)
		}
		total, last = total+part, part
	}
	if total < 5<<40 {
		t.Errorf("no more than %d bytes fit", total)
	}
}
