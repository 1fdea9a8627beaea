package phpconfig

import (
	"fmt"
	"math/bits"
	"path/filepath"
	"strconv"
	"strings"
)

// Bounds of what is evaluated.
const (
	maxDepth = 64   // of parentheses and of blocks
	maxText  = 4096 // bytes of joined strings
)

// unknowable is why a value cannot be told. It is an error so that it can end
// an evaluation anywhere.
type unknowable string

func (u unknowable) Error() string { return string(u) }

func unknowablef(format string, args ...any) error {
	return unknowable(fmt.Sprintf(format, args...))
}

const whyOperator = "is an expression that is not evaluated; write its value"

// evaluator computes one expression from its tokens.
type evaluator struct {
	tokens []token // ends with one of kind eof
	pos    int
	depth  int
	script *script // knows the constants, and where it lies
}

// eval computes the expression that tokens are. The error is an unknowable.
func (s *script) eval(tokens []token) (any, error) {
	e := &evaluator{tokens: append(tokens[:len(tokens):len(tokens)], token{}), script: s}
	value, err := e.concat()
	if err == nil && e.peek().kind != eof {
		err = unknowable(whyOperator)
	}
	return value, err
}

func (e *evaluator) peek() token { return e.tokens[e.pos] }

// take passes a punctuation mark, if it is next.
func (e *evaluator) take(mark string) bool {
	if e.peek().is(mark) {
		e.pos++
		return true
	}
	return false
}

// concat is a sum, or primaries and products joined by dots. The precedence of
// + and - against the dot is another one since PHP 8, so the mixture has no
// value here.
func (e *evaluator) concat() (any, error) {
	value, summed, err := e.sum()
	for err == nil && e.take(".") {
		var next any
		var nextSummed bool
		next, nextSummed, err = e.sum()
		if err == nil && (summed || nextSummed) {
			err = unknowable("mixes . with + or -; add parentheses")
		}
		if err == nil {
			value, err = join(value, next)
		}
	}
	return value, err
}

func (e *evaluator) sum() (value any, summed bool, err error) {
	return e.binary("+-", func() (any, error) {
		value, _, err := e.binary("*/%", e.unary)
		return value, err
	})
}

// binary reads operands joined by any of some operators, from the left.
func (e *evaluator) binary(operators string, operand func() (any, error)) (value any, joined bool, err error) {
	value, err = operand()
	for err == nil && e.peek().kind == punct && strings.Contains(operators, e.peek().text) {
		joined = true
		operator := e.peek().text
		e.pos++
		var next any
		if next, err = operand(); err == nil {
			value, err = calculate(operator, value, next)
		}
	}
	return value, joined, err
}

func (e *evaluator) unary() (any, error) {
	if e.depth++; e.depth > maxDepth {
		return nil, unknowable("is nested too deeply")
	}
	defer func() { e.depth-- }()
	switch {
	case e.take("-"):
		value, err := e.unary()
		if err != nil {
			return nil, err
		}
		if f, ok := value.(float64); ok {
			return -f, nil
		}
		return calculate("-", int64(0), value)
	case e.take("+"):
		value, err := e.unary()
		if _, isFloat := value.(float64); isFloat || err != nil {
			return value, err
		}
		return calculate("+", int64(0), value)
	}
	return e.primary()
}

func (e *evaluator) primary() (any, error) {
	t := e.peek()
	e.pos++
	switch {
	case t.kind == text && t.why != "":
		return nil, unknowable(t.why)
	case t.kind == text:
		return t.text, nil
	case t.kind == number:
		value, why := parseNumber(t.text)
		if why != "" {
			return nil, unknowable(why)
		}
		return value, nil
	case t.is("("):
		value, err := e.concat()
		if err == nil && !e.take(")") {
			err = unknowable(whyOperator)
		}
		return value, err
	case t.kind == name:
		return e.named(t)
	case t.kind == variable:
		return nil, unknowablef("needs the variable %s, which is not evaluated; write its value", t.text)
	}
	e.pos-- // perhaps the end
	return nil, unknowable(whyOperator)
}

