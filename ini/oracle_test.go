package ini

import (
	"fmt"
	"regexp"
	"strings"
)

// The rules of contract section 10 once more, as patterns: slow, and plainly
// those of the contract. The fuzz test and the property test hold the parser
// against them.
var (
	oracleCut     = regexp.MustCompile(`(?s)^(.+)##.*$`)
	oracleHeader  = regexp.MustCompile(`(?s)^\[(.+)\][ \t\n\v\f\r]*$`)
	oracleReset   = regexp.MustCompile(`^([A-Za-z0-9_*@-]+)\[\]$`)
	oracleElement = regexp.MustCompile(`(?s)^([A-Za-z0-9_*@-]+)\[([^\]]*)\]=(.*)$`)
	oracleScalar  = regexp.MustCompile(`(?s)^([A-Za-z0-9_*@-]+)=(.*)$`)
)

func oracleLine(line string) statement {
	if line == "" || strings.HasPrefix(line, "#") {
		return statement{}
	}
	if m := oracleCut.FindStringSubmatch(line); m != nil {
		line = m[1]
	}
	if strings.Trim(line, phpSpace) == "" {
		return statement{}
	}
	if m := oracleHeader.FindStringSubmatch(line); m != nil {
		return statement{kind: header, name: strings.Trim(m[1], phpSpace)}
	}
	if m := oracleReset.FindStringSubmatch(line); m != nil {
		return statement{kind: reset, name: m[1]}
	}
	if m := oracleElement.FindStringSubmatch(line); m != nil {
		if m[2] == "" || m[2] == "0" {
			return statement{kind: push, name: m[1], value: m[3]}
		}
		return statement{kind: element, name: m[1], sub: m[2], value: m[3]}
	}
	if m := oracleScalar.FindStringSubmatch(line); m != nil {
		return statement{kind: scalar, name: m[1], value: m[2]}
	}
	return statement{}
}

// oracleArray is a PHP array without any index: it looks at all its keys.
type oracleArray []Entry

func (a *oracleArray) set(key, value string) {
	for i := range *a {
		if (*a)[i].Key == key {
			(*a)[i].Value = value
			return
		}
	}
	*a = append(*a, Entry{Key: key, Value: value})
}

func (a *oracleArray) push(value string) {
	next := int64(0)
	for _, entry := range *a {
		if n, ok := entry.Index(); ok && n >= next {
			next = n + 1
		}
	}
	a.set(fmt.Sprint(next), value)
}
