package memcached

import (
	"errors"
	"fmt"
	"strconv"
)

// Bounds of what is unserialized: rows are flat, maps of trunks too.
const (
	maxPHPDepth = 8
	maxPHPBytes = 1 << 20 // memcached's own default for a value
)

var errPHP = errors.New("not a serialized PHP value of scalars and arrays")

// phpArray is a PHP array in order. Keys are int64 or string; values are nil,
// bool, int64, float64, string or phpArray.
type phpArray []phpEntry

type phpEntry struct{ key, value any }

// get returns the value of a key, or nil.
func (a phpArray) get(key any) any {
	for _, e := range a {
		if e.key == key {
			return e.value
		}
	}
	return nil
}

// appendPHP appends a value as PHP's serialize writes it.
func appendPHP(b []byte, value any) []byte {
	switch v := value.(type) {
	case bool:
		if v {
			return append(b, "b:1;"...)
		}
		return append(b, "b:0;"...)
	case int64:
		return append(strconv.AppendInt(append(b, "i:"...), v, 10), ';')
	case string:
		b = strconv.AppendInt(append(b, "s:"...), int64(len(v)), 10)
		return append(append(append(b, `:"`...), v...), `";`...)
	case phpArray:
		b = append(strconv.AppendInt(append(b, "a:"...), int64(len(v)), 10), ":{"...)
		for _, e := range v {
			b = appendPHP(appendPHP(b, e.key), e.value)
		}
		return append(b, '}')
	}
	return append(b, "N;"...)
}

// parsePHP reads what PHP's serialize wrote. Objects and references, which
// neither rows nor maps have, are errors, and so is anything after the value.
func parsePHP(data []byte) (any, error) {
	if len(data) > maxPHPBytes {
		return nil, fmt.Errorf("%w: longer than %d bytes", errPHP, maxPHPBytes)
	}
	p := phpParser{rest: string(data)}
	value, ok := p.value(maxPHPDepth)
	if !ok || p.rest != "" {
		return nil, errPHP
	}
	return value, nil
}

type phpParser struct{ rest string }

// value reads one value in at most depth levels of arrays.
func (p *phpParser) value(depth int) (any, bool) {
	if len(p.rest) < 2 {
		return nil, false
	}
	kind := p.rest[:2]
	p.rest = p.rest[2:]
	switch kind {
	case "N;":
		return nil, true
	case "b:":
		text, ok := p.until(';')
		return text == "1", ok && (text == "0" || text == "1")
	case "i:":
		return p.integer(';')
	case "d:":
		text, ok := p.until(';')
		number, err := strconv.ParseFloat(text, 64)
		return number, ok && err == nil
	case "s:":
		return p.text()
	case "a:":
		return p.array(depth - 1)
	}
	return nil, false
}

// until cuts what stands before a character.
func (p *phpParser) until(end byte) (string, bool) {
	for i := range len(p.rest) {
		if p.rest[i] == end {
			text := p.rest[:i]
			p.rest = p.rest[i+1:]
			return text, true
		}
	}
	return "", false
}

func (p *phpParser) integer(end byte) (any, bool) {
	text, ok := p.until(end)
	n, err := strconv.ParseInt(text, 10, 64)
	return n, ok && err == nil
}

// length reads the length of a string or an array, which no more can follow
// than there are bytes.
func (p *phpParser) length() (int, bool) {
	n, ok := p.integer(':')
	if !ok || n.(int64) < 0 || n.(int64) > int64(len(p.rest)) {
		return 0, false
	}
	return int(n.(int64)), true
}

// text reads a string after its "s:".
func (p *phpParser) text() (any, bool) {
	n, ok := p.length()
	if !ok || len(p.rest) < n+3 || p.rest[0] != '"' || p.rest[n+1:n+3] != `";` {
		return nil, false
	}
	text := p.rest[1 : n+1]
	p.rest = p.rest[n+3:]
	return text, true
}

// array reads an array after its "a:".
func (p *phpParser) array(depth int) (any, bool) {
	n, ok := p.length()
	if !ok || depth < 0 || p.rest == "" || p.rest[0] != '{' {
		return nil, false
	}
	p.rest = p.rest[1:]
	array := make(phpArray, 0, min(n, len(p.rest)/len("i:0;N;")))
	for range n {
		key, ok := p.value(0)
		switch key.(type) {
		case int64, string:
		default:
			ok = false
		}
		if !ok {
			return nil, false
		}
		value, ok := p.value(depth)
		if !ok {
			return nil, false
		}
		array = append(array, phpEntry{key, value})
	}
	if p.rest == "" || p.rest[0] != '}' {
		return nil, false
	}
	p.rest = p.rest[1:]
	return array, true
}
