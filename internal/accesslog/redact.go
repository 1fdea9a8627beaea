package accesslog

import (
	"net/url"
	"strings"
)

// secretParam is the query parameter whose value opens a private file to
// whoever holds it, until the URL expires (gateway.SignPath).
const secretParam = "signature"

// redacted takes the place of its value.
const redacted = "redacted"

// redact returns a URL without the values of secretParam, however its name is
// spelled.
func redact(uri string) string {
	path, query, ok := strings.Cut(uri, "?")
	if !ok || !strings.Contains(query, secretParam) && !strings.Contains(query, "%") {
		return uri
	}
	pairs, found := strings.Split(query, "&"), false
	for i, pair := range pairs {
		key, _, ok := strings.Cut(pair, "=")
		if name, err := url.QueryUnescape(key); ok && err == nil && name == secretParam {
			pairs[i], found = key+"="+redacted, true
		}
	}
	if !found {
		return uri
	}
	return path + "?" + strings.Join(pairs, "&")
}
