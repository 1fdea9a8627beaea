package localcache

import "os"

// owner is whom files are given to. A command that root runs works in the
// directory of the web server's user, who must be able to use and to remove
// what it leaves there. For everybody else it is nobody.
type owner struct {
	other    bool
	uid, gid int
}

// ownerOf returns the owner of the cache directory, if we are root and it is
// somebody else's.
func ownerOf(dir string) (owner, error) {
	if os.Geteuid() != 0 {
		return owner{}, nil
	}
	st, err := lstat(resolve(dir))
	if err != nil {
		return owner{}, err
	}
	return owner{st.Uid != 0, int(st.Uid), int(st.Gid)}, nil
}

// own gives a file or directory of ours to the owner.
func (o owner) own(path string) error {
	if !o.other {
		return nil
	}
	return os.Lchown(path, o.uid, o.gid)
}
