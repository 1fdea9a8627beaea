package localcache

import (
	"crypto/md5"
	"encoding/hex"
	"path/filepath"
)

// key is the name_hash of a path (contract section 1).
type key [md5.Size]byte

func keyOf(name string) key { return md5.Sum([]byte(name)) }

// path returns where the copy lies below the directory: 256 directories of 16,
// which keeps them small with a million files and few with a thousand.
func (k key) path() string {
	name := hex.EncodeToString(k[:])
	return filepath.Join(name[:2], name[2:3], name)
}

// parseKey reads the name of a file.
func parseKey(name string) (k key, ok bool) {
	if len(name) != 2*len(k) {
		return k, false
	}
	_, err := hex.Decode(k[:], []byte(name))
	return k, err == nil && hex.EncodeToString(k[:]) == name
}
