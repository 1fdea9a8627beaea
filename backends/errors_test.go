package backends_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"testing"

	"example.com/ezdfs/backends"
)

func TestErrorText(t *testing.T) {
	cause := errors.New("403 Forbidden")
	for want, err := range map[string]error{
		`nfs: ping`:                                   &backends.Error{Backend: "nfs", Op: "ping"},
		`nfs: stat "a b": file does not exist`:        &backends.Error{Backend: "nfs", Op: "stat", Path: "a b", Kind: fs.ErrNotExist},
		`nfs: stat "a": file does not exist`:          &backends.Error{Backend: "nfs", Op: "stat", Path: "a", Kind: fs.ErrNotExist, Err: fs.ErrNotExist},
		`s3:m: open "a": 403 Forbidden`:               &backends.Error{Backend: "s3:m", Op: "open", Path: "a", Err: cause},
		`gcs: list: store unavailable: 403 Forbidden`: &backends.Error{Backend: "gcs", Op: "list", Kind: backends.ErrUnavailable, Err: cause},
	} {
		if got := err.Error(); got != want {
			t.Errorf("Error() = %q, want %q", got, want)
		}
	}
}

func TestErrorUnwrap(t *testing.T) {
	cause := &os.PathError{Op: "stat", Path: "/x", Err: syscall.EDQUOT}
	err := fmt.Errorf("storing: %w", &backends.Error{Backend: "nfs", Op: "stage", Kind: backends.ErrNoSpace, Err: cause})
	var pathError *os.PathError
	if !errors.Is(err, backends.ErrNoSpace) || !errors.Is(err, syscall.EDQUOT) || !errors.As(err, &pathError) {
		t.Errorf("%v: the kind or the cause is out of reach", err)
	}
	if bare := (&backends.Error{Op: "ping"}); len(bare.Unwrap()) != 0 {
		t.Errorf("Unwrap of an error without kind and cause = %v", bare.Unwrap())
	}
}

func TestIsRetryable(t *testing.T) {
	again := &backends.Error{Kind: backends.ErrUnavailable, Retry: true}
	for _, test := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{errors.New("anything"), false},
		{&backends.Error{Kind: backends.ErrUnavailable}, false},
		{again, true},
		{fmt.Errorf("storing: %w", again), true},
		{&backends.Error{Err: context.Canceled, Retry: true}, false},
		{&backends.Error{Err: context.DeadlineExceeded, Retry: true}, false},
		// What a failing body says about its own store says nothing of this one.
		{&backends.Error{Op: "stage", Err: again}, false},
	} {
		if got := backends.IsRetryable(test.err); got != test.want {
			t.Errorf("IsRetryable(%v) = %v", test.err, got)
		}
	}
}

func TestDeleteError(t *testing.T) {
	one := &backends.DeleteError{Backend: "s3", Failed: map[string]error{"a": fs.ErrPermission}}
	if got, want := one.Error(), `s3: delete "a": permission denied`; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
	many := &backends.DeleteError{Backend: "s3", Failed: map[string]error{
		"c": backends.ErrUnavailable, "b": fs.ErrPermission, "d": fs.ErrPermission,
	}}
	if got, want := many.Error(), `s3: delete "b": permission denied (and 2 more)`; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
	if !errors.Is(many, fs.ErrPermission) || !errors.Is(many, backends.ErrUnavailable) || errors.Is(many, fs.ErrNotExist) {
		t.Error("the reasons are not those that can be asked for")
	}
}

func TestCheckPath(t *testing.T) {
	if err := backends.CheckPath("nfs", "stat", "var/a"); err != nil {
		t.Errorf("CheckPath of a valid path: %v", err)
	}
	err := backends.CheckPath("nfs", "stat", "../a")
	var e *backends.Error
	if !errors.As(err, &e) || !errors.Is(err, fs.ErrInvalid) || e.Backend != "nfs" || e.Op != "stat" || e.Path != "../a" {
		t.Errorf("CheckPath(../a) = %#v", err)
	}
}

// TestCleanType: what a header could not carry is no type.
func TestCleanType(t *testing.T) {
	for contentType, want := range map[string]string{
		"": "", "text/plain": "text/plain", "misc": "misc", "text/plain; charset=ä": "text/plain; charset=ä",
		"text/plain\r\nX: y": "", "a\tb": "", "\x00": "", "a\x7f": "",
	} {
		if got := backends.CleanType(contentType); got != want {
			t.Errorf("%q: %q, want %q", contentType, got, want)
		}
		err := backends.CheckStage("s3", "var/a", backends.Attributes{ContentType: contentType})
		if (err == nil) != (contentType == want) || err != nil && !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%q: %v", contentType, err)
		}
	}
	if err := backends.CheckStage("s3", "../a", backends.Attributes{}); !errors.Is(err, fs.ErrInvalid) {
		t.Error(err)
	}
}
