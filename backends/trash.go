package backends

import (
	"errors"
	"io/fs"
	"strings"
)

// InTrash reports whether path is the trash directory of a store, or lies in
// it; "" is no trash. A backend with a trash hides what is there: no listing
// yields it, and no method takes its path. Whoever keeps the trash opens the
// same store without one.
func InTrash(path, trash string) bool {
	rest, below := strings.CutPrefix(path, trash)
	return trash != "" && below && (rest == "" || rest[0] == '/')
}

// AfterTrash is where a listing goes on behind the trash.
func AfterTrash(trash string) string { return trash + "/\U0010FFFF" }

// CheckVisible is CheckPath for a backend with a trash.
func CheckVisible(backend, op, path, trash string) error {
	if err := CheckPath(backend, op, path); err != nil || !InTrash(path, trash) {
		return err
	}
	return &Error{Backend: backend, Op: op, Path: path, Kind: fs.ErrInvalid,
		Err: errors.New("it belongs to the trash: use dfsctl trash")}
}
