package phpconfig

import (
	"regexp"
	"strconv"
	"strings"
)

// Why the value of a string cannot be told. The string itself is not quoted.
const (
	whyInterpolated = "has a $variable in double quotes, which is not evaluated; write it in single quotes"
	whyShell        = "is the output of a command, which is not run"
	whyUnicode      = `has a \u{} that names no character`
	whyIndentation  = "is indented less than the end of the heredoc"
)

// quoted passes a string in quotes or backticks.
func (l *lexer) quoted() error {
	quote := l.src[l.pos]
	end, ok := quoteEnd(l.rest(), 0)
	if !ok {
		return l.errorf(l.line, "a string is not closed; add "+string(quote))
	}
	raw := l.rest()[1 : end-1]
	t := token{kind: text, line: l.line}
	switch quote {
	case '\'':
		t.text = unescapeSingle(raw)
	case '"':
		t.text, t.why = unescape(raw, quote)
	default:
		t.why = whyShell
	}
	l.tokens = append(l.tokens, t)
	l.advance(end)
	return nil
}

// maxQuotes bounds the strings inside of strings.
const maxQuotes = 16

// quoteEnd finds the end of the string that s begins with. What is interpolated
// into it in braces may have strings of its own.
func quoteEnd(s string, depth int) (end int, ok bool) {
	quote := s[0]
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\':
			i++
		case s[i] == quote:
			return i + 1, true
		case quote != '\'' && (strings.HasPrefix(s[i:], "{$") || strings.HasPrefix(s[i:], "${")):
			n, ok := bracesEnd(s[i:], depth)
			if !ok {
				return 0, false
			}
			i += n - 1
		}
	}
	return 0, false
}

// bracesEnd finds the end of the interpolated expression that s begins with.
func bracesEnd(s string, depth int) (end int, ok bool) {
	open := 0
	for i := 0; i < len(s) && depth < maxQuotes; i++ {
		switch s[i] {
		case '{':
			open++
		case '}':
			if open--; open == 0 {
				return i + 1, true
			}
		case '\'', '"', '`':
			n, ok := quoteEnd(s[i:], depth+1)
			if !ok {
				return 0, false
			}
			i += n - 1
		}
	}
	return 0, false
}

// unescapeSingle reads what stands in single quotes.
func unescapeSingle(raw string) string {
	return strings.NewReplacer(`\\`, `\`, `\'`, `'`).Replace(raw)
}

// escapes are those of one letter.
func escapes(c byte) (byte, bool) {
	const letters, bytes = `ntrvef\$`, "\n\t\r\v\x1b\f\\$"
	if i := strings.IndexByte(letters, c); i >= 0 {
		return bytes[i], true
	}
	return 0, false
}

// unescape reads what stands in double quotes, or in a heredoc (quote 0).
func unescape(raw string, quote byte) (value, why string) {
	var b strings.Builder
	for i := 0; i < len(raw); {
		if interpolates(raw[i:]) {
			return "", whyInterpolated
		}
		if raw[i] != '\\' || i+1 == len(raw) {
			b.WriteByte(raw[i])
			i++
			continue
		}
		piece, n, why := escape(raw[i:], quote)
		if why != "" {
			return "", why
		}
		b.WriteString(piece)
		i += n
	}
	return b.String(), ""
}

// interpolates reports whether a variable or an expression begins here.
func interpolates(s string) bool {
	switch {
	case strings.HasPrefix(s, "{$"), strings.HasPrefix(s, "${"):
		return true
	}
	return s[0] == '$' && identLen(s[1:]) > 0
}

var (
	octalEscape   = regexp.MustCompile(`^\\([0-7]{1,3})`)
	hexEscape     = regexp.MustCompile(`^\\[xX]([0-9A-Fa-f]{1,2})`)
	unicodeEscape = regexp.MustCompile(`^\\u\{([0-9A-Fa-f]+)\}`)
)

// escape reads the escape sequence, or the plain backslash, that s begins
// with, and says how long it is.
func escape(s string, quote byte) (value string, length int, why string) {
	if c, ok := escapes(s[1]); ok {
		return string([]byte{c}), 2, ""
	}
	if s[1] == quote {
		return s[1:2], 2, ""
	}
	if m := octalEscape.FindStringSubmatch(s); m != nil {
		n, _ := strconv.ParseUint(m[1], 8, 16)
		return string([]byte{byte(n)}), len(m[0]), "" // \400 is \000
	}
	if m := hexEscape.FindStringSubmatch(s); m != nil {
		n, _ := strconv.ParseUint(m[1], 16, 8)
		return string([]byte{byte(n)}), len(m[0]), ""
	}
	if !strings.HasPrefix(s, `\u{`) {
		return s[:1], 1, ""
	}
	m := unicodeEscape.FindStringSubmatch(s)
	if m == nil {
		return "", 0, whyUnicode
	}
	n, err := strconv.ParseUint(m[1], 16, 32)
	if err != nil || n > 0x10FFFF {
		return "", 0, whyUnicode
	}
	return encode(rune(n)), len(m[0]), ""
}

// encode is the UTF-8 of a code point; PHP encodes surrogates as well.
func encode(r rune) string {
	if 0xD800 <= r && r <= 0xDFFF {
		return string([]byte{0xE0 | byte(r>>12), 0x80 | byte(r>>6)&0x3F, 0x80 | byte(r)&0x3F})
	}
	return string(r)
}
