package phpconfig

import (
	"os"
	"slices"
	"strings"
)

// truth is what is known of a condition.
type truth int

const (
	unsure truth = iota
	yes
	no
)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

// guard reads what may define a constant that is not: defined( 'X' ) or
// define( … ), and !defined( 'X' ) and define( … ).
func (s *script) guard() {
	start := s.pos
	for s.peek().is("!") {
		s.pos++
	}
	if !s.peek().isWord("defined") || !s.ahead(1).is("(") {
		s.pos = start
		s.skipExpression()
		return
	}
	s.pos++
	s.parentheses()
	condition := s.tokens[start:s.pos:s.pos]
	switch or, and := s.connective(); {
	case or:
		condition = append([]token{{kind: punct, text: "!"}}, condition...)
	case !and:
		s.pos = start
		s.skipExpression()
		return
	}
	switch s.condition(condition) {
	case yes:
		s.runBody()
	case no:
		s.skipQuietly(s.skipExpression)
	default:
		s.skipExpression()
	}
}

// connective passes "or" or "and", if one is next.
func (s *script) connective() (or, and bool) {
	t := s.peek()
	or, and = t.isWord("or"), t.isWord("and")
	if or || and {
		s.pos++
		return or, and
	}
	or = t.is("|") && s.ahead(1).is("|")
	and = t.is("&") && s.ahead(1).is("&")
	if or || and {
		s.pos += 2
	}
	return or, and
}

// conditional reads if, with its elseifs and else.
func (s *script) conditional() {
	s.pos++ // if
	ran := s.branch(s.condition(s.parentheses()))
	for !s.done() {
		switch {
		case s.peek().isWord("elseif"), s.peek().isWord("else") && s.ahead(1).isWord("if"):
			s.pos++
			if s.peek().isWord("if") {
				s.pos++
			}
			ran = s.alternative(ran, s.condition(s.parentheses()))
		case s.peek().isWord("else"):
			s.pos++
			ran = s.alternative(ran, yes)
		case s.peek().isWord("endif"):
			s.pos++
			return
		default:
			return
		}
	}
}

// alternative reads a branch that is run where those before were not.
func (s *script) alternative(before, condition truth) truth {
	switch before {
	case yes:
		s.branch(no)
		return yes
	case no:
		return s.branch(condition)
	}
	s.branch(unsure)
	return unsure
}

// branch reads the body of an if whose condition is known or not, and returns
// that.
func (s *script) branch(condition truth) truth {
	switch condition {
	case yes:
		s.runBody()
	case no:
		s.skipQuietly(func() { s.skipBody() })
	default:
		s.skipBody()
	}
	return condition
}

// runBody reads a body as if it stood alone.
func (s *script) runBody() {
	if s.depth++; s.depth > maxDepth {
		s.tooDeep()
		return
	}
	defer func() { s.depth-- }()
	if !s.peek().is(":") {
		for s.peek().is("@") {
			s.pos++
		}
		s.statement()
		return
	}
	s.pos++
	for !s.done() && !s.peek().is("}") && !s.peek().isWord("elseif", "else", "endif") {
		s.statement()
	}
}

// condition tells what is known of a condition. Whether a constant of these
// files is defined and a file is there can be told; a constant that they do
// not define is taken for undefined where the question is whether to define it.
func (s *script) condition(tokens []token) truth {
	negated := false
	for range maxDepth {
		switch {
		case len(tokens) > 0 && tokens[0].is("!"):
			negated = !negated
			tokens = tokens[1:]
		case len(tokens) > 2 && tokens[0].is("(") && closes(tokens):
			tokens = tokens[1 : len(tokens)-1]
		}
	}
	if len(tokens) < 4 || !closes(tokens[1:]) || !tokens[1].is("(") {
		return unsure
	}
	args := split(tokens[2 : len(tokens)-1])
	if len(args) != 1 {
		return unsure
	}
	value, err := s.eval(args[0])
	subject, ok := value.(string)
	if err != nil || !ok {
		return unsure
	}
	switch {
	case tokens[0].isWord("defined"):
		if _, known := s.config.find(subject); known || negated && !ofPHP(subject) {
			return truthOf(known != negated)
		}
	case tokens[0].isWord("file_exists", "is_file", "is_readable"):
		if path, ok := s.locate(subject); ok {
			info, err := os.Stat(path)
			return truthOf((err == nil && info.Mode().IsRegular()) != negated)
		}
	}
	return unsure
}

// closes reports whether the first token is a bracket that the last one closes.
func closes(tokens []token) bool {
	depth := 0
	for i, t := range tokens {
		depth += nesting(t)
		if depth <= 0 {
			return depth == 0 && i == len(tokens)-1
		}
	}
	return false
}

// ofPHP reports whether PHP itself may define the constant.
func ofPHP(id string) bool {
	return slices.ContainsFunc([]string{"PHP_", "E_", "M_", "LC_", "DIRECTORY_", "PATH_"}, func(prefix string) bool {
		return strings.HasPrefix(id, prefix)
	})
}
