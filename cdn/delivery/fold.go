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
	// much longer it is when one was gone through.
	foldEvery = time.Second
	foldPause = 10 * time.Second
	// foldWait is how long a prefix waits for the paths that it replaces.
	foldWait = 30 * time.Second
	// maxDirectories bounds the directories that are counted at a time.
	maxDirectories = 50_000
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
		w.folded = time.Now().Add(foldPause)
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
	changed time.Time
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
			dir = &directory{prefix: strings.Clone(prefix), since: d.Since, changed: d.Changed}
			counts[dir.prefix] = dir
		}
		dir.pending++
		if d.Since.Before(dir.since) {
			dir.since = d.Since
		}
		if d.Changed.After(dir.changed) {
			dir.changed = d.Changed
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
	pages := make(map[*directory][]metadata.Delivery)
	folded := make(map[*directory]int64)
	flush := func(dir *directory) error {
		n, err := w.store.FoldDeliveries(ctx, w.prefix(dir), foldWait, pages[dir])
		folded[dir] += n
		pages[dir] = nil
		return err
	}
	for d, err := range w.waiting(ctx) {
		if err != nil {
			return err
		}
		i := slices.IndexFunc(chosen, func(dir *directory) bool { return strings.HasPrefix(d.Subject, dir.prefix) })
		if i < 0 {
			continue
		}
		dir := chosen[i]
		if pages[dir] = append(pages[dir], d); len(pages[dir]) == expandPage {
			if err := flush(dir); err != nil {
				return err
			}
		}
	}
	for _, dir := range chosen {
		if err := flush(dir); err != nil {
			return err
		}
		if err := w.store.DeliverNow(ctx, w.prefix(dir)); err != nil {
			return err
		}
		w.logger.InfoContext(ctx, "a backlog became a prefix", "target", w.target.Name(), "prefix", dir.prefix, "paths", folded[dir])
		w.metrics.folded.WithLabelValues(w.target.Name()).Add(float64(folded[dir]))
	}
	return nil
}
