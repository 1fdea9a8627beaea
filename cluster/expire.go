package cluster

import (
	"context"
	"strings"

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
	return c.meta.Expire(ctx, names...)
}

// ExpirePrefix expires every file whose path begins with prefix, byte for
// byte (the legacy's deleteByLike), and returns how many were live. The prefix
// is a string: end it with a slash to mean a directory.
func (c *Cluster) ExpirePrefix(ctx context.Context, prefix string) (int64, error) {
	clean, err := cleanPrefix(prefix)
	if err != nil {
		return 0, err
	}
	return c.meta.ExpirePrefix(ctx, clean)
}

// ExpireTrunk expires the family of files whose trunk is trunk, byte for byte,
// and returns how many were live.
func (c *Cluster) ExpireTrunk(ctx context.Context, trunk string) (int64, error) {
	clean, err := cleanPrefix(trunk)
	if err != nil {
		return 0, err
	}
	return c.meta.ExpireTrunk(ctx, clean)
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
	return c.meta.ExpireWildcard(ctx, clean)
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
		expire := c.meta.ExpirePrefix
		if isTrunk(target, common) {
			expire = c.meta.ExpireTrunk
		}
		n, err := expire(ctx, target)
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
