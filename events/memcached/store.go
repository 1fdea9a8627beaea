package memcached

import (
	"slices"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"example.com/ezdfs/metadata"
)

// store keeps a row that was read from the database, unless something that it
// depends on was deleted since it was asked for, or may have been. A failure means no more than
// that the row is not kept.
func (l *Listener) store(row metadata.Row, asked time.Time) {
	known := l.leases.answer(row.Name, asked)
	if known == nil || !l.storable(row) {
		return
	}
	hash := row.Hash()
	s := l.server(hash)
	keys := l.keys(row.Name, hash)
	if s.owes() || !l.unchanged(s, keys[1:], known) {
		return
	}
	item := encodeRow(row, known)
	item.Key, item.Expiration = keys[0], l.ttl
	if s.do(func(c *memcache.Client) error { return c.Set(item) }) != nil || !l.shared {
		return
	}
	// PHP does not see that the tokens changed in the meantime.
	if !l.unchanged(s, keys[1:], known) {
		l.drop(s, keys[0])
		return
	}
	if row.Trunk != row.Name {
		l.addToTrunkMap(row.Trunk, hash)
	}
}

// storable reports whether a row's trunk is one of the families that its path
// tells: the row is not kept where a deletion of its trunk would not find it.
func (l *Listener) storable(row metadata.Row) bool {
	if row.Trunk == "" || l.shared && row.Trunk != row.Name && !legalKey(l.prefix+row.Trunk) {
		return false
	}
	return slices.Contains(cuts(row.Name), row.Trunk)
}

// unchanged reports whether tokens still have the values that were read.
func (l *Listener) unchanged(s *server, keys, known []string) bool {
	items, err := s.get(keys)
	if err != nil {
		return false
	}
	now, complete := tokens(keys, items)
	return complete && slices.Equal(now, known)
}
