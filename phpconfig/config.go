package phpconfig

import (
	"fmt"
	"strconv"
	"strings"

	"example.com/ezdfs/settings"
)

// Config is the constants that files define. The zero value has none.
type Config struct {
	constants []Constant // in the order of their definitions
	index     map[string]int
}

// Constants lists the constants whose values are known, in the order of their
// definitions.
func (c Config) Constants() []Constant {
	var known []Constant
	for _, k := range c.constants {
		if k.unknown == "" {
			known = append(known, k)
		}
	}
	return known
}

// Lookup finds a constant by its name, which is case-sensitive. It reports
// false for one whose value cannot be told.
func (c Config) Lookup(name string) (Constant, bool) {
	k, ok := c.find(name)
	return k, ok && k.unknown == ""
}

// find also finds constants of unknown value.
func (c Config) find(name string) (Constant, bool) {
	i, ok := c.index[name]
	if !ok {
		return Constant{}, false
	}
	return c.constants[i], true
}

// add defines a constant, unless it is defined: PHP keeps the first value.
func (c *Config) add(k Constant) (first Constant, ok bool) {
	if first, defined := c.find(k.Name); defined {
		return first, false
	}
	if c.index == nil {
		c.index = map[string]int{}
	}
	c.index[k.Name] = len(c.constants)
	c.constants = append(c.constants, k)
	return k, true
}

// Constant is one constant and where it was defined.
type Constant struct {
	Name string
	// Value is a string, an int64, a float64, a bool, or nil for null. A
	// string has the bytes of the file, whatever its charset.
	Value  any
	Origin settings.Origin

	unknown string // why the value cannot be told
}

// Text returns a string, or the digits of a whole number, which PHP takes for
// one where it wants a string. The error is a *[LineError].
func (k Constant) Text() (string, error) {
	switch v := k.Value.(type) {
	case string:
		return v, nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	}
	return "", k.wrongType("write a string in quotes")
}

// Int returns a whole number, or one that a string holds in decimal. The error
// is a *[LineError].
func (k Constant) Int() (int64, error) {
	switch v := k.Value.(type) {
	case int64:
		return v, nil
	case string:
		if n, err := strconv.ParseInt(strings.Trim(v, " \t"), 10, 64); err == nil {
			return n, nil
		}
	}
	return 0, k.wrongType("write a whole number")
}

// Bool returns a truth value: one itself, or 1 or 0, also as a string, or the
// empty string. Any other string is true to PHP, 'false' and 'disabled' among
// them, so it is refused. The error is a *[LineError].
func (k Constant) Bool() (bool, error) {
	switch k.Value {
	case true, int64(1), "1":
		return true, nil
	case false, int64(0), "0", "", nil:
		return false, nil
	}
	return false, k.wrongType("write true or false, without quotes")
}

func (k Constant) wrongType(advice string) error {
	return k.errorf("is %s; %s", typeName(k.Value), advice)
}

func (k Constant) errorf(format string, args ...any) error {
	return &LineError{Origin: k.Origin, Constant: k.Name, Reason: fmt.Sprintf(format, args...)}
}

// typeName names the type of a value without telling the value.
func typeName(value any) string {
	switch value.(type) {
	case string:
		return "a string"
	case int64:
		return "a whole number"
	case float64:
		return "a fraction"
	case bool:
		return "true or false"
	}
	return "null"
}
