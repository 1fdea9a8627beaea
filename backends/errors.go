package backends

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// What can be wrong beyond fs.ErrNotExist, fs.ErrPermission and fs.ErrInvalid;
// ask with errors.Is.
var (
	// ErrUnavailable: the store itself cannot be used (share not mounted,
	// bucket missing, credentials refused, endpoint silent). It says nothing
	// about the path.
	ErrUnavailable = errors.New("store unavailable")
	// ErrNoSpace: the store is full or the quota is used up.
	ErrNoSpace = errors.New("no space left in the store")
	// ErrSize: a body was not as long as announced.
	ErrSize = errors.New("body is not as long as announced")
	// ErrDamaged: all bytes of a body came, and the store's checksum is not
	// theirs. Reading again helps where they were damaged on the way.
	ErrDamaged = errors.New("body is not what its checksum says")
	// ErrChanged: the body was replaced while it was being read or copied.
	ErrChanged = errors.New("body changed meanwhile")
)

// Error says what failed where. Kind is one of the errors one asks for with
// errors.Is (fs.ErrNotExist, fs.ErrPermission, fs.ErrInvalid or one of this
// package's), or nil; Err is the store's own error and stays reachable by
// errors.As.
type Error struct {
	Backend string // Backend.Name
	Op      string // the method, in lower case: "stat", "open", "publish"
	Path    string // "" when the store itself is meant
	Kind    error
	Err     error
	// Retry says that the same call may well succeed a moment later.
	Retry bool
	// Throttled says that the store refused because of too many requests.
	Throttled bool
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Backend + ": " + e.Op)
	if e.Path != "" {
		fmt.Fprintf(&b, " %q", e.Path)
	}
	if e.Kind != nil {
		b.WriteString(": " + e.Kind.Error())
	}
	if e.Err != nil && e.Err != e.Kind {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap makes both the kind and the store's own error reachable.
func (e *Error) Unwrap() []error {
	return slices.DeleteFunc([]error{e.Kind, e.Err}, func(err error) bool { return err == nil })
}

// IsRetryable reports whether repeating the call that failed with err may
// help: the store was busy, unreachable or restarting. A context that is done
// is never worth a retry.
func IsRetryable(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	var e *Error
	return errors.As(err, &e) && e.Retry
}

// DeleteError names every path that Delete could not remove.
type DeleteError struct {
	Backend string
	Failed  map[string]error // path → why
}

func (e *DeleteError) Error() string {
	first := ""
	for path := range e.Failed {
		if first == "" || path < first {
			first = path
		}
	}
	msg := fmt.Sprintf("%s: delete %q: %v", e.Backend, first, e.Failed[first])
	if n := len(e.Failed) - 1; n > 0 {
		msg += fmt.Sprintf(" (and %d more)", n)
	}
	return msg
}

// Unwrap makes the reasons reachable.
func (e *DeleteError) Unwrap() []error {
	errs := make([]error, 0, len(e.Failed))
	for _, err := range e.Failed {
		errs = append(errs, err)
	}
	return errs
}

// CheckPath returns the error of a call of op with a path that cannot name a
// body, or nil.
func CheckPath(backend, op, path string) error {
	if ValidPath(path) {
		return nil
	}
	return &Error{Backend: backend, Op: op, Path: path, Kind: fs.ErrInvalid,
		Err: errors.New("not a clean relative path")}
}

// CleanType returns a type as stores can keep it: rows of PHP frontends may have
// one with control characters, which is none.
func CleanType(contentType string) string {
	if strings.ContainsFunc(contentType, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return ""
	}
	return contentType
}

// CheckStage is CheckPath for Stage, and looks at the attributes as well: no
// protocol could carry a type with a line break.
func CheckStage(backend, path string, attrs Attributes) error {
	if err := CheckPath(backend, "stage", path); err != nil {
		return err
	}
	if CleanType(attrs.ContentType) != attrs.ContentType {
		return &Error{Backend: backend, Op: "stage", Path: path, Kind: fs.ErrInvalid,
			Err: fmt.Errorf("the type %q has control characters", attrs.ContentType)}
	}
	return nil
}
