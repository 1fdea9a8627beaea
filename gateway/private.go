package gateway

import "strings"

// Private reports whether a path is served to holders of a signed URL alone.
func (o Options) Private(path string) bool {
	name := strings.TrimPrefix(path, "/")
	for _, r := range newRules(o.PublicPrefixes, o.PrivatePrefixes) {
		if strings.HasPrefix(name, r.prefix) {
			return r.private
		}
	}
	return false
}
