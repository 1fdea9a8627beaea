package gateway

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/metadata"
)

// migrator is Files that move from one store to another meanwhile.
type migrator interface {
	// MigratesFrom returns the name of the store where the file may lie still that
	// is not on the store of its path, "" for none.
	MigratesFrom(path string) string
	// OpenSecond opens the file of a row there, if it is what the row says.
	OpenSecond(ctx context.Context, row metadata.Row, options ...cluster.ReadOption) (*cluster.File, error)
}

var _ migrator = (*cluster.Cluster)(nil)

func (h *Handler) migratesFrom(path string) string {
	if m, ok := h.files.(migrator); ok {
		return m.MigratesFrom(path)
	}
	return ""
}

// judge says what a body tells of the store that it should have come from: that it
// does not answer, where the cluster took the one that the path migrates from.
func judge(b *body, err error) error {
	if err != nil {
		return err
	}
	instead := b.file.Instead()
	if instead == nil || errors.Is(instead, backends.ErrUnavailable) {
		return instead
	}
	return errNoVerdict
}

// judgeOf returns what judges an opening of a path, and the options that it takes.
// What becomes of it tells nothing of a store that has answered, namely that the
// file has yet to migrate.
func (x *exchange) judgeOf(path string, options []cluster.ReadOption) (func(*body, error) error, []cluster.ReadOption) {
	if x.migratesFrom(path) == "" {
		return judge, options
	}
	var second atomic.Bool
	return func(b *body, err error) error {
		if err != nil && second.Load() {
			return errNoVerdict
		}
		return judge(b, err)
	}, append(slices.Clip(options), cluster.OnSecond(func() { second.Store(true) }))
}

// second opens a body on the store that its path migrates from, while the one that
// it migrates to is not asked for the reason given. What that one alone has fails
// for that reason; it must not keep people from what is here.
func (x *exchange) second(row knownRow, keep bool, options []cluster.ReadOption, reason error) (*body, error) {
	from := x.migratesFrom(row.Name)
	if from == "" || !errors.Is(reason, errLeftAlone) && !errors.Is(reason, errBusy) {
		return nil, reason
	}
	g := x.guard(from)
	b, err := x.guarded(g, judge, func(ctx context.Context) (*body, error) {
		begun := time.Now()
		f, err := x.files.(migrator).OpenSecond(ctx, row.Row, options...)
		if err != nil {
			return nil, err
		}
		b := &body{row: row, file: f, h: x.Handler, fits: row.fits(f, x.now)}
		if !b.fits && row.age > 0 {
			f.Close() // it may be a later row's
			return nil, errNoVerdict
		}
		return b, b.begin(g, keep, begun, x.r.Method)
	})
	if err != nil {
		return nil, reason
	}
	return b, nil
}
