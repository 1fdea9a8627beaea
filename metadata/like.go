package metadata

import "strings"

// likeEscaper makes a text literal inside a LIKE pattern whose escape
// character is '|'. A backslash would depend on NO_BACKSLASH_ESCAPES.
var likeEscaper = strings.NewReplacer("|", "||", "%", "|%", "_", "|_")

// likePrefix is the LIKE pattern of the texts that begin with prefix.
func likePrefix(prefix string) string { return likeEscaper.Replace(prefix) + "%" }

// successor returns the smallest string that is greater than every string
// that begins with prefix, or "" when there is none.
func successor(prefix string) string {
	b := []byte(prefix)
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] < 0xff {
			b[i]++
			return string(b[:i+1])
		}
	}
	return ""
}
