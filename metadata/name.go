package metadata

import (
	"fmt"
	"io/fs"
	"strings"
	"unicode/utf8"
)

// NameError says why a path cannot name a file of the cluster. It satisfies
// errors.Is(err, fs.ErrInvalid).
type NameError struct {
	Name   string // as it was given
	Reason string
}

func (e *NameError) Error() string { return fmt.Sprintf("path %q: %s", e.Name, e.Reason) }

// Unwrap makes the error an fs.ErrInvalid.
func (e *NameError) Unwrap() error { return fs.ErrInvalid }

// CleanName returns the name under which the cluster knows a path (contract
// section 1): backslashes become slashes, runs of slashes one, a trailing
// slash goes. Paths that are empty, absolute or not UTF-8, and those with a NUL
// or a "." or ".." segment are a [*NameError].
func CleanName(name string) (string, error) {
	clean := strings.TrimSuffix(collapseSlashes(name), "/")
	if reason := nameFault(name, clean); reason != "" {
		return "", &NameError{Name: name, Reason: reason}
	}
	return clean, nil
}

// collapseSlashes turns backslashes into slashes and runs of them into one. A
// name that has neither is returned as it is.
func collapseSlashes(name string) string {
	if !strings.Contains(name, `\`) && !strings.Contains(name, "//") {
		return name
	}
	var b strings.Builder
	b.Grow(len(name))
	slash := false
	for i := range len(name) {
		c := name[i]
		if c == '\\' {
			c = '/'
		}
		if c != '/' || !slash {
			b.WriteByte(c)
		}
		slash = c == '/'
	}
	return b.String()
}

// nameFault says what is wrong with a cleaned name, or nothing.
func nameFault(given, clean string) string {
	switch {
	case given == "":
		return "is empty"
	case given[0] == '/' || given[0] == '\\':
		return "is absolute; paths are relative to the site root"
	}
	if fault := textFault(clean); fault != "" {
		return fault
	}
	for segment := range strings.SplitSeq(clean, "/") {
		if segment == "." || segment == ".." {
			return fmt.Sprintf("has a %q segment", segment)
		}
	}
	return ""
}

// textFault says why a text cannot stand in a name column, or nothing.
func textFault(text string) string {
	switch {
	case strings.IndexByte(text, 0) >= 0:
		return "contains a NUL byte"
	case !utf8.ValidString(text):
		return "is not valid UTF-8"
	}
	return ""
}
