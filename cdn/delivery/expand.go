package delivery

import (
	"context"
	"iter"

	"example.com/ezdfs/cdn"
	"example.com/ezdfs/metadata"
)

// expandPage is how many paths of a family become pending in one transaction.
const expandPage = 1000

// expand makes the paths of a family pending that the target has no name for.
// It goes on where it stopped the last time, and what the family changed anew
// meanwhile begins anew. The paths bring the followers along, so that a path
// follows as soon as it was delivered.
func (w *worker) expand(ctx context.Context, l *lease, d metadata.Delivery) {
	rows, err := w.family(ctx, d)
	if err != nil {
		w.finish(ctx, l, []metadata.Outcome{{Delivery: d, State: metadata.DeliveryFailed, Error: err.Error()}})
		return
	}
	var page []metadata.Delivery
	progress := d.Progress
	flush := func() (goOn bool) {
		if len(page) == 0 {
			return true
		}
		held, err := w.store.AdvanceDelivery(ctx, l.owner, d, progress, w.options.Lease, page)
		if err != nil && ctx.Err() == nil {
			w.logger.WarnContext(ctx, "a family cannot be expanded; going on later", "target", d.Target, "extent", d.Extent, "subject", d.Subject, "error", err)
		}
		w.wake(page)
		page = page[:0]
		return held && err == nil
	}
	for row, err := range rows {
		if err != nil {
			if ctx.Err() == nil {
				w.logger.WarnContext(ctx, "the rows of a family cannot be read; going on later", "target", d.Target, "subject", d.Subject, "error", err)
			}
			return
		}
		progress = row.Hash()
		if w.concerned(d, row) {
			page = append(page, w.member(d, row))
		}
		if len(page) == expandPage && !flush() {
			return
		}
	}
	if flush() {
		w.finish(ctx, l, []metadata.Outcome{{Delivery: d, State: metadata.DeliveryDelivered}})
	}
}

// family yields the rows of a family behind its progress.
func (w *worker) family(ctx context.Context, d metadata.Delivery) (iter.Seq2[metadata.Row, error], error) {
	f := metadata.Filter{After: d.Progress}
	switch cdn.Extent(d.Extent) {
	case cdn.Prefix:
		f.Prefix = d.Subject
	case cdn.Trunk:
		f.Trunk = d.Subject
	case cdn.Scope:
		f.Scopes = []string{d.Subject}
	case wildcard:
		if _, err := metadata.WildcardPrefix(d.Subject); err != nil {
			return nil, err
		}
		return w.store.Wildcard(ctx, d.Subject, f), nil
	}
	return w.store.Rows(ctx, f), nil
}

// concerned reports whether the target is to be told of a member of a family.
// A prefix was cut to what the rules give the target when it was enqueued.
func (w *worker) concerned(d metadata.Delivery, row metadata.Row) bool {
	return !metadata.IsGenerating(row.Name) && (d.Extent == string(cdn.Prefix) || w.rules.mentions(row.Name, d.Target))
}

// member is the delivery of one path of a family.
func (w *worker) member(d metadata.Delivery, row metadata.Row) metadata.Delivery {
	m := metadata.Delivery{
		Target: d.Target, Extent: string(cdn.Path), Subject: row.Name, Action: string(cdn.Invalidate),
		Scope: row.Scope, Followers: d.Followers, Changed: d.Changed,
	}
	if row.Live() && w.does(cdn.Push) {
		m.Action = string(cdn.Push)
	}
	return m
}
