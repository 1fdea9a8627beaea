// Package surrogate makes the surrogate keys under which caches and CDNs in
// front file what the gateway answers, so that a change of one file, of a
// directory, of a scope or of a trunk drops exactly that:
//
//	keys := surrogate.Keys(row)              // sent with every answer
//	purge := surrogate.Directory("var/site") // what to purge later
//
// A key is a letter for its kind, a dash and the first 12 hexadecimal digits
// of the MD5 of what it names: 14 characters that are a valid token in every
// header (Surrogate-Key, Cache-Tag, xkey), the same on every host and easily
// computed elsewhere: the key of a path is "p-" and the beginning of its
// name_hash. Two names that share a key are dropped together, which costs a
// cache miss and is never wrong.
package surrogate

import (
	"crypto/md5"
	"encoding/hex"
	"strings"

	"example.com/ezdfs/metadata"
)

// MaxDirectories is how many directories of one path have a key, from the top
// down. Deeper ones have none, which bounds the header to 35 keys of 15 bytes.
const MaxDirectories = 32

const digits = 12

// Path returns the key of one file.
func Path(name string) string { return key('p', name) }

// Directory returns the key of everything below a directory, at any depth.
// Slashes around it do not count.
func Directory(dir string) string { return key('d', strings.Trim(dir, "/")) }

// Scope returns the key of all files of a scope.
func Scope(scope string) string { return key('s', scope) }

// Trunk returns the key of all files of a name_trunk.
func Trunk(trunk string) string { return key('t', trunk) }

// Keys lists the keys of a row: its path, its scope and trunk where it has
// them, and its directories from the top down.
func Keys(row metadata.Row) []string { return strings.Fields(Header(row)) }

// Header returns Keys as one text, separated by blanks.
func Header(row metadata.Row) string {
	name := []byte(row.Name)
	keys := make([]byte, 0, 16*(2+digits+1))
	keys = appendKey(keys, 'p', name)
	if row.Scope != "" {
		keys = appendKey(append(keys, ' '), 's', []byte(row.Scope))
	}
	if row.Trunk != "" && row.Trunk != row.Name {
		keys = appendKey(append(keys, ' '), 't', []byte(row.Trunk))
	}
	count := 0
	for i, c := range name {
		if c == '/' && count < MaxDirectories {
			keys = appendKey(append(keys, ' '), 'd', name[:i])
			count++
		}
	}
	return string(keys)
}

func key(kind byte, name string) string { return string(appendKey(nil, kind, []byte(name))) }

func appendKey(keys []byte, kind byte, name []byte) []byte {
	sum := md5.Sum(name)
	return hex.AppendEncode(append(keys, kind, '-'), sum[:digits/2])
}
