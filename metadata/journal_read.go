package metadata

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"time"
)

const (
	// journalPage is how many entries one query reads.
	journalPage = 1000
	// minGapAge is how long ago an identifier must have been handed out before a
	// probe counts: for a moment, which is longer while the server is stalled,
	// it has no row yet that could be locked. It delays no entry.
	minGapAge = 5 * time.Second
	// probeEvery is the time between two probes.
	probeEvery = time.Second
)

// JournalEntry is an entry as it is read.
type JournalEntry struct {
	Change
	ID       uint64
	Position string // behind the entry, as JournalPosition.String has it
}

// JournalLostError says that entries after a position are gone.
type JournalLostError struct{ Reason string }

func (e *JournalLostError) Error() string { return "metadata: read the journal: " + e.Reason }

// JournalReader reads the journal from a position on, page by page. It is for
// one goroutine, holds no connection between two calls and need not be closed.
//
// Identifiers are handed out before a transaction commits, so an entry may
// appear when higher ones have been read already; a rollback leaves a gap for
// ever. The reader remembers what was missing, and yields it when it appears:
// whatever was read meanwhile is of other paths, because the row of a path is
// locked from the record to the commit. It forgets a gap only when a locking
// read has proven that no transaction has it.
//
// That proof is one of the server asked. With Galera, all hosts must therefore
// write through one node at a time, which the row locks need anyway.
type JournalReader struct {
	store *Store
	next  uint64
	gaps  gapSet
	head  uint64 // the newest entry when the reader was opened

	// settled is an entry below which no gap is ever filled.
	settled uint64
	// aged is an identifier below which all were handed out long enough ago; so
	// will be those below mark, gapAge after marked.
	aged, mark     uint64
	marked, probed time.Time

	anchored bool   // the entry before next was read
	idsOnly  bool   // do not read what the entries say
	text     string // of the gaps, behind a semicolon
	stale    bool   // the gaps are others by now
}

// ReadJournal opens the journal at a position. A position that the journal no
// longer reaches, or does not reach yet, is a [*JournalLostError].
func (s *Store) ReadJournal(ctx context.Context, after JournalPosition) (r *JournalReader, err error) {
	err = s.retry(ctx, func(ctx context.Context) (bool, error) {
		r, err = s.openJournal(ctx, after)
		return true, err
	})
	return r, err
}

// openJournal is ReadJournal without retries.
func (s *Store) openJournal(ctx context.Context, after JournalPosition) (*JournalReader, error) {
	state, head, err := s.journalEnds(ctx)
	if err != nil {
		return nil, err
	}
	r := &JournalReader{
		store: s, next: max(after.next, 1), gaps: slices.Clone(after.gaps), head: head,
		settled: state.settled, mark: head + 1, marked: time.Now(), anchored: after.next > 1, stale: true,
	}
	if !s.dialect.gapsFill {
		r.settled = math.MaxUint64
	}
	switch {
	case after.next == 0:
		r.next = state.pruned + 1
	case r.next > head+1:
		return nil, &JournalLostError{fmt.Sprintf("entry %d is beyond the newest, %d: the journal was made anew or restored from a backup", r.next-1, head)}
	case state.pruned >= r.next, len(r.gaps) > 0 && r.gaps.first() <= state.pruned:
		return nil, prunedError(state.pruned)
	}
	return r, nil
}

func prunedError(pruned uint64) error {
	return &JournalLostError{fmt.Sprintf("the journal was pruned up to entry %d", pruned)}
}

// journalEnds returns what is known of the journal and its newest entry, 0
// where there is none. A state that speaks of entries beyond the newest is of
// another journal and is left out.
func (s *Store) journalEnds(ctx context.Context) (state journalState, head uint64, err error) {
	if state, err = s.journalState(ctx); err != nil {
		return state, 0, err
	}
	err = s.pools.write.QueryRowContext(ctx, "SELECT COALESCE(MAX(`id`), 0) FROM "+quoted(journalTable)).Scan(&head)
	if state.pruned >= head || state.settled > head {
		state = journalState{}
	}
	return state, head, s.wrap("read", journalTable, err)
}

// Behind reports whether entries have not been read yet that were there when
// the reader was opened.
func (r *JournalReader) Behind() bool { return r.next <= r.head }

// Head is the newest entry when the reader was opened.
func (r *JournalReader) Head() uint64 { return r.head }

// Position is the place behind everything that was read.
func (r *JournalReader) Position() JournalPosition {
	return JournalPosition{r.next, slices.Clone(r.gaps)}
}

