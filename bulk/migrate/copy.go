package migrate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"golang.org/x/sync/errgroup"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/bulk"
	"example.com/ezdfs/metadata"
)

// outcome is what became of a file.
type outcome int

const (
	pending outcome = iota
	copied          // its body is on the target now
	present         // it was there
	gone            // the file was expired or purged meanwhile
	failed
)

// file is a row whose body is to be copied.
type file struct {
	row     metadata.Row
	source  backends.Info // of the body that is staged
	staged  backends.Staged
	outcome outcome
	err     error         // why it failed
	took    time.Duration // so far

	look      bool // at the target before anything is read
	replace   bool // what the target has is out of date
	published bool // or tried to
	tries     int  // that failed
}

// maxTries is how often a file may fail by something that may pass.
const maxTries = 20

// batchParallel is how many bodies of a batch are read or published at a time.
const batchParallel = 32

// publishTimeout bounds how long rows are locked for a store that does not
// answer: others wait for them.
const publishTimeout = 30 * time.Second

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

// memoryBytes is how much of bodies that are under way may be in memory, as far
// as that depends on how many there are: some stores hold a small one until it is
// published, and of a large one its parts.
const (
	memoryBytes = 64 << 20
	largeMemory = 16 << 20
)

// memory is what the bodies of a batch may take.
func (b *batch) memory() (bytes int64) {
	for _, f := range b.files {
		bytes += f.row.Size
	}
	return min(bytes, largeMemory)
}

// restart forgets what an earlier attempt made of a file. Whatever went wrong,
// the locks were lost, so that what was published is compared, not believed.
func (f *file) restart(look bool) {
	f.look = f.look || look || f.published || f.row.Size > smallBody
	f.outcome, f.err, f.staged, f.replace = pending, nil, nil, false
}

// each calls do for the files with an outcome, many at a time, and returns the
// first error, which is none of a single file.
func (b *batch) each(ctx context.Context, m *Migration, of outcome, do func(context.Context, *file) error) error {
	var group errgroup.Group // what one file meets is no reason to break off the others
	group.SetLimit(batchParallel)
	for _, f := range b.files {
		if f.outcome != of {
			continue
		}
		group.Go(func() error {
			start := time.Now()
			err := do(ctx, f)
			f.took += time.Since(start)
			if err != nil {
				return m.judge(ctx, f, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// judge tells the errors that are a file's own from those that may pass. What
// does not pass after many attempts is its own, too, while both stores answer.
func (m *Migration) judge(ctx context.Context, f *file, err error) error {
	var database *metadata.Error
	if ctx.Err() != nil || errors.Is(err, backends.ErrNoSpace) || errors.As(err, &database) {
		return err
	}
	if f.tries++; mayPass(err) && (f.tries < maxTries || errors.Join(m.from.Ping(ctx), m.to.Ping(ctx)) != nil) {
		return err
	}
	f.outcome, f.err = failed, err
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

// settled looks at the target before anything is copied. What it has is right
// where the rules name it already; ahead of them it is compared.
func (m *Migration) settled(ctx context.Context, f *file) (bool, error) {
	target, err := m.to.Stat(ctx, f.row.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	source, err := m.from.Stat(ctx, f.row.Name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return false, err
	case m.ahead && !same(source, target):
		f.replace = true
		return false, nil
	case !m.ahead && source.Size != target.Size && source.Size == f.row.Size:
		return false, m.conflict(ctx, f)
	}
	f.outcome = present
	if f.published {
		f.outcome = copied
	}
	return true, nil
}

// same reports whether a copy is one of this very body, as far as lengths and
// times tell.
func same(a, b backends.Info) bool {
	return a.Size == b.Size && a.ModTime.Unix() == b.ModTime.Unix()
}

// conflict tells a file that has been stored meanwhile from one whose row
// describes the source and not the target: somebody has written there by other
// rules.
func (m *Migration) conflict(ctx context.Context, f *file) error {
	return m.meta.Update(ctx, func(tx *metadata.Tx) error {
		rows, err := tx.Lock(f.row)
		if err != nil {
			return err
		}
		if len(rows) == 0 || !rows[0].Live() {
			f.outcome = gone
			return nil
		}
		target, err := m.to.Stat(ctx, f.row.Name)
		if err != nil {
			return err
		}
		if f.outcome = present; target.Size != rows[0].Size {
			f.outcome, f.err = failed, fmt.Errorf("%s holds %d bytes, but the row says %d, as %s holds: has somebody stored it there "+
				"by the old rules? Store the file again", m.to.Name(), target.Size, rows[0].Size, m.from.Name())
		}
		return nil
	})
}

// withoutSource settles a file of which the source has no body.
func (m *Migration) withoutSource(ctx context.Context, f *file) error {
	_, err := m.to.Stat(ctx, f.row.Name)
	if err == nil {
		f.outcome = present
		if f.published {
			f.outcome = copied
		}
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	row, err := m.meta.Get(ctx, f.row.Name)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && !row.Live():
		f.outcome = gone
		return nil
	case err != nil:
		return err
	case row != f.row:
		f.row = row
		return changed(f.row.Name, nil)
	}
	return fmt.Errorf("live row without a body: neither %s nor %s has one", m.from.Name(), m.to.Name())
}

// changed is the error of a file that has to be looked at anew.
func changed(name string, err error) error {
	return &backends.Error{Backend: "migrate", Op: "copy", Path: name, Kind: backends.ErrChanged, Err: err}
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
	ctx, cancel := context.WithTimeout(tx.Context(), publishTimeout)
	defer cancel()
	if err := b.each(ctx, m, pending, m.publishOne); err != nil {
		return err
	}
	return b.advance(tx, b.counts(), m.options.Lease)
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

// discard drops what was staged and not published.
func (b *batch) discard(ctx context.Context) {
	for _, f := range b.files {
		if f.staged != nil {
			f.staged.Discard(context.WithoutCancel(ctx)) // leaves a staged body, which no reader sees
			f.staged = nil
		}
	}
}

// counts is what became of the files.
func (b *batch) counts() (c metadata.MigrationCounts) {
	for _, f := range b.files {
		switch f.outcome {
		case copied:
			c.Copied++
			c.Bytes += f.row.Size
		case present:
			c.Present++
		case gone:
			c.Gone++
		case failed:
			c.Failed++
		}
	}
	return c
}

// report tells what became of the files, once that is committed.
func (b *batch) report(progress *bulk.Progress) {
	for _, f := range b.files {
		switch f.outcome {
		case copied:
			progress.Add(f.row.Name, f.row.Size, f.took)
		case present, gone:
			progress.Skip(1)
		case failed:
			progress.Fail(f.row.Name, f.err)
		}
	}
}
