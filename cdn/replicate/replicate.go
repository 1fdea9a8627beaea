// Package replicate is a target that keeps another store equal, so that a CDN
// which pulls from a bucket is fed from a cluster on NFS:
//
//	target, err := replicate.New(s.Targets.Replicate["replicate:origin"], replicate.Source{Rows: meta, Bodies: stores}, bucket)
//	// ...
//	errs := target.Deliver(ctx, batch)
//
// Whatever an item says of a path, the path in the replica is made what the
// source says now: a copy of the body where the row is live, nothing where it
// is expired or gone. Delivering an item again, late, or twice at a time, does
// no harm therefore, and what is live is never deleted for an old item.
//
// A copy is staged, then row and body of the source are read again, and only
// what is still true is published; after that they are read once more. So an
// older body gets over a newer one only where two deliveries of one path run at
// the same time, and does not stay: the delivery that published it notices and
// goes on. What remains: a process that dies between publishing and that last
// look leaves the older body until its item, which it did not report as
// delivered, is delivered again. A reader of the replica may find a path absent
// for a moment that was deleted and stored again at once.
//
// A path is left alone whose copy has the size, the modification time and the
// content type of the source and is younger than the source's body by more
// than a few seconds, which the clocks of the stores may differ.
//
// Families are left to the ledger to expand: only paths can be compared.
package replicate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/cdn"
	"example.com/ezdfs/metadata"
	"example.com/ezdfs/settings"
)

// Rows says what is live. It must read the database itself: a cached row would
// have live files deleted, or old ones published. [metadata.Store] is one.
type Rows interface {
	// Get returns the row of a path; one that has none is fs.ErrNotExist.
	Get(ctx context.Context, path string) (metadata.Row, error)
}

// Bodies holds what is copied. A dispatcher and every backend are such.
type Bodies interface {
	Stat(ctx context.Context, path string) (backends.Info, error)
	Open(ctx context.Context, path string, offset, length int64) (backends.Reader, error)
}

// Source is what the replica is made equal to.
type Source struct {
	Rows   Rows
	Bodies Bodies
}

// maxItems is how many paths one batch may have: as many as S3 deletes in one
// request.
const maxItems = 1000

// clocks is how much the clocks of two stores may differ.
const clocks = 5 * time.Second

// Target keeps a store equal. Create it with New.
type Target struct {
	name    string
	cfg     settings.Replicate
	from    Source
	to      backends.Backend
	step    func(string)  // between any two steps, for tests
	settled time.Duration // clocks, or what a test wants
	pause   time.Duration // before another look at what changes
}

var _ cdn.Target = (*Target)(nil)

// New returns the target of a group of settings. The replica must be a store
// of its own, which no rule of the cluster uses. Closing the target closes
// neither the source nor the replica.
func New(cfg settings.Replicate, from Source, to backends.Backend) (*Target, error) {
	switch {
	case to == nil:
		return nil, errors.New(cfg.Name + ": Backend is not set: name the store to keep equal")
	case from.Rows == nil || from.Bodies == nil:
		return nil, errors.New(cfg.Name + ": there is no source")
	}
	return &Target{
		name: cfg.Name, cfg: cfg, from: from, to: to,
		step: func(string) {}, settled: clocks, pause: 50 * time.Millisecond,
	}, nil
}

// Name is the instance's.
func (t *Target) Name() string { return t.name }

// Close does nothing.
func (t *Target) Close() error { return nil }

// Limits say that paths alone are taken.
func (t *Target) Limits() cdn.Limits { return Limits() }

// Limits are those of every replica.
func Limits() cdn.Limits {
	return cdn.Limits{Actions: []cdn.Action{cdn.Push, cdn.Invalidate}, Items: maxItems, Concurrent: 1}
}

