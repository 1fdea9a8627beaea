package cluster

import (
	"context"
	"iter"

	"example.com/ezdfs/metadata"
)

// ListOptions narrow a listing. The zero value lists everything.
type ListOptions struct {
	// Prefix is what the paths begin with; a string, not a directory.
	Prefix string
	// Scopes, when not empty, are the only scopes listed; ExcludeScopes never
	// are.
	Scopes, ExcludeScopes []string
	// Expired lists only expired rows when true, only live ones when false,
	// and both when nil.
	Expired *bool
	// Replica allows the read replica to answer, which may lag.
	Replica bool
}

// List yields the rows of both tables in the order of their hashes, in
// constant memory, reading them a page at a time. A file stored or removed
// during the listing may or may not be part of it; no other is missed or
// repeated.
func (c *Cluster) List(ctx context.Context, options ListOptions) iter.Seq2[metadata.Row, error] {
	prefix := options.Prefix
	if prefix != "" {
		var err error
		if prefix, err = cleanPrefix(prefix); err != nil {
			return func(yield func(metadata.Row, error) bool) { yield(metadata.Row{}, err) }
		}
	}
	rows := c.meta.Rows(ctx, metadata.Filter{
		Prefix: prefix, Scopes: options.Scopes, ExcludeScopes: options.ExcludeScopes,
		Expired: options.Expired, Replica: options.Replica,
	})
	if options.Expired == nil || *options.Expired {
		return rows
	}
	return func(yield func(metadata.Row, error) bool) {
		for row, err := range rows {
			// Rows without the flag but with a negative mtime, which some PHP
			// kernels leave, are not live either.
			if (err != nil || row.Live()) && !yield(row, err) {
				return
			}
		}
	}
}