// named evaluates a constant or a call.
func (e *evaluator) named(t token) (any, error) {
	if e.take("(") {
		return e.call(t)
	}
	switch {
	case e.peek().is(":"):
		return nil, unknowable(whyOperator) // Class::NAME
	case t.isWord("true"):
		return true, nil
	case t.isWord("false"):
		return false, nil
	case t.isWord("null"):
		return nil, nil
	case t.isWord("__DIR__"):
		return e.script.phpDir(), nil
	case t.isWord("__FILE__"):
		return filepath.Join(e.script.phpDir(), filepath.Base(e.script.realPath)), nil
	}
	return e.script.constant(t)
}

// constant finds the value of a constant that was defined before. One that was
// not is not named: to old versions of PHP it was a string, perhaps a password.
func (s *script) constant(t token) (any, error) {
	id := strings.TrimPrefix(t.text, `\`)
	if k, ok := s.config.find(id); ok && k.unknown == "" {
		return k.Value, nil
	} else if ok {
		return nil, unknowablef("needs the constant %s, whose value is not known (%s)", id, k.Origin)
	}
	switch id {
	case "DIRECTORY_SEPARATOR":
		return "/", nil
	case "PATH_SEPARATOR":
		return ":", nil
	case "PHP_EOL":
		return "\n", nil
	}
	return nil, unknowable("needs a constant that is not defined before; write its value, a string in quotes")
}

// call evaluates dirname(), and no other function.
func (e *evaluator) call(t token) (any, error) {
	if !t.isWord("dirname") {
		advice := "write its value"
		if t.isWord("getenv") {
			advice = "write its value, or give ours by its own environment variable"
		}
		return nil, unknowablef("calls %s(), which is not run; %s", strings.TrimPrefix(t.text, `\`), advice)
	}
	value, err := e.concat()
	path, ok := value.(string)
	levels := int64(1)
	if err == nil && e.take(",") {
		value, err = e.concat()
		levels, _ = value.(int64)
	}
	if err == nil && (!ok || levels < 1 || levels > maxDepth || !e.take(")")) {
		err = unknowable(whyOperator)
	}
	if err != nil {
		return nil, err
	}
	for range levels {
		path = parent(path)
	}
	return path, nil
}

// parent is PHP's dirname of one level, which cleans no path.
func parent(path string) string {
	trimmed := strings.TrimRight(path, "/")
	slash := strings.LastIndexByte(trimmed, '/')
	switch {
	case path == "":
		return ""
	case trimmed == "":
		return "/"
	case slash < 0:
		return "."
	}
	if dir := strings.TrimRight(trimmed[:slash], "/"); dir != "" {
		return dir
	}
	return "/"
}

// join is the dot operator.
func join(a, b any) (any, error) {
	left, okLeft := asText(a)
	right, okRight := asText(b)
	if !okLeft || !okRight {
		return nil, unknowable("joins a fraction; write the string itself")
	}
	if len(left)+len(right) > maxText {
		return nil, unknowable("is too long")
	}
	return left + right, nil
}

// asText is what PHP makes of a value in a string, for those where that
// depends on no setting.
func asText(value any) (string, bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case int64:
		return strconv.FormatInt(v, 10), true
	case bool:
		if v {
			return "1", true
		}
	case float64:
		return "", false
	}
	return "", true
}

// calculate applies an operator to whole numbers, where the result is one.
func calculate(operator string, a, b any) (any, error) {
	left, okLeft := a.(int64)
	right, okRight := b.(int64)
	if !okLeft || !okRight {
		return nil, unknowable("calculates with something else than whole numbers; write its value")
	}
	ok, result := false, int64(0)
	switch operator {
	case "+":
		result = left + right
		ok = (result > left) == (right > 0)
	case "-":
		result = left - right
		ok = (result < left) == (right > 0)
	case "*":
		result, ok = multiply(left, right)
	case "/":
		ok = right != 0 && right != -1 && left%right == 0
		if ok {
			result = left / right
		}
	case "%":
		ok = right != 0 && right != -1
		if ok {
			result = left % right
		}
	}
	if !ok {
		return nil, unknowable("is no whole number of 64 bits; write its value")
	}
	return result, nil
}

func multiply(a, b int64) (int64, bool) {
	high, low := bits.Mul64(magnitude(a), magnitude(b))
	return a * b, high == 0 && low < 1<<63
}

func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}
