package delivery

import (
	"context"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"example.com/ezdfs/cdn"
)

// pack splits what is to be sent into batches that a target takes in one call,
// in order. An item that alone is more than the limits is a batch by itself,
// for the target to judge. Where calls for families are counted apart, families
// come last and have batches of their own: paths need not wait for them.
func pack(list []prepared, limits cdn.Limits) [][]prepared {
	if limits.FamilyRate > 0 {
		isPath := func(p prepared) bool { return p.item.Extent == cdn.Path }
		apart := limits
		apart.FamilyRate = 0
		return append(pack(slices.DeleteFunc(slices.Clone(list), func(p prepared) bool { return !isPath(p) }), apart),
			pack(slices.DeleteFunc(slices.Clone(list), isPath), apart)...)
	}
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
	return max(untilToken(b.calls), untilToken(b.items))
}

// untilFamily is how long it takes until a batch may be sent that is one of
// families, as far as those are counted apart.
func (b buckets) untilFamily(batch []prepared) time.Duration {
	if b.families == nil || batch[0].item.Extent == cdn.Path {
		return 0
	}
	return untilToken(b.families)
}

// untilToken is how long it takes until a bucket holds a token.
func untilToken(l *rate.Limiter) time.Duration {
	if l == nil {
		return 0
	}
	return max(0, time.Duration((1-l.Tokens())/float64(l.Limit())*float64(time.Second)))
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
