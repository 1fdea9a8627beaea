package bulk

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"example.com/ezdfs/backends"
)

// Progress counts what a running operation has done. The zero value is ready;
// its methods may be called by all workers and while the operation runs.
type Progress struct {
	done, skipped, failed, bytes atomic.Int64
	left                         atomic.Int64
	expected, throttled, workers atomic.Int64
	slowEnough                   atomic.Int64 // nanoseconds that make an item one of the slowest

	mu       sync.Mutex
	failures []Failure
	slowest  []Slow // the slowest first
}

const (
	// maxFailures is how many failures are kept with their reasons; beyond it
	// they are only counted.
	maxFailures = 1000
	// maxSlowest is how many of the slowest items are kept.
	maxSlowest = 10
)

// Failure is a path that could not be processed.
type Failure struct {
	Path string
	Err  error
}

// Slow is an item and how long it took.
type Slow struct {
	Path string
	Took time.Duration
}

// Snapshot is the state of a Progress at one moment.
type Snapshot struct {
	Done    int64 `json:"done"`    // files processed
	Skipped int64 `json:"skipped"` // files that were there and equal already
	Failed  int64 `json:"failed"`
	Left    int64 `json:"left,omitempty"` // not tried, since their store does not answer
	Bytes   int64 `json:"bytes"`          // of the files processed

	Expected  int64 `json:"expected,omitempty"`  // files in all, 0 while unknown
	Throttled int64 `json:"throttled,omitempty"` // requests that a store refused as too many
	Workers   int64 `json:"workers,omitempty"`   // that may be at work now
}

// Total is the number of files looked at.
func (s Snapshot) Total() int64 { return s.Done + s.Skipped + s.Failed }

// Snapshot returns the counts so far.
func (p *Progress) Snapshot() Snapshot {
	return Snapshot{
		Done: p.done.Load(), Skipped: p.skipped.Load(), Failed: p.failed.Load(), Left: p.left.Load(), Bytes: p.bytes.Load(),
		Expected: p.expected.Load(), Throttled: p.throttled.Load(), Workers: p.workers.Load(),
	}
}

// Failures returns the first thousand failures.
func (p *Progress) Failures() []Failure {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.failures)
}

// Slowest returns the ten items that took longest, the slowest first.
func (p *Progress) Slowest() []Slow {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.slowest)
}

// Expect says how many files there are in all, once that is known, or adds
// what was found to what is known.
func (p *Progress) Expect(files int64) { p.expected.Add(files) }

// Add counts a file of size bytes that was processed, and how long that took.
func (p *Progress) Add(path string, size int64, took time.Duration) {
	p.done.Add(1)
	p.bytes.Add(size)
	p.Took(path, took)
}

// AddMany counts files that were processed together, of bytes bytes in all.
func (p *Progress) AddMany(files, bytes int64) {
	p.done.Add(files)
	p.bytes.Add(bytes)
}

// Skip counts files that were there and equal already.
func (p *Progress) Skip(files int64) { p.skipped.Add(files) }

// Fail counts a file that could not be processed, and why.
func (p *Progress) Fail(path string, err error) {
	p.failed.Add(1)
	if backends.IsThrottled(err) {
		p.throttled.Add(1)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.failures) < maxFailures {
		p.failures = append(p.failures, Failure{path, err})
	}
}

// Err is a *FailedError where some files failed, or nothing. What names the
// operation.
func (p *Progress) Err(what string) error {
	if s := p.Snapshot(); s.Failed > 0 {
		return &FailedError{What: what, Failed: s.Failed, Total: s.Total()}
	}
	return nil
}

// FailedError says that an operation came to its end, but for some files.
type FailedError struct {
	What          string // the operation
	Failed, Total int64
}

func (e *FailedError) Error() string {
	return fmt.Sprintf("%s: %d of %d files failed", e.What, e.Failed, e.Total)
}

// BatchName names files that are processed together by the first of them.
func BatchName(first string, files int) string {
	if files == 1 {
		return first
	}
	return fmt.Sprintf("%s and %d more", first, files-1)
}

// Took notes how long work on an item took that AddMany counts, or nobody.
func (p *Progress) Took(path string, took time.Duration) {
	if int64(took) <= p.slowEnough.Load() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	at, _ := slices.BinarySearchFunc(p.slowest, took, func(s Slow, took time.Duration) int { return -cmp.Compare(s.Took, took) })
	p.slowest = slices.Insert(p.slowest, at, Slow{path, took})
	if len(p.slowest) > maxSlowest {
		p.slowest = p.slowest[:maxSlowest]
	}
	if len(p.slowest) == maxSlowest {
		p.slowEnough.Store(int64(p.slowest[maxSlowest-1].Took))
	}
}
