package binlog

import (
	"slices"
	"strings"
)

// effect is what a statement in the log, which is not in row format, does to
// our tables.
type effect struct {
	truncated []string // these lost all their rows, or got others
	reload    bool     // columns may have changed
	// opaque names a table whose rows the statement changed without the log
	// telling which.
	opaque string
}

// statement is a statement of the log and the tables that matter.
type statement struct {
	tokens   []token
	schema   string // the default database where it was run
	database string // ours
	tables   []string
}

// effectOf reads a statement.
func effectOf(query, schema, database string, tables []string) effect {
	s := statement{tokens: tokens(query), schema: schema, database: database, tables: tables}
	switch s.word(0) {
	case "TRUNCATE":
		return effect{truncated: s.mentioned(1)}
	case "RENAME":
		return effect{truncated: s.mentioned(1), reload: true}
	case "DROP":
		return s.drop()
	case "ALTER":
		return s.alter()
	case "CREATE":
		return s.create()
	case "INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD", "WITH":
		if found := s.mentioned(1); len(found) > 0 {
			return effect{opaque: found[0]}
		}
	}
	return effect{}
}

func (s statement) drop() effect {
	switch s.word(1) {
	case "TABLE", "TABLES":
		return effect{truncated: s.mentioned(2), reload: true}
	case "DATABASE", "SCHEMA":
		if last := len(s.tokens) - 1; last > 1 && strings.EqualFold(s.tokens[last].text, s.database) {
			return effect{truncated: s.tables, reload: true}
		}
	}
	return effect{} // DROP TEMPORARY TABLE, for one
}

// alter looks for what renames a table or drops rows with a partition.
func (s statement) alter() effect {
	found := s.mentioned(1)
	if len(found) == 0 {
		return effect{}
	}
	e := effect{reload: true}
	for i := 2; i < len(s.tokens); i++ {
		switch next := s.word(i + 1); s.word(i) {
		case "RENAME":
			if next != "COLUMN" && next != "INDEX" && next != "KEY" {
				e.truncated = found
			}
		case "DROP", "TRUNCATE", "EXCHANGE", "CONVERT":
			if next == "PARTITION" {
				e.truncated = found
			}
		}
	}
	return e
}

// create is harmless unless it replaces.
func (s statement) create() effect {
	replace := s.word(1) == "OR" && s.word(2) == "REPLACE"
	at := 1
	if replace {
		at = 3
	}
	if s.word(at) != "TABLE" {
		return effect{}
	}
	e := effect{reload: true}
	if name, _ := s.name(at + 1); replace && name != "" {
		e.truncated = []string{name}
	}
	return e
}

// mentioned returns which of our tables a statement names, in its order.
func (s statement) mentioned(from int) (found []string) {
	for i := from; i < len(s.tokens); {
		name, n := s.name(i)
		if name != "" && !slices.Contains(found, name) {
			found = append(found, name)
		}
		i += n
	}
	return found
}

// name returns the table of ours that is named at a place, or "", and how many
// tokens to go on.
func (s statement) name(i int) (table string, n int) {
	database, name, n := s.schema, s.at(i), 1
	if s.at(i+1).text == "." && name.kind != symbol {
		database, name, n = name.text, s.at(i+2), 3
	}
	if name.kind == symbol || !strings.EqualFold(database, s.database) {
		return "", n
	}
	for _, table := range s.tables {
		if strings.EqualFold(table, name.text) {
			return table, n
		}
	}
	return "", n
}

func (s statement) at(i int) token {
	if i >= len(s.tokens) {
		return token{}
	}
	return s.tokens[i]
}

// word is an unquoted word in upper case, or "".
func (s statement) word(i int) string {
	if t := s.at(i); t.kind == word {
		return strings.ToUpper(t.text)
	}
	return ""
}

// token is a piece of a statement.
type token struct {
	kind int
	text string
}

// The kinds of tokens. The zero token is a symbol.
const (
	symbol = iota
	word
	quotedName
)

// tokens takes a statement apart. Comments and texts are left out; what stands
// in executable comments counts.
func tokens(query string) (list []token) {
	for query != "" {
		c := query[0]
		switch {
		case c == '`':
			var name string
			name, query = quotedText(query)
			list = append(list, token{quotedName, name})
		case c == '\'' || c == '"':
			_, query = quotedText(query)
		case isWord(c):
			end := 1
			for end < len(query) && isWord(query[end]) {
				end++
			}
			list, query = append(list, token{word, query[:end]}), query[end:]
		default:
			n := skip(query)
			if n == 0 {
				list, n = append(list, token{symbol, query[:1]}), 1
			}
			query = query[n:]
		}
	}
	return list
}

func isWord(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// skip is the length of the white space or comment that a text begins with, 0
// where it begins with neither.
func skip(query string) int {
	until := func(end string) int {
		if i := strings.Index(query[1:], end); i >= 0 {
			return 1 + i + len(end)
		}
		return len(query)
	}
	switch {
	case strings.HasPrefix(query, "/*!"), strings.HasPrefix(query, "/*M!"):
		return len(query) - len(strings.TrimLeft(query, "/*M!0123456789"))
	case strings.HasPrefix(query, "*/"):
		return 2
	case strings.HasPrefix(query, "/*"):
		return until("*/")
	case query[0] == '#', strings.HasPrefix(query, "-- "):
		return until("\n")
	case query[0] <= ' ':
		return 1
	}
	return 0
}

// quotedText reads what is in quotes at the beginning of a text. A doubled
// quote stands for itself, in texts a backslash escapes.
func quotedText(query string) (text, rest string) {
	var b strings.Builder
	quote := query[0]
	for i := 1; i < len(query); i++ {
		switch c := query[i]; {
		case c == '\\' && quote != '`' && i+1 < len(query):
			i++
			b.WriteByte(query[i])
		case c == quote && i+1 < len(query) && query[i+1] == quote:
			i++
			b.WriteByte(c)
		case c == quote:
			return b.String(), query[i+1:]
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), ""
}

// verb returns the first word of a statement in upper case, or two words where
// the first is XA.
func verb(query string) string {
	words := strings.Fields(query[:min(len(query), 64)])
	switch {
	case len(words) == 0:
		return ""
	case len(words) > 1 && strings.EqualFold(words[0], "XA"):
		return strings.ToUpper(words[0] + " " + words[1])
	}
	return strings.ToUpper(words[0])
}
