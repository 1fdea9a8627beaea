package gateway

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/metadata"
)

// maxPath is the longest path that can name a file: PATH_MAX of the systems
// that NFS trees are mounted on.
const maxPath = 4096

// generatingSuffix ends the names of rows that lock a path while its file is
// generated (contract section 3). They are live and half written.
const generatingSuffix = ".generating"

// requestName returns the name of the row that a URL asks for: its path,
// percent-decoded once, without the leading slash (contract section 8).
//
// Every file has exactly one path. Other spellings that the cluster would
// clean, such as doubled slashes, a trailing one or backslashes, are not
// found: the legacy's gateway did not find them either, and a rule of the
// server in front that closes /var/x/ knows nothing of /var//x/.
//
// A request in absolute form is one for its path (RFC 9112 section 3.2.2).
func requestName(u *url.URL) (string, error) {
	name, rooted := strings.CutPrefix(u.Path, "/")
	switch {
	case len(name) > maxPath:
		return "", &fault{status: http.StatusRequestURITooLong}
	case !rooted || strings.IndexByte(name, '\\') >= 0:
		return "", &fault{status: http.StatusBadRequest}
	case name == "" || name[0] == '/':
		return "", &fault{status: http.StatusNotFound}
	}
	clean, err := metadata.CleanName(name)
	if err != nil { // NUL, "." and ".." segments, bytes that are not UTF-8: no row has such a name
		return "", &fault{status: http.StatusBadRequest}
	}
	if clean != name || backends.IsStagedPath(name) || strings.HasSuffix(name, generatingSuffix) {
		return "", &fault{status: http.StatusNotFound}
	}
	return name, nil
}

// rule says who may read the paths with a prefix.
type rule struct {
	prefix  string
	private bool
}

// newRules orders rules so that the first match counts.
func newRules(public, private []string) []rule {
	var rules []rule
	for _, prefix := range private {
		rules = append(rules, rule{strings.TrimLeft(prefix, "/"), true})
	}
	for _, prefix := range public {
		rules = append(rules, rule{strings.TrimLeft(prefix, "/"), false})
	}
	slices.SortStableFunc(rules, func(a, b rule) int { return cmp.Compare(len(b.prefix), len(a.prefix)) })
	return rules
}

// access is what a request was allowed. A private answer is for the holder of
// the URL alone, until it expires.
type access struct {
	private bool
	until   time.Time
}

// permit says whether a path may be served to this request. What may not be is
// not found, as is what does not exist.
func (h *Handler) permit(name string, u *url.URL, now time.Time) (access, error) {
	i := slices.IndexFunc(h.rules, func(r rule) bool { return strings.HasPrefix(name, r.prefix) })
	switch {
	case i < 0 && h.isStorage(name), i >= 0 && !h.rules[i].private:
		return access{}, nil
	case i >= 0 && u.RawQuery != "":
		if until, ok := verify(h.o.URLKeys, name, u.Query(), now); ok {
			return access{private: true, until: until}, nil
		}
	}
	return access{}, &fault{status: http.StatusNotFound}
}

// isStorage reports whether a path is that of a storage file (contract section
// 1), also where both kinds share one table.
func (h *Handler) isStorage(name string) bool {
	layout := h.o.Layout
	layout.CacheTable = "cache"
	return layout.Table(name) == metadata.StorageTable
}
