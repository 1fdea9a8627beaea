// Package changes is the feed of committed changes: one stream of what
// happened to which path, for everything that must hear of it — the row caches
// of other hosts, CDNs, mirrors, scripts.
//
// There are two sources. The journal is written by ezdfs in the transaction
// that makes a change; it works on every engine and sees what ezdfs does. The
// binary log of MySQL and MariaDB sees every write of the two legacy tables,
// PHP's included. Both are a [Source]:
//
//	for change, err := range source.Changes(ctx, position, true) {
//		...
//		position = change.Position // survives restarts
//	}
//
// Every change is seen at least once, and the changes of one path in the order
// in which they were committed.
package changes

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"example.com/ezdfs/metadata"
)

// Position is a place in the stream of one source, as text that can be kept
// and compared for equality. The constants are places that every source knows.
type Position string

// The places that need no history.
const (
	Oldest Position = "oldest" // everything the source still has
	Newest Position = "newest" // only what happens from now on
)

// Change is one committed change.
type Change struct {
	// Position is the place after the change: a stream resumed there begins
	// with the next one.
	Position Position
	// Kind says what happened. The binary log knows store, expire, purge and
	// truncate only.
	Kind metadata.Kind
	// Subject is the path, or what names the family. It is "" where a binary
	// log with minimal row images tells the hash alone of a row that is gone.
	Subject string
	// Hash is the name_hash of the path, "" for a family.
	Hash string
	// Scope is that of the path's row, where it is known.
	Scope string
	// Time is when the change was made, by the clock of Host.
	Time time.Time
	// Host made the change; for the binary log it is the database server.
	Host string
}

// Source is a stream of changes. Its methods may be called concurrently.
type Source interface {
	// Name is "journal" or "binlog".
	Name() string
	// Head returns the position behind the newest change.
	Head(ctx context.Context) (Position, error)
	// Changes yields what was committed after a position. Without follow it
	// ends at what was the newest change when it began; with follow it waits
	// for more, reconnecting after outages, until ctx is done, and then ends
	// without an error. It ends at the first error that waiting does not mend;
	// a *LostError says that the position is gone.
	Changes(ctx context.Context, after Position, follow bool) iter.Seq2[Change, error]
	// Close releases the source's connections. No method is called after it.
	Close() error
}

// LostError says that a stream cannot be resumed: what followed the position
// was removed, or it is of another database. Whoever derived something from
// the stream has to compare it with the tables, then go on from Newest.
type LostError struct {
	Source   string
	Position Position
	Reason   string
}

func (e *LostError) Error() string {
	return fmt.Sprintf("%s: cannot resume after %q: %s; compare what was derived from it with the cluster, then begin anew with --after newest", e.Source, e.Position, e.Reason)
}

// ErrUnavailable is wrapped by the error of a source that this database does
// not offer, together with what would have to be done for it.
var ErrUnavailable = errors.New("not available")
