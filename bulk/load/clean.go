package load

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"example.com/ezdfs/bulk"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/metadata"
)

// Claim makes sure that nothing lies below a prefix, nor in the trash of it, but
// what an earlier bench left there, and removes that. Anything else is an error,
// and nothing is removed then.
func Claim(ctx context.Context, c *cluster.Cluster, prefix string) error {
	for row, err := range c.List(ctx, cluster.ListOptions{Prefix: prefix}) {
		if err != nil {
			return err
		}
		if row.Scope != Scope {
			return fmt.Errorf("%q lies below %s and is no file of a bench: choose another prefix", row.Name, prefix)
		}
	}
	for t, err := range trash(ctx, c, prefix) {
		if err != nil {
			return err
		}
		if t.Scope != Scope {
			return fmt.Errorf("%q is in the trash of %s and was no file of a bench: choose another prefix", t.Name, prefix)
		}
	}
	if _, err := Clean(ctx, c, prefix); err != nil {
		return fmt.Errorf("remove what an earlier bench left: %w", err)
	}
	for body, err := range c.Stores().ListAll(ctx, prefix, "") {
		if err != nil {
			return err
		}
		return fmt.Errorf("%q lies below %s on %s, without a row: choose another prefix, or see what dfsctl check says of it",
			body.Path, prefix, body.Backend.Name())
	}
	return nil
}

// trash yields what was purged below a prefix and can be restored.
func trash(ctx context.Context, c *cluster.Cluster, prefix string) iter.Seq2[metadata.Trashed, error] {
	return func(yield func(metadata.Trashed, error) bool) {
		for t, err := range c.Trash(ctx, inPrefix(prefix)) {
			if errors.Is(err, metadata.ErrSchema) {
				return // a cluster without a trash
			}
			if !yield(t, err) {
				return
			}
		}
	}
}

func inPrefix(prefix string) metadata.TrashFilter {
	return metadata.TrashFilter{Name: strings.TrimSuffix(prefix, "/")}
}

// Clean removes every file of a bench below a prefix that was claimed, rows and
// bodies, and what a trash keeps of them, and returns how many files there were.
// Those that are no bench's are left alone.
func Clean(ctx context.Context, c *cluster.Cluster, prefix string) (removed int64, err error) {
	if _, err := c.ExpireScope(ctx, Scope, prefix); err != nil {
		return 0, err
	}
	progress := new(bulk.Progress)
	err = bulk.Purge(ctx, c, bulk.PurgeOptions{
		PurgeOptions: cluster.PurgeOptions{Prefix: prefix, Scopes: []string{Scope}}, Progress: progress,
	})
	for _, failure := range progress.Failures() {
		return progress.Snapshot().Done, fmt.Errorf("%q stays: %w", failure.Path, failure.Err)
	}
	if err != nil {
		return progress.Snapshot().Done, err
	}
	return progress.Snapshot().Done, emptyTrash(ctx, c, prefix)
}

func emptyTrash(ctx context.Context, c *cluster.Cluster, prefix string) error {
	for batch, err := range c.EmptyTrash(ctx, inPrefix(prefix)) {
		if err != nil && !errors.Is(err, metadata.ErrSchema) {
			return err
		}
		for location, err := range batch.Failed {
			return fmt.Errorf("%q stays in the trash: %w", location, err)
		}
	}
	return nil
}
