package s3

import "math"

// plan says how long each part of an upload is, so that any body fits into
// the number of parts the service allows.
type plan struct {
	limits
	base int64 // bytes of the first part
	grow bool  // later parts get longer: the body's size is unknown
}

// newPlan plans for a body of size bytes, negative when unknown, with parts of
// at least partSize bytes.
func newPlan(lim limits, partSize, size int64) plan {
	if size < 0 {
		return plan{limits: lim, base: partSize, grow: true}
	}
	needed := (size + lim.maxParts - 1) / lim.maxParts
	if size > math.MaxInt64-lim.maxParts {
		needed = lim.maxPart
	}
	return plan{limits: lim, base: min(max(partSize, needed), lim.maxPart)}
}

// part is the length in bytes of part n, counted from 1. A body of unknown
// size gets equal parts for the first half of all parts (40 GB with parts of
// 8 MB), then twice as long ones after every further twentieth, which makes
// terabytes fit.
func (p plan) part(n int64) int64 {
	half, step := p.maxParts/2, max(p.maxParts/20, 1)
	if !p.grow || n <= half {
		return p.base
	}
	doublings := (n - half + step - 1) / step
	return min(p.base<<doublings, p.maxPart)
}
