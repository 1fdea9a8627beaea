package metadata

import (
	"fmt"
	"io/fs"
	"math"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// LimitError says which value of a row its table cannot hold. It satisfies
// errors.Is(err, fs.ErrInvalid).
type LimitError struct {
	Name   string // of the row
	Table  string
	Column string
	Reason string
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("path %q: %s of table %s %s", e.Name, e.Column, e.Table, e.Reason)
}

// Unwrap makes the error an fs.ErrInvalid.
func (e *LimitError) Unwrap() error { return fs.ErrInvalid }

// CheckRow says whether the table of a row can hold it as it is: a clean name,
// values no longer than their columns, characters that the table's charset
// has, numbers in range. It asks nothing of the database; the columns were
// looked at when the store was opened. The error is a [*NameError] or a
// [*LimitError].
func (s *Store) CheckRow(r Row) error {
	if clean, err := CleanName(r.Name); err != nil {
		return err
	} else if clean != r.Name {
		return &NameError{Name: r.Name, Reason: "is not clean; it would be " + clean}
	}
	table := s.tableOf(r)
	if err := s.knownTable(table); err != nil {
		return err
	}
	columns := s.schema.Load().tables[table].columns
	for _, c := range []struct{ name, value string }{
		{"name", r.Name}, {"name_trunk", r.Trunk}, {"datatype", r.DataType}, {"scope", r.Scope},
	} {
		if reason := columns[c.name].refuses(c.value); reason != "" {
			return &LimitError{r.Name, table, c.name, reason}
		}
	}
	if r.Size < 0 {
		return &LimitError{r.Name, table, "size", fmt.Sprintf("cannot be %d", r.Size)}
	}
	if r.MTime < -math.MaxInt32 || r.MTime > math.MaxInt32 {
		return &LimitError{r.Name, table, "mtime", fmt.Sprintf("cannot hold %d: it ends at %d, in 2038", r.MTime, math.MaxInt32)}
	}
	return nil
}

// refuses says why a column cannot hold a text, or nothing.
func (c columnInfo) refuses(value string) string {
	if fault := textFault(value); fault != "" {
		return fault
	}
	if n := utf8.RuneCountInString(value); c.chars > 0 && n > c.chars {
		return fmt.Sprintf("holds %d characters, not the %d of %q; widen the column or shorten the value", c.chars, n, abbreviate(value))
	}
	if c.bytes > 0 && len(value) > c.bytes {
		return fmt.Sprintf("holds %d bytes, not %d", c.bytes, len(value))
	}
	if r, ok := c.foreign(value); ok {
		return fmt.Sprintf("is %s and has no character %q; convert the table to utf8mb4 or rename the file", c.charset, r)
	}
	return ""
}

// foreign finds the first character that the column's charset does not have.
func (c columnInfo) foreign(value string) (rune, bool) {
	var has func(r rune) bool
	switch c.charset {
	case "utf8", "utf8mb3":
		has = func(r rune) bool { return r <= 0xffff }
	case "latin1":
		has = func(r rune) bool { _, ok := charmap.Windows1252.EncodeRune(r); return ok }
	case "ascii":
		has = func(r rune) bool { return r < utf8.RuneSelf }
	default:
		return 0, false
	}
	for _, r := range value {
		if !has(r) {
			return r, true
		}
	}
	return 0, false
}

// canHold reports whether a table's names may contain a text at all. Searching
// for one that they cannot would scan the table.
func (s *Store) canHold(table, text string) bool {
	_, foreign := s.schema.Load().tables[table].columns["name"].foreign(text)
	return !foreign
}

// abbreviate keeps messages readable.
func abbreviate(value string) string {
	const most = 60
	if utf8.RuneCountInString(value) <= most {
		return value
	}
	return strings.TrimSpace(string([]rune(value)[:most])) + "…"
}
