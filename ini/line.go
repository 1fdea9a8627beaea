package ini

import "strings"

// kind is what a line does.
type kind int

const (
	ignored kind = iota // blank, a comment, or no rule's business
	header              // [group]
	reset               // Key[]
	scalar              // Key=value
	element             // Key[sub]=value
	push                // Key[]=value, and Key[0]=value
)

// statement is one line, understood.
type statement struct {
	kind  kind
	name  string // the group of a header, else the key
	sub   string // of an element
	value string
}

// phpSpace is what PHP's trim removes; the white space of its patterns is the
// same with a form feed in place of NUL.
const (
	phpSpace     = " \t\n\r\x00\x0b"
	patternSpace = " \t\n\r\x0b\x0c"
)

// parseLine applies the rules of contract section 10, in their order, to a
// line without its line feed.
func parseLine(line string) statement {
	if line == "" || line[0] == '#' {
		return statement{}
	}
	if i := strings.LastIndex(line, "##"); i > 0 {
		line = line[:i]
	}
	if name, ok := parseHeader(line); ok {
		return statement{kind: header, name: name}
	}
	return parseAssignment(line)
}

// parseHeader reads "[name]", perhaps followed by white space.
func parseHeader(line string) (string, bool) {
	line = strings.TrimRight(line, patternSpace)
	if len(line) < len("[x]") || line[0] != '[' || line[len(line)-1] != ']' {
		return "", false
	}
	return strings.Trim(line[1:len(line)-1], phpSpace), true
}

// parseAssignment reads "Key[]", "Key=value" and "Key[sub]=value".
func parseAssignment(line string) statement {
	end := strings.IndexFunc(line, func(r rune) bool { return !isKeyRune(r) })
	if end <= 0 {
		return statement{}
	}
	key, rest := line[:end], line[end:]
	if rest == "[]" {
		return statement{kind: reset, name: key}
	}
	if value, ok := strings.CutPrefix(rest, "="); ok {
		return statement{kind: scalar, name: key, value: value}
	}
	sub, rest, ok := strings.Cut(strings.TrimPrefix(rest, "["), "]")
	value, isValue := strings.CutPrefix(rest, "=")
	if line[end] != '[' || !ok || !isValue {
		return statement{}
	}
	if sub == "" || sub == "0" { // both are false to PHP
		return statement{kind: push, name: key, value: value}
	}
	return statement{kind: element, name: key, sub: sub, value: value}
}

func isKeyRune(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		return true
	}
	return r == '_' || r == '*' || r == '@' || r == '-'
}

// looksMeant reports whether a line that matches no rule would match one
// without its outer white space or that around the first "=", or without a
// byte order mark: the author meant it, PHP ignores it.
func looksMeant(line string) bool {
	line = strings.TrimPrefix(line, bom)
	trimmed := strings.Trim(line, patternSpace)
	if key, value, ok := strings.Cut(trimmed, "="); ok {
		trimmed = strings.TrimRight(key, patternSpace) + "=" + value
	}
	return parseLine(trimmed).kind != ignored
}
