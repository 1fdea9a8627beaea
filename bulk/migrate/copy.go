package migrate

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/metadata"
)

// publishTimeout bounds how long rows are locked for a store that does not
// answer: others wait for them. Some stores put a large body together when it is
// published, and get the time for that at publishPace bytes a second; such a body
// is in no batch with others.
const (
	publishTimeout = 30 * time.Second
	publishPace    = 16 << 20
)

// copyBatch copies the files of a batch and notes what became of them. After an
// error it can be called again.
func (m *Migration) copyBatch(ctx context.Context, p *pass, b *batch) error {
	held := b.memory()
	if err := m.memory.Acquire(ctx, held); err != nil {
		return err
	}
	defer m.memory.Release(held)
	defer b.discard(ctx)
	for _, f := range b.files {
		f.restart(m.ahead || p.record.Pass > 1)
	}
	if err := b.each(ctx, m, pending, m.prepare); err != nil {
		return err
	}
	err := m.meta.Update(ctx, func(tx *metadata.Tx) error { return m.publish(tx, b) })
	if err != nil {
		return err
	}
	b.report(m.options.Progress)
	return nil
}

// prepare stages a copy of a file, unless that proves unnecessary.
func (m *Migration) prepare(ctx context.Context, f *file) error {
	if f.look {
		if done, err := m.settled(ctx, f); done || err != nil {
			return err
		}
	}
	r, err := m.from.Open(ctx, f.row.Name, 0, -1)
	if errors.Is(err, fs.ErrNotExist) {
		return m.withoutSource(ctx, f)
	}
	if err != nil {
		return err
	}
	defer r.Close()
	f.source = r.Info()
	body, err := m.paced(ctx, r)
	if err != nil {
		return err
	}
	f.staged, err = m.to.Stage(ctx, f.row.Name, body, attributes(f.row, f.source))
	if errors.Is(err, backends.ErrSize) {
		return changed(f.row.Name, err) // it was written to while it was read
	}
	return err
}

// paced is a body as fast as the bandwidth allows.
func (m *Migration) paced(ctx context.Context, r backends.Reader) (io.Reader, error) {
	if size := r.Info().Size; size <= smallBody || !m.pool.Paced() {
		return r, m.pool.Wait(ctx, size)
	}
	return m.pool.Reader(ctx, r), nil
}

// attributes are those of the body itself. Its type is what its row says, as
// with a body that the cluster stores.
func attributes(row metadata.Row, body backends.Info) backends.Attributes {
	attrs := backends.Attributes{Size: body.Size, ModTime: body.ModTime, ContentType: backends.CleanType(row.DataType)}
	if attrs.ContentType == "" {
		attrs.ContentType = body.ContentType
	}
	return attrs
}

// publish makes the staged copies visible while all their rows are locked, and
// notes that the batch is done.
func (m *Migration) publish(tx *metadata.Tx, b *batch) error {
	if err := b.lock(tx); err != nil {
		return err
	}
	if err := tx.Pin(); err != nil { // what is published stays published
		return err
	}
	ctx, cancel := context.WithTimeout(tx.Context(), b.publishTimeout())
	defer cancel()
	if err := b.each(ctx, m, pending, m.publishOne); err != nil {
		return err
	}
	return b.advance(tx, b.counts(), m.options.Lease)
}

// publishTimeout bounds how long the rows of a batch are locked.
func (b *batch) publishTimeout() time.Duration {
	return publishTimeout + time.Duration(b.bytes()/publishPace)*time.Second
}

// lock locks the rows of the files that are to be published; those that are not
// live any more need no copy.
func (b *batch) lock(tx *metadata.Tx) error {
	var rows []metadata.Row
	for _, f := range b.files {
		if f.outcome == pending {
			rows = append(rows, f.row)
		}
	}
	if len(rows) == 0 {
		return nil
	}
	locked, err := tx.Lock(rows...)
	if err != nil {
		return err
	}
	live := make(map[string]bool, len(locked))
	for _, row := range locked {
		live[row.Name] = live[row.Name] || row.Live()
	}
	for _, f := range b.files {
		if f.outcome == pending && !live[f.row.Name] {
			f.outcome = gone
		}
	}
	return nil
}

// publishOne publishes one copy, under the lock.
func (m *Migration) publishOne(ctx context.Context, f *file) error {
	source, err := m.from.Stat(ctx, f.row.Name)
	if err != nil || source.Version != f.source.Version {
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			return changed(f.row.Name, err)
		}
		return err
	}
	err = m.create(ctx, f)
	if errors.Is(err, fs.ErrExist) {
		f.look = true
		return changed(f.row.Name, err) // by whom and what, the next attempt sees
	}
	if err == nil {
		f.outcome = copied
	}
	return err
}

// create publishes where there is no body, or replaces what is out of date.
func (m *Migration) create(ctx context.Context, f *file) error {
	publish := f.staged.Publish
	creator, creates := f.staged.(backends.Creator)
	if creates = creates && m.creates && !f.replace; creates {
		publish = creator.PublishNew
	}
	// The probe was small, and some services know the condition of those alone.
	if !f.replace && !(creates && f.staged.Size() <= smallBody) {
		_, err := m.to.Stat(ctx, f.row.Name)
		if err == nil {
			return fs.ErrExist
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	err := publish(ctx)
	f.published = !errors.Is(err, fs.ErrExist) // the answer may be lost
	return err
}
