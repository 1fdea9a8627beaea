package migrate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/metadata"
)

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
	case m.overtaken(f.row, source, target) || !m.ahead && source.Size != target.Size && source.Size == f.row.Size:
		return true, m.conflict(ctx, f)
	case m.ahead && !same(source, target):
		f.replace = true
		return false, nil
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

// overtaken reports whether the store that the rules name second holds a newer body
// than the first: somebody goes by other rules. What our writers could not delete
// there is older. Ahead of the rules the second one is the target, and a copy
// there may be another program's, with a time of its own; so one of the same length
// has to be the one of which the row tells. Of another length the row tells nothing:
// a reader has it follow whichever body is read.
func (m *Migration) overtaken(row metadata.Row, source, target backends.Info) bool {
	first, second := target, source
	if m.ahead {
		first, second = source, target
	}
	if second.ModTime.Unix() <= first.ModTime.Unix() {
		return false
	}
	return !m.ahead || second.Size != first.Size || row.Size == second.Size && row.MTime == second.ModTime.Unix()
}

// overtakenError says what to do about a body that overtook another.
func (m *Migration) overtakenError() error {
	first, second := m.to.Name(), m.from.Name()
	if m.ahead {
		first, second = second, first
	}
	return fmt.Errorf("%s holds a newer body than %s, which the rules name first: has somebody stored it by other rules? "+
		"Store that one again, or delete it from %s", second, first, second)
}

// conflict tells a file that has been stored meanwhile from one whose row
// describes the source and not the target, or of which the newer body is on the
// wrong store: somebody has written there by other rules.
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
		source, err := m.from.Stat(ctx, f.row.Name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		switch f.outcome = present; {
		case err == nil && m.overtaken(rows[0], source, target):
			f.outcome, f.err = failed, m.overtakenError()
		case target.Size != rows[0].Size:
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
