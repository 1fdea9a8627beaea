package nfs

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"example.com/ezdfs/backends"
)

// TestKept takes a modification time for one that was set only where it can be
// told from that of a write: on a file system without fractions of seconds all
// of PHP's files would seem to have times that their rows do not.
func TestKept(t *testing.T) {
	for _, test := range []struct {
		what           string
		mtime, changed int64 // nanoseconds
		want           bool
	}{
		{"set", 0, 123456789, true},
		{"written", 123456789, 123456789, false},
		{"set or written, in whole seconds", 0, 0, false},
		{"set with a fraction", 5000, 123456789, false},
	} {
		st := unix.Stat_t{Mode: unix.S_IFREG, Size: 3}
		st.Mtim, st.Ctim = unix.NsecToTimespec(1700000000e9+test.mtime), unix.NsecToTimespec(1700000009e9+test.changed)
		if info := newInfo("a", &st); info.Kept != test.want || info.ModTime.Unix() != 1700000000 {
			t.Errorf("Stat, %s: %+v", test.what, info)
		}
		var walked backends.Info
		w := &treeWalk{visit: func(info backends.Info) error { walked = info; return nil }}
		err := w.tell("a", fileStat{regular: true, size: 3, mtime: 1700000000, mtimeNano: uint32(test.mtime),
			changed: time.Unix(1700000009, test.changed)}, false)
		if err != nil || walked.Kept != test.want || walked.ModTime.Unix() != 1700000000 {
			t.Errorf("Walk, %s: %+v, %v", test.what, walked, err)
		}
	}
}
