package migrate

import (
	"context"
	"iter"
	"time"

	"example.com/ezdfs/metadata"
)

// What a batch may hold: a file beyond smallBody bytes is worked on by itself,
// without other rows waiting for it.
const (
	batchFiles = 100
	batchBytes = 8 << 20
	smallBody  = 1 << 20
	// pageSize is how many rows are read of a range at a time.
	pageSize = 500
)

// walker walks the rows of one leased range, a batch at a time.
type walker struct {
	r     metadata.MigrationRange
	next  func() (metadata.Row, error, bool)
	stop  func()
	after string        // name_hash of the last row that was read
	ahead *metadata.Row // read, but in no batch yet
	over  bool          // done, or somebody else's
}

// batch is some rows of a range.
type batch struct {
	w        *walker
	files    []*file
	position string // of the range once they are done
	last     bool   // the range is done then
}

func (w *walker) close() {
	if w.stop != nil {
		w.stop()
		w.next, w.stop = nil, nil
	}
}

// batch reads the next rows. After an error it goes on where it was.
func (w *walker) batch(ctx context.Context, m *Migration) (*batch, error) {
	start := w.after
	b := &batch{w: w, position: start}
	var bytes int64
	for len(b.files) < m.pool.BatchSize(batchFiles) && bytes < batchBytes {
		row, err := w.row(ctx, m)
		if err != nil {
			w.close()
			w.after, w.ahead = start, nil
			return nil, err
		}
		if row == nil {
			b.last = true
			break
		}
		if row.Size > smallBody && len(b.files) > 0 {
			w.ahead = row
			break
		}
		w.after = row.Hash()
		b.position = w.after
		if metadata.IsGenerating(row.Name) || !m.covers(row.Name) {
			continue
		}
		b.files = append(b.files, &file{row: *row})
		if bytes += row.Size; row.Size > smallBody {
			break
		}
	}
	return b, nil
}

// row returns the next row, or nil at the end.
func (w *walker) row(ctx context.Context, m *Migration) (*metadata.Row, error) {
	if row := w.ahead; row != nil {
		w.ahead = nil
		return row, nil
	}
	if w.next == nil {
		live := false
		from, to := w.r.Bounds()
		w.next, w.stop = iter.Pull2(m.meta.Rows(ctx, metadata.Filter{
			Prefix: m.prefix, Expired: &live, HashFrom: from, HashTo: to, After: w.after, ByHash: true, PageSize: pageSize,
		}))
	}
	row, err, ok := w.next()
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, nil
	}
	return &row, nil
}

// advance notes in the transaction of a batch that it is done.
func (b *batch) advance(tx *metadata.Tx, counts metadata.MigrationCounts, lease time.Duration) error {
	held, err := tx.AdvanceRange(b.w.r, b.position, counts, b.last, lease)
	if err == nil && !held {
		err = errLost
	}
	return err
}
