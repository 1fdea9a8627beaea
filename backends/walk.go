package backends

import (
	"context"
	"iter"
	"time"
)

// Walker is a Backend that lists faster where the order does not matter.
type Walker interface {
	// Walk calls visit for every body whose path begins with prefix, in any
	// order and from up to so many goroutines at once, and leftover, unless it
	// is nil, for every staged body that it meets. An Info may lack its
	// Version. What comes, goes or is renamed meanwhile may be visited, not be
	// visited, or be visited twice; all else is visited, and visited once
	// unless the store had to be asked again. The first error ends the walk.
	Walk(ctx context.Context, prefix string, workers int, visit func(Info) error, leftover func(Leftover) error) error
}

// StagedLister is a Backend that can tell what was staged in it and neither
// published nor discarded: of writers that live, and of those that died.
type StagedLister interface {
	// ListStaged yields the staged bodies of the paths that begin with prefix,
	// in any order. A store that would tell if we were allowed to ask is
	// fs.ErrPermission.
	ListStaged(ctx context.Context, prefix string) iter.Seq2[Leftover, error]
	// DropStaged removes one of them. One that is gone is no error.
	DropStaged(ctx context.Context, l Leftover) error
}

// Leftover is a staged body, as others than its writer see it.
type Leftover struct {
	// Path is where it lies in the tree, or what it was to become in a bucket.
	Path string
	// ID tells it from others of the same path.
	ID string
	// Size is in bytes, as far as known.
	Size int64
	// Active is when its writer last did anything to it.
	Active time.Time
	// Unsure says that Active is only when it was begun: the store does not
	// tell of what came since.
	Unsure bool
	// Writer says who staged it and when; the zero value where nobody knows.
	Writer StagedName
}
