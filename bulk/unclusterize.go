package bulk

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"example.com/ezdfs/cluster"
	"example.com/ezdfs/metadata"
)

// UnclusterizeOptions say which files to bring back. The zero value brings
// back every live file.
type UnclusterizeOptions struct {
	// Prefix is what the paths begin with.
	Prefix string
	// SkipScopes are left in the cluster.
	SkipScopes []string
	// Limits are for files.
	Limits Limits
	// Waiting is for stores and databases that do not answer.
	Waiting Waiting
	// Progress, when set, counts along.
	Progress *Progress
}

// Unclusterize copies live files of the cluster to the same paths under its
// site root. Rows and bodies stay. A local file of the same size and
// modification time is there and equal, and is skipped. Files of a store that does
// not answer are left, which an *OutageError tells.
func Unclusterize(ctx context.Context, c *cluster.Cluster, options UnclusterizeOptions) error {
	progress := options.Progress
	if progress == nil {
		progress = new(Progress)
	}
	live := false
	rows := c.List(ctx, cluster.ListOptions{Prefix: options.Prefix, ExcludeScopes: options.SkipScopes, Expired: &live})
	b := back{c, NewPool(options.Limits, progress), progress, NewOutages(c, options.Waiting, progress)}
	rows = Present(b.outages, rows, func(row metadata.Row) string { return row.Name })
	return b.outages.Result(ctx, "unclusterize", Each(ctx, b.pool, rows, b.bring))
}

// back copies files back.
type back struct {
	c        *cluster.Cluster
	pool     *Pool
	progress *Progress
	outages  *Outages
}

func (b back) bring(ctx context.Context, row metadata.Row) error {
	if metadata.IsGenerating(row.Name) {
		b.progress.Skip(1) // a lock, no file
		return nil
	}
	local := filepath.Join(b.c.Root(), filepath.FromSlash(row.Name))
	if info, err := os.Stat(local); err == nil && info.Mode().IsRegular() &&
		info.Size() == row.Size && info.ModTime().Unix() == row.MTime {
		b.progress.Skip(1)
		return nil
	}
	for tries := 0; !b.outages.Leaves(row.Name); tries++ {
		start := time.Now()
		err := b.fetch(ctx, row)
		switch {
		case err == nil:
			b.progress.Add(row.Name, row.Size, time.Since(start))
			b.outages.Worked(row.Name)
		case errors.Is(err, fs.ErrNotExist):
			b.progress.Skip(1) // expired since it was listed
		case b.outages.Again(ctx, row.Name, err, start, tries):
			continue
		}
		break
	}
	return ctx.Err()
}

func (b back) fetch(ctx context.Context, row metadata.Row) error {
	if b.pool.Paced() {
		_, err := b.c.Fetch(ctx, row.Name, cluster.Through(func(r io.Reader) io.Reader { return b.pool.Reader(ctx, r) }))
		return err
	}
	_, err := b.c.Fetch(ctx, row.Name)
	return errors.Join(err, b.pool.Wait(ctx, row.Size))
}
