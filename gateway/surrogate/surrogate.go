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
func Keys(row metadata.Row) []string {
	keys := make([]string, 0, 16)
	keys = append(keys, Path(row.Name))
	if row.Scope != "" {
		keys = append(keys, Scope(row.Scope))
	}
	if row.Trunk != "" && row.Trunk != row.Name {
		keys = append(keys, Trunk(row.Trunk))
	}
	count := 0
	for i := range len(row.Name) {
		if row.Name[i] == '/' && count < MaxDirectories {
			keys = append(keys, key('d', row.Name[:i]))
			count++
		}
	}
	return keys
}

func key(kind byte, name string) string {
	sum := md5.Sum([]byte(name))
	var text [2 + digits]byte
	text[0], text[1] = kind, '-'
	hex.Encode(text[2:], sum[:digits/2])
	return string(text[:])
}
