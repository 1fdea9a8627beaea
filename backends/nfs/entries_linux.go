package nfs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// openWalked opens a directory of the tree without following any link.
func (m *mount) openWalked(path string) (*dir, error) {
	if err := m.b.fault("opendir", path); err != nil {
		return nil, err
	}
	fd := -1
	err := m.withTop(func(top int) (err error) {
		fd, err = unix.Openat2(top, path, &unix.OpenHow{
			Flags:   unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC,
			Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS,
		})
		return err
	})
	switch {
	case err == nil:
		return &dir{b: m.b, path: path, fd: fd}, nil
	case errors.Is(err, unix.ENOENT):
		return nil, &os.PathError{Op: "openat2", Path: path, Err: unix.ENOENT}
	}
	return m.openUnlinked(path)
}

// A directory entry as the kernel writes it: inode and offset of 8 bytes each,
// the length of the record in 2, the type in 1, the name up to a NUL.
const (
	direntLength = 16
	direntType   = 18
	direntName   = 19
)

// each calls visit for every entry of the directory. The name is only good
// until visit returns, and so is stat, which asks for more.
func (d *dir) each(buffer []byte, visit func(name []byte, kind entryKind, stat func() (fileStat, error)) error) error {
	var name []byte
	stat := func() (fileStat, error) { return d.statx(name) }
	for {
		n := 0
		err := d.call("readdir", ".", func() (err error) {
			n, err = unix.ReadDirent(d.fd, buffer)
			return err
		})
		if err != nil || n == 0 {
			return err
		}
		for rest := buffer[:n]; len(rest) > direntName; {
			length := int(binary.NativeEndian.Uint16(rest[direntLength:]))
			record := rest[:length]
			rest = rest[length:]
			end := bytes.IndexByte(record[direntName:], 0)
			if name = record[direntName : direntName+end]; string(name) == "." || string(name) == ".." {
				continue
			}
			kind, err := d.kindOf(name, record[direntType])
			if err == nil && kind != entryOther {
				err = visit(name, kind, stat)
			}
			if err != nil {
				return err
			}
		}
	}
}

const entryOther entryKind = -1

// kindOf reads the type of an entry, or asks where the filesystem does not say.
func (d *dir) kindOf(name []byte, kind byte) (entryKind, error) {
	switch kind {
	case unix.DT_DIR:
		return entryDir, nil
	case unix.DT_REG:
		return entryFile, nil
	case unix.DT_UNKNOWN:
		st, err := d.stat(string(name))
		switch {
		case isMissing(err):
			return entryOther, nil
		case err != nil:
			return entryOther, err
		case st.Mode&unix.S_IFMT == unix.S_IFDIR:
			return entryDir, nil
		}
		return entryFile, nil
	}
	return entryOther, nil
}

// statx describes an element whose name a NUL follows in memory, which saves
// copying it.
func (d *dir) statx(name []byte) (fileStat, error) {
	const mask = unix.STATX_TYPE | unix.STATX_SIZE | unix.STATX_MTIME | unix.STATX_CTIME
	if d.b.faults != nil {
		if err := d.b.fault("stat", join(d.path, string(name))); err != nil {
			return fileStat{}, err
		}
	}
	var st unix.Statx_t
	for {
		_, _, errno := unix.Syscall6(unix.SYS_STATX, uintptr(d.fd), uintptr(unsafe.Pointer(unsafe.SliceData(name))),
			unix.AT_SYMLINK_NOFOLLOW, mask, uintptr(unsafe.Pointer(&st)), 0)
		switch errno {
		case 0:
			return fileStat{
				regular: st.Mode&unix.S_IFMT == unix.S_IFREG, size: int64(st.Size),
				mtime: st.Mtime.Sec, mtimeNano: st.Mtime.Nsec,
				changed: time.Unix(st.Ctime.Sec, int64(st.Ctime.Nsec)),
			}, nil
		case unix.EINTR:
		case unix.ENOSYS, unix.EPERM: // an old kernel, or a sandbox that does not know the call
			return d.statOld(name)
		default:
			return fileStat{}, &os.PathError{Op: "statx", Path: join(d.path, string(name)), Err: errno}
		}
	}
}
