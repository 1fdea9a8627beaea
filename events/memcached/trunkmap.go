package memcached

import (
	"errors"

	"github.com/bradfitz/gomemcache/memcache"
)

// maxMapBytes bounds the map of a trunk. Rows of a trunk with more, about a
// thousand, are not kept on servers shared with PHP.
const maxMapBytes = 64 << 10

// trunkMap fetches PHP's map of a trunk, hash → true, and the server that has
// it. The item is nil where there is none.
func (l *Listener) trunkMap(trunk string) (*server, *memcache.Item, error) {
	s := l.server(trunk)
	key := l.prefix + trunk
	if !legalKey(key) || s.owes() {
		return s, nil, nil
	}
	items, err := s.get([]string{key})
	return s, items[key], err
}

// inTrunkMap reports whether PHP's map of a trunk lists a hash. PHP removes the
// map, and nothing else, when the trunk is deleted.
func (l *Listener) inTrunkMap(trunk, hash string) (bool, error) {
	_, item, err := l.trunkMap(trunk)
	if err != nil {
		return false, err
	}
	array, _ := decodeArray(item)
	return array.get(hash) != nil, nil
}

// addToTrunkMap lists a row in PHP's map of its trunk. When it does not succeed
// the row is not believed.
func (l *Listener) addToTrunkMap(trunk, hash string) error {
	for range 3 { // hosts that add to the same map at the same time
		s, item, err := l.trunkMap(trunk)
		if err != nil || !legalKey(l.prefix+trunk) || s.owes() {
			return err
		}
		var array phpArray
		store := (*memcache.Client).Add
		if item != nil {
			var ok bool
			if array, ok = decodeArray(item); !ok || len(item.Value) > maxMapBytes {
				return nil // PHP's, in a form that we cannot write
			}
			store = (*memcache.Client).CompareAndSwap
		} else {
			item = &memcache.Item{Key: l.prefix + trunk, Flags: flagPHP}
		}
		if array.get(hash) != nil {
			return nil
		}
		item.Value = appendPHP(nil, append(array, phpEntry{hash, true}))
		item.Expiration = l.ttl
		err = s.do(func(c *memcache.Client) error { return store(c, item) })
		if !isRace(err) {
			return err
		}
	}
	return nil
}

// isRace reports whether a conditional store found that somebody was faster.
func isRace(err error) bool {
	return errors.Is(err, memcache.ErrNotStored) || errors.Is(err, memcache.ErrCASConflict) || errors.Is(err, memcache.ErrCacheMiss)
}

// trunkHashes returns the hashes that PHP's map of a trunk lists.
func (l *Listener) trunkHashes(trunk string) []string {
	_, item, err := l.trunkMap(trunk)
	if err != nil {
		return nil // its server missed a change then, and is emptied
	}
	array, _ := decodeArray(item)
	var hashes []string
	for _, e := range array {
		if hash, ok := e.key.(string); ok && legalKey(l.prefix+hash) {
			hashes = append(hashes, hash)
		}
	}
	return hashes
}
