package cluster

import (
	"context"
	"strings"

	"example.com/ezdfs/events"
	"example.com/ezdfs/metadata"
)

// Expire marks files as deleted, as the legacy's delete does: their rows say
// so from now on, their bodies stay until a purge. It returns how many were
// live; a path without a live row is expired already.
func (c *Cluster) Expire(ctx context.Context, paths ...string) (int64, error) {
	names := make([]string, len(paths))
	for i, path := range paths {
		name, err := metadata.CleanName(path)
		if err != nil {
			return 0, err
		}
		names[i] = name
	}
	n, err := c.meta.Expire(ctx, names...)
	c.tellUnlessRefused(err, events.DeleteFile, names...)
	return n, err
}

// ExpirePrefix expires every file whose path begins with prefix, byte for
// byte (the legacy's deleteByLike), and returns how many were live. The prefix
// is a string: end it with a slash to mean a directory.
func (c *Cluster) ExpirePrefix(ctx context.Context, prefix string) (int64, error) {
	clean, err := cleanPrefix(prefix)
	if err != nil {
		return 0, err
	}
	n, err := c.meta.ExpirePrefix(ctx, clean)
	c.tellUnlessRefused(err, events.DeleteByLike, clean)
	return n, err
}

// ExpireTrunk expires the family of files whose trunk is trunk, byte for byte,
// and returns how many were live.
func (c *Cluster) ExpireTrunk(ctx context.Context, trunk string) (int64, error) {
	clean, err := cleanPrefix(trunk)
	if err != nil {
		return 0, err
	}
	n, err := c.meta.ExpireTrunk(ctx, clean)
	c.tellUnlessRefused(err, events.DeleteByNametrunk, clean)
	return n, err
}

// ExpireWildcard expires the files that match a pattern of *, ? and {a,b},
// where * matches slashes too, and returns how many were live. What stands
// before the first of these narrows the search; a pattern that begins with one
// reads the whole table.
func (c *Cluster) ExpireWildcard(ctx context.Context, pattern string) (int64, error) {
	clean, err := cleanPrefix(pattern)
	if err != nil {
		return 0, err
	}
	n, err := c.meta.ExpireWildcard(ctx, clean)
	c.tellUnlessRefused(err, events.DeleteByWildcard, clean)
	return n, err
}

// ExpireScope expires every file of a scope whose path begins with prefix, ""
// for all, and returns how many were live. The tables have no index of scopes:
// it reads them, or what the prefix leaves of them, from one end to the other.
func (c *Cluster) ExpireScope(ctx context.Context, scope, prefix string) (int64, error) {
	if prefix != "" {
		var err error
		if prefix, err = cleanPrefix(prefix); err != nil {
			return 0, err
		}
	}
	n, err := c.meta.ExpireScope(ctx, scope, prefix)
	c.tellUnlessRefused(err, events.DeleteByScope, scope)
	return n, err
}

// ExpireDirList expires, for each directory, what lies under
// common/dir/suffix (the legacy's deleteByDirList): the family of that trunk
// where common is a content or template-block cache and the suffix is where a
// trunk ends, every path that begins so elsewhere. It returns how many were
// live.
func (c *Cluster) ExpireDirList(ctx context.Context, dirs []string, common, suffix string) (int64, error) {
	var total int64
	for _, dir := range dirs {
		target, err := cleanPrefix(common + "/" + dir + "/" + suffix)
		if err != nil {
			return total, err
		}
		expire, event := c.meta.ExpirePrefix, events.Event{
			Kind: events.DeleteByDirList, Subject: target, Common: common, Dir: dir, Suffix: suffix,
		}
		if isTrunk(target, common) {
			expire, event = c.meta.ExpireTrunk, events.Event{Kind: events.DeleteByNametrunk, Subject: target}
		}
		n, err := expire(ctx, target)
		c.hub.Publish(event)
		total += n
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// isTrunk reports whether target can be the trunk of a family. The legacy
// compares trunks whenever common lies in one of these caches, and so misses
// everything when the suffix goes beyond the first dash of a view cache file
// (one user's view of a node): such a suffix means the paths that begin so.
func isTrunk(target, common string) bool {
	switch {
	case strings.Contains(common, "/cache/content"):
		base := target[strings.LastIndexByte(target, '/')+1:]
		return strings.IndexByte(base, '-') == len(base)-1 && base != ""
	case strings.Contains(common, "/cache/template-block"):
		return strings.HasSuffix(target, "cache/")
	}
	return false
}

// cleanPrefix cleans the beginning of a path as CleanName cleans a path, but
// keeps a trailing slash, which tells a directory from a name.
func cleanPrefix(prefix string) (string, error) {
	clean, err := metadata.CleanName(prefix)
	if err != nil {
		return "", err
	}
	if strings.HasSuffix(prefix, "/") || strings.HasSuffix(prefix, `\`) {
		clean += "/"
	}
	return clean, nil
}