// Deliver makes the paths of a batch what the source says now, several at a
// time, each once: deletions first, in few requests, then copies.
func (t *Target) Deliver(ctx context.Context, batch []cdn.Item) []error {
	errs := make([]error, len(batch))
	b := t.newBatch()
	for i, item := range batch {
		if why := takes(item); why != "" {
			errs[i] = t.refused(why)
			continue
		}
		b.add(item.Subject)
	}
	b.run(ctx)
	for i, item := range batch {
		if errs[i] == nil {
			errs[i] = t.classify(ctx, b.results[item.Subject])
		}
	}
	return errs
}

// takes says why an item is none for this target, "" for nothing.
func takes(item cdn.Item) string {
	switch {
	case item.Action != cdn.Push && item.Action != cdn.Invalidate:
		return fmt.Sprintf("does not %s", item.Action)
	case item.Extent != cdn.Path:
		return fmt.Sprintf("cannot compare a whole %s: it has to be expanded into paths", item.Extent)
	case !backends.ValidPath(item.Subject):
		return "not a path that a store can hold"
	}
	return ""
}

// batch is the paths of one delivery.
type batch struct {
	t       *Target
	paths   []string
	results map[string]error
	mu      sync.Mutex // of results
}

func (t *Target) newBatch() *batch { return &batch{t: t, results: map[string]error{}} }

func (b *batch) add(path string) {
	if _, known := b.results[path]; !known {
		b.results[path] = nil
		b.paths = append(b.paths, path)
	}
}

func (b *batch) set(path string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.results[path] = err
}

func (b *batch) run(ctx context.Context) {
	live := b.remove(ctx)
	limit := make(chan struct{}, cmp.Or(b.t.cfg.Concurrency, 4))
	var wg sync.WaitGroup
	for _, path := range live {
		limit <- struct{}{}
		wg.Go(func() {
			defer func() { <-limit }()
			b.set(path, b.t.sync(ctx, path))
		})
	}
	wg.Wait()
}

// remove deletes the copies of what is not live, and returns the paths that
// are left to look at one by one: the live ones, and those that became so
// while their copies were deleted.
func (b *batch) remove(ctx context.Context) (left []string) {
	var gone []string
	for _, path := range b.paths {
		switch _, live, err := b.t.row(ctx, path); {
		case err != nil:
			b.set(path, err)
		case live:
			left = append(left, path)
		default:
			gone = append(gone, path)
		}
	}
	if len(gone) == 0 {
		return left
	}
	b.t.step("delete")
	failed := deleteErrors(b.t.to.Delete(ctx, gone), gone)
	b.t.step("deleted")
	for _, path := range gone {
		switch _, live, err := b.t.row(ctx, path); {
		case failed[path] != nil || err != nil:
			b.set(path, errors.Join(failed[path], err))
		case live:
			left = append(left, path)
		}
	}
	return left
}

// deleteErrors sorts the error of a deletion by path.
func deleteErrors(err error, paths []string) map[string]error {
	var each *backends.DeleteError
	if err == nil || errors.As(err, &each) {
		if each == nil {
			return nil
		}
		return each.Failed
	}
	failed := map[string]error{}
	for _, path := range paths {
		failed[path] = err
	}
	return failed
}

// row reads a row and says whether it is live.
func (t *Target) row(ctx context.Context, path string) (row metadata.Row, live bool, err error) {
	row, err = t.from.Rows.Get(ctx, path)
	if errors.Is(err, fs.ErrNotExist) {
		return metadata.Row{}, false, nil
	}
	return row, err == nil && row.Live(), err
}

func (t *Target) refused(reason string) *cdn.Error {
	return &cdn.Error{Target: t.name, Kind: cdn.ErrRefused, Reason: reason}
}

// classify says what an error of a store or the database means to the ledger.
// Only what is wrong with the path itself is final.
func (t *Target) classify(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	e := &cdn.Error{Target: t.name, Kind: cdn.ErrUnavailable, Err: err}
	unavailable := errors.Is(err, backends.ErrUnavailable) || backends.IsRetryable(err) || ctx.Err() != nil
	if !unavailable && (errors.Is(err, fs.ErrInvalid) || errors.Is(err, fs.ErrPermission)) {
		e.Kind = cdn.ErrRefused
	}
	return e
}
