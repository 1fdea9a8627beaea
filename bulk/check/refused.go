package check

import (
	"context"
	"errors"
	"io/fs"
	"sync"

	"example.com/ezdfs/backends"
)

// refusal is a store that does not let us remove unfinished uploads.
type refusal struct {
	mu    sync.Mutex
	why   error
	count int
}

// drop removes a staged body. What keeps us from removing one upload of a bucket
// keeps us from all: it is told once, by noteRefused, and not tried again.
func (r *run) drop(ctx context.Context, s *store, lister backends.StagedLister, l backends.Leftover) (done bool, err error) {
	if l.ID == "" {
		err := lister.DropStaged(ctx, l)
		return err == nil, err
	}
	s.refusal.mu.Lock()
	defer s.refusal.mu.Unlock()
	if s.refusal.why == nil {
		err := lister.DropStaged(ctx, l)
		if !errors.Is(err, fs.ErrPermission) {
			return err == nil, err
		}
		s.refusal.why = err
	}
	s.refusal.count++
	return false, nil
}

// noteRefused tells how many uploads a store did not let us remove, and why.
func (r *run) noteRefused(s *store) {
	s.refusal.mu.Lock()
	defer s.refusal.mu.Unlock()
	if s.refusal.count > 0 {
		r.note("unfinished uploads on %s could not be removed, %d of them: %v", s.Name, s.refusal.count, s.refusal.why)
	}
}
