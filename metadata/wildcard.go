package metadata

import (
	"regexp"
	"strings"
)

// wildcard is a legacy pattern (contract section 2, deleteByWildcard): "*" is
// any text, "?" any one character, "{x,y}" x or y, in which all of these may
// stand again. Everything else is itself.
type wildcard struct {
	prefix string         // what every match begins with
	like   string         // a LIKE pattern that matches at least as much
	exact  *regexp.Regexp // the pattern itself
}

// parseWildcard translates a pattern. A brace without its partner is a
// [*NameError].
func parseWildcard(pattern string) (wildcard, error) {
	if fault := textFault(pattern); fault != "" {
		return wildcard{}, &NameError{Name: pattern, Reason: fault}
	}
	var re, like strings.Builder
	depth := 0
	for _, r := range pattern {
		c := string(r)
		switch {
		case c == "*":
			re.WriteString(".*")
		case c == "?":
			re.WriteString(".")
		case c == "{":
			depth++
			re.WriteString("(?:")
		case c == "}":
			depth--
			re.WriteString(")")
		case c == "," && depth > 0:
			re.WriteString("|")
		default:
			re.WriteString(regexp.QuoteMeta(c))
		}
		if depth < 0 {
			break
		}
		like.WriteString(likePart(c, depth))
	}
	if depth != 0 {
		return wildcard{}, &NameError{Name: pattern, Reason: "has a brace without its partner"}
	}
	exact, err := regexp.Compile(`(?s)\A` + re.String() + `\z`)
	if err != nil {
		return wildcard{}, &NameError{Name: pattern, Reason: err.Error()}
	}
	prefix := pattern
	if i := strings.IndexAny(pattern, "*?{"); i >= 0 {
		prefix = pattern[:i]
	}
	return wildcard{prefix: prefix, like: like.String(), exact: exact}, nil
}

// likePart translates one character of a pattern for LIKE, which has no
// alternatives: a group, as soon as it opens, stands for any text.
func likePart(c string, depth int) string {
	switch {
	case depth == 1 && c == "{":
		return "%"
	case depth > 0 || c == "}":
		return ""
	case c == "*":
		return "%"
	case c == "?":
		return "_"
	}
	return likeEscaper.Replace(c)
}