// Next reads what follows, up to a thousand entries, and says whether there
// may be more at once. After an error that [IsRetryable] it may be called
// again; nothing is lost. A [*JournalLostError] says that the journal was
// pruned, or made anew, faster than it was read.
func (r *JournalReader) Next(ctx context.Context) (entries []JournalEntry, more bool, err error) {
	err = r.store.retry(ctx, func(ctx context.Context) (bool, error) {
		entries, more, err = r.nextPage(ctx)
		return true, err
	})
	return entries, more, err
}

// nextPage is Next without retries. It changes nothing before it fails.
func (r *JournalReader) nextPage(ctx context.Context) (entries []JournalEntry, more bool, err error) {
	if err := r.settle(ctx); err != nil {
		return nil, false, err
	}
	limit := journalPage
	if r.idsOnly {
		limit *= 10
	}
	page, err := r.read(ctx, limit)
	if err != nil {
		return nil, false, r.store.wrap("read", journalTable, err)
	}
	more = len(page) == limit
	if page, err = r.anchor(ctx, page, more); err != nil {
		return nil, false, err
	}
	for i := range page {
		if !r.take(page[i].ID) {
			return page[:i], false, nil
		}
		if !r.idsOnly {
			page[i].Position = r.position()
		}
	}
	if !more {
		r.forget(r.settled)
	}
	return page, more, nil
}

// read runs the query of one page: the last entry that was read, whatever of
// the gaps there is by now, and what follows. It is one statement, so that of
// two entries of one path the later one is never seen without the earlier.
func (r *JournalReader) read(ctx context.Context, limit int) (page []JournalEntry, err error) {
	columns := "`id`, `kind`, `subject`, `scope`, `time`, `host`"
	if r.idsOnly {
		columns = "`id`, '', '', '', 0, ''"
	}
	clause, args := "`id` >= ?", []any{r.next - 1}
	if len(r.gaps) > 0 {
		c := r.gaps.condition()
		clause, args = clause+" OR "+c.sql, append(args, c.args...)
	}
	err = query(ctx, r.store.pools.read, func(rows *sql.Rows) error {
		var e JournalEntry
		var micros int64
		err := rows.Scan(&e.ID, &e.Kind, &e.Subject, &e.Scope, &micros, &e.Host)
		e.Time = time.UnixMicro(micros)
		page = append(page, e)
		return err
	}, "SELECT "+columns+" FROM "+quoted(journalTable)+" WHERE "+clause+" ORDER BY `id` LIMIT ?", append(args, limit)...)
	return page, err
}

// anchor takes the last entry that was read out of the page. If it is not
// there, the journal was pruned up to it at least, or is another one; the
// newest entry is never pruned.
func (r *JournalReader) anchor(ctx context.Context, page []JournalEntry, more bool) ([]JournalEntry, error) {
	i := slices.IndexFunc(page, func(e JournalEntry) bool { return e.ID >= r.next-1 })
	switch {
	case i >= 0 && page[i].ID == r.next-1:
		return slices.Delete(page, i, i+1), nil
	case i >= 0 && page[i].ID == r.next, i < 0 && (more || !r.anchored):
		return page, nil
	}
	state, head, err := r.store.journalEnds(ctx)
	switch {
	case err != nil:
		return nil, err
	case !r.anchored: // begins with whatever there is
		r.next = min(max(r.next, state.pruned+1), page[i].ID)
		return page, nil
	case i >= 0 && state.pruned == r.next-1:
		return page, nil
	case state.pruned >= r.next:
		return nil, prunedError(state.pruned)
	}
	return nil, &JournalLostError{fmt.Sprintf("entry %d is gone and the newest is %d: the journal was emptied or made anew", r.next-1, head)}
}

// take goes past an entry. It reports false where that would leave too many
// gaps; the entry is then read again later.
func (r *JournalReader) take(id uint64) bool {
	if id < r.next {
		r.forget(min(r.settled, id))
		r.gaps.remove(id, id)
		r.stale = true
		return true
	}
	r.forget(min(r.settled, id-1))
	if missing := max(r.next, min(r.settled, id-1)+1); missing < id {
		if len(r.gaps) >= maxGaps {
			return false
		}
		r.gaps.add(missing, id-1)
		r.stale = true
	}
	r.next, r.anchored = id+1, true
	return true
}

// forget drops the gaps up to an identifier, of which it is known that nothing
// fills them.
func (r *JournalReader) forget(id uint64) {
	if len(r.gaps) > 0 && r.gaps.first() <= id {
		r.gaps.remove(0, id)
		r.stale = true
	}
}

// position is Position as text.
func (r *JournalReader) position() string {
	if r.stale {
		r.stale, r.text = false, ""
		if len(r.gaps) > 0 {
			r.text = ";" + r.gaps.String()
		}
	}
	return fmt.Sprint(r.next) + r.text
}
