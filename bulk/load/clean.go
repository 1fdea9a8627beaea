package load

import (
	"context"
	"fmt"

	"example.com/ezdfs/cluster"
)

// Claim makes sure that nothing lies below a prefix but what an earlier bench
// left there, and removes that. Anything else is an error, and nothing is
// removed then.
func Claim(ctx context.Context, c *cluster.Cluster, prefix string) error {
	own := false
	for row, err := range c.List(ctx, cluster.ListOptions{Prefix: prefix}) {
		if err != nil {
			return err
		}
		if row.Scope != Scope {
			return fmt.Errorf("%q lies below %s and is no file of a bench: choose another prefix", row.Name, prefix)
		}
		own = true
	}
	if own {
		if _, err := Clean(ctx, c, prefix); err != nil {
			return fmt.Errorf("remove what an earlier bench left: %w", err)
		}
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

// Clean removes every file of a bench below a prefix, rows and bodies, and
// returns how many. Files that are no bench's are left alone.
func Clean(ctx context.Context, c *cluster.Cluster, prefix string) (removed int64, err error) {
	if _, err := c.ExpireScope(ctx, Scope, prefix); err != nil {
		return 0, err
	}
	for batch, err := range c.PurgeExpired(ctx, cluster.PurgeOptions{Prefix: prefix, Scopes: []string{Scope}, BatchSize: 1000}) {
		if err != nil {
			return removed, err
		}
		removed += int64(len(batch.Removed))
		for path, err := range batch.Failed {
			return removed, fmt.Errorf("%q stays: %w", path, err)
		}
	}
	return removed, nil
}
