package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"example.com/ezdfs/backends"
	"example.com/ezdfs/cluster"
	"example.com/ezdfs/metadata"
)

func TestExitCode(t *testing.T) {
	absent := &metadata.Error{Op: "get", Subject: "a", Kind: fs.ErrNotExist}
	noSocket := &metadata.Error{Op: "open", Kind: metadata.ErrUnavailable, Err: &net.OpError{Op: "dial", Err: syscall.ENOENT}}
	for name, test := range map[string]struct {
		err  error
		want int
	}{
		"nothing":              {nil, exitDone},
		"anything":             {errors.New("x"), exitFailed},
		"interrupted":          {context.Canceled, exitFailed},
		"usage":                {usagef("x"), exitUsage},
		"usage, wrapped":       {fmt.Errorf("x: %w", usagef("x")), exitUsage},
		"a name":               {&metadata.NameError{Name: ".."}, exitUsage},
		"a value":              {&metadata.LimitError{}, exitUsage},
		"usage about a file":   {&usageError{&fs.PathError{Err: syscall.ENOENT}}, exitUsage},
		"found":                {&foundError{"x"}, exitFound},
		"no row":               {absent, exitNotExist},
		"expired":              {&cluster.ExpiredError{Path: "a"}, exitNotExist},
		"no body, expired row": {&backends.Error{Kind: fs.ErrNotExist}, exitNotExist},
		"no body, live row":    {&cluster.BodyMissingError{Path: "a", Err: fs.ErrNotExist}, exitFailed},
		"no local file":        {&fs.PathError{Op: "open", Path: "x", Err: syscall.ENOENT}, exitFailed},
		"no socket":            {noSocket, exitFailed},
		"no store":             {&backends.Error{Kind: backends.ErrUnavailable, Err: fs.ErrNotExist}, exitFailed},
		"several alike":        {problems{absent, absent}, exitNotExist},
		"several":              {problems{absent, errors.New("x")}, exitFailed},
		"several, joined":      {errors.Join(problems{absent}, nil), exitNotExist},
	} {
		t.Run(name, func(t *testing.T) {
			if got := exitCode(test.err); got != test.want {
				t.Errorf("exit code %d, want %d", got, test.want)
			}
		})
	}
}

func TestReport(t *testing.T) {
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	for name, test := range map[string]struct {
		ctx  context.Context
		err  error
		want string
	}{
		"nothing":     {t.Context(), nil, ""},
		"two lines":   {t.Context(), errors.Join(errors.New("a"), errors.New("b")), "dfsctl: a\ndfsctl: b\n"},
		"several":     {t.Context(), problems{errors.New("a"), &cluster.ExpiredError{Path: "b"}}, "dfsctl: a\ndfsctl: \"b\" is expired"},
		"cancelled":   {cancelled, fmt.Errorf("list: %w", context.Canceled), "dfsctl: interrupted\n"},
		"stopped":     {cancelled, &stoppedError{"3 files stored"}, "dfsctl: interrupted: 3 files stored\n"},
		"no such row": {t.Context(), &metadata.Error{Subject: "a", Kind: fs.ErrNotExist}, "dfsctl: \"a\" does not exist\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var stderr strings.Builder
			(&app{stderr: &stderr}).report(test.ctx, test.err)
			if got := stderr.String(); !strings.HasPrefix(got, test.want) || test.want == "" && got != "" {
				t.Errorf("printed %q, want %q", got, test.want)
			}
		})
	}
}

// TestExitHelp holds the help against the codes.
func TestExitHelp(t *testing.T) {
	for code := range exitFound + 1 {
		if !strings.Contains(exitHelp(), fmt.Sprintf("\n  %d  ", code)) {
			t.Errorf("the help does not show exit code %d", code)
		}
	}
}

// fullDisk is an output that takes nothing.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

// TestOutputFails: an output that cannot be written is no success.
func TestOutputFails(t *testing.T) {
	var stderr strings.Builder
	code := run(t.Context(), []string{"version"}, nil, fullDisk{}, &stderr, os.LookupEnv)
	if code != exitFailed || !strings.Contains(stderr.String(), "no space left") {
		t.Errorf("exit code %d, stderr %q", code, stderr.String())
	}
}
