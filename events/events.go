// Package events tells listeners what happens to the files of a cluster, and
// lets them answer for the database (contract section 7): caches of rows that
// drop what changed, logs, webhooks.
//
// A [Listener] hears events after the change was committed, in the order in
// which each path met them. A listener that also answers questions is a
// [MetadataFilter] or an [ExistenceFilter]. The [Hub] stands between a cluster
// and its listeners: none of them can delay or fail an operation.
//
//	hub := events.New([]events.Listener{listener}, events.Options{})
//	defer hub.Close(ctx)
//	hub.Publish(events.Event{Kind: events.DeleteFile, Subject: "var/site/storage/a.png"})
//
// Events live in the process that made the change. What other hosts and PHP
// changed is read from the change feed, package changes.
package events

import (
	"context"
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"time"

	"example.com/ezdfs/metadata"
)

// Kind names an event as the legacy does, without its "cluster/".
type Kind string

// The kinds of events. All but StoreMetadata and Lost mean: drop what you hold
// about these paths.
const (
	// StoreMetadata: a row was read from the database, Event.Row, or was not
	// there, Event.Missing.
	StoreMetadata Kind = "storeMetadata"
	// DeleteFile: the path Subject changed. Sent for every delete, purge,
	// store, copy and move. Where nothing but the name_hash of the path is
	// known, Subject is "" and Hash says it.
	DeleteFile Kind = "deleteFile"
	// DeleteByLike: every path that begins with Subject, byte for byte. The
	// legacy passes it as a pattern, Event.Like.
	DeleteByLike Kind = "deleteByLike"
	// DeleteByDirList: every path that begins with Event.Common, a slash,
	// Event.Dir, a slash and Event.Suffix. Subject is the whole beginning.
	DeleteByDirList Kind = "deleteByDirList"
	// DeleteByNametrunk: every path whose name_trunk is Subject.
	DeleteByNametrunk Kind = "deleteByNametrunk"
	// DeleteByWildcard: every path that matches Subject, a pattern of *, ? and
	// {a,b}.
	DeleteByWildcard Kind = "deleteByWildcard"
	// DeleteByScope: every path whose row has the scope Subject. Ours; the
	// legacy has no such operation.
	DeleteByScope Kind = "deleteByScope"
	// Lost: Count notifications did not reach this listener; everything it
	// holds may be out of date. Ours.
	Lost Kind = "lost"
)

// Event is one notification. Which fields are set depends on Kind.
type Event struct {
	Kind    Kind
	Subject string // a clean path, or what names the family
	// Hash is the name_hash of the path of a DeleteFile that has no Subject.
	Hash string
	// Common, Dir and Suffix are the parts of DeleteByDirList.
	Common, Dir, Suffix string
	// Row is that of StoreMetadata; where Missing is set it has a Name alone.
	Row     metadata.Row
	Missing bool
	// Count is how many notifications Lost stands for.
	Count uint64

	// Seq numbers what the hub publishes, from 1 on. A StoreMetadata has the
	// number that was current when the row was asked for: a deletion with a
	// higher one may have come after the row was read.
	Seq uint64
	// Time is when the event was published; for StoreMetadata it is when the
	// row was asked for, so that its age is never underestimated.
	Time time.Time
}

// Family reports whether the event is about many paths.
func (e Event) Family() bool { return e.Kind != StoreMetadata && e.Kind != DeleteFile }

// Name returns the path that an event of one path is about, "" where only its
// Hash is known.
func (e Event) Name() string {
	if e.Kind == StoreMetadata {
		return e.Row.Name
	}
	return e.Subject
}

// PathKey returns the [PathKey] of the path that an event of one path is about.
func (e Event) PathKey() uint64 {
	if name := e.Name(); name != "" || e.Hash == "" {
		return PathKey(name)
	}
	var sum [md5.Size]byte
	hex.Decode(sum[:], []byte(e.Hash[:min(len(e.Hash), 2*len(sum))]))
	return binary.BigEndian.Uint64(sum[:])
}

// PathKey returns the beginning of a path's name_hash as a number, by which
// events of a path and of its bare hash are told to be about the same.
func PathKey(name string) uint64 {
	var short [256]byte // saves the allocation
	sum := md5.Sum(append(short[:0], name...))
	return binary.BigEndian.Uint64(sum[:])
}

// Like returns the argument of the legacy's deleteByLike: Subject as an SQL
// LIKE pattern.
func (e Event) Like() string {
	return strings.NewReplacer(`\`, `\\`, `_`, `\_`, `%`, `\%`).Replace(e.Subject) + "%"
}

// Listener is told what happened. Its methods need not be safe for concurrent
// use unless it is a filter too.
type Listener interface {
	// Name stands in logs and metrics: "memcached".
	Name() string
	// Notify handles events, oldest first. After an error the same events are
	// sent again, later and perhaps with others after them, unless the error
	// is [Permanent]. The batch is the hub's: it is not to be kept.
	Notify(ctx context.Context, batch []Event) error
	// Close releases what the listener holds. No method is called after it.
	Close() error
}

// Inline is a Listener that only touches this process's memory, and so is told
// before the operation returns, by NotifyInline instead of Notify. NotifyInline
// is called concurrently: of two events the one with the higher Seq is the
// later one, whichever arrives first.
type Inline interface {
	Listener
	NotifyInline(event Event)
}

// Answer is what a filter knows about a path.
type Answer struct {
	Known  bool         // without it the next filter, or the database, is asked
	Exists bool         // there is a row, live or not
	Row    metadata.Row // complete for MetadataFilter; Name and MTime for ExistenceFilter
}

// MetadataFilter answers cluster/loadMetadata: which row a path has. It is
// called concurrently. An error means that it does not know.
type MetadataFilter interface {
	LoadMetadata(ctx context.Context, name string) (Answer, error)
}

// ExistenceFilter answers cluster/fileExists: whether a path has a row, and
// its mtime. It is called concurrently. An error means that it does not know.
type ExistenceFilter interface {
	FileExists(ctx context.Context, name string) (Answer, error)
}

// NotifyOnly returns a listener that is told what l is told, but not asked for
// anything: for programs that must not believe a cache.
func NotifyOnly(l Listener) Listener { return notifyOnly{l} }

// notifyOnly hides what its listener is besides.
type notifyOnly struct{ Listener }
