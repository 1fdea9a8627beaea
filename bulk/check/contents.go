package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/cluster"
)

// readBody reads the body of a live row to its end. What the store says of it
// then is more than a listing tells, so the rest is looked at as well.
func (r *run) readBody(ctx context.Context, name string) error {
	var damage error
	for range attempts {
		info, err := r.readOnce(ctx, name)
		switch {
		case err == nil:
			if info.Kept {
				return r.inspectTime(ctx, name, info)
			}
			return nil
		case errors.Is(err, fs.ErrNotExist):
			return r.inspect(ctx, name) // it went meanwhile, or is missing
		case errors.Is(err, backends.ErrUnavailable) || ctx.Err() != nil:
			return err
		}
		damage = err
	}
	// Whoever replaced or removed it in between has seen to it.
	s, err := r.examine(ctx, name)
	if err != nil || len(s.Rows) == 0 || !s.Rows[0].Live() || len(s.Bodies) == 0 {
		return err
	}
	r.found(Finding{Kind: DamagedBody, Name: name, Table: s.Rows[0].Table, Backend: s.Bodies[0].Store.Name(), Detail: damage.Error()})
	return nil
}

// readOnce reads a body, and fails if it is not as long as its store says or
// the store's checksum is another.
func (r *run) readOnce(ctx context.Context, name string) (backends.Info, error) {
	body, err := r.c.Stores().Open(ctx, name, 0, -1)
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
