package phpconfig

import (
	"fmt"
	"strings"
)

// kind tells tokens apart.
type kind uint8

const (
	eof      kind = iota
	name          // an identifier or a qualified name, with its backslashes
	variable      // $name
	number        // the digits of a number
	text          // a string literal
	punct         // one character; ";" also where PHP ends
)

// token is one piece of PHP.
type token struct {
	kind kind
	text string // of a string literal its value, else what is written
	why  string // of a string literal: why its value cannot be told
	line int
}

// is reports whether the token is a punctuation mark.
func (t token) is(mark string) bool { return t.kind == punct && t.text == mark }

// isWord reports whether the token is one of some keywords or functions, whose
// case does not matter. A leading backslash names the same function.
func (t token) isWord(words ...string) bool {
	for _, word := range words {
		if t.kind == name && strings.EqualFold(strings.TrimPrefix(t.text, `\`), word) {
			return true
		}
	}
	return false
}

// lexer cuts the text of a file into tokens.
type lexer struct {
	src    string
	pos    int
	line   int
	inPHP  bool
	tokens []token
	probe  bool // looking ahead from an attribute
}

// lexError is where and why a text cannot be cut into tokens.
type lexError struct {
	line   int
	reason string
}

func (e *lexError) Error() string { return fmt.Sprintf("line %d: %s", e.line, e.reason) }

// lex returns the tokens of a file, the last one of kind eof. What is not PHP
// is left out.
func lex(src string) ([]token, error) {
	l := &lexer{src: src, line: 1}
	for l.pos < len(l.src) {
		if err := l.next(); err != nil {
			return nil, err
		}
	}
	l.emit(eof, "")
	return l.tokens, nil
}

// rest is what is still to be read.
func (l *lexer) rest() string { return l.src[l.pos:] }

func (l *lexer) emit(k kind, text string) {
	l.tokens = append(l.tokens, token{kind: k, text: text, line: l.line})
}

// advance passes n bytes, counting lines.
func (l *lexer) advance(n int) {
	passed := l.src[l.pos : l.pos+n]
	l.line += strings.Count(passed, "\n")
	for i := range len(passed) { // a carriage return alone ends a line too
		if passed[i] == '\r' && !strings.HasPrefix(l.src[l.pos+i+1:], "\n") {
			l.line++
		}
	}
	l.pos += n
}

func (l *lexer) errorf(line int, reason string) error {
	return &lexError{line: line, reason: reason}
}

// next passes one token, comment or stretch of blanks or HTML.
func (l *lexer) next() error {
	if !l.inPHP {
		l.html()
		return nil
	}
	rest := l.rest()
	switch c := rest[0]; {
	case strings.IndexByte(" \t\n\r\v\f", c) >= 0:
		l.advance(1)
	case strings.HasPrefix(rest, "?>"):
		l.emit(punct, ";")
		l.advance(2)
		l.inPHP = false
	case strings.HasPrefix(rest, "#["):
		l.attribute()
	case c == '#', strings.HasPrefix(rest, "//"):
		l.lineComment()
	case strings.HasPrefix(rest, "/*"):
		return l.blockComment()
	case c == '\'', c == '"', c == '`':
		return l.quoted()
	case strings.HasPrefix(rest, "<<<") && heredocStart.MatchString(rest):
		return l.heredoc()
	default:
		l.word(rest)
	}
	return nil
}

// word passes a name, a variable, a number or a punctuation mark.
func (l *lexer) word(rest string) {
	k, text := punct, rest[:1]
	if isDigit(rest[0]) || rest[0] == '.' && len(rest) > 1 && isDigit(rest[1]) {
		k, text = number, numberPattern.FindString(rest)
	} else if n := nameLen(rest); n > 0 {
		k, text = name, rest[:n]
	} else if n := identLen(rest[1:]); rest[0] == '$' && n > 0 {
		k, text = variable, rest[:n+1]
	}
	if k == name && (text == "b" || text == "B") && len(rest) > 1 && strings.IndexByte(`'"<`, rest[1]) >= 0 {
		l.advance(1) // the prefix of binary strings means nothing
		return
	}
	l.emit(k, text)
	l.advance(len(text))
	if k == name && l.tokens[len(l.tokens)-1].isWord("__halt_compiler") {
		l.pos = len(l.src) // data follows
	}
}

// html passes what stands outside of PHP.
func (l *lexer) html() {
	rest := l.rest()
	for i := 0; ; {
		tag := strings.Index(rest[i:], "<?")
		if tag < 0 {
			l.advance(len(rest))
			return
		}
		i += tag + len("<?")
		if n, ok := openTag(rest[i:]); ok {
			l.advance(i + n)
			l.inPHP = true
			return
		}
	}
}

// openTag says whether PHP begins after "<?", and how much of the tag is left.
// Short tags count, as in PHP unless it is told otherwise.
func openTag(after string) (length int, ok bool) {
	hasPrefix := func(word string) bool {
		return len(after) >= len(word) && strings.EqualFold(after[:len(word)], word)
	}
	switch {
	case hasPrefix("php") && (len(after) == 3 || strings.IndexByte(" \t\n\r", after[3]) >= 0):
		return len("php"), true
	case hasPrefix("="):
		return len("="), true
	case hasPrefix("xml"):
		return 0, false
	}
	return 0, true
}

// lineComment passes a comment to the end of its line, or of PHP.
func (l *lexer) lineComment() {
	rest := l.rest()
	end := len(rest)
	if i := strings.IndexAny(rest, "\r\n"); i >= 0 {
		end = i
	}
	if i := strings.Index(rest[:end], "?>"); i >= 0 {
		end = i
	}
	l.advance(end)
}

func (l *lexer) blockComment() error {
	end := strings.Index(l.rest()[2:], "*/")
	if end < 0 {
		return l.errorf(l.line, "a comment is not closed; add */")
	}
	l.advance(2 + end + 2)
	return nil
}

// attributeReach is how far an attribute is followed, in bytes.
const attributeReach = 1024

// attribute passes what begins with "#[": an attribute, which a declaration
// must follow, or, in files older than attributes, a comment.
func (l *lexer) attribute() {
	if l.probe {
		l.emit(punct, "[")
		l.advance(2)
		return
	}
	ahead := &lexer{src: l.src[:min(len(l.src), l.pos+attributeReach)], pos: l.pos, line: l.line, inPHP: true, probe: true}
	if end, line, ok := ahead.attributeEnd(); ok {
		l.pos, l.line = end, line
		return
	}
	l.lineComment()
}

// attributeEnd finds the end of the attributes that begin here.
func (l *lexer) attributeEnd() (pos, line int, ok bool) {
	depth := 0
	for seen := 0; l.pos < len(l.src); {
		before, at := l.pos, l.line
		if l.next() != nil {
			return 0, 0, false
		}
		for ; seen < len(l.tokens); seen++ {
			switch t := l.tokens[seen]; {
			case depth == 0 && seen > 0 && !t.is("["):
				return before, at, t.isWord(declarations()...)
			case t.is("["):
				depth++
			case t.is("]"):
				depth--
			}
		}
	}
	return 0, 0, false
}

// declarations are the words that begin declarations.
func declarations() []string {
	return []string{"function", "class", "abstract", "final", "readonly", "interface", "trait", "enum", "static", "fn", "const"}
}

// nameLen is the length of the name at the start of s, backslashes included.
func nameLen(s string) int {
	n := 0
	for {
		m := n
		if strings.HasPrefix(s[m:], `\`) {
			m++
		}
		word := identLen(s[m:])
		if word == 0 || n > 0 && m == n {
			return n
		}
		n = m + word
	}
}

// identLen is the length of the identifier at the start of s.
func identLen(s string) int {
	n := 0
	for n < len(s) && (isLetter(s[n]) || n > 0 && isDigit(s[n])) {
		n++
	}
	return n
}

// isLetter reports whether an identifier may begin with c; every byte beyond
// ASCII may.
func isLetter(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c >= 0x80
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
