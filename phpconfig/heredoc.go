package phpconfig

import (
	"regexp"
	"strings"
)

// heredocStart is the opening line of a heredoc or, with single quotes, a
// nowdoc. Bytes beyond ASCII that are not UTF-8 match the last range too.
var heredocStart = regexp.MustCompile("^" + strings.ReplaceAll(`<<<[ \t]*(?:'(IDENT)'|"(IDENT)"|(IDENT))(?:\r\n|\n|\r)`,
	"IDENT", `[A-Za-z_\x80-\x{10FFFF}][0-9A-Za-z_\x80-\x{10FFFF}]*`))

// heredoc passes a heredoc or nowdoc. Its end may be indented, and what is
// before it then has the same indentation, which is not part of the string.
func (l *lexer) heredoc() error {
	m := heredocStart.FindStringSubmatch(l.rest())
	label := m[1] + m[2] + m[3]
	start := len(m[0])
	lines, indent, end, ok := heredocBody(l.rest()[start:], label)
	if !ok {
		return l.errorf(l.line, "a heredoc is not closed; add a line "+label)
	}
	t := token{kind: text, line: l.line}
	t.text, t.why = dedent(lines, indent)
	if t.why == "" && m[1] == "" {
		t.text, t.why = unescape(t.text, 0)
	}
	l.tokens = append(l.tokens, t)
	l.advance(start + end)
	return nil
}

// heredocBody cuts the lines before the one that begins with label, each with
// its line end, and tells the indentation of that one and where its label ends.
func heredocBody(s, label string) (lines []string, indent string, end int, ok bool) {
	for rest := s; rest != ""; {
		line := firstLine(rest)
		bare := strings.TrimLeft(line, " \t")
		if after, found := strings.CutPrefix(bare, label); found && !continues(after) {
			indent = line[:len(line)-len(bare)]
			return lines, indent, len(s) - len(rest) + len(indent) + len(label), true
		}
		lines = append(lines, line)
		rest = rest[len(line):]
	}
	return nil, "", 0, false
}

// continues reports whether an identifier goes on here.
func continues(s string) bool { return s != "" && (isLetter(s[0]) || isDigit(s[0])) }

// firstLine is the first line of s with its end.
func firstLine(s string) string {
	i := strings.IndexAny(s, "\r\n")
	switch {
	case i < 0:
		return s
	case strings.HasPrefix(s[i:], "\r\n"):
		return s[:i+2]
	}
	return s[:i+1]
}

// dedent joins the lines of a heredoc without their indentation and without
// the last line end. Empty lines need no indentation.
func dedent(lines []string, indent string) (value, why string) {
	var b strings.Builder
	for i, line := range lines {
		body := strings.TrimRight(line, "\r\n")
		cut, ok := strings.CutPrefix(body, indent)
		if !ok && strings.Trim(body, " \t") != "" {
			return "", whyIndentation
		}
		if !ok {
			cut = ""
		}
		b.WriteString(cut)
		if i < len(lines)-1 {
			b.WriteString(line[len(body):])
		}
	}
	return b.String(), ""
}
