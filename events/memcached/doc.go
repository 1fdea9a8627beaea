// Package memcached is the listener that keeps rows in memcached, a drop-in for
// the legacy's eZMemcachedClusterEventListener (contract section 7): the same
// servers, keys and values, so that PHP frontends with that listener and ezdfs
// hosts serve and drop each other's rows. It is no general memcached client.
//
//	listener, err := memcached.New(s.Memcached, memcached.Options{Layout: layout})
//	hub := events.New([]events.Listener{listener}, events.Options{})
//
// # What PHP sees
//
// A row is a serialized PHP array under the MD5 of its path. The server is
// chosen as PHP's client does by default: Jenkins' one-at-a-time hash of the
// key without PrefixKey, modulo the number of entries of Servers; weights
// change nothing. (Consistent hashing, and the older "memcache" extension,
// place keys differently: such frontends cannot share servers with us.) Under
// a raw name_trunk PHP keeps a map of the hashes of that trunk's rows.
//
// # Tokens: when a row of ours is believed
//
// Each server holds tokens: random values under keys of our own, one for
// everything, one for each directory, each name_trunk and each path that a row
// on that server depends on. A row is stored with the values that its tokens
// had before the database was asked for it, and believed only while all of
// them are there unchanged; one request fetches the row and its tokens. A
// deletion removes the token of its path or family, on every server that can
// hold such rows, at a cost that does not depend on how many there are. Hence:
//
//   - An evicted or expired token, a flush and a restart of memcached make rows
//     unknown, never stale: a token that is gone comes back with another value.
//   - A row that was read before another host deleted it, and stored after, was
//     stored with a value that is no longer there.
//   - A request delayed on its way, even for minutes, cannot do harm: no
//     deletion is undone by anything that comes late.
//
// A prefix that does not end at a directory takes its whole directory along,
// wildcards the directory before their first wild character, and scopes
// everything.
//
// # PHP among the readers
//
// PHP looks at no token, so with SharedWithPHP (the default) rows have to go
// from the servers as well. No index kept in memcached can tell which: entries
// are evicted one by one, PHP adds to its map after storing the row, keeps a
// map no longer than the first of its rows, and deletes it without deleting
// the rows. The database knows: [Options.Family] lists the names of a family,
// which changed but still stand there, and those keys are deleted, together
// with what PHP's map lists. Without Family, beyond a few thousand names, or
// when the list fails, the servers are flushed, as PHP does.
//
// Rows that PHP wrote have no tokens. They are believed, since every deletion
// removes the keys themselves, and PHP's deletions of a path and its flushes
// do so too. Its deletion of a trunk does not: it hashes the hashes once more,
// and nothing goes but the map. So a row whose trunk is not its name, PHP's or
// ours, is believed only while that map lists it.
//
// With SharedWithPHP=disabled only rows with tokens are believed, maps are not
// kept and nothing is ever flushed.
//
// # Servers that fail
//
// Every request is bounded by Timeout, and after three failures in a row a
// breaker spares a server further ones for a second. A deletion that did not
// reach a server becomes a debt: nothing on that server is believed until all
// its rows have been dropped, which is tried in the background until it
// succeeds. So Notify does not fail, and deletions on the other servers do not
// wait for it.
//
// # What remains
//
// All of these are bounded by TTL:
//
//   - PHP reads a row, somebody changes it, PHP stores what it read. Likewise a
//     row that we read while PHP changed it.
//   - The other hosts believe a server that this host alone cannot reach; and
//     debts end with their process ([Listener.Close] tries once more).
//   - PHP may read a row of ours in the instant between storing it and finding
//     that its tokens have changed meanwhile; and a store that timed out on a
//     stopped server may still happen there later.
//   - flush_all of a memcached that runs without CAS (-C) spares what PHP stored
//     within the last second.
package memcached
