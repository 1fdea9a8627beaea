package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// parse reads raw as a value of the field's type. Everything but text is read
// without the blanks around it.
func (f field) parse(raw string) (any, error) {
	word := strings.Trim(raw, " \t")
	switch f.value.Interface().(type) {
	case string:
		return raw, f.checkOneOf(raw)
	case Secret:
		return Secret(raw), nil
	case bool:
		return parseBool(word)
	case int:
		n, err := f.parseInRange(word, parseInt)
		return int(n), err
	case int64:
		return f.parseInRange(word, ParseSize)
	case time.Duration:
		n, err := f.parseInRange(word, parseInt)
		return time.Duration(n) * f.unit(), err
	case fs.FileMode:
		return parseMode(word)
	}
	panic("settings: no parser for the type of " + f.key())
}

// unit is what a time is counted in.
func (f field) unit() time.Duration {
	if f.tag.Get("unit") == "ms" {
		return time.Millisecond
	}
	return time.Second
}

// format is the inverse of parse, for display: secrets are hidden.
func (f field) format() string {
	switch v := f.value.Interface().(type) {
	case bool:
		if v {
			return "enabled"
		}
		return "disabled"
	case int64:
		return formatSize(v)
	case time.Duration:
		return strconv.Itoa(int(v / f.unit()))
	case fs.FileMode:
		return formatMode(v)
	default:
		return fmt.Sprint(v)
	}
}

func (f field) checkOneOf(word string) error {
	words := f.tag.Get("oneof")
	if words == "" || slices.Contains(strings.Split(words, "|"), word) {
		return nil
	}
	return fmt.Errorf("%q is not one of %s", word, strings.ReplaceAll(words, "|", ", "))
}

// parseInRange reads a number with parse and holds it against the tags min
// (0 unless given) and max.
func (f field) parseInRange(word string, parse func(string) (int64, error)) (int64, error) {
	n, err := parse(word)
	if err != nil {
		return 0, err
	}
	low := f.tag.Get("min")
	if low == "" {
		low = "0"
	}
	if limit, err := parse(low); err == nil && n < limit {
		return 0, fmt.Errorf("%q is less than %s", word, low)
	}
	if limit, err := parse(f.tag.Get("max")); err == nil && n > limit {
		return 0, fmt.Errorf("%q is more than %s", word, f.tag.Get("max"))
	}
	return n, nil
}

func parseInt(word string) (int64, error) {
	n, err := strconv.ParseInt(word, 10, 32)
	if errors.Is(err, strconv.ErrRange) {
		return 0, fmt.Errorf("%q is out of range", word)
	}
	if err != nil {
		return 0, fmt.Errorf("%q is not a number", word)
	}
	return n, nil
}

func parseBool(word string) (bool, error) {
	switch strings.ToLower(word) {
	case "enabled", "true", "yes", "1":
		return true, nil
	case "disabled", "false", "no", "0":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither enabled nor disabled", word)
}

func parseMode(word string) (fs.FileMode, error) {
	n, err := strconv.ParseUint(word, 8, 32)
	if err != nil || n > 0o7777 {
		return 0, fmt.Errorf("%q is not an octal mode such as 0666", word)
	}
	mode := fs.FileMode(n).Perm()
	for _, bit := range modeBits {
		if n&bit.unix != 0 {
			mode |= bit.mode
		}
	}
	return mode, nil
}

func formatMode(mode fs.FileMode) string {
	n := uint64(mode.Perm())
	for _, bit := range modeBits {
		if mode&bit.mode != 0 {
			n |= bit.unix
		}
	}
	return fmt.Sprintf("%04o", n)
}

// modeBits are the mode bits that Go keeps elsewhere than Unix.
var modeBits = []struct {
	unix uint64
	mode fs.FileMode
}{{0o4000, fs.ModeSetuid}, {0o2000, fs.ModeSetgid}, {0o1000, fs.ModeSticky}}

// sizeUnits are the units of sizes, the largest first.
var sizeUnits = []struct {
	letter string
	bytes  int64
}{{"G", 1 << 30}, {"M", 1 << 20}, {"K", 1 << 10}}

// ParseSize reads a number of bytes as settings have it, perhaps followed by K,
// M or G (powers of 1024): "8M".
func ParseSize(word string) (int64, error) {
	digits, factor := word, int64(1)
	for _, unit := range sizeUnits {
		if head, ok := strings.CutSuffix(strings.ToUpper(word), unit.letter); ok {
			digits, factor = head, unit.bytes
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || n > (1<<62)/factor {
		return 0, fmt.Errorf("%q is not a size such as 8M", word)
	}
	return n * factor, nil
}

func formatSize(n int64) string {
	for _, unit := range sizeUnits {
		if n >= unit.bytes && n%unit.bytes == 0 {
			return strconv.FormatInt(n/unit.bytes, 10) + unit.letter
		}
	}
	return strconv.FormatInt(n, 10)
}

// setDefault gives the field what its default tag says. A scalar without one
// keeps what it has. The tests hold every tag against this.
func (f field) setDefault() error {
	text := f.tag.Get("default")
	if f.isArray() {
		f.value.SetZero()
		if f.value.Kind() == reflect.Map {
			f.value.Set(reflect.ValueOf(f.defaultWords()))
		}
		return nil
	}
	if text == "" {
		return nil
	}
	value, err := f.parse(text)
	if err == nil {
		f.value.Set(reflect.ValueOf(value))
	}
	return err
}

// defaultWords reads the default of an array of words: "a=x;b=y".
func (f field) defaultWords() map[string]string {
	words := map[string]string{}
	for item := range strings.SplitSeq(f.tag.Get("default"), ";") {
		if key, word, ok := strings.Cut(item, "="); ok {
			words[key] = word
		}
	}
	return words
}

// isArray reports whether the field is read from Key[sub] lines.
func (f field) isArray() bool {
	return f.value.Kind() == reflect.Map || f.value.Kind() == reflect.Slice
}

// element is one element of an array field.
type element struct {
	key, value string
	origin     Origin // where the field itself knows it
	fallback   string // the element's default
}

// elements lists what an array field holds, in order.
func (f field) elements() []element {
	var list []element
	switch v := f.value.Interface().(type) {
	case map[string]string:
		defaults := f.defaultWords()
		for _, key := range slices.Sorted(maps.Keys(v)) {
			list = append(list, element{key: key, value: v[key], fallback: defaults[key]})
		}
	case []string:
		for i, word := range v {
			list = append(list, element{key: strconv.Itoa(i), value: word})
		}
	case []Rule:
		for _, rule := range v {
			list = append(list, element{key: rule.Prefix, value: rule.Backend, origin: rule.Origin})
		}
	}
	return list
}
