package check

import (
	"context"
	"errors"
	"fmt"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/metadata"
)

// attempts bounds how often a name is looked at that changes meanwhile.
const attempts = 3

// inspect looks at everything of a name again and mends or tells what is wrong.
func (r *run) inspect(ctx context.Context, name string) error {
	s, err := r.examine(ctx, name)
	if err != nil {
		return err
	}
	if len(r.diagnose(s)) == 0 {
		return nil // a writer was just there
	}
	if err := r.relocate(ctx, s); err != nil {
		return err
	}
	asked, err := r.asked(ctx, name)
	if err != nil {
		return err
	}
	incomplete := r.incomplete(ctx, s, asked)
	var faults []fault
	err = r.c.ExamineLocked(ctx, name, asked, func(l *cluster.Locked) (err error) {
		if err := r.told(l.Subject); err != nil {
			return err
		}
		faults, err = r.mendAll(l, incomplete)
		return err
	})
	if err != nil {
		return err
	}
	for _, f := range faults {
		if f.Kind == StrayBody && r.allows(f.Fix) && f.Error == "" {
			if err := r.deleteStray(ctx, &f); err != nil {
				return err
			}
		}
		r.found(f.Finding)
	}
	return nil
}

// deleteStray deletes a body that nobody reads. It is done last, and not under
// the same lock, since where it goes to is committed before it does.
func (r *run) deleteStray(ctx context.Context, f *fault) error {
	err := r.c.DeleteStray(ctx, f.Name, f.place)
	var database *metadata.Error
	switch {
	case errors.As(err, &database) || ctx.Err() != nil:
		return err
	case err != nil:
		r.silent(ctx, err)
		f.Error = err.Error()
	default:
		f.Action = r.deleted(f.place.Store)
	}
	return nil
}

// deleted is what becomes of a body that is deleted from a store.
func (r *run) deleted(b backends.Backend) string {
	if r.c.HasTrash(b.Name()) {
		return "trashed"
	}
	return "deleted"
}

// examine looks at a name. That a store where readers look cannot tell is an
// error; of the others it means that the check is less sure.
func (r *run) examine(ctx context.Context, name string) (cluster.Subject, error) {
	asked, err := r.asked(ctx, name)
	if err != nil {
		return cluster.Subject{}, err
	}
	s, err := r.c.Examine(ctx, name, asked)
	if err != nil {
		return s, err
	}
	for _, err := range s.Failed {
		r.silent(ctx, err)
	}
	if err := r.told(s); err != nil {
		return s, err
	}
	if r.unfounded(ctx, s) {
		return s, errLeftOut
	}
	return s, nil
}

// told returns why a store where readers look could not tell.
func (r *run) told(s cluster.Subject) error {
	for store, err := range s.Failed {
		if home, from := r.homes(s.Name); r.storeOf(store) == home || r.storeOf(store) == from {
			return err
		}
	}
	return nil
}

// mendAll mends what is allowed of a name, one thing after the other since one
// may settle or bring to light another, and returns all of it. Incomplete is why
// what is missing may not be.
func (r *run) mendAll(l *cluster.Locked, incomplete string) (all []fault, err error) {
	const most = 10 // there are fewer kinds that one name can have
	for range most {
		faults := r.diagnose(l.Subject)
		mended := false
		for i, f := range faults {
			if !r.allows(f.Fix) || f.Kind == MisplacedBody {
				continue
			}
			if faults[i].Error = r.uncertain(f, l.Failed, incomplete); faults[i].Error != "" || f.Kind == StrayBody {
				continue
			}
			if f.Action, err = r.mend(l, f); err != nil {
				return nil, err
			}
			all, mended = append(all, f), true
			break
		}
		if !mended {
			return append(all, faults...), nil
		}
		if err := l.Again(); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// uncertain says why a fault is not mended although it may be, "" for no reason:
// what is missing, or has the right size, may lie on a store that cannot tell,
// and what lies on one that is not the rows' may be somebody else's.
func (r *run) uncertain(f fault, failed map[backends.Backend]error, incomplete string) string {
	switch f.Kind {
	case MissingBody, WrongSize:
		for _, err := range failed {
			return "its body may lie where nobody can look: " + err.Error()
		}
		return incomplete
	case StrayBody:
		if s := r.storeOf(f.place.Store); !s.cleared.Load() {
			return "it may be somebody else's, since " + s.Name + " has none of the bodies of its rows"
		}
	}
	return ""
}

// mend does what a fault takes and says what it did.
func (r *run) mend(l *cluster.Locked, f fault) (action string, err error) {
	row := f.row
	switch f.Kind {
	case StaleGeneration:
		return "deleted", l.DropGeneration(row)
	case HalfExpired:
		return "repaired", l.ExpireRow(row)
	case MissingBody:
		return "deleted", l.ExpireRow(row)
	case WrongTrunk:
		row.Trunk = r.layout.Trunk(row.Name, row.Scope)
		return "repaired", l.SetRow(row)
	case WrongSize, WrongTime:
		row.Size, row.MTime = f.place.Size, bodyTime(f.place)
		return "repaired", l.SetRow(row)
	}
	return "", fmt.Errorf("%s is not mended here", f.Kind)
}

// relocate moves a body that lies where no reader looks, and tells it. It is
// done first, and not under the lock, since copying may take long.
func (r *run) relocate(ctx context.Context, s cluster.Subject) error {
	if !r.Repair {
		return nil
	}
	for range attempts {
		for _, f := range r.diagnose(s) {
			if f.Kind != MisplacedBody || !r.clear(ctx, r.storeOf(f.place.Store)) {
				continue
			}
			err := r.c.Relocate(ctx, f.row, f.place)
			if err == nil {
				f.Action = "repaired"
				r.found(f.Finding)
				return nil
			}
			if !errors.Is(err, backends.ErrChanged) {
				return err
			}
		}
		var err error
		if s, err = r.examine(ctx, s.Name); err != nil {
			return err
		}
	}
	return nil
}

// inspectLost looks again at a row that no operation finds, and gives it its
// place.
func (r *run) inspectLost(ctx context.Context, row metadata.Stored, kind Kind) error {
	f := Finding{Kind: kind, Name: row.Name, Table: row.Table, Fix: Repair}
	clean, err := metadata.CleanName(row.Name)
	if err != nil || !backends.ValidPath(clean) {
		f.Kind, f.Fix, f.Detail = InvalidName, Delete, "no name of a file"
		if err != nil {
			f.Detail = err.Error()
		}
	} else {
		f.Detail = r.lostDetail(row, kind, clean)
	}
	if !r.wants(f.Kind) {
		return nil
	}
	name, there, err := row.Name, false, error(nil)
	switch {
	case f.Fix == Repair && r.Repair:
		name, there, err = r.c.Rehome(ctx, row)
		f.Action = "repaired"
	case f.Fix == Delete && r.Delete:
		there, err = r.c.Discard(ctx, row)
		f.Action = "deleted"
	default:
		there, err = r.c.Stands(ctx, row)
	}
	if err != nil || !there {
		return err
	}
	r.found(f)
	if f.Fix == Delete || kind != WrongTable && f.Action == "" {
		return nil
	}
	return r.inspect(ctx, name)
}

func (r *run) lostDetail(row metadata.Stored, kind Kind, clean string) string {
	switch kind {
	case WrongHash:
		return fmt.Sprintf("name_hash is %s, not %s", row.NameHash, metadata.Hash(row.Name))
	case WrongTable:
		return fmt.Sprintf("it belongs into %s", r.layout.Table(row.Name))
	}
	return fmt.Sprintf("it would be %q", clean)
}
