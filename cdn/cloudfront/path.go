package cloudfront

import "strings"

// maxPath is how long a path may be ("What you need to know when invalidating
// paths", "Invalidation paths").
const maxPath = 4000

// path returns a name, or what begins one before an asterisk, as an
// invalidation path. An asterisk is a wildcard and must stand at the end: a
// name that holds one is invalidated together with all that begin as it does up
// to there. So is one that would be too long.
func (t *Target) path(name string) string {
	name, _, wild := strings.Cut(name, "*")
	path := t.base + "/" + escape(name)
	if room := maxPath - len("*"); len(path) > maxPath || wild && len(path) > room {
		path, wild = path[:room], true
		if i := strings.LastIndexByte(path, '%'); i > len(path)-len("%XX") {
			path = path[:i]
		}
	}
	if wild {
		path += "*"
	}
	return path
}

func isWildcard(path string) bool { return strings.HasSuffix(path, "*") }

// escape encodes what is not ASCII and what RFC 1738 section 2.2 calls unsafe,
// and nothing else, as CloudFront wants it ("Non-ASCII or unsafe characters in
// the path"); and the question mark, which would begin a query.
func escape(name string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for _, c := range []byte(name) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte("<>\"#%{}|\\^~[]`?", c) >= 0 {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
