package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/metadata"
)

// readBody reads the body of a live row to its end. What the store says of it
// then is more than a listing tells, so the rest is looked at as well.
func (r *run) readBody(ctx context.Context, name string) error {
	info, damage, err := r.readWhole(ctx, name, r.c.Stores().Open)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return r.inspect(ctx, name) // it went meanwhile, or is missing
	case err != nil:
		return err
	case damage != nil:
		return r.damaged(ctx, name, damage)
	case info.Kept:
		return r.inspectTime(ctx, name, info)
	}
	return nil
}

// readFaulty reads the body of a name that was inspected for another reason:
// where readers look, or else where it lies.
func (r *run) readFaulty(ctx context.Context, name string) error {
	_, damage, err := r.readWhole(ctx, name, r.c.Stores().Open)
	if errors.Is(err, fs.ErrNotExist) {
		s, failed := r.examine(ctx, name)
		if failed != nil || len(s.Bodies) == 0 {
			return failed
		}
		at := s.Bodies[0]
		if len(s.Rows) > 0 {
			if fits, ok := ofSize(s.Bodies, s.Rows[0].Size); ok {
				at = fits
			}
		}
		if _, damage, err = r.readWhole(ctx, name, at.Store.Open); errors.Is(err, fs.ErrNotExist) {
			return nil // it went meanwhile
		}
	}
	if err != nil || damage == nil {
		return err
	}
	return r.damaged(ctx, name, damage)
}

// readLost reads the body of a live row that no operation finds.
func (r *run) readLost(ctx context.Context, row metadata.Stored) error {
	name, err := metadata.CleanName(row.Name)
	if err != nil || !backends.ValidPath(name) {
		return nil
	}
	_, damage, err := r.readWhole(ctx, name, r.c.Stores().Open)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || damage == nil {
		return err
	}
	if there, err := r.c.Stands(ctx, row); err != nil || !there {
		if err == nil { // mended, so that its name finds it
			err = r.damaged(ctx, name, damage)
		}
		return err
	}
	r.tellDamage(name, row.Table, r.c.Stores().Route(name).Backend.Name(), damage)
	return nil
}

// damaged tells that a body is damaged, unless whoever replaced or removed it
// in between has seen to it.
func (r *run) damaged(ctx context.Context, name string, damage error) error {
	s, err := r.examine(ctx, name)
	if err != nil || len(s.Rows) == 0 || !s.Rows[0].Live() || len(s.Bodies) == 0 {
		return err
	}
	at := s.Bodies[0]
	if home, from := r.homes(name); home != nil {
		if here, _ := split(s.Bodies, home, from); len(here) > 0 {
			at = here[0]
		}
	}
	r.tellDamage(name, s.Rows[0].Table, at.Store.Name(), damage)
	return nil
}

// tellDamage tells it once: a row that was mended is met again.
func (r *run) tellDamage(name, table, backend string, damage error) {
	r.mu.Lock()
	told := r.damage[name]
	r.damage[name] = true
	r.mu.Unlock()
	if !told {
		r.found(Finding{Kind: DamagedBody, Name: name, Table: table, Backend: backend, Detail: damage.Error()})
	}
}

// opener opens a body, of one store or of those where readers look.
type opener func(ctx context.Context, path string, offset, length int64) (backends.Reader, error)

// readWhole reads a body, up to three times while it cannot be read to its end,
// which is the damage. That the store cannot tell, or has no such body, is an
// error.
func (r *run) readWhole(ctx context.Context, name string, open opener) (info backends.Info, damage, err error) {
	for range attempts {
		info, err = r.readOnce(ctx, name, open)
		if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, backends.ErrUnavailable) || errors.Is(err, errLeftOut) || ctx.Err() != nil {
			return info, nil, err
		}
		damage = err
	}
	return info, damage, nil
}

// readOnce reads a body, and fails if it is not as long as its store says or
// the store's checksum is another.
func (r *run) readOnce(ctx context.Context, name string, open opener) (backends.Info, error) {
	if _, err := r.asked(ctx, name); err != nil {
		return backends.Info{}, err
	}
	body, err := open(ctx, name, 0, -1)
	if err != nil {
		return backends.Info{}, err
	}
	defer body.Close()
	in := io.Reader(struct{ io.Reader }{body}) // not a WriterTo: all bytes come here
	if r.pool.Paced() {
		in = r.pool.Reader(ctx, in)
	}
	n, err := io.Copy(io.Discard, in)
	r.read.Add(n)
	r.Progress.AddMany(0, n)
	if err == nil && n != body.Info().Size {
		err = fmt.Errorf("%w: %d of %d bytes", io.ErrUnexpectedEOF, n, body.Info().Size)
	}
	return body.Info(), err
}

// inspectTime looks at a name again if the time kept with its body is not its
// row's.
func (r *run) inspectTime(ctx context.Context, name string, info backends.Info) error {
	row, err := r.c.Metadata().Get(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || !row.Live() || row.MTime == bodyTime(cluster.Place{Info: info}) {
		return err
	}
	return r.inspect(ctx, name)
}
