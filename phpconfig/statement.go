package phpconfig

// statement reads one statement. It always passes at least one token, unless a
// closing brace is next, which belongs to whoever opened the block.
func (s *script) statement() {
	t := s.peek()
	switch {
	case t.kind == eof, t.is("}"):
	case t.is(";"), t.is("@"):
		s.pos++
	case t.is("{"):
		s.block()
	case t.is("!"):
		s.guard()
	case t.kind == name:
		s.keyword()
	default:
		s.skipExpression()
	}
}

// keyword reads a statement that begins with a word.
func (s *script) keyword() {
	switch word := s.lower(); word {
	case "define":
		s.define()
	case "defined":
		s.guard()
	case "const":
		s.constants()
	case "if":
		s.conditional()
	case "include", "include_once", "require", "require_once":
		s.include()
	case "namespace":
		s.namespace()
	case "return", "exit", "die":
		s.end(word == "return")
	case "while", "for", "foreach", "switch", "declare":
		s.loop()
	case "try", "finally", "do":
		s.pos++
		s.skipBody()
	case "catch":
		s.loop()
	case "function", "abstract", "class", "final", "interface", "trait", "enum", "readonly":
		s.skipDeclaration()
	default:
		s.otherWord()
	}
}

// otherWord passes an expression. One is worth a word: a constant cannot be
// assigned to, though the configuration that comes with eZ Publish does.
func (s *script) otherWord() {
	if t := s.peek(); s.ahead(1).is("=") && !s.ahead(2).is("=") {
		s.warn(t, t.text, "is not defined by an assignment; write define( '"+t.text+"', value )")
	}
	s.skipExpression()
}

// end ends the file or everything, where that hangs on no condition: those that
// are run here, such as that a constant is not defined, mostly do not hold in
// the gateway when they are there to end it.
func (s *script) end(fileOnly bool) {
	if s.depth > 0 {
		s.skipExpression()
		return
	}
	s.returned, s.exited = true, !fileOnly
}

// block reads the statements of a block that is run.
func (s *script) block() {
	if s.depth++; s.depth > maxDepth {
		s.tooDeep()
		return
	}
	s.pos++
	for !s.done() && !s.peek().is("}") {
		s.statement()
	}
	if s.peek().is("}") {
		s.pos++
	}
	s.depth--
}

// tooDeep gives a file up.
func (s *script) tooDeep() {
	s.warn(s.peek(), "", "the rest of the file is not read: it is nested too deeply")
	s.pos = len(s.tokens) - 1
}

// namespace notes that const defines other constants than define.
func (s *script) namespace() {
	s.pos++
	s.namespaced = s.peek().kind == name
	for s.peek().kind == name {
		s.pos++
	}
}

// define reads define( 'NAME', value ). Whatever follows in its statement, such
// as "or die()", is passed.
func (s *script) define() {
	call := s.peek()
	if !s.ahead(1).is("(") {
		s.skipExpression()
		return
	}
	s.pos++
	args := s.arguments()
	if len(args) == 2 || len(args) == 3 {
		s.defineNamed(call, args[0], args[1])
	} else {
		s.warn(call, "", "a definition cannot be read; write define( 'NAME', value )")
	}
	s.skipExpression()
}

func (s *script) defineNamed(call token, nameTokens, valueTokens []token) {
	value, err := s.eval(nameTokens)
	id, ok := value.(string)
	if err != nil || !ok || id == "" {
		s.warn(call, "", "a constant whose name cannot be told is ignored; write define( 'NAME', value )")
		return
	}
	s.set(call, id, valueTokens)
}

// set defines a constant.
func (s *script) set(at token, id string, valueTokens []token) {
	k := Constant{Name: id, Origin: s.origin(at)}
	value, err := s.eval(valueTokens)
	if err != nil {
		k.unknown = err.Error()
	} else {
		k.Value = value
	}
	if first, ok := s.config.add(k); !ok {
		s.warn(at, id, "is ignored: it is defined before, in "+first.Origin.String()+", and PHP keeps the first value")
	} else if k.unknown != "" {
		s.warn(at, id, k.unknown)
	}
}

// constants reads const NAME = value, NAME = value;
func (s *script) constants() {
	start := s.pos + 1
	s.skipExpression()
	end := s.pos
	if s.tokens[end-1].is(";") {
		end--
	}
	for _, item := range split(s.tokens[min(start, end):end]) {
		switch {
		case len(item) < 3 || item[0].kind != name || !item[1].is("="):
			s.warn(s.tokens[start-1], "", "a definition cannot be read; write const NAME = value;")
		case s.namespaced:
			s.warn(item[0], item[0].text, "is ignored: inside of a namespace const defines another constant; write define( '"+item[0].text+"', value )")
		default:
			s.set(item[0], item[0].text, item[2:])
		}
	}
}

// split cuts tokens at the commas outside of all brackets.
func split(tokens []token) [][]token {
	var parts [][]token
	depth, start := 0, 0
	for i, t := range tokens {
		depth += nesting(t)
		if depth == 0 && t.is(",") {
			parts = append(parts, tokens[start:i])
			start = i + 1
		}
	}
	if start < len(tokens) {
		parts = append(parts, tokens[start:])
	}
	return parts
}

// nesting is 1 for an opening bracket, -1 for a closing one.
func nesting(t token) int {
	if t.kind != punct {
		return 0
	}
	switch t.text {
	case "(", "[", "{":
		return 1
	case ")", "]", "}":
		return -1
	}
	return 0
}
