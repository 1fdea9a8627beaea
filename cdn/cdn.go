// Package cdn tells every cache and CDN in front of a cluster what changed, or
// tells somebody that it could not.
//
// A [Target] is one cache, CDN or origin: Varnish, CloudFront, Fastly,
// Cloudflare, Akamai, Google Cloud CDN, a webhook, or a store that is kept
// equal. It delivers batches of [Item], says of each what became of it, and
// keeps no state: what is pending, in which order, and when it is tried again
// is the ledger's business, in the database, where no crash loses it.
package cdn

import (
	"context"
	"errors"
	"fmt"
	"time"

	"example.com/ezdfs/metadata"
)

// Action is what a target is to do.
type Action string

// The actions.
const (
	Invalidate Action = "invalidate" // forget what is cached
	Push       Action = "push"       // take the body; for targets that hold bodies
)

// Extent says what an item's Subject stands for.
type Extent string

// The extents. All but Path are families: many paths with one name.
const (
	Path   Extent = "path"   // one file
	Prefix Extent = "prefix" // every path that begins with it, byte for byte
	Trunk  Extent = "trunk"  // every path of a name_trunk
	Scope  Extent = "scope"  // every path of a scope
	All    Extent = "all"    // everything; Subject is ""
)

// Item is one thing to deliver to one target.
type Item struct {
	// ID is the same whenever the item is delivered again, for targets that
	// know what they have done already.
	ID      string
	Action  Action
	Extent  Extent
	Subject string
	// Row is that of the path, where Extent is Path and it is known: for
	// surrogate keys and for Push. An invalidation of a path that is gone has a
	// Name alone.
	Row metadata.Row
}

// Limits are what one call of a target takes and how often it may be called.
// Zero means no limit.
type Limits struct {
	// Extents are what the target can invalidate in one go besides Path;
	// others are expanded into paths.
	Extents []Extent
	// Takes tells of those families which ones it really has a name for: a
	// cache tag stands for a directory, not for every prefix. Nil means all;
	// the others are expanded.
	Takes func(Item) bool
	// Actions are what it does.
	Actions []Action
	// Items bounds a batch; Families those of its items that are none of one
	// path, where the target counts them apart.
	Items, Families int
	// Bytes bounds the request body, which Size estimates for an item.
	Bytes int
	Size  func(Item) int
	// Rate is calls a second on average, Burst how many at once.
	Rate  float64
	Burst int
	// ItemRate and ItemBurst are the same for items, where the target counts
	// those too.
	ItemRate  float64
	ItemBurst int
	// FamilyRate and FamilyBurst are those of calls for families, where the
	// target counts those apart.
	FamilyRate  float64
	FamilyBurst int
	// Cheap says that calls cost nothing. Such a cache is told of a change at
	// once, and again when no gateway can remember any more what was there
	// before; one whose calls are counted or charged is told only then.
	Cheap bool
	// Concurrent bounds the calls under way at a time; 1 by default.
	Concurrent int
}

// Target is one cache, CDN or origin. Its methods may be called concurrently.
type Target interface {
	// Name is the instance's in the settings: "varnish:front".
	Name() string
	Limits() Limits
	// Deliver delivers a batch within Limits and returns an error, or nil, for
	// each item, in their order. An item that was delivered before is delivered
	// again without harm. Errors that are no *Error are worth another try.
	Deliver(ctx context.Context, batch []Item) []error
	// Test makes a harmless round trip and returns a sentence about it.
	Test(ctx context.Context) (string, error)
	Close() error
}

// What an *Error means; ask with errors.Is.
var (
	// ErrRefused: the same item will never be taken: a bad URL, an unknown
	// zone, wrong credentials. It is set aside for the administrator.
	ErrRefused = errors.New("refused for good")
	// ErrThrottled: too much at a time; the target works.
	ErrThrottled = errors.New("throttled")
	// ErrUnavailable: the target is down, or did not answer.
	ErrUnavailable = errors.New("unavailable")
)

// Error says why an item was not delivered. Reason never holds credentials.
type Error struct {
	Target string
	Kind   error
	// Status is the HTTP status, 0 without an answer.
	Status int
	Reason string
	// RetryAfter is what the target asked for, 0 for nothing.
	RetryAfter time.Duration
	Err        error
}

func (e *Error) Error() string {
	text := e.Target + ": " + e.Kind.Error()
	if e.Status != 0 {
		text += fmt.Sprintf(" (%d)", e.Status)
	}
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap makes both the kind and the cause reachable.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}
