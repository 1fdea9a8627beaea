package migrate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/metadata"
)

// ErrAhead says that something is to be done ahead of the rules that makes
// sense only after they have changed.
var ErrAhead = errors.New("the rules still name the store to migrate from")

// ErrNotCopied says that no pass of Copy has come to its end yet, so that most
// files would be found missing, each by itself.
var ErrNotCopied = errors.New("not all has been copied yet")

// Verify makes sure that every live row below the prefix has its body on the
// target, of the length that the row says. What is verified counts as present,
// what is not is told to Progress and counts as failed; if nothing is, the
// migration is noted as finished: MigrateFrom is not needed any more. Like Copy
// it can be shared and resumed. Before Copy has gone through all files the error
// is ErrNotCopied.
func (m *Migration) Verify(ctx context.Context) (metadata.MigrationCounts, error) {
	if m.ahead {
		return metadata.MigrationCounts{}, ErrAhead
	}
	if err := m.reach(ctx); err != nil {
		return metadata.MigrationCounts{}, err
	}
	if err := m.persist(ctx, m.wentThrough); err != nil {
		return metadata.MigrationCounts{}, err
	}
	counts, err := m.pass(ctx, metadata.MigrationVerify, m.verifyBatch)
	if err != nil || counts.Failed > 0 {
		return counts, err
	}
	return counts, m.persist(ctx, func(ctx context.Context) error {
		return m.meta.FinishMigration(ctx, m.record(metadata.MigrationCopy), metadata.MigrationFinished)
	})
}

// wentThrough makes sure that a pass of Copy has come to its end.
func (m *Migration) wentThrough(ctx context.Context) error {
	list, err := m.meta.Migrations(ctx)
	if err != nil {
		return err
	}
	id := m.record(metadata.MigrationCopy).ID()
	if !slices.ContainsFunc(list, func(copy metadata.Migration) bool { return copy.ID() == id && copy.Done() }) {
		return ErrNotCopied
	}
	return nil
}

func (m *Migration) verifyBatch(ctx context.Context, _ *pass, b *batch) error {
	for _, f := range b.files {
		f.outcome, f.err = pending, nil
	}
	if err := b.each(ctx, m, pending, m.verify); err != nil {
		return err
	}
	err := m.meta.Update(ctx, func(tx *metadata.Tx) error { return b.advance(tx, b.counts(), m.options.Lease) })
	if err != nil {
		return err
	}
	b.report(m.options.Progress)
	for _, f := range b.files {
		m.options.Progress.Took(f.row.Name, f.took)
	}
	return nil
}

// verify looks at one file.
func (m *Migration) verify(ctx context.Context, f *file) error {
	target, err := m.to.Stat(ctx, f.row.Name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && target.Size != f.row.Size {
		if target, err = m.verifyAgain(ctx, f); f.outcome != pending {
			return nil
		}
	}
	if err == nil {
		err = m.notOvertaken(ctx, f.row, target)
	}
	if err == nil && m.options.VerifyContents {
		err = m.compare(ctx, f.row.Name, target)
	}
	if err == nil {
		f.outcome = present
	}
	return err
}

// verifyAgain looks at a file that is not as it should be as a reader does, who
// mends a row that lags its body, and waits for a writer between the two.
func (m *Migration) verifyAgain(ctx context.Context, f *file) (backends.Info, error) {
	body, err := m.c.Open(ctx, f.row.Name)
	if errors.Is(err, fs.ErrNotExist) {
		f.outcome = gone
		return backends.Info{}, nil
	}
	if err != nil {
		return backends.Info{}, err
	}
	body.Close()
	target, err := m.to.Stat(ctx, f.row.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return target, &notThere{m.to.Name(), m.from.Name()}
	}
	if err == nil && target.Size != body.Row.Size {
		err = fmt.Errorf("%s holds %d bytes, the row says %d", m.to.Name(), target.Size, body.Row.Size)
	}
	return target, err
}

// notThere is no fs.ErrNotExist: the file exists.
type notThere struct{ to, from string }

func (e *notThere) Error() string { return "not on " + e.to + " yet, but on " + e.from }

// notOvertaken makes sure that the source holds no newer body: what it holds is
// about to be lost.
func (m *Migration) notOvertaken(ctx context.Context, row metadata.Row, target backends.Info) error {
	source, err := m.from.Stat(ctx, row.Name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case m.overtaken(row, source, target):
		return m.overtakenError()
	}
	return nil
}

// compare reads both bodies, where the source still has one and it is the one
// that was copied.
func (m *Migration) compare(ctx context.Context, name string, target backends.Info) error {
	source, err := m.from.Open(ctx, name, 0, -1)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer source.Close()
	if !same(source.Info(), target) {
		return nil // it was stored anew
	}
	copy, err := m.to.Open(ctx, name, 0, -1)
	if err != nil {
		return err
	}
	defer copy.Close()
	return equal(source, copy)
}

// equal reads both to the end.
func equal(a, b io.Reader) error {
	var one, other [64 << 10]byte
	for at := int64(0); ; {
		n, err := io.ReadFull(a, one[:])
		k, otherErr := io.ReadFull(b, other[:])
		if !bytes.Equal(one[:n], other[:k]) {
			return fmt.Errorf("the two bodies differ within %d bytes from byte %d on", len(one), at)
		}
		at += int64(n)
		for _, err := range []error{err, otherErr} {
			if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
				return err
			}
		}
		if err != nil && otherErr != nil {
			return nil
		}
	}
}
