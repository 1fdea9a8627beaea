//go:build !linux

package nfs

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// setTimes sets both times of an open file, as PHP's touch does.
func setTimes(f *os.File, t time.Time) error {
	tv := unix.NsecToTimeval(t.UnixNano())
	return unix.Futimes(int(f.Fd()), []unix.Timeval{tv, tv})
}

// openBeneath leaves the work to os.Root.
func openBeneath(int, string) (int, error) { return -1, unix.ENOSYS }

// openFileBeneath leaves the work to os.Root too.
func openFileBeneath(int, string) (int, error) { return -1, unix.ENOSYS }
