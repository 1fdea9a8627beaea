// Package localcache keeps copies of bodies on this host, in memory and in a
// directory, so that a file whose row did not change is not fetched again
// (contract sections 2 and 3). It knows rows, but no database and no store:
// whoever uses it reads the row first and asks for the copy of that row.
//
//	c, err := localcache.Open(localcache.Options{Dir: "/var/cache/ezdfs", MaxSize: 10 << 30, MemorySize: 32 << 20})
//	// ...
//	defer c.Close()
//	if f, ok := c.Get(row); ok {
//		defer f.Close()
//		_, err = f.WriteTo(w)
//	}
//
// It is a cache: everything in it may vanish, and nothing that goes wrong with
// its directory fails the caller. It is not for anything but copies.
//
// # Which copy belongs to a row
//
// A copy belongs to a row when path, mtime and size are the same. Whether the
// row has expired does not matter: it still describes its body.
//
// Rows have whole seconds, so two bodies of the same size that were written
// within one second have equal rows. A copy that was read between the two
// would pass for the second body for ever, as it does in the legacy (contract
// section 2). The remedy is the one that git's index has for "racily clean"
// entries: a copy knows when its body *began* to be read, and [Cache.Get]
// trusts it only if that second was over by then, by every clock concerned:
//
//	begun >= row.MTime + 1 s + Options.Skew
//
// A copy that was made sooner is there for [Cache.Stale] alone, until somebody
// reads the body again and makes one that can be trusted. Begun has to be taken
// before the body is opened; a time taken after that would hide the trap again.
//
// What this cannot see: a file stored with a modification time of long ago and
// then stored again with the same one and the same size. Such rows are equal to
// everybody, browsers included.
//
// # In memory
//
// Bodies up to 256 KiB are kept in memory too, up to Options.MemorySize.
//
// # In the directory
//
// The directory holds nothing else: it is marked with a CACHEDIR.TAG, which
// also makes backup programs skip it, and one that holds anything but has no
// such mark is refused. A copy lies at ab/c/abc…, by the name_hash of its path,
// so no path can lead elsewhere or be too long. It begins with a [header] that
// names its row, when it was begun, and a checksum of the body; its mtime is the
// row's, its atime when it was last used.
//
// Copies are written to tmp/ and renamed, without an fsync. After a power loss
// a file may therefore be there with holes. The header says in which boot of
// the host it was written; one of an earlier boot is compared with its checksum
// before it is served for the first time, and removed where it differs.
//
// Several processes may share a directory. Each knows what itself did and
// learns the rest by a scan every now and then. When the copies take more than
// MaxSize, rounded up to blocks, the least recently used go, a sixteenth at a
// time. That list is in memory and takes about 80 bytes a file.
//
// A copy that is removed or replaced while it is read stays readable: POSIX
// keeps a file until it is closed. Where the system forbids removing an open
// file, the copy stays until the next eviction.
package localcache
