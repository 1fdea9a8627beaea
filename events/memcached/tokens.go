package memcached

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"strings"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"example.com/ezdfs/metadata"
)

const (
	// maxDirs is how many directories of a path have tokens; what is deeper
	// shares that of the last.
	maxDirs = 16
	// familyTokenTTL is how long tokens of families are kept, in seconds. When
	// one goes, the rows that depend on it become unknown.
	familyTokenTTL = int32(maxTTL / time.Second)
	// pathTokenExtra is by how many seconds a path's token outlives its row.
	pathTokenExtra = 60
)

// cuts returns the families that a path belongs to and that have tokens, as
// what its members begin with: everything, each directory with its slash, what
// a view cache file has as its trunk, and the path itself.
func cuts(name string) []string {
	list := make([]string, 1, 12)
	dir := 0
	for range maxDirs {
		i := strings.IndexByte(name[dir:], '/')
		if i < 0 {
			break
		}
		dir += i + 1
		list = append(list, name[:dir])
	}
	base := strings.LastIndexByte(name, '/') + 1
	if i := strings.IndexByte(name[base:], '-'); i >= 0 && base+i+1 < len(name) {
		list = append(list, name[:base+i+1])
	}
	return append(list, name)
}

// dirCut returns the smallest family of cuts that every path is in that begins
// with prefix.
func dirCut(prefix string) string {
	dir := 0
	for range maxDirs {
		i := strings.IndexByte(prefix[dir:], '/')
		if i < 0 {
			break
		}
		dir += i + 1
	}
	return prefix[:dir]
}

// tokenKey is the key of a family's token. Each server has tokens of its own.
func (l *Listener) tokenKey(cut string) string {
	return l.hashTokenKey(metadata.Hash(cut))
}

// hashTokenKey is tokenKey for the MD5 of a family, for a path its name_hash.
func (l *Listener) hashTokenKey(hash string) string { return l.prefix + "ezdfs:" + hash }

// rowKey is the key of a path's row, which PHP uses too.
func (l *Listener) rowKey(hash string) string { return l.prefix + hash }

// keys are those of a path on its server, the row's first.
func (l *Listener) keys(name, hash string) []string {
	families := cuts(name)
	keys := make([]string, 1, len(families)+1)
	keys[0] = l.rowKey(hash)
	for _, cut := range families {
		keys = append(keys, l.tokenKey(cut))
	}
	return keys
}

// tokens reads the values of token keys from what a server returned: joined by
// spaces, with "" for those that are not there.
func tokens(keys []string, items map[string]*memcache.Item) (values []string, complete bool) {
	complete = true
	values = make([]string, len(keys))
	for i, key := range keys {
		if item := items[key]; item != nil && len(item.Value) > 0 {
			values[i] = string(item.Value)
		} else {
			complete = false
		}
	}
	return values, complete
}

// addTokens gives the token keys that have no value one, and returns all
// values. Where another host was faster its value counts.
func (l *Listener) addTokens(s *server, keys, values []string) ([]string, error) {
	lost := false
	for i, key := range keys {
		if values[i] != "" {
			continue
		}
		ttl := familyTokenTTL
		if i == len(keys)-1 {
			ttl = min(l.ttl+pathTokenExtra, familyTokenTTL)
		}
		values[i] = newToken()
		item := &memcache.Item{Key: key, Value: []byte(values[i]), Expiration: ttl}
		switch err := s.do(func(c *memcache.Client) error { return c.Add(item) }); {
		case errors.Is(err, memcache.ErrNotStored):
			lost = true
		case err != nil:
			return nil, err
		}
	}
	if !lost {
		return values, nil
	}
	items, err := s.get(keys)
	if err != nil {
		return nil, err
	}
	values, complete := tokens(keys, items)
	if !complete {
		return nil, nil // removed again at once: somebody is deleting
	}
	return values, nil
}

// newToken returns a value that no token ever had.
func newToken() string {
	var b [9]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}
