package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/metadata"
)

// The exit codes.
const (
	exitDone     = 0
	exitFailed   = 1
	exitUsage    = 2
	exitNotExist = 3
	exitFound    = 4
)

// exitMeanings are the exit codes as the help shows them.
var exitMeanings = [...]string{
	exitDone:     "done",
	exitFailed:   "failed: a service, a body or a local file; also when interrupted",
	exitUsage:    "wrong usage, an invalid path, or wrong configuration",
	exitNotExist: "the named path does not exist in the cluster, or has expired",
	exitFound: "something was found: by check, config check, schema check, doctor or\n" +
		"     migrate --finish; changes are lost, says changes; bench --rate was not kept",
}

func exitHelp() string {
	var b strings.Builder
	b.WriteString("Exit codes:\n")
	for code, meaning := range exitMeanings {
		fmt.Fprintf(&b, "  %d  %s\n", code, meaning)
	}
	return b.String()
}

// exitCode is the one place where errors become exit codes.
func exitCode(err error) int {
	var several problems
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &several):
		return several.exitCode()
	case isUsage(err):
		return exitUsage
	case isFound(err):
		return exitFound
	case isNotExist(err):
		return exitNotExist
	}
	return exitFailed
}

// usageError is wrong usage or wrong configuration.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// foundError says that a check found something, or that something is not as it
// was asked for.
type foundError struct{ what string }

func (e *foundError) Error() string { return e.what }

// problems are several errors, each on a line of its own.
type problems []error

func (p problems) Error() string {
	lines := make([]string, len(p))
	for i, err := range p {
		lines[i] = err.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.Is find each of them.
func (p problems) Unwrap() []error { return p }

// exitCode is that of all of them where they agree.
func (p problems) exitCode() int {
	code := exitDone
	for _, err := range p {
		if c := exitCode(err); code == exitDone {
			code = c
		} else if c != code {
			return exitFailed
		}
	}
	return code
}

// isUsage: also a path or a value that cannot be stored.
func isUsage(err error) bool {
	var usage *usageError
	return errors.As(err, &usage) || errors.Is(err, fs.ErrInvalid)
}

func isFound(err error) bool {
	var found *foundError
	return errors.As(err, &found)
}

// isNotExist reports whether a path of the cluster does not exist. A local file
// that does not, or the socket of a database, is no such error.
func isNotExist(err error) bool {
	var expired *cluster.ExpiredError
	var row *metadata.Error
	var body *backends.Error
	return errors.As(err, &expired) ||
		errors.As(err, &row) && row.Kind == fs.ErrNotExist ||
		errors.As(err, &body) && body.Kind == fs.ErrNotExist
}
