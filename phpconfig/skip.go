package phpconfig

// skipExpression passes the rest of a statement that is an expression, to its
// semicolon or the end of the block, and warns of defines in it.
func (s *script) skipExpression() {
	start, depth := s.pos, 0
	for ; s.peek().kind != eof; s.pos++ {
		t := s.peek()
		if depth == 0 && t.is("}") {
			break
		}
		if depth == 0 && t.is(";") {
			s.pos++
			break
		}
		depth = max(0, depth+nesting(t))
	}
	s.warnOf(s.tokens[start:s.pos], true)
}

// skipQuietly skips what PHP does not run either.
func (s *script) skipQuietly(skip func()) {
	warnings := len(s.warnings)
	skip()
	s.warnings = s.warnings[:warnings]
}

// warnOf names the constants that passed tokens define, and the files that
// they include.
func (s *script) warnOf(tokens []token, conditional bool) {
	for i, t := range tokens {
		switch {
		case isMember(tokens[:i]):
		case t.isWord("define") && i+2 < len(tokens) && tokens[i+1].is("("):
			id := tokens[i+2]
			if id.kind == text {
				s.warn(t, id.text, "is ignored: whether it is defined depends on what is not evaluated; write define( '"+id.text+"', value ) outside of conditions")
			}
		case conditional && t.isWord("include", "include_once", "require", "require_once"):
			s.warn(t, "", "a file is not included: whether it is depends on what is not evaluated; name it beside this one")
		}
	}
}

// isMember reports whether what follows tokens is a method or a declaration.
func isMember(tokens []token) bool {
	n := len(tokens)
	return n > 0 && tokens[n-1].isWord("function", "new") ||
		n > 1 && (tokens[n-2].is("-") && tokens[n-1].is(">") || tokens[n-2].is(":") && tokens[n-1].is(":"))
}

// parentheses passes parentheses, if they are next, and returns what stands in
// them, nothing if they are not closed.
func (s *script) parentheses() []token {
	start := s.pos + 1
	if !s.peek().is("(") || !s.balanced() {
		return nil
	}
	return s.tokens[start : s.pos-1]
}

// balanced passes an opening bracket and everything to the one that closes it,
// or to the end of the file.
func (s *script) balanced() (closed bool) {
	for depth := 0; s.peek().kind != eof; {
		depth += nesting(s.peek())
		s.pos++
		if depth <= 0 {
			return true
		}
	}
	return false
}

// arguments passes the parentheses of a call and cuts what stands in them.
func (s *script) arguments() [][]token { return split(s.parentheses()) }

// loop passes a loop, a switch or a declare.
func (s *script) loop() {
	s.pos++
	s.parentheses()
	s.skipBody()
}

// skipBody passes the body of a control structure and warns of the constants
// that it defines.
func (s *script) skipBody() {
	start := s.pos
	switch {
	case s.peek().is("{"):
		s.balanced()
		s.warnOf(s.tokens[start:s.pos], true)
	case s.peek().is(":"):
		s.skipAlternative()
		s.warnOf(s.tokens[start:s.pos], true)
	default:
		s.skipStatement()
	}
}

// skipStatement passes one statement that is not in braces.
func (s *script) skipStatement() {
	if s.depth++; s.depth > maxDepth {
		s.tooDeep()
		return
	}
	defer func() { s.depth-- }()
	switch {
	case s.peek().isWord("if"):
		s.pos++
		s.parentheses()
		s.skipBody()
		for s.peek().isWord("else", "elseif", "endif") {
			s.skipElse()
		}
	case s.peek().isWord("while", "for", "foreach", "switch", "declare"):
		s.loop()
	case s.peek().isWord("do", "try"):
		s.pos++
		s.skipBody()
	default:
		s.skipExpression()
	}
}

func (s *script) skipElse() {
	word := s.lower()
	s.pos++
	if word == "endif" {
		return
	}
	if s.peek().isWord("if") {
		s.pos++
	}
	s.parentheses()
	s.skipBody()
}

// skipAlternative passes a body in the form of a colon and a closing word, to
// the word, or to an else that belongs to it.
func (s *script) skipAlternative() {
	s.pos++
	for depth := 0; s.peek().kind != eof; {
		switch {
		case s.peek().is("{"):
			s.balanced()
			continue
		case s.peek().isWord("if", "while", "for", "foreach", "switch", "declare"):
			s.pos++
			s.parentheses()
			if s.peek().is(":") {
				depth++
			}
			continue
		case s.peek().isWord("endif", "endwhile", "endfor", "endforeach", "endswitch", "enddeclare"):
			if depth == 0 {
				return
			}
			depth--
		case depth == 0 && s.peek().isWord("else", "elseif"):
			return
		}
		s.pos++
	}
}

// skipDeclaration passes a function or a class.
func (s *script) skipDeclaration() {
	start := s.pos
	for s.peek().kind != eof && !s.peek().is("{") && !s.peek().is(";") && !s.peek().is("}") {
		if s.peek().is("(") {
			s.balanced()
		} else {
			s.pos++
		}
	}
	if s.peek().is("{") {
		s.balanced()
	}
	s.warnOf(s.tokens[start:s.pos], false)
}
