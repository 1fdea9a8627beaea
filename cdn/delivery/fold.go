package delivery

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"example.com/ezdfs/cdn"
	"example.com/ezdfs/metadata"
)

const (
	// foldEvery is the time between two looks at the backlog, and foldPause how
	// much longer it is when one was gone through, at least: nothing is leased
	// meanwhile, so it takes a tenth of the time at the most.
	foldEvery = time.Second
	foldPause = 10 * time.Second
	// foldWait is how long a prefix waits for the paths that it replaces.
	foldWait = 30 * time.Second
	// maxDirectories bounds the directories that are counted at a time, and
	// maxFolded the paths that are collected to be replaced.
	maxDirectories = 50_000
	maxFolded      = 20_000
)

// fold makes prefixes of the paths that wait for a target, where there are too
// many and a prefix drops little besides: at least half of the files that
// begin with it changed. A call for a prefix then stands for hundreds or
// thousands of paths, of which most targets take some hundred in one call.
func (w *worker) fold(ctx context.Context) {
	if w.options.CoalesceAbove < 0 || time.Since(w.folded) < foldEvery || !slices.Contains(w.limits.Extents, cdn.Prefix) {
		return
	}
	w.folded = time.Now()
	n, err := w.store.Backlog(ctx, w.target.Name(), w.options.CoalesceAbove+1)
	if err == nil && n > w.options.CoalesceAbove {
		err = w.foldBacklog(ctx)
		w.folded = time.Now().Add(max(foldPause, 9*time.Since(w.folded)))
	}
	if err != nil && ctx.Err() == nil {
		w.logger.WarnContext(ctx, "a backlog cannot be looked at for prefixes", "target", w.target.Name(), "error", err)
	}
}

// directory is what waits below a prefix.
type directory struct {
	prefix  string
	pending int
	since   time.Time
	folded  int64 // paths that it replaced
}

func (w *worker) foldBacklog(ctx context.Context) error {
	counts := make(map[string]*directory)
	for d, err := range w.waiting(ctx) {
		if err != nil {
			return err
		}
		count(counts, d)
	}
	chosen, err := w.choose(ctx, counts)
	if err != nil || len(chosen) == 0 {
		return err
	}
	return w.replace(ctx, chosen)
}

// waiting yields the paths that may become part of a prefix.
func (w *worker) waiting(ctx context.Context) func(func(metadata.Delivery, error) bool) {
	return func(yield func(metadata.Delivery, error) bool) {
		f := metadata.DeliveryFilter{Target: w.target.Name(), State: metadata.DeliveryPending}
		for d, err := range w.store.Deliveries(ctx, f) {
			if err == nil && (d.Extent != string(cdn.Path) || d.Action != string(cdn.Invalidate) || d.Followers != "" || d.Owner != "") {
				continue
			}
			if !yield(d, err) || err != nil {
				return
			}
		}
	}
}

// count adds a path to the directories that it is in. When there are too many
// of them, new ones are left out: those with much to fold came early.
func count(counts map[string]*directory, d metadata.Delivery) {
	for end, c := range d.Subject {
		if c != '/' {
			continue
		}
		prefix := d.Subject[:end+1]
		dir := counts[prefix]
		if dir == nil {
			if len(counts) >= maxDirectories {
				continue
			}
			dir = &directory{prefix: strings.Clone(prefix), since: d.Since}
			counts[dir.prefix] = dir
		}
		dir.pending++
		if d.Since.Before(dir.since) {
			dir.since = d.Since
		}
	}
}

// choose picks the widest directories that qualify, none inside another.
func (w *worker) choose(ctx context.Context, counts map[string]*directory) ([]*directory, error) {
	byLength := slices.SortedFunc(maps.Values(counts), func(a, b *directory) int {
		return cmp.Or(cmp.Compare(len(a.prefix), len(b.prefix)), cmp.Compare(a.prefix, b.prefix))
	})
	var chosen []*directory
	for _, dir := range byLength {
		inside := slices.ContainsFunc(chosen, func(c *directory) bool { return strings.HasPrefix(dir.prefix, c.prefix) })
		if inside || dir.pending < w.options.CoalesceAtLeast || !w.covers(item(w.prefix(dir))) {
			continue
		}
		most := 2 * int64(dir.pending)
		files, err := w.store.CountUpTo(ctx, dir.prefix, most+1)
		if err != nil {
			return nil, err
		}
		if files <= most {
			chosen = append(chosen, dir)
		}
	}
	return chosen, nil
}

// prefix is the delivery that stands for a directory.
func (w *worker) prefix(dir *directory) metadata.Delivery {
	return metadata.Delivery{Target: w.target.Name(), Extent: string(cdn.Prefix), Subject: dir.prefix,
		Action: string(cdn.Invalidate), Changed: dir.since}
}

// replace replaces the paths below directories. The prefix is in the ledger
// with the first of them that is not, and due when all are replaced, or after
// foldWait should this process end.
func (w *worker) replace(ctx context.Context, chosen []*directory) error {
	f := &folding{worker: w, chosen: make(map[string]*directory), pages: make(map[*directory][]metadata.Delivery)}
	for _, dir := range chosen {
		f.chosen[dir.prefix] = dir
	}
	for d, err := range w.waiting(ctx) {
		if err == nil {
			err = f.add(ctx, d)
		}
		if err != nil {
			return err
		}
	}
	for _, dir := range chosen {
		if err := f.flush(ctx, dir); err != nil {
			return err
		}
		if err := w.store.DeliverIn(ctx, w.again(), w.prefix(dir)); err != nil {
			return err
		}
		w.logger.InfoContext(ctx, "a backlog became a prefix", "target", w.target.Name(), "prefix", dir.prefix, "paths", dir.folded)
		w.metrics.folded.WithLabelValues(w.target.Name()).Add(float64(dir.folded))
	}
	return nil
}

// folding is a backlog that becomes prefixes.
type folding struct {
	*worker
	chosen map[string]*directory // by prefix; none is inside another
	pages  map[*directory][]metadata.Delivery
	held   int // paths in pages
}

// add collects a path, and replaces what was collected of its directory when
// that is a page, or of all of them when it is too much.
func (f *folding) add(ctx context.Context, d metadata.Delivery) error {
	dir := f.directory(d.Subject)
	if dir == nil {
		return nil
	}
	// What identifies it is kept, and no more.
	f.pages[dir] = append(f.pages[dir], metadata.Delivery{Target: d.Target, Extent: d.Extent, Subject: d.Subject})
	if f.held++; len(f.pages[dir]) >= expandPage {
		return f.flush(ctx, dir)
	}
	for other := range f.pages {
		if f.held < maxFolded {
			break
		}
		if err := f.flush(ctx, other); err != nil {
			return err
		}
	}
	return nil
}

// directory is the chosen one that a path is in, nil for none.
func (f *folding) directory(path string) *directory {
	for end, c := range path {
		if c == '/' {
			if dir := f.chosen[path[:end+1]]; dir != nil {
				return dir
			}
		}
	}
	return nil
}

func (f *folding) flush(ctx context.Context, dir *directory) error {
	page := f.pages[dir]
	delete(f.pages, dir)
	f.held -= len(page)
	n, err := f.store.FoldDeliveries(ctx, f.prefix(dir), foldWait, page)
	dir.folded += n
	return err
}
