// Package tags finds the surrogate keys, also called cache tags, by which a
// CDN drops what an item means: those that the gateway sends with its answers.
package tags

import (
	"strings"

	"example.com/ezdfs/cdn"
	"example.com/ezdfs/gateway/surrogate"
)

// Of returns the keys that together stand for exactly what an item means, and
// false where there are none: of everything, of a prefix that is no directory,
// of a directory so deep that the gateway gives it none.
func Of(item cdn.Item) ([]string, bool) {
	switch subject := item.Subject; {
	case subject == "":
	case item.Extent == cdn.Path:
		return []string{surrogate.Path(subject)}, true
	case item.Extent == cdn.Trunk:
		// A file that is its own trunk has no key but that of its path.
		return []string{surrogate.Trunk(subject), surrogate.Path(subject)}, true
	case item.Extent == cdn.Scope:
		return []string{surrogate.Scope(subject)}, true
	case item.Extent == cdn.Prefix && strings.HasSuffix(subject, "/") && strings.Count(subject, "/") <= surrogate.MaxDirectories:
		return []string{surrogate.Directory(subject)}, true
	}
	return nil, false
}
