package phpconfig

import (
	"math/big"
	"regexp"
	"strconv"
	"strings"
)

// numberPattern is a number at the start of a text; D stands for digits, H for
// hexadecimal ones.
var numberPattern = regexp.MustCompile("^" + strings.NewReplacer("D", `[0-9]+(?:_[0-9]+)*`, "H", `[0-9a-fA-F]+(?:_[0-9a-fA-F]+)*`).Replace(
	`(?:0[xX]H|0[bB][01]+(?:_[01]+)*|0[oO]D|(?:D(?:\.(?:D)?)?|\.D)(?:[eE][+-]?D)?)`))

// maxDigits bounds the numbers that are read.
const maxDigits = 400

// parseNumber reads a number as PHP does: whole numbers beyond 64 bits become
// fractions. The reason says why there is no value.
func parseNumber(literal string) (value any, why string) {
	digits := strings.ToLower(strings.ReplaceAll(literal, "_", ""))
	if len(digits) > maxDigits {
		return nil, "has too many digits"
	}
	base := 10
	switch {
	case strings.HasPrefix(digits, "0x"):
		digits, base = digits[2:], 16
	case strings.HasPrefix(digits, "0b"):
		digits, base = digits[2:], 2
	case strings.HasPrefix(digits, "0o"):
		digits, base = digits[2:], 8
	case strings.ContainsAny(digits, ".e"):
		f, _ := strconv.ParseFloat(digits, 64) // out of range is infinite, or 0
		return f, ""
	case len(digits) > 1 && digits[0] == '0':
		base = 8
	}
	n, ok := new(big.Int).SetString(digits, base)
	if !ok {
		return nil, "is no number: a leading 0 makes it octal"
	}
	if n.IsInt64() {
		return n.Int64(), ""
	}
	f, _ := new(big.Float).SetInt(n).Float64()
	return f, ""
}
