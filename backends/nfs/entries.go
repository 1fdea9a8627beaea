package nfs

import (
	"time"

	"golang.org/x/sys/unix"
)

// entryKind is what the directory itself says of an element.
type entryKind int

const (
	entryFile entryKind = iota // or something that only stat can tell
	entryDir
)

// fileStat is what a walk wants to know of an element.
type fileStat struct {
	regular   bool
	size      int64
	mtime     int64 // Unix seconds
	mtimeNano uint32
	changed   time.Time
}

// statOld describes an element by the call that every system has.
func (d *dir) statOld(name []byte) (fileStat, error) {
	st, err := d.stat(string(name))
	return fileStat{
		regular: st.Mode&unix.S_IFMT == unix.S_IFREG, size: st.Size,
		mtime: st.Mtim.Sec, mtimeNano: uint32(st.Mtim.Nsec), changed: time.Unix(st.Ctim.Unix()),
	}, err
}
