// Package bulk moves many files at once: from a site's local var directory
// into the cluster and back. It streams, so its memory does not grow with the
// number of files; it works in parallel; and what it did stays done, so that
// the same call resumes after an interruption. Operations on single files are
// package cluster's.
//
//	progress := new(bulk.Progress)
//	err := bulk.Clusterize(ctx, c, bulk.Tree(root, []string{"var/site/storage"}, bulk.TreeOptions{}),
//		bulk.ClusterizeOptions{Progress: progress})
//	fmt.Println(progress.Snapshot())
package bulk

import (
	"context"
	"fmt"
	"iter"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// Progress counts what a running operation has done. Its methods may be called
// while it runs.
type Progress struct {
	done, skipped, failed, bytes atomic.Int64

	mu       sync.Mutex
	failures []Failure
}

// maxFailures is how many failures are kept with their reasons; beyond it they
// are only counted.
const maxFailures = 1000

// Failure is a path that could not be processed.
type Failure struct {
	Path string
	Err  error
}

// Snapshot is the state of a Progress at one moment.
type Snapshot struct {
	Done    int64 `json:"done"`    // files processed
	Skipped int64 `json:"skipped"` // files that were there and equal already
	Failed  int64 `json:"failed"`
	Bytes   int64 `json:"bytes"` // of the files processed
}

// Total is the number of files looked at.
func (s Snapshot) Total() int64 { return s.Done + s.Skipped + s.Failed }

// Snapshot returns the counts so far.
func (p *Progress) Snapshot() Snapshot {
	return Snapshot{Done: p.done.Load(), Skipped: p.skipped.Load(), Failed: p.failed.Load(), Bytes: p.bytes.Load()}
}

// Failures returns the first thousand failures.
func (p *Progress) Failures() []Failure {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Failure(nil), p.failures...)
}

func (p *Progress) add(size int64) {
	p.done.Add(1)
	p.bytes.Add(size)
}

func (p *Progress) fail(path string, err error) {
	p.failed.Add(1)
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.failures) < maxFailures {
		p.failures = append(p.failures, Failure{path, err})
	}
}

// err says that some files failed, or nothing.
func (p *Progress) err(what string) error {
	if n := p.failed.Load(); n > 0 {
		return fmt.Errorf("%s: %d of %d files failed", what, n, p.Snapshot().Total())
	}
	return nil
}

// inBatches hands the elements of source to workers, some at a time. It stops
// at the first error of the source or of work, or when ctx is done.
func inBatches[T any](ctx context.Context, source iter.Seq2[T, error], size, workers int, work func(context.Context, []T) error) error {
	if workers <= 0 {
		workers = 4 * runtime.GOMAXPROCS(0)
	}
	batches := make(chan []T)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(batches)
		send := func(batch []T) error {
			select {
			case batches <- batch:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		var batch []T
		for element, err := range source {
			if err != nil {
				return err
			}
			if batch = append(batch, element); len(batch) == size {
				if err := send(batch); err != nil {
					return err
				}
				batch = nil
			}
		}
		if len(batch) > 0 {
			return send(batch)
		}
		return nil
	})
	for range workers {
		group.Go(func() error {
			for batch := range batches {
				if err := work(ctx, batch); err != nil {
					return err
				}
			}
			return ctx.Err()
		})
	}
	return group.Wait()
}
