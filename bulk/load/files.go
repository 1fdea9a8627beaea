package load

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"sync"
)

// slot is a file and what is known of it. Of one file one operation at a time
// writes or expires; any number read.
type slot struct {
	path string

	mu sync.Mutex
	state
	busy bool // somebody writes or expires it
}

// state is what readers compare before and after.
type state struct {
	stored  uint64 // the version that was stored last, 0 for none
	begun   uint64 // the last version that somebody began to store
	expired bool   // since it was stored
	unsure  bool   // the last operation failed: it may have been done or not
	changes uint64 // beginnings and ends of operations
}

// quiet reports whether nobody has worked on the file from one state to another.
func quiet(before, now state) bool {
	return before.changes == now.changes && before.changes%2 == 0 // every beginning has its end
}

// look returns what is known now.
func (s *slot) look() state {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// claim makes the caller the one who writes or expires the file, unless
// somebody is, and returns the version that he would write.
func (s *slot) claim(unless func(state) bool) (version uint64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy || unless(s.state) {
		return 0, false
	}
	s.busy = true
	s.begun++
	s.changes++
	return s.begun, true
}

func whatever(state) bool { return false }

// begin claims a file that nobody else knows yet.
func (s *slot) begin() uint64 {
	version, _ := s.claim(whatever)
	return version
}

// mayBe says whether a read that began when the file was as before may have
// found a version.
func (s *slot) mayBe(before state, version uint64) error {
	now := s.look()
	switch {
	case version < before.stored:
		return &WrongError{s.path, fmt.Sprintf("version %d was read after version %d was stored", version, before.stored)}
	case version > now.begun:
		return &WrongError{s.path, fmt.Sprintf("version %d was read, which nobody stored", version)}
	case before.expired && !before.unsure && quiet(before, now):
		return &WrongError{s.path, "it was read after it was expired"}
	}
	return nil
}

// mayBeAbsent says whether a read that began when the file was as before may
// have found none.
func (s *slot) mayBeAbsent(before state) error {
	if before.expired || before.unsure || !quiet(before, s.look()) {
		return nil
	}
	return &WrongError{s.path, fmt.Sprintf("version %d was stored and is not there", before.stored)}
}

func isAbsent(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// files are all files.
type files struct {
	slots []slot

	mu      sync.Mutex
	missing []*slot // those that were expired, for the next writes
}

// perDirectory is how many files lie in a directory.
const perDirectory = 100

func newFiles(prefix string, n int) *files {
	f := &files{slots: make([]slot, n)}
	for i := range f.slots {
		f.slots[i].path = fmt.Sprintf("%s%d/%d.bin", prefix, i/perDirectory, i)
	}
	return f
}

// tries is how often a file is drawn before the one that was drawn last will
// do.
const tries = 16

func (f *files) draw(random *rand.Rand) *slot { return &f.slots[random.IntN(len(f.slots))] }

// live draws a file that was not expired, as far as that can be told.
func (f *files) live(random *rand.Rand) (s *slot) {
	for range tries {
		if s = f.draw(random); !s.look().expired {
			break
		}
	}
	return s
}

// claimLive claims a file that is there, or returns nil.
func (f *files) claimLive(random *rand.Rand) *slot {
	for range tries {
		s := f.draw(random)
		if _, ok := s.claim(func(now state) bool { return now.expired }); ok {
			return s
		}
	}
	return nil
}

// claim claims a file to be written, first one that was expired. There are at
// least as many files as workers, so one is free.
func (f *files) claim(random *rand.Rand) (*slot, uint64) {
	for s := f.popMissing(); s != nil; s = f.popMissing() {
		if version, ok := s.claim(whatever); ok {
			return s, version
		}
	}
	for {
		s := f.draw(random)
		if version, ok := s.claim(whatever); ok {
			return s, version
		}
	}
}

func (f *files) popMissing() (s *slot) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := len(f.missing); n > 0 {
		s, f.missing = f.missing[n-1], f.missing[:n-1]
	}
	return s
}

// wrote notes how the write of a version ended.
func (f *files) wrote(s *slot, version uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy = false
	s.changes++
	if err != nil {
		s.unsure = true
		return
	}
	s.stored, s.expired, s.unsure = version, false, false
}

// expired notes how an expiry ended, and reports whether the file was known to
// be there.
func (f *files) expired(s *slot, err error) (known bool) {
	s.mu.Lock()
	known = !s.unsure && !s.expired
	s.busy = false
	s.changes++
	if err != nil {
		s.unsure = true
	} else {
		s.expired, s.unsure = true, false
	}
	s.mu.Unlock()
	if err == nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.missing = append(f.missing, s)
	}
	return known
}
