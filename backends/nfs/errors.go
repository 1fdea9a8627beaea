package nfs

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"

	"example.com/ezdfs/backends"
)

// errnos says what the errors of a filesystem mean.
var errnos = map[syscall.Errno]struct {
	kind  error
	retry bool
}{
	unix.ENOSPC: {kind: backends.ErrNoSpace},
	unix.EDQUOT: {kind: backends.ErrNoSpace},

	unix.EACCES:       {kind: fs.ErrPermission},
	unix.EPERM:        {kind: fs.ErrPermission},
	unix.EROFS:        {kind: fs.ErrPermission},
	unix.ENAMETOOLONG: {kind: fs.ErrInvalid},
	unix.EILSEQ:       {kind: fs.ErrInvalid},

	// What a share says whose server is silent, restarted or gone.
	unix.ESTALE:       {kind: backends.ErrUnavailable, retry: true},
	unix.EIO:          {kind: backends.ErrUnavailable, retry: true},
	unix.ETIMEDOUT:    {kind: backends.ErrUnavailable, retry: true},
	unix.ENOTCONN:     {kind: backends.ErrUnavailable, retry: true},
	unix.ESHUTDOWN:    {kind: backends.ErrUnavailable, retry: true},
	unix.EHOSTDOWN:    {kind: backends.ErrUnavailable, retry: true},
	unix.EHOSTUNREACH: {kind: backends.ErrUnavailable, retry: true},
	unix.ECONNREFUSED: {kind: backends.ErrUnavailable, retry: true},
	unix.ECONNRESET:   {kind: backends.ErrUnavailable, retry: true},
	unix.ENODEV:       {kind: backends.ErrUnavailable, retry: true},
	unix.ENXIO:        {kind: backends.ErrUnavailable, retry: true},

	unix.EAGAIN: {retry: true},
	unix.EBUSY:  {retry: true},
	unix.EMFILE: {retry: true},
	unix.ENFILE: {retry: true},
	unix.ENOMEM: {retry: true},
}

var (
	errOutside   = errors.New("a symbolic link leads out of the mount")
	errDirectory = errors.New("a directory is in the way")
	errFile      = errors.New("a file stands where a directory is needed")
	errReserved  = errors.New("names that begin with .nfs belong to the NFS client")
	errVanishing = errors.New("its directory is removed again and again")
	errGone      = errors.New("the staged body was removed")
)

// error turns what a call met into the error it returns. What knows its kind
// already only learns the operation and the path.
func (b *Backend) error(op, path string, err error) error {
	var known *backends.Error
	if errors.As(err, &known) {
		known.Op, known.Path = op, path
		return known
	}
	e := &backends.Error{Backend: b.name, Op: op, Path: path, Err: err}
	var errno syscall.Errno
	var pathError *fs.PathError
	switch {
	case errors.As(err, &errno):
		meaning := errnos[errno]
		e.Kind, e.Retry = meaning.kind, meaning.retry
	case errors.As(err, &pathError) && pathError.Op == "openat":
		// The one error of os.Root that is no errno, and has no name: the path
		// escapes.
		e.Kind, e.Err = fs.ErrPermission, fmt.Errorf("%w: %w", errOutside, err)
	}
	return e
}

// kind is an error whose kind is known where it arises; error completes it.
func (b *Backend) kind(kind, err error) error {
	return &backends.Error{Backend: b.name, Kind: kind, Err: err}
}

// unavailable is the error of a store that cannot be used. That its root does
// not exist must not read as if a body did not.
func (b *Backend) unavailable(op string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		err = errors.New(err.Error())
	}
	return &backends.Error{Backend: b.name, Op: op, Kind: backends.ErrUnavailable, Err: err, Retry: true}
}

// isMissing reports whether err says that there is nothing at a path: no such
// element, a file for a directory, or a name that the filesystem cannot have.
func isMissing(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ENAMETOOLONG)
}
