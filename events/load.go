package events

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"example.com/ezdfs/metadata"
)

// Load returns the row of a path: as the first filter knows it (loadMetadata),
// else from query, which then every listener is told of (storeMetadata).
//
// Callers who ask for the same path at the same time share one query, unless
// the path was deleted since it began; it is cancelled when the last of them
// goes away, and has the values of the first one's context. The query's errors
// come back as they are. A path without a row is fs.ErrNotExist, whoever knew
// it.
func (h *Hub) Load(ctx context.Context, name string, query Query) (metadata.Row, error) {
	if h.idle() {
		return query(ctx)
	}
	if answer := h.ask(ctx, name, false); answer.Known {
		if !answer.Exists {
			return metadata.Row{}, noRow(name)
		}
		return answer.Row, nil
	}
	return h.query(ctx, name, query)
}

// LoadShared is Load, but shares the query also where there are no listeners:
// for paths that many ask for at once.
func (h *Hub) LoadShared(ctx context.Context, name string, query Query) (metadata.Row, error) {
	if h == nil || h.closed.Load() {
		return query(ctx)
	}
	if h.idle() {
		return h.query(ctx, name, query)
	}
	return h.Load(ctx, name, query)
}

// Exists reports whether a path has a row, live or not. Each filter is asked
// for just that if it can tell (fileExists), then all is as with Load. Where a
// filter knew, the row may have nothing but Name and MTime.
func (h *Hub) Exists(ctx context.Context, name string, query Query) (row metadata.Row, exists bool, err error) {
	if h.idle() {
		row, err = query(ctx)
	} else if answer := h.ask(ctx, name, true); answer.Known {
		return answer.Row, answer.Exists, nil
	} else {
		row, err = h.query(ctx, name, query)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return metadata.Row{}, false, nil
	}
	return row, err == nil, err
}

// ask asks the filters in order until one knows.
func (h *Hub) ask(ctx context.Context, name string, existence bool) Answer {
	for _, m := range h.filters {
		if answer := m.ask(ctx, name, existence); answer.Known {
			return answer
		}
	}
	return Answer{}
}

// query reads the database and tells everybody.
func (h *Hub) query(ctx context.Context, name string, query Query) (metadata.Row, error) {
	key := PathKey(name)
	// What is stamped now was committed before, so the query sees it. The
	// stamp is read before the number: whoever joins has heard of no more.
	stamp := h.stamps.newest(key)
	event := Event{Kind: StoreMetadata}
	asked := func(ctx context.Context) (metadata.Row, error) {
		event.Seq, event.Time = h.seq.Load(), time.Now()
		return query(ctx)
	}
	return h.flights.do(ctx, flightKey{name, stamp}, asked, func(row metadata.Row, err error) {
		switch {
		case err == nil:
			event.Row = row
			event.Row.Name = name
		case errors.Is(err, fs.ErrNotExist):
			event.Row, event.Missing = metadata.Row{Name: name}, true
		default:
			return
		}
		h.offer(event, key)
	})
}

// offer tells all listeners of a row that was read, unless it is known to be
// out of date.
func (h *Hub) offer(event Event, key uint64) {
	current := func() bool { return h.stamps.newest(key) <= event.Seq }
	if !current() {
		return
	}
	for _, m := range h.inline {
		m.tell(event)
	}
	for _, m := range h.queued {
		m.queue.hint(event, current)
	}
}

// noRow is the error of a path that has no row.
func noRow(name string) error {
	return &metadata.Error{Op: "get", Subject: name, Kind: fs.ErrNotExist}
}
