package bulk

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

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
	// Workers is the number of files under way; four times the number of
	// processors by default.
	Workers int
	// Progress, when set, counts along.
	Progress *Progress
}

// Unclusterize copies live files of the cluster to the same paths under its
// site root. Rows and bodies stay. A local file of the same size and
// modification time is there and equal, and is skipped.
func Unclusterize(ctx context.Context, c *cluster.Cluster, options UnclusterizeOptions) error {
	progress := options.Progress
	if progress == nil {
		progress = new(Progress)
	}
	live := false
	rows := c.List(ctx, cluster.ListOptions{Prefix: options.Prefix, ExcludeScopes: options.SkipScopes, Expired: &live})
	err := inBatches(ctx, rows, 1, options.Workers, func(ctx context.Context, rows []metadata.Row) error {
		bringBack(ctx, c, rows[0], progress)
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	return progress.err("unclusterize")
}

func bringBack(ctx context.Context, c *cluster.Cluster, row metadata.Row, progress *Progress) {
	local := filepath.Join(c.Root(), filepath.FromSlash(row.Name))
	if info, err := os.Stat(local); err == nil && info.Mode().IsRegular() &&
		info.Size() == row.Size && info.ModTime().Unix() == row.MTime {
		progress.skipped.Add(1)
		return
	}
	_, err := c.Fetch(ctx, row.Name)
	switch {
	case err == nil:
		progress.add(row.Size)
	case errors.Is(err, fs.ErrNotExist):
		progress.skipped.Add(1) // expired since it was listed
	case ctx.Err() == nil:
		progress.fail(row.Name, err)
	}
}
