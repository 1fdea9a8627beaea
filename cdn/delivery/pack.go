package delivery

import (
	"context"
	"time"

	"golang.org/x/time/rate"

	"example.com/ezdfs/cdn"
)

// pack splits what is to be sent into batches that a target takes in one call,
// in order. An item that alone is more than the limits is a batch by itself,
// for the target to judge.
func pack(list []prepared, limits cdn.Limits) [][]prepared {
	var batches [][]prepared
	families, bytes := 0, 0
	for _, p := range list {
		family, size := 0, 0
		if p.item.Extent != cdn.Path {
			family = 1
		}
		if limits.Size != nil {
			size = limits.Size(p.item)
		}
		last := len(batches) - 1
		full := last < 0 ||
			limits.Items > 0 && len(batches[last]) >= limits.Items ||
			limits.Families > 0 && families+family > limits.Families ||
			limits.Bytes > 0 && bytes+size > limits.Bytes
		if full {
			batches = append(batches, nil)
			families, bytes = 0, 0
			last++
		}
		batches[last] = append(batches[last], p)
		families += family
		bytes += size
	}
	return batches
}

// buckets are the token buckets of a target; nil ones do not limit. Each host
// has its own.
type buckets struct{ calls, items, families *rate.Limiter }

func newBuckets(l cdn.Limits) buckets {
	bucket := func(r float64, burst int) *rate.Limiter {
		if r <= 0 {
			return nil
		}
		return rate.NewLimiter(rate.Limit(r), max(1, burst))
	}
	return buckets{bucket(l.Rate, l.Burst), bucket(l.ItemRate, l.ItemBurst), bucket(l.FamilyRate, l.FamilyBurst)}
}

// untilCall is how long it takes until a call may be made. What is due is
// leased only then: what waits in the ledger can still be joined.
func (b buckets) untilCall() time.Duration {
	wait := time.Duration(0)
	for _, l := range []*rate.Limiter{b.calls, b.items} {
		if l == nil {
			continue
		}
		if missing := 1 - l.Tokens(); missing > 0 {
			wait = max(wait, time.Duration(missing/float64(l.Limit())*float64(time.Second)))
		}
	}
	return wait
}

// wait takes the tokens of a batch. It reports false when ctx is done first.
func (b buckets) wait(ctx context.Context, batch []prepared) bool {
	families := 0
	for _, p := range batch {
		if p.item.Extent != cdn.Path {
			families = 1
		}
	}
	return take(ctx, b.families, families) && take(ctx, b.items, len(batch)) && take(ctx, b.calls, 1)
}

// take takes n tokens, more than the bucket holds one bucket after the other.
func take(ctx context.Context, l *rate.Limiter, n int) bool {
	for l != nil && n > 0 {
		part := min(n, l.Burst())
		if l.WaitN(ctx, part) != nil {
			return false
		}
		n -= part
	}
	return true
}

// left is how many calls may be made now; -1 without a limit.
func (b buckets) left() float64 {
	if b.calls == nil {
		return -1
	}
	return b.calls.Tokens()
}
