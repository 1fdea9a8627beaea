package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"example.com/ezdfs/cluster"
	"example.com/ezdfs/metadata"
)

// report prints an error on stderr, one line a problem.
func (a *app) report(ctx context.Context, err error) {
	if err == nil {
		return
	}
	var several problems
	if errors.As(err, &several) {
		for _, err := range several {
			a.report(ctx, err)
		}
		return
	}
	for line := range strings.SplitSeq(message(ctx, err), "\n") {
		if line = strings.TrimSpace(line); line != "" {
			fmt.Fprintln(a.stderr, "dfsctl: "+line)
		}
	}
}

// message says what an administrator needs to know of an error.
func message(ctx context.Context, err error) string {
	var stopped *stoppedError
	var expired *cluster.ExpiredError
	var row *metadata.Error
	switch {
	case errors.As(err, &stopped):
		return stopped.Error()
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		return "interrupted"
	case errors.As(err, &expired):
		return fmt.Sprintf("%q is expired: it no longer exists, but get --expired reads it until a purge", expired.Path)
	case isNotExist(err) && errors.As(err, &row):
		return fmt.Sprintf("%q does not exist", row.Subject)
	}
	return err.Error()
}

// stoppedError says how far an interrupted command got.
type stoppedError struct{ progress string }

func (e *stoppedError) Error() string { return "interrupted: " + e.progress }
